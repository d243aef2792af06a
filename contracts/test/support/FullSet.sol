// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {DisputeCourt} from "../../src/court/DisputeCourt.sol";
import {FeeRouter} from "../../src/router/FeeRouter.sol";
import {Port} from "../../src/token/Port.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {Terms} from "../../src/types/Types.sol";

import {Trades} from "./Trades.sol";
import {vm} from "./Vm.sol";

/// @notice The whole set, joined as a founding joins it: Params belongs to the AccessManager, its fees go to the FeeRouter, its
/// court is the DisputeCourt, and the narrower roles pause and rule. What the timelock would do, the test does as the admin.
abstract contract FullSet is Trades {
    uint64 private constant GUARDIAN = 1;
    uint64 private constant ARBITER = 3;

    address internal arbiter = address(0xa4b);

    AccessManager internal access;
    Port internal port;
    FeeRouter internal router;
    DisputeCourt internal realCourt;

    function setUp() public virtual override {
        super.setUp();
        access = AccessManager(_create("AccessManager", abi.encode(address(this))));
        port = Port(_create("Port", abi.encode([treasury, treasury, treasury, treasury, treasury])));
        router = FeeRouter(_create("FeeRouter", abi.encode(access, port, treasury, 5000, 5000)));
        (uint32 answering, uint32 ruling, uint32 vetoing) = _courtTimes();
        realCourt = DisputeCourt(
            _create("DisputeCourt", abi.encode(access, book, vault, params, W, answering, ruling, vetoing))
        );
        params.setFeeReceiver(address(router));
        params.setCourtFee(0, DOLLAR);
        params.setSlasher(0, address(realCourt));
        params.setGuardian(address(access));
        params.transferOwnership(address(access));
        _decide(abi.encodeCall(params.acceptOwnership, ()));

        bytes4[] memory pausing = new bytes4[](2);
        (pausing[0], pausing[1]) = (params.pause.selector, params.unpause.selector);
        access.setTargetFunctionRole(address(params), pausing, GUARDIAN);
        access.grantRole(GUARDIAN, guardian, 0);
        bytes4[] memory ruling_ = new bytes4[](1);
        ruling_[0] = realCourt.rule.selector;
        access.setTargetFunctionRole(address(realCourt), ruling_, ARBITER);
        access.grantRole(ARBITER, arbiter, 0);
    }

    /// @dev Those of `leaseport market deploy`.
    function _courtTimes() internal view virtual returns (uint32 answering, uint32 ruling, uint32 vetoing) {
        return (48 hours + F, 10 days, 5 days);
    }

    /// @dev As the admin, through the manager.
    function _decide(bytes memory call) internal {
        access.execute(address(params), call);
    }

    function _guard(bytes memory call) internal {
        vm.prank(guardian);
        access.execute(address(params), call);
    }

    /// @dev What a provider's report key signs for the tenant.
    function _receipt(uint256 key, Terms memory terms, uint32 cum, uint40 asOf) internal view returns (bytes memory) {
        return _sign(
            key,
            keccak256(abi.encode(Typed.RECEIPT_TYPEHASH, terms.id, book.hashTerms(terms), cum, asOf, bytes32("root")))
        );
    }
}
