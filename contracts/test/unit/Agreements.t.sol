// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, LeaseState, LeaseView, Order, StopBy, Terms} from "../../src/types/Types.sol";

import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice Vouchers, stops that somebody else sends, amendments, and what a court may do.
contract AgreementsTest is Trades {
    // ---------------------------------------------------------------- vouchers

    function test_AVoucherIsClaimableAtOnceAndTheRestVests() public {
        Terms memory terms = _live(0, 1);
        _skip(2000);
        _report(0, 1500);
        book.redeem(terms, 1000, _voucher(TENANT_KEY, terms, 1000));
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable, 975_000, "1,000 seconds less the fee");
        eq(vesting, 0, "nothing vests");
        eq(book.reputation(pid).signedPaid, 1_000_000, "signed");
        _settle(0);
        (claimable, vesting) = book.earnings(pid, 0);
        eq(claimable, 975_000, "as before");
        eq(vesting, 487_500, "500 seconds vest");
        eq(_lease(0).settled, 1500, "settled");
        eq(book.reputation(pid).paid, 1_500_000, "paid");
        eq(book.reputation(pid).signedPaid, 1_000_000, "the tenant signed for that much");
    }

    function test_AVoucherPaysWhatNoReportHasCountedYetAndLaterReportsDoNotPayItAgain() public {
        Terms memory terms = _live(0, 1);
        _skip(2000);
        vm.prank(agent);
        book.redeem(terms, 1200, "");
        eq(_lease(0).settled, 1200, "without a report");
        _settle(0);
        eq(_lease(0).settled, 1200, "a lane behind the voucher takes nothing back");
        _report(0, 700);
        _settle(0);
        eq(_lease(0).settled, 1200, "still behind");
        _report(0, 1300);
        _settle(0);
        eq(_lease(0).settled, 1300, "a hundred more");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable + vesting, 1_267_500, "1,300 seconds in all");
    }

    function test_AVoucherIsRefusedBeyondWhatRanBelowWhatIsPaidAndWithoutTheTenant() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        bytes memory signature = _voucher(TENANT_KEY, terms, 101);
        vm.expectRevert(abi.encodeWithSignature("Voucher_Cum(uint32,uint32,uint32)", 101, 0, 100));
        book.redeem(terms, 101, signature);
        signature = _voucher(STRANGER_KEY, terms, 50);
        vm.expectRevert(abi.encodeWithSignature("Voucher_Signer(address)", stranger));
        book.redeem(terms, 50, signature);
        vm.expectRevert(abi.encodeWithSignature("Voucher_Signer(address)", address(this)));
        book.redeem(terms, 50, "");
        signature = _voucher(AGENT_KEY, terms, 50);
        book.redeem(terms, 50, signature);
        vm.expectRevert(abi.encodeWithSignature("Voucher_Cum(uint32,uint32,uint32)", 50, 50, 100));
        book.redeem(terms, 50, signature);
    }

    function test_AVoucherOfADryLeasePaysWhatIsThereAndThenNothing() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(1000);
        book.redeem(terms, 1000, _voucher(TENANT_KEY, terms, 1000));
        eq(_lease(0).settled, 600, "the balance covers 600 seconds beside the grace");
        bytes memory signature = _voucher(TENANT_KEY, terms, 900);
        vm.expectRevert(abi.encodeWithSignature("Voucher_Dry(uint96)", terms.id));
        book.redeem(terms, 900, signature);
    }

    function test_AVoucherSoSmallThatItPaysNothingStillCounts() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.ratePerHour = 1;
        _accept(order, bid, lanes);
        Terms memory terms = _terms(order, bid, 0, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        _skip(1000);
        book.redeem(terms, 1000, _voucher(TENANT_KEY, terms, 1000));
        eq(_lease(0).settled, 1000, "settled");
        (uint128 claimable,) = book.earnings(pid, 0);
        eq(claimable, 0, "for nothing");
    }

    // ---------------------------------------------------------------- stop

    function test_AnyoneSendsAStopThatTheTenantSigned() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        uint40 deadline = uint40(_now()) + 5;
        bytes memory signature = _signStop(TENANT_KEY, terms, 1002, deadline);
        // For another reason the signature is somebody else's, whoever that is.
        vm.expectRevert();
        book.stopSigned(terms, 1001, deadline, signature);
        _skip(6);
        vm.expectRevert(abi.encodeWithSignature("Stop_Deadline(uint40)", deadline));
        book.stopSigned(terms, 1002, deadline, signature);
        deadline = uint40(_now());
        signature = _signStop(STRANGER_KEY, terms, 1002, deadline);
        vm.expectRevert(abi.encodeWithSignature("Lease_NotParty(uint96,address)", terms.id, stranger));
        book.stopSigned(terms, 1002, deadline, signature);
        book.stopSigned(terms, 1002, deadline, _signStop(AGENT_KEY, terms, 1002, deadline));
        eq(_lease(0).stopAt, _now(), "stopped");
        eq(uint256(_lease(0).stopBy), uint256(StopBy.TenantOrFunds), "by the tenant");
        signature = _signStop(TENANT_KEY, terms, 1002, deadline);
        vm.expectRevert(abi.encodeWithSignature("Lease_Stopped(uint96,uint32)", terms.id, _now()));
        book.stopSigned(terms, 1002, deadline, signature);
    }

    // ---------------------------------------------------------------- amend

    function _longer(Terms memory terms) private pure returns (Terms memory next) {
        next = _copy(terms);
        next.maxDuration = 10_000;
        next.ratePerHour = 1_800_000;
        next.minCommit = 0;
    }

    function _stored(Terms memory terms) private view returns (bytes32) {
        return (book.hashTerms(terms) >> 56) << 56;
    }

    function _copy(Terms memory terms) private pure returns (Terms memory) {
        return abi.decode(abi.encode(terms), (Terms));
    }

    function test_AnAmendmentPaysTheAgreedCountAndBeginsTheNextAtNewTerms() public {
        Terms memory terms = _live(0, 1);
        LeaseView memory before = _lease(0);
        _skip(1000);
        _report(0, 600);
        _settle(0);
        Terms memory next = _longer(terms);
        _amend(terms, next, 900);
        LeaseView memory lease = _lease(0);
        eq(uint256(lease.state), uint256(LeaseState.Live), "live");
        eq(lease.id, before.id, "the same id");
        eq(lease.openedAt, before.openedAt, "opened when it was");
        eq(lease.startAt, _now(), "counts from now");
        eq(lease.stopAt, _now() + 10_000, "for the new time");
        eq(lease.settled, 0, "nothing settled under the new terms");
        eq(lease.laneBase, before.laneBase + 900, "from the agreed count on");
        eq(lease.ratePerHour, 1_800_000, "at the new rate");
        eq(lease.termsHash, _stored(next), "on the new terms");
        // 20 dollars less 900 seconds at 1,000 a second, less 300 seconds of grace at 500.
        eq(lease.balance, 20_000_000 - 900_000 - 150_000, "balance");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(vesting, 585_000, "600 seconds were settled before");
        eq(claimable, 292_500, "300 seconds were agreed");
        // The old terms are nobody's.
        vm.expectRevert(abi.encodeWithSignature("Lease_TermsMismatch(uint96,bytes32)", terms.id, book.hashTerms(terms)));
        vm.prank(tenant);
        book.stop(terms, 1001);
        // Usage goes on.
        _skip(100);
        _report(0, 1000);
        _settle(0);
        eq(_lease(0).settled, 100, "a hundred seconds more");
        // And the lease ends as any.
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, next, 100, deadline);
        vm.prank(tenant);
        book.closeBoth(next, 100, deadline, signature, "");
        eq(dollar.balanceOf(refundTo), 20_000_000 - 900_000 - 50_000, "the rest returned");
    }

    function test_AnAmendmentRaisesAClockThatANoticeLowered() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        vm.prank(operator);
        book.notice(terms, 2001);
        Terms memory next = _longer(terms);
        _amend(terms, next, 0);
        eq(_lease(0).stopAt, _now() + 10_000, "raised");
        eq(uint256(_lease(0).stopBy), uint256(StopBy.EndReached), "nobody has stopped it any more");
        (uint128 claimable,) = book.earnings(pid, 0);
        eq(claimable, 0, "nothing was agreed");
    }

    function test_AnAmendmentNeedsBothSidesAndAnyoneMaySendIt() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        Terms memory next = _longer(terms);
        uint40 deadline = uint40(_now());
        bytes memory ours = _signAmend(DUTY_KEY, terms, next, 50, deadline);
        bytes memory theirs = _signAmend(TENANT_KEY, terms, next, 50, deadline);
        vm.expectRevert(abi.encodeWithSignature("Amend_Signer(address)", address(this)));
        book.amend(terms, next, 50, deadline, "", theirs);
        vm.expectRevert(abi.encodeWithSignature("Amend_Signer(address)", address(this)));
        book.amend(terms, next, 50, deadline, ours, "");
        bytes memory other = _signAmend(BID_KEY, terms, next, 50, deadline);
        vm.expectRevert(abi.encodeWithSignature("Amend_Signer(address)", bidder));
        book.amend(terms, next, 50, deadline, other, theirs);
        other = _signAmend(STRANGER_KEY, terms, next, 50, deadline);
        vm.expectRevert(abi.encodeWithSignature("Amend_Signer(address)", stranger));
        book.amend(terms, next, 50, deadline, ours, other);
        _skip(1);
        vm.expectRevert(abi.encodeWithSignature("Amend_Deadline(uint40)", deadline));
        book.amend(terms, next, 50, deadline, ours, theirs);
        vm.warp(deadline);
        vm.prank(stranger);
        book.amend(terms, next, 50, deadline, ours, theirs);
        eq(_lease(0).startAt, deadline, "amended");
    }

    function _amendRefused(Terms memory terms, Terms memory next, uint32 cum, bytes memory reason) private {
        uint40 deadline = uint40(_now());
        bytes memory signature = _signAmend(DUTY_KEY, terms, next, cum, deadline);
        vm.prank(tenant);
        vm.expectRevert(reason);
        book.amend(terms, next, cum, deadline, signature, "");
    }

    function test_AnAmendmentOutsideOfItsBoundsIsRefusedByName() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        _report(0, 40);
        _settle(0);
        Terms memory next = _longer(terms);
        _amendRefused(terms, next, 39, abi.encodeWithSignature("Amend_Cum(uint32,uint32,uint32)", 39, 40, 100));
        _amendRefused(terms, next, 101, abi.encodeWithSignature("Amend_Cum(uint32,uint32,uint32)", 101, 40, 100));
        bytes memory fixedPart = abi.encodeWithSignature("Amend_Fixed(uint96)", terms.id);
        next.id += 1;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.orderHash = "other";
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.tenant = stranger;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.agent = stranger;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.refundTo = stranger;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.token = 1;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.feeSteps = 0;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.bond = 0;
        _amendRefused(terms, next, 50, fixedPart);
        next = _longer(terms);
        next.ratePerHour = 0;
        _amendRefused(terms, next, 50, abi.encodeWithSignature("Accept_Rate(uint48,uint48)", 0, 0));
        next = _longer(terms);
        next.flags = 4;
        _amendRefused(terms, next, 50, abi.encodeWithSignature("Order_Flags(uint8)", 4));
        uint32 tooLong = (1 << 30) + 1;
        bytes memory duration = abi.encodeWithSignature("Order_Duration(uint32,uint32)", tooLong, 1 << 30);
        next = _longer(terms);
        next.maxDuration = tooLong;
        _amendRefused(terms, next, 50, duration);
        next.maxDuration = 0;
        _amendRefused(terms, next, 50, abi.encodeWithSignature("Order_Duration(uint32,uint32)", 0, 1 << 30));
        next = _longer(terms);
        next.notice = tooLong;
        _amendRefused(terms, next, 50, duration);
        next = _longer(terms);
        next.grace = tooLong;
        _amendRefused(terms, next, 50, duration);
        next = _longer(terms);
        next.minCommit = 10_001;
        _amendRefused(terms, next, 50, abi.encodeWithSignature("Order_Commitment(uint32,uint16)", 10_001, 1000));
        next = _longer(terms);
        next.earlyFeeBps = 10_001;
        _amendRefused(terms, next, 50, abi.encodeWithSignature("Order_Commitment(uint32,uint16)", 0, 10_001));
        next = _longer(terms);
        next.ratePerHour = type(uint48).max;
        next.grace = 1 << 30;
        uint256 needed = 10_000 + (uint256(next.grace) * next.ratePerHour + 3599) / 3600;
        _amendRefused(
            terms, next, 50, abi.encodeWithSignature("Amend_Funds(uint256,uint256)", 20_000_000 - 40_000, needed)
        );
    }

    function test_AnAmendmentMayReachEachOfItsBounds() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        _report(0, 40);
        _settle(0);
        Terms memory next = _longer(terms);
        next.maxDuration = 1 << 30;
        next.notice = 1 << 30;
        next.minCommit = 1 << 30;
        next.earlyFeeBps = 10_000;
        next.ratePerHour = 1;
        _amend(terms, next, 50);
        eq(_lease(0).termsHash, _stored(next), "these terms are in force");
    }

    function test_AnAmendmentLeavesRoomForTheCounter() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        _accept(order, _bid(order, lanes), lanes);
        Terms memory terms = _terms(order, _bid(order, lanes), 0, 1);
        uint32 base = (1 << 31) - 1 - 7200;
        vm.prank(operator);
        book.start(terms, base, 0);
        _skip(100);
        Terms memory next = _longer(terms);
        uint256 most = (1 << 31) - 1 - 10_000;
        _amendRefused(
            terms, next, 60, abi.encodeWithSignature("Start_Base(uint32,uint32,uint256)", base + 60, 60, most)
        );
    }

    function test_DirtyBitsInAmendedTermsAreRefused() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        Terms memory next = _longer(terms);
        // Both sides sign the hash of words of which one, the liability, has a bit too many.
        bytes memory words = abi.encode(next);
        words[10 * 32 + 23] = 0x01;
        uint40 deadline = uint40(_now());
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Amend(uint96 id,bytes32 oldTerms,bytes32 newTerms,uint32 cumAt,uint40 deadline)"),
                terms.id,
                book.hashTerms(terms),
                keccak256(words),
                uint32(50),
                deadline
            )
        );
        bytes memory call = abi.encodeCall(
            book.amend, (terms, next, 50, deadline, _sign(DUTY_KEY, structHash), _sign(TENANT_KEY, structHash))
        );
        // Selector and the old terms, then the same member.
        call[4 + 19 * 32 + 10 * 32 + 23] = 0x01;
        (bool ok,) = address(book).call(call);
        yes(!ok, "refused");
        eq(_lease(0).termsHash, _stored(terms), "unchanged");
    }

    // ---------------------------------------------------------------- court

    /// @dev A lease that has run and paid: 1,950,000 of 2,000,000 vest.
    function _paid() private returns (Terms memory terms) {
        _nameCourt();
        terms = _live(0, 1);
        _skip(2000);
        _report(0, 2000);
        _settle(0);
    }

    function test_ACourtFreezesAtMostWhatTheLeasePaidAndItsProviderHasNotVested() public {
        Terms memory terms = _paid();
        vm.prank(court);
        uint64 frozen = book.freeze(terms, 500_000);
        eq(frozen, 500_000, "as asked");
        eq(book.frozenOf(pid, 0), 500_000, "kept");
        eq(book.freezeOf(terms.id).amount, 500_000, "of this lease");
        eq(book.freezeOf(terms.id).until, _now() + 21 days, "for 21 days");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable + vesting, 1_450_000, "out of what vests");
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Pending(uint96,uint32)", terms.id, _now() + 21 days));
        book.freeze(terms, 1);
        vm.prank(court);
        book.release(terms.id);
        (claimable,) = book.earnings(pid, 0);
        eq(claimable, 500_000, "back, and claimable at once");
        // What was frozen once is not frozen again.
        vm.prank(court);
        frozen = book.freeze(terms, type(uint64).max);
        eq(frozen, 1_450_000, "no more than is unvested");
        eq(book.freezeOf(terms.id).total, 1_950_000, "in all");
        vm.prank(court);
        book.award(terms.id, 450_000);
        eq(dollar.balanceOf(refundTo), 450_000, "to the tenant");
        (claimable,) = book.earnings(pid, 0);
        eq(claimable, 1_500_000, "the rest to the provider");
        eq(book.frozenOf(pid, 0), 0, "nothing is kept");
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Nothing(uint96)", terms.id));
        book.freeze(terms, 1);
    }

    function test_AFreezeEndsByItselfAfterTwentyOneDays() public {
        Terms memory terms = _paid();
        vm.prank(court);
        book.freeze(terms, 500_000);
        _skip(21 days);
        vm.expectRevert(abi.encodeWithSignature("Court_Only(address,address)", address(this), court));
        book.release(terms.id);
        _skip(1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Over(uint96,uint32)", terms.id, _now() - 1));
        book.award(terms.id, 1);
        vm.prank(stranger);
        book.release(terms.id);
        vm.expectRevert(abi.encodeWithSignature("Freeze_None(uint96)", terms.id));
        book.release(terms.id);
        book.claim(pid, 0);
        eq(dollar.balanceOf(payout), 1_950_000, "all of it");
    }

    function test_OnlyTheCourtFreezesAndAwardsAndOnlyInTime() public {
        Terms memory terms = _paid();
        vm.expectRevert(abi.encodeWithSignature("Court_Only(address,address)", address(this), court));
        book.freeze(terms, 1);
        vm.expectRevert(abi.encodeWithSignature("Court_Only(address,address)", address(this), court));
        book.award(terms.id, 1);
        vm.startPrank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Over(uint96,uint32)", terms.id, 0));
        book.award(terms.id, 0);
        book.freeze(terms, 100);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Amount(uint96,uint64,uint64)", terms.id, 101, 100));
        book.award(terms.id, 101);
        book.release(terms.id);
        vm.stopPrank();
        _skip(5200 + F);
        _report(0, 5000);
        book.finalize(terms);
        vm.prank(court);
        eq(book.freeze(terms, 7), 7, "a closed lease, until its lane may be reused");
        vm.prank(court);
        book.release(terms.id);
        _skip(W);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_TooLate(uint96,uint256)", terms.id, _now()));
        book.freeze(terms, 7);
        Terms memory pending = _open(_order(), 1, 1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_TooLate(uint96,uint256)", pending.id, 0));
        book.freeze(pending, 7);
    }

    function test_AfterAnAmendmentTheCourtReachesOnlyWhatTheNewTermsPaid() public {
        Terms memory terms = _paid();
        vm.prank(court);
        book.freeze(terms, 500_000);
        vm.prank(court);
        book.release(terms.id);
        Terms memory next = _longer(terms);
        _amend(terms, next, 2000);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("Freeze_Nothing(uint96)", terms.id));
        book.freeze(next, 1);
    }
}
