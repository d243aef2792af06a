// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bucket} from "../../src/libraries/Vesting.sol";
import {Bid, Order, Terms, TokenInfo} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice A list and a fee that Params could never have.
contract LawlessParams {
    uint8 public constant FEE = 127;

    function takesOrders(uint8) external pure returns (bool) {
        return true;
    }

    function tokenInfo(uint8 token) external view returns (TokenInfo memory info) {
        if (token == 64) info.asset = address(this);
    }

    function opening(uint8) external pure returns (uint8 feeSteps, bool open) {
        return (FEE, true);
    }
}

/// @notice The seldom ends of a range: what is bounded by a deposit, a word's width, or what Params promises.
contract LimitsTest is Market {
    function test_I9_APendingLeaseBurnsNoMoreThanItsDeposit() public {
        Order memory order = _order();
        (order.deposit, order.minDuration, order.grace, order.minCommit) = (100_000, 60, 0, 0);
        Terms memory terms = _open(order, 0, 1);
        // 900,000 of rent, two dollars of bond.
        _skip(901);
        book.expire(terms);
        eq(book.fees(0), 100_000, "the deposit");
        eq(vault.burned(0), 100_000, "and as much of the bond");
        eq(dollar.balanceOf(refundTo), 0, "nothing is left");
        eq(vault.stakeOf(pid, 0).amount, 1000 * DOLLAR - 100_000, "the rest of the bond is free");
    }

    function test_CountersOfTheRecordStopAtTheirMaximum() public {
        // _reputations of contracts/layout; six counters of 16 bits are the low bits of a record.
        bytes32 slot = keccak256(abi.encode(uint256(pid), uint256(3)));
        vm.store(address(book), slot, bytes32(uint256(type(uint96).max)));
        Terms memory terms = _live(0, 1);
        vm.prank(operator);
        book.notice(terms, 2001);
        vm.prank(operator);
        book.stop(terms, 2002);
        Terms memory next = _open(_order(), 1, 1);
        vm.prank(operator);
        book.decline(next, 2003);
        eq(book.reputation(pid).started, 65_535, "started");
        eq(book.reputation(pid).noticeGiven, 65_535, "noticeGiven");
        eq(book.reputation(pid).faulted, 65_535, "faulted");
        eq(book.reputation(pid).declined, 65_535, "declined");
        eq(book.reputation(pid).stoppedByTenant, 65_535, "stoppedByTenant, untouched");
    }

    function add(uint256 cur, uint256 amount) external pure returns (uint256) {
        return Bucket.unwrap(Bucket.wrap(cur << 112).add(amount));
    }

    function test_ABucketRefusesWhatItsBitsWouldNotHold() public {
        uint256 most = (1 << 112) - 1;
        eq(this.add(most - 1, 1) >> 112, most, "the most");
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 1));
        this.add(most, 1);
    }

    function test_AFeeThatParamsPromisedNeverToAskIsCutToItsBound() public {
        Order memory order = _order();
        _post(order);
        vm.etch(address(params), address(new LawlessParams()).code);
        uint64[] memory lanes = _pair(0, 1);
        _accept(order, _bid(order, lanes), lanes);
        eq(_lease(0).feeSteps, 100, "10 %");
    }

    function test_ATokenBeyondTheWordOrWithoutAnAddressIsNotAdopted() public {
        vm.etch(address(params), address(new LawlessParams()).code);
        Order memory order = _order();
        for (uint8 token = 63; token < 65; ++token) {
            order.token = token;
            vm.prank(tenant);
            vm.expectRevert(abi.encodeWithSignature("Order_TokenClosed(uint8)", token));
            book.postOrder(order, NEEDS, "");
        }
    }

    function test_AnActInTheWrongStateOrAtTheWrongTimeSaysWhich() public {
        Terms memory terms = _open(_order(), 0, 1);
        uint256 startBy = _now() + 900;
        vm.expectRevert(abi.encodeWithSignature("Lease_Early(uint96,uint256)", terms.id, startBy + 1));
        book.expire(terms);
        vm.expectRevert(abi.encodeWithSignature("Lease_NotLive(uint96,uint8)", terms.id, 1));
        book.topUp(terms, DOLLAR);
        _skip(901);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Lease_Late(uint96,uint32)", terms.id, startBy));
        book.start(terms, 0, 0);
        vm.expectRevert(abi.encodeWithSignature("Lease_Late(uint96,uint32)", terms.id, startBy));
        book.decline(terms, 2003);
        vm.stopPrank();
        Terms memory live = _live(1, 1);
        vm.expectRevert(abi.encodeWithSignature("Lease_Early(uint96,uint256)", live.id, _now() + 7200 + F));
        book.finalize(live);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Lease_NotPending(uint96,uint8)", live.id, 2));
        book.start(live, 0, 0);
    }

    function test_AProviderThatOwesNoNoticeStopsForNothing() public {
        Order memory order = _order();
        order.notice = 0;
        Terms memory terms = _live(order, 0, 1);
        _skip(500);
        _report(0, 500);
        _settle(0);
        (, uint128 before) = book.earnings(pid, 0);
        vm.prank(operator);
        book.stop(terms, 2002);
        (, uint128 vesting) = book.earnings(pid, 0);
        eq(vesting, before, "all of it still vests");
        eq(book.credits(refundTo, 0), 0, "and nothing is owed");
    }

    function test_SecondsTooCheapToPayForAreSettledAllTheSame() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.ratePerHour = 1;
        _accept(order, bid, lanes);
        Terms memory terms = _terms(order, bid, 0, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        _skip(500);
        _report(0, 500);
        _settle(0);
        eq(_lease(0).settled, 500, "settled");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable + vesting, 0, "for nothing");
    }
}
