// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Handler} from "./Handler.sol";

/// @notice See README.md beside.
contract InvariantsTest {
    Handler private handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new Handler();
        handler.setUp();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Acts that make a lease live come more than once: most random ones end it.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](24);
        selectors[0] = Handler.skip.selector;
        selectors[1] = Handler.skipFar.selector;
        selectors[2] = Handler.post.selector;
        selectors[3] = Handler.cancel.selector;
        selectors[4] = Handler.open.selector;
        selectors[5] = Handler.start.selector;
        selectors[6] = Handler.decline.selector;
        selectors[7] = Handler.expire.selector;
        selectors[8] = Handler.report.selector;
        selectors[9] = Handler.settle.selector;
        selectors[10] = Handler.topUp.selector;
        selectors[11] = Handler.stopByTenant.selector;
        selectors[12] = Handler.stopByProvider.selector;
        selectors[13] = Handler.notice.selector;
        selectors[14] = Handler.waive.selector;
        selectors[15] = Handler.finalize.selector;
        selectors[16] = Handler.closeBoth.selector;
        selectors[17] = Handler.claim.selector;
        selectors[18] = Handler.pushFees.selector;
        selectors[19] = Handler.withdrawCredit.selector;
        selectors[20] = Handler.unbond.selector;
        selectors[21] = Handler.open.selector;
        selectors[22] = Handler.start.selector;
        selectors[23] = Handler.post.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    /// @dev Without this the invariants could hold because nothing happens: one long run must reach every act's end.
    function test_TheHandlerReachesWhatItIsFor() public {
        uint256 seed = 1;
        bytes4[] memory selectors = targetSelectors()[0].selectors;
        for (uint256 i = 0; i < 3000; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes4 selector = selectors[seed % selectors.length];
            bytes memory call = selector == Handler.report.selector
                ? abi.encodeWithSelector(selector, seed >> 8, seed >> 64)
                : abi.encodeWithSelector(selector, seed >> 8);
            (bool ok, bytes memory data) = address(handler).call(call);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(data, 0x20), mload(data))
                }
            }
        }
        handler.check();
        handler.reached();
    }

    function invariant_MoneyIsConservedAndLeasesKeepTheirRules() public view {
        handler.check();
    }
}
