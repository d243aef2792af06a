// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, LeaseState, LeaseView, Order, OrderState, Reputation, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice A lease's whole way, with every micro-unit accounted for.
contract LifecycleTest is Market {
    function test_ALeaseClosedByBothPaysWhatRanAndReturnsTheRestToTheMicroUnit() public {
        Order memory order = _order();
        Terms memory terms = _open(order, 0, 1);
        eq(uint256(_lease(0).state), uint256(LeaseState.Pending), "pending");
        eq(vault.stakeOf(pid, 0).locked, 2 * DOLLAR, "bond locked");
        _skip(40);
        vm.prank(operator);
        book.start(terms, 0, keccak256("bindings"));
        eq(vault.stakeOf(pid, 0).locked, 0, "bond released");
        _skip(1000);
        _report(0, 990);
        _settle(0);
        eq(_lease(0).settled, 990, "settled");
        _skip(10);
        uint40 deadline = uint40(_now()) + 60;
        bytes memory signature = _signClose(DUTY_KEY, terms, 1000, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 1000, deadline, signature, "");

        eq(dollar.balanceOf(refundTo), 19_000_000, "refund");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        // 990,000 vest less 2.5 %, 10,000 are claimable at once less 2.5 %.
        eq(claimable, 9750, "claimable");
        eq(vesting, 965_250, "vesting");
        eq(book.fees(0), 25_000, "fee");
        _skip(2 * W);
        book.claim(pid, 0);
        book.pushFees(0);
        eq(dollar.balanceOf(payout), 975_000, "provider");
        eq(dollar.balanceOf(treasury), 25_000, "treasury");
        eq(dollar.balanceOf(address(book)), 0, "nothing is left behind");
        Reputation memory record = book.reputation(pid);
        eq(record.started, 1, "started");
        eq(record.paid, 1_000_000, "paid");
        eq(record.signedPaid, 10_000, "signed");
    }

    function test_ALeaseThatReachesItsEndIsFinalizedByAnyone() public {
        Terms memory terms = _live(0, 1);
        _skip(7200);
        _report(0, 7100);
        _skip(F);
        vm.prank(stranger);
        book.finalize(terms);
        LeaseView memory lease = _lease(0);
        eq(uint256(lease.state), uint256(LeaseState.Closed), "closed");
        eq(lease.settled, 7100, "settled");
        eq(lease.stopAt, _now(), "rests from here");
        eq(dollar.balanceOf(refundTo), 20_000_000 - 7_100_000, "refund");
    }

    function test_AStopByTheTenantEndsTheClockAndReportsStillCountForF() public {
        Terms memory terms = _live(0, 1);
        _skip(4000);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(50);
        // More than ran: clipped to the time that ran.
        _report(0, 4050);
        _skip(F);
        book.finalize(terms);
        eq(_lease(0).settled, 4000, "clipped");
        eq(dollar.balanceOf(refundTo), 16_000_000, "no early fee after the commitment");
        eq(book.reputation(pid).stoppedByTenant, 1, "counted");
    }

    function test_TheEarlyFeeIsDueOnTheLesserOfWhatIsMissingAndWhatWasServed() public {
        Terms memory terms = _live(0, 1);
        _skip(600);
        _report(0, 600);
        vm.prank(agent);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        // 10 % of the rent of min(3600 - 600, 600) seconds.
        eq(dollar.balanceOf(refundTo), 20_000_000 - 600_000 - 60_000, "refund");
    }

    function test_AProviderThatNeverServedEarnsNothingFromAnEarlyStop() public {
        Terms memory terms = _live(0, 1);
        _skip(600);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        eq(dollar.balanceOf(refundTo), 20_000_000, "all of it");
    }

    function test_ADeclinedLeaseCostsBothSidesTheSame() public {
        Terms memory terms = _open(_order(), 3, 1);
        _skip(100);
        vm.prank(operator);
        book.decline(terms, 2003);
        eq(dollar.balanceOf(refundTo), 19_900_000, "tenant lost the rent of 100 s");
        eq(vault.stakeOf(pid, 0).amount, 999_900_000, "provider too");
        eq(vault.stakeOf(pid, 0).locked, 0, "unlocked");
        eq(vault.burned(0), 100_000, "burned");
        eq(book.fees(0), 100_000, "fees");
        eq(book.reputation(pid).declined, 1, "counted");
        vault.pushBurned(0);
        eq(dollar.balanceOf(treasury), 100_000, "pushed");
    }

    function test_ALeaseThatNobodyStartsExpiresAndBurnsAtMostTheBond() public {
        Order memory order = _order();
        order.startWindow = 7200;
        Terms memory terms = _open(order, 3, 1);
        _skip(7201);
        vm.prank(stranger);
        book.expire(terms);
        eq(dollar.balanceOf(refundTo), 18_000_000, "the bond's worth");
        eq(vault.stakeOf(pid, 0).amount, 998_000_000, "the bond");
        eq(book.reputation(pid).expiredPending, 1, "counted");
        eq(_lease(3).stopAt, 0, "the lane is free at once");
    }

    function test_APendingLeaseClosedByBothCostsNobodyAnything() public {
        Terms memory terms = _open(_order(), 3, 1);
        _skip(100);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(AGENT_KEY, terms, 0, deadline);
        vm.prank(operator);
        book.closeBoth(terms, 0, deadline, "", signature);
        eq(dollar.balanceOf(refundTo), 20_000_000, "refund");
        eq(vault.freeOf(pid, 0), 1000 * DOLLAR, "stake");
    }

    function test_AnyoneMayRelayACloseThatBothSigned() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        uint40 deadline = uint40(_now());
        bytes memory a = _signClose(DUTY_KEY, terms, 90, deadline);
        bytes memory b = _signClose(TENANT_KEY, terms, 90, deadline);
        vm.prank(stranger);
        book.closeBoth(terms, 90, deadline, a, b);
        eq(dollar.balanceOf(refundTo), 20_000_000 - 90_000, "refund");
    }

    function test_AnEvictedLeasePaysItsGraceOutOfTheHoldback() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.earlyFeeBps = 0;
        // 600 s of rent and 300 s of grace.
        order.deposit = 900_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(899);
        _report(0, 899);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Lease_GraceNotReached(uint96,uint32,uint32)", terms.id, 299, 300));
        book.evict(terms);
        _skip(1);
        _report(0, 900);
        _settle(0);
        eq(_lease(0).settled, 600, "the last second the balance covers");
        vm.prank(operator);
        book.evict(terms);
        _skip(F);
        book.finalize(terms);
        eq(_lease(0).settled, 900, "grace was paid");
        eq(dollar.balanceOf(refundTo), 0, "nothing left");
    }

    function test_ATopUpMovesMoneyAndNoClock() public {
        Terms memory terms = _live(0, 1);
        uint32 stopAt = _lease(0).stopAt;
        uint64 balance = _lease(0).balance;
        book.topUp(terms, 5 * DOLLAR);
        eq(_lease(0).balance, balance + 5 * DOLLAR, "balance");
        eq(_lease(0).stopAt, stopAt, "clock");
    }

    function test_ANoticeEndsTheLeaseAfterTheAgreedTimeWithoutAnEarlyFee() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        vm.prank(operator);
        book.notice(terms, 2001);
        eq(_lease(0).stopAt, _now() + 600, "notice");
        _skip(100);
        vm.prank(tenant);
        book.stop(terms, 1001);
        eq(uint256(_lease(0).stopBy), 2, "the first to stop keeps it");
        _report(0, 200);
        _skip(F);
        book.finalize(terms);
        eq(dollar.balanceOf(refundTo), 20_000_000 - 200_000, "no early fee");
        eq(book.reputation(pid).noticeGiven, 1, "counted");
    }

    function test_AStopByTheProviderCompensatesTheMissingNoticeOutOfTheUnvested() public {
        Terms memory terms = _live(0, 1);
        _skip(1000);
        _report(0, 1000);
        _settle(0);
        (, uint128 vesting) = book.earnings(pid, 0);
        vm.prank(operator);
        book.stop(terms, 2002);
        (, uint128 left) = book.earnings(pid, 0);
        eq(vesting - left, 600_000, "600 s of notice were missing");
        eq(book.credits(refundTo, 0), 600_000, "credited");
        eq(book.reputation(pid).faulted, 1, "counted");
        vm.prank(refundTo);
        book.withdrawCredit(0, address(0xabc));
        eq(dollar.balanceOf(address(0xabc)), 600_000, "withdrawn");
        _skip(F);
        book.finalize(terms);
        eq(dollar.balanceOf(refundTo), 19_000_000, "no early fee");
    }

    function test_ACompensationTakesNoMoreThanIsUnvested() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        _report(0, 100);
        _settle(0);
        vm.prank(operator);
        book.stop(terms, 2002);
        eq(book.credits(refundTo, 0), 97_500, "what there was");
    }

    function test_AWaiveBillsLessAndNeverMore() public {
        Terms memory terms = _live(0, 1);
        _skip(1000);
        _report(0, 1000);
        vm.prank(operator);
        book.waive(terms, 400);
        _settle(0);
        eq(_lease(0).settled, 400, "waived");
        eq(_lease(0).laneBase, 600, "base");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Waive_Cum(uint32,uint32,uint32)", 399, 400, 400));
        book.waive(terms, 399);
    }

    function test_ACancelledOrderReturnsItsDepositAndIsNeverUsedAgain() public {
        Order memory order = _order();
        bytes32 hash = _post(order);
        vm.prank(agent);
        book.cancelOrder(order);
        eq(dollar.balanceOf(refundTo), 20_000_000, "refund");
        (OrderState state, uint64 amount,,,) = book.orderOf(hash);
        eq(uint256(state), uint256(OrderState.Cancelled), "tombstone");
        eq(amount, 0, "nothing in it");
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Order_Known(bytes32)", hash));
        book.postOrder(order, NEEDS, "");
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 3));
        book.cancelOrder(order);
    }

    function test_AfterItsExpiryAnyoneMayCancelAnOrder() public {
        Order memory order = _order();
        _post(order);
        _skip(600);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Order_NotExpired(uint32)", order.expiry));
        book.cancelOrder(order);
        _skip(1);
        vm.prank(stranger);
        book.cancelOrder(order);
        eq(dollar.balanceOf(refundTo), 20_000_000, "refund");
    }

    function test_ALaneRestsForWAfterFinalizeAndIsFreeAtOnceAfterACloseByBoth() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        uint40 deadline = uint40(_now());
        bytes memory a = _signClose(DUTY_KEY, terms, 0, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 0, deadline, a, "");
        terms = _live(0, 2);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        uint256 freeFrom = _now() + W;
        Order memory order = _order();
        order.expiry = uint32(freeFrom) + 100;
        _post(order);
        uint64[] memory lanes = _pair(0, 3);
        vm.warp(freeFrom - 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Lane_Busy(uint32,uint32,uint256)", pid, 0, freeFrom));
        book.accept(order, bid, lanes, signature);
        vm.warp(freeFrom);
        _accept(order, _bid(order, lanes), lanes);
        eq(uint256(_lease(0).state), uint256(LeaseState.Pending), "reused");
        eq(_lease(0).id & 0xffffffff, 3, "gen");
    }

    function test_AnOrderOfThreeLotsOpensThreeLeasesOrNone() public {
        Order memory order = _order();
        order.lots = 3;
        order.deposit = 60 * DOLLAR;
        _post(order);
        uint64[] memory lanes = new uint64[](3);
        lanes[0] = (uint64(4) << 32) | 1;
        lanes[1] = (uint64(9) << 32) | 1;
        lanes[2] = (uint64(2) << 32) | 1;
        _accept(order, _bid(order, lanes), lanes);
        eq(vault.stakeOf(pid, 0).locked, 6 * DOLLAR, "a bond a lot");
        // Holdback: 300 s of grace and 10 % of 1800 s.
        eq(_lease(9).balance, 20_000_000 - 300_000 - 180_000, "a third each");
        Terms memory terms = _terms(order, _bid(order, lanes), 9, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        eq(uint256(lens.leases(address(book), pid, 2, 8)[7].state), uint256(LeaseState.Live), "one lives");
        eq(uint256(lens.leases(address(book), pid, 2, 8)[0].state), uint256(LeaseState.Pending), "another waits");
    }

    function test_ReportsInFlightOfTheLastLeaseBillTheNextOneNothing() public {
        Terms memory terms = _live(0, 1);
        _skip(500);
        _report(0, 400);
        uint40 deadline = uint40(_now());
        bytes memory a = _signClose(DUTY_KEY, terms, 500, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 500, deadline, a, "");
        terms = _open(_order(), 0, 2);
        vm.prank(operator);
        book.start(terms, 500, 0);
        _skip(100);
        _report(0, 500);
        _settle(0);
        eq(_lease(0).settled, 0, "nothing billed");
        _report(0, 550);
        _settle(0);
        eq(_lease(0).settled, 50, "only its own");
    }
}
