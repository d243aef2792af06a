// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

import {Handler} from "./Handler.sol";

/// @notice See README.md beside.
abstract contract Campaign is Assertions {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler internal handler;

    function setUp() public {
        // From the artefact, as Market does it: else each contract here would hold, and the compiler optimize anew, all of it.
        bytes memory creation = vm.getCode("Handler.sol:Handler");
        address made;
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
        }
        handler = Handler(made);
        handler.setUp();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev What lets leases live comes more than once: most random acts end them.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[63] memory all = [
            handler.post.selector,
            handler.post.selector,
            handler.postSigned.selector,
            handler.postSigned.selector,
            handler.cancel.selector,
            handler.accept.selector,
            handler.accept.selector,
            handler.accept.selector,
            handler.fill.selector,
            handler.fill.selector,
            handler.take.selector,
            handler.take.selector,
            handler.start.selector,
            handler.start.selector,
            handler.start.selector,
            handler.decline.selector,
            handler.expire.selector,
            handler.report.selector,
            handler.replay.selector,
            handler.jump.selector,
            handler.settle.selector,
            handler.work.selector,
            handler.work.selector,
            handler.work.selector,
            handler.work.selector,
            handler.waive.selector,
            handler.redeem.selector,
            handler.redeem.selector,
            handler.topUp.selector,
            handler.stopByTenant.selector,
            handler.stopByProvider.selector,
            handler.notice.selector,
            handler.evict.selector,
            handler.amend.selector,
            handler.stopByStranger.selector,
            handler.finalize.selector,
            handler.closeBoth.selector,
            handler.claim.selector,
            handler.pushFees.selector,
            handler.withdrawCredit.selector,
            handler.distribute.selector,
            handler.stake.selector,
            handler.requestUnbond.selector,
            handler.completeUnbond.selector,
            handler.pushBurned.selector,
            handler.withdrawSlashed.selector,
            handler.reserve.selector,
            handler.slash.selector,
            handler.contest.selector,
            handler.contest.selector,
            handler.answer.selector,
            handler.answer.selector,
            handler.rule.selector,
            handler.rule.selector,
            handler.veto.selector,
            handler.veto.selector,
            handler.evict.selector,
            handler.conclude.selector,
            handler.letGo.selector,
            handler.withdrawBond.selector,
            handler.closeCase.selector,
            handler.skip.selector,
            handler.skipFar.selector
        ];
        bytes4[9] memory policy = [
            handler.setFee.selector,
            handler.setTokenOpen.selector,
            handler.setCourtFee.selector,
            handler.pause.selector,
            handler.unpause.selector,
            handler.donate.selector,
            handler.refuse.selector,
            handler.cancelAllBids.selector,
            handler.setPayout.selector
        ];
        bytes4[] memory selectors = new bytes4[](all.length + policy.length);
        for (uint256 i = 0; i < all.length; ++i) {
            selectors[i] = all[i];
        }
        for (uint256 i = 0; i < policy.length; ++i) {
            selectors[all.length + i] = policy[i];
        }
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    /// @dev I7, at the end of every run.
    function afterInvariant() public {
        handler.windDown();
        _keeps(7);
    }

    /// @dev So many acts, always the same ones for a seed.
    function _act(uint256 seed, uint256 count) internal {
        bytes4[] memory selectors = targetSelectors()[0].selectors;
        for (uint256 i = 0; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            (bool ok, bytes memory data) =
                address(handler).call(abi.encodeWithSelector(selectors[seed % selectors.length], seed >> 8));
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(data, 0x20), mload(data))
                }
            }
        }
    }

    /// @dev No act so far has broken the rule.
    function _keeps(uint256 id) internal view {
        string memory breach = handler.breach(id);
        yes(bytes(breach).length == 0, breach);
    }
}

/// @notice The three that CI runs long: money, leases, disputes. `make fuzz` runs them for hours.
contract InvariantsTest is Campaign {
    /// forge-config: default.invariant.runs = 512
    /// forge-config: default.invariant.depth = 256
    function invariant_I1_EveryUnitOfEitherTokenIsSomebodys() public view {
        handler.checkMoney(0);
        handler.checkMoney(1);
        _keeps(1);
    }

    /// forge-config: default.invariant.runs = 512
    /// forge-config: default.invariant.depth = 256
    function invariant_I2_I3_I4_ALeaseHasPaidTheRentOfItsSettledSecondsAndNoMoreThanRan() public view {
        handler.checkLeases();
        _keeps(2);
        _keeps(3);
        _keeps(4);
    }

    /// forge-config: default.invariant.runs = 512
    /// forge-config: default.invariant.depth = 256
    function invariant_I6_I13_WhatACourtHoldsEndsAndWhatIsSlashedIsBounded() public view {
        handler.checkDisputes();
        handler.checkStakes();
        _keeps(6);
        _keeps(13);
    }
}

/// @notice The other rules, each by itself and shallow; the handler looks after every act of the long campaigns too.
contract RulesTest is Campaign {
    /// @dev Without this the rules could hold because nothing happens: one long run must see every act succeed.
    function test_TheHandlerDoesEverythingItIsFor() public {
        _act(1, 12_000);
        handler.reached();
        handler.windDown();
    }

    function invariant_I5_ALaneHasOneOpenLeaseAndGensRiseByOne() public view {
        _keeps(5);
    }

    function invariant_I8_AnEarlyFeeIsBoundedByTheCommitmentAndByWhatWasServed() public view {
        _keeps(8);
    }

    function invariant_I9_APendingLeaseCostsBothSidesTheSame() public view {
        handler.checkBurns();
        _keeps(9);
    }

    function invariant_I10_I12_LanesOnlyRiseAndNeverByTwoToTheSeventeenth() public view {
        _keeps(10);
        _keeps(12);
    }

    function invariant_I11_AWaiveOnlyLowersWhatIsOwed() public view {
        _keeps(11);
    }

    function invariant_I14_OnlyItsPartiesAndTimeMoveAClock() public view {
        _keeps(14);
    }

    function invariant_I15_NoLeaseTakesAnEdgeThatIsNotInTheTable() public view {
        _keeps(15);
    }
}
