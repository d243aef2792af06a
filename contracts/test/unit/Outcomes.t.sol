// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, LeaseView, Order, Terms} from "../../src/types/Types.sol";

import {Trades} from "../support/Trades.sol";
import {Vm, vm} from "../support/Vm.sol";

/// @notice The outcomes of branches that no other test notices: each of these was a branch that could be taken always, or never, and
/// all tests passed (`make branches`). A lease here pays 1,000 micro-units a second, of which 2.5 % are the fee.
contract OutcomesTest is Trades {
    function _close(Terms memory terms, uint32 cum) private {
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, cum, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, cum, deadline, signature, "");
    }

    function _closeRefused(Terms memory terms, uint32 cum, bytes memory reason) private {
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, cum, deadline);
        vm.prank(tenant);
        vm.expectRevert(reason);
        book.closeBoth(terms, cum, deadline, signature, "");
    }

    function _told(uint256 count, string memory what) private {
        eq(vm.getRecordedLogs().length, count, what);
    }

    /// @dev No bond, no grace, no commitment: nothing is locked and nothing held back.
    function _plain() private returns (Order memory order) {
        order = _order();
        (order.minBond, order.grace, order.minCommit) = (0, 0, 0);
    }

    function _openWithoutBond(uint32 lane) private returns (Terms memory) {
        Order memory order = _plain();
        _post(order);
        uint64[] memory lanes = _pair(lane, 1);
        Bid memory bid = _bid(order, lanes);
        bid.bond = 0;
        _accept(order, bid, lanes);
        return _terms(order, bid, lane, 1);
    }

    // ---------------------------------------------------------------- who may

    function test_ASignatureOfNobodyIsNotThatOfAnAgentNobodyNamed() public {
        Order memory order = _order();
        order.agent = address(0);
        Terms memory terms = _live(order, 0, 1);
        _skip(10);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Close_Signature(address)", address(0)));
        book.closeBoth(terms, 10, uint40(_now()), "", new bytes(65));
        order.salt = "another";
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", address(0)));
        book.postOrderSigned(order, NEEDS, "", new bytes(65), _caller(address(this)));
    }

    function test_ASignatureCountsOnTheChainItWasMadeFor() public {
        Terms memory terms = _live(0, 1);
        _skip(10);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 10, deadline);
        vm.chainId(31_338);
        vm.prank(tenant);
        (bool ok,) = address(book).call(abi.encodeCall(book.closeBoth, (terms, 10, deadline, signature, new bytes(0))));
        yes(!ok, "made before the fork");
        _close(terms, 10);
    }

    function test_ABidThatAKeySendsNeedsNoSignatureOnTheBulletin() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        bytes memory packed = _pack(_bid(order, lanes), lanes, new bytes(65));
        vm.recordLogs();
        vm.prank(bidder);
        book.postBid(packed);
        _told(1, "posted");
    }

    // ---------------------------------------------------------------- openings

    function test_AnOrderThatNamesNoHighestRateTakesAnyBid() public {
        Order memory order = _order();
        order.maxRate = 0;
        _open(order, 0, 1);
        eq(_lease(0).ratePerHour, 3_600_000, "the bid's");
    }

    function test_ATokenIsAdoptedOnce() public {
        _post(_order());
        Order memory second = _order();
        vm.recordLogs();
        _post(second);
        _told(2, "a transfer and the order");
    }

    function test_TheLastGenerationOfALaneHasNoNext() public {
        // _leases of contracts/layout; the second word of a lease is its stat.
        bytes32 provider = keccak256(abi.encode(uint256(pid), uint256(5)));
        uint256 stat = uint256(keccak256(abi.encode(uint256(0), provider))) + 1;
        vm.store(address(book), bytes32(stat), bytes32(uint256((1 << 24) - 2) << 32));
        Terms memory terms = _open(_order(), 0, (1 << 24) - 1);
        _close(terms, 0);
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1 << 24);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Lane_Gen(uint32,uint32,uint32)", 0, 1 << 24, 1 << 24));
        book.accept(order, bid, lanes, signature);
    }

    function test_WithoutABondTheVaultIsNotAsked() public {
        Terms memory terms = _openWithoutBond(0);
        vm.recordLogs();
        vm.prank(operator);
        book.start(terms, 0, 0);
        _told(1, "started");
        terms = _openWithoutBond(1);
        vm.recordLogs();
        _close(terms, 0);
        _told(2, "a transfer and the close");
    }

    // ---------------------------------------------------------------- usage

    function test_ALaneThatWasNeverLeasedHasNoLease() public {
        _report(7, 50);
        LeaseView memory lease = _lease(7);
        eq(lease.id, 0, "no id");
        eq(lease.lane, 0, "no usage");
    }

    function test_ALeaseThatBeganAheadOfItsLaneOwesNothingUntilTheLaneIsThere() public {
        Terms memory terms = _open(_order(), 0, 1);
        vm.prank(operator);
        book.start(terms, 1000, 0);
        _skip(100);
        _report(0, 1000);
        _settle(0);
        eq(_lease(0).settled, 0, "at its base");
        _report(0, 1040);
        _settle(0);
        eq(_lease(0).settled, 40, "beyond it");
    }

    function test_ALeaseThatBeganFarAheadOfItsLaneOwesNothing() public {
        Terms memory terms = _open(_order(), 0, 1);
        vm.prank(operator);
        book.start(terms, 1000, 0);
        _skip(100);
        _report(0, 400);
        _settle(0);
        eq(_lease(0).settled, 0, "settled");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Waive_Cum(uint32,uint32,uint32)", 0, 0, 0));
        book.waive(terms, 0);
    }

    function test_APendingLeasePaysNothingForWhatItsLaneCountedBefore() public {
        _report(0, 500);
        _open(_order(), 0, 1);
        _skip(10);
        _settle(0);
        eq(_lease(0).settled, 0, "settled");
        eq(_lease(0).balance, 20 * DOLLAR - 480_000, "balance");
    }

    function test_ARefusedReportNamesTheLaneThatRoseTooFarAndNoneThatFell() public {
        _report(0, 50);
        uint256[] memory words = new uint256[](1);
        words[0] = (uint256(1 << 17) << 32) | 40;
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Report_JumpTooFar(uint32,uint32)", 1, 1 << 17));
        book.report(pid, 0, uint40(_now()), "root", words);
    }

    function test_LeasesThatPayInOneTokenAreBookedTogether() public {
        _live(0, 1);
        _live(1, 1);
        _skip(100);
        _report(0, 100);
        _report(1, 100);
        uint32[] memory lanes = new uint32[](2);
        lanes[1] = 1;
        vm.recordLogs();
        book.settle(pid, lanes);
        _told(2, "settled, and earned once");
    }

    // ---------------------------------------------------------------- money

    function test_WhatVestedIsKeptWhenMoreIsEarned() public {
        _live(0, 1);
        _skip(100);
        _report(0, 100);
        _settle(0);
        _skip(2 * W);
        _report(0, 300);
        _settle(0);
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable, 97_500, "the first hundred seconds");
        eq(vesting, 195_000, "the others");
        eq(book.claim(pid, 0), 97_500, "claimed");
        vm.expectRevert(abi.encodeWithSignature("Claim_Nothing(uint32,uint8)", pid, 0));
        book.claim(pid, 0);
    }

    function test_WhatWasPushedIsNotCreditedToo() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        _close(terms, 100);
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR - 100_000, "pushed");
        eq(book.credits(refundTo, 0), 0, "no credit");
    }

    function test_NothingIsPushedWhereNothingIsLeft() public {
        Order memory order = _plain();
        order.deposit = 600_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(600);
        vm.recordLogs();
        _close(terms, 600);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            yes(logs[i].emitter == address(book), "no transfer");
        }
        eq(logs.length, 2, "earned and closed");
    }

    function test_AnAmendmentThatPaysNothingEarnsNothing() public {
        Terms memory terms = _live(0, 1);
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 8000;
        vm.recordLogs();
        _amend(terms, next, 0);
        _told(1, "amended");
    }

    // ---------------------------------------------------------------- ends

    function test_APendingLeaseHasNoSecondsToPay() public {
        Terms memory terms = _open(_order(), 0, 1);
        _skip(10);
        _closeRefused(terms, 1, abi.encodeWithSignature("Close_CumBeyondElapsed(uint32,uint32)", 1, 0));
    }

    function test_SecondsAfterTheStopAreNotAgreed() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(60);
        _closeRefused(terms, 101, abi.encodeWithSignature("Close_CumBeyondElapsed(uint32,uint32)", 101, 100));
        _close(terms, 100);
    }

    function test_ALeaseWithoutGraceIsNotEvictedForOwingNothing() public {
        Terms memory terms = _live(_plain(), 0, 1);
        _skip(10);
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSignature("Lease_GraceNotReached(uint96,uint32,uint32)", terms.id, uint32(0), uint32(0))
        );
        book.evict(terms);
    }

    function test_AProviderThatStopsOwesNoMoreNoticeThanIsLeft() public {
        Terms memory terms = _live(0, 1);
        _skip(7000);
        _report(0, 7000);
        _settle(0);
        vm.prank(operator);
        book.stop(terms, 2002);
        eq(book.credits(refundTo, 0), 200_000, "200 of 600 seconds");
    }

    function test_AProviderWithNothingUnvestedCompensatesNobody() public {
        Terms memory terms = _live(0, 1);
        _skip(10);
        vm.recordLogs();
        vm.prank(operator);
        book.stop(terms, 2002);
        _told(1, "stopped");
    }

    function test_TheEndOfADryLeasePaysItsGraceAndNoMore() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(1200);
        _report(0, 1200);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        (, uint128 vesting) = book.earnings(pid, 0);
        eq(vesting, 877_500, "600 seconds and the grace's 300");
        eq(_lease(0).settled, 900, "and they are counted");
    }
}
