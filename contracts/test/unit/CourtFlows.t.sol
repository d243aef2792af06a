// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeCourt} from "../../src/interfaces/IDisputeCourt.sol";
import {Terms} from "../../src/types/Types.sol";

import {FullSet} from "../support/FullSet.sol";
import {vm} from "../support/Vm.sol";

/// @notice One flow for each end of a dispute, in the real court on the real book and vault, joined as in production, with every
/// account's balance looked at. A lease of 1,000 micro-units a second has paid 800 seconds: 800,000, of which 2.5 % are the protocol's.
contract CourtFlowsTest is FullSet {
    uint64 private constant PAID = 800_000;
    uint64 private constant FEE = 20_000;
    uint64 private constant NET = PAID - FEE;
    uint64 private constant DEPOSIT = 20 * DOLLAR;
    uint64 private constant STAKE = 1000 * DOLLAR;
    uint64 private constant BOND = DOLLAR;
    uint64 private constant LIABILITY = 50 * DOLLAR;
    /// What tenant and operator have at first.
    uint256 private constant RICH = 1_000_000 * uint256(DOLLAR);

    Terms private terms;

    function setUp() public override {
        super.setUp();
        _fund(operator);
        address[2] memory sides = [tenant, operator];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(sides[i]);
            dollar.approve(address(realCourt), type(uint256).max);
        }
        terms = _live(0, 1);
        _skip(800);
        _report(0, 800);
        _settle(0);
    }

    // ---------------------------------------------------------------- acts

    function _contest() private {
        vm.prank(tenant);
        realCourt.contest(terms, 0, 800, BOND, "the model was not there");
    }

    function _answer() private {
        uint40 asOf = uint40(_now());
        bytes memory receipt = _receipt(DUTY_KEY, terms, 800, asOf);
        vm.prank(operator);
        realCourt.answer(terms.id, 800, asOf, "root", receipt);
    }

    function _rule(uint64 award, uint64 refund, uint64 burn) private {
        vm.prank(arbiter);
        realCourt.rule(terms.id, award, refund, burn, "reasons");
    }

    function _conclude() private {
        uint256 due = realCourt.disputeOf(terms.id).due;
        if (_now() <= due) vm.warp(due + 1);
        vm.prank(stranger);
        realCourt.conclude(terms.id);
    }

    /// @dev The lease is stopped at its 800th second or has run out: all it paid is settled. Ends it and pays out all that is anybody's.
    function _finish() private {
        if (_now() < _lease(0).stopAt) {
            vm.prank(operator);
            book.notice(terms, 2001);
        }
        _skip(7200 + F);
        book.finalize(terms);
        _skip(2 * W);
        (uint128 claimable,) = book.earnings(pid, 0);
        if (claimable != 0) book.claim(pid, 0);
        address[4] memory parties = [tenant, operator, refundTo, address(router)];
        for (uint256 i = 0; i < parties.length; ++i) {
            if (realCourt.credits(parties[i], 0) != 0) realCourt.withdrawCredit(parties[i], 0);
            if (vault.credits(parties[i], 0) != 0) vault.withdrawCredit(parties[i], 0);
        }
        book.pushFees(0);
        if (vault.burned(0) != 0) vault.pushBurned(0);
    }

    struct Left {
        uint256 tenant;
        uint256 operator;
        uint256 refundTo;
        uint256 payout;
        uint256 router;
        uint256 vault;
    }

    /// @dev Every account there is, after all has been paid out; book and court are empty.
    function _balances(Left memory left) private view {
        eq(dollar.balanceOf(tenant), left.tenant, "tenant");
        eq(dollar.balanceOf(operator), left.operator, "operator");
        eq(dollar.balanceOf(refundTo), left.refundTo, "refundTo");
        eq(dollar.balanceOf(payout), left.payout, "payout");
        eq(dollar.balanceOf(address(router)), left.router, "router");
        eq(dollar.balanceOf(address(vault)), left.vault, "vault");
        eq(dollar.balanceOf(address(book)), 0, "book");
        eq(dollar.balanceOf(address(realCourt)), 0, "court");
        eq(dollar.balanceOf(arbiter) + dollar.balanceOf(stranger) + dollar.balanceOf(address(access)), 0, "nobody else");
        eq(dollar.balanceOf(agent) + dollar.balanceOf(owner) + dollar.balanceOf(treasury), 0, "nor they");
        eq(vault.stakeOf(pid, 0).amount, left.vault, "stake");
        eq(vault.freeOf(pid, 0), left.vault, "all of it free");
        eq(book.frozenOf(pid, 0), 0, "frozen");
        eq(book.freezeOf(terms.id).amount, 0, "freeze");
        eq(vault.reservedOf(pid, 0), 0, "reserved");
        eq(vault.liabilityOf(terms.id).reserved, 0, "liability");
        eq(uint256(realCourt.disputeOf(terms.id).phase), 4, "ended");
    }

    function _calm() private pure returns (Left memory) {
        return Left({
            tenant: RICH - DEPOSIT, operator: RICH, refundTo: DEPOSIT - PAID, payout: NET, router: FEE, vault: STAKE
        });
    }

    // ---------------------------------------------------------------- while it is open

    function test_AContestHoldsTheUnvestedRentAndTheLiabilityAndMovesNothingElse() public {
        _contest();
        eq(book.freezeOf(terms.id).amount, NET, "frozen: what the lease paid, less the fee, is all that is unvested");
        eq(book.freezeOf(terms.id).until, _now() + 21 days, "until");
        eq(book.frozenOf(pid, 0), NET, "of the provider");
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable + vesting, 0, "nothing left to vest");
        eq(vault.reserveOf(0, terms.id).amount, LIABILITY, "reserved");
        eq(vault.freeOf(pid, 0), STAKE - LIABILITY, "the rest is free");
        eq(dollar.balanceOf(address(book)), DEPOSIT, "the book");
        eq(dollar.balanceOf(address(vault)), STAKE, "the vault");
        eq(dollar.balanceOf(address(realCourt)), BOND, "the court");
        eq(dollar.balanceOf(tenant), RICH - DEPOSIT - BOND, "the tenant");
        eq(uint256(_lease(0).state), 2, "the lease lives on");
        // It goes on earning, and that is not frozen.
        _skip(100);
        _report(0, 900);
        _settle(0);
        (, vesting) = book.earnings(pid, 0);
        eq(vesting, 97_500, "the next hundred seconds");
    }

    // ---------------------------------------------------------------- the five ends

    function test_Silence_TheFrozenRentGoesBackAndTheStakeIsNotTouched() public {
        _contest();
        _conclude();
        _finish();
        Left memory left = _calm();
        left.refundTo += NET;
        left.payout = 0;
        _balances(left);
    }

    function test_Lapsed_WithoutARulingAllGoesBackToWhereItCameFrom() public {
        _contest();
        _answer();
        eq(dollar.balanceOf(address(realCourt)), 2 * BOND, "both bonds");
        _conclude();
        _finish();
        _balances(_calm());
    }

    function test_Vetoed_TheRulingIsUndoneAndBothBondsGoBack() public {
        _contest();
        _answer();
        _rule(NET, FEE, 10 * DOLLAR);
        realCourt.veto(terms.id);
        _finish();
        _balances(_calm());
    }

    function test_Tenant_AwardRefundAndBurnComeOutOfFrozenMoneyAndStakeAndTheLoserPaysTheFee() public {
        _contest();
        _answer();
        // All that was frozen, what that does not cover out of the stake, and ten dollars burned.
        _rule(NET, FEE, 10 * DOLLAR);
        eq(book.freezeOf(terms.id).amount, NET, "nothing moves before the veto's time is over");
        _conclude();
        _finish();
        Left memory left = _calm();
        left.refundTo += PAID;
        left.payout = 0;
        left.operator -= BOND;
        // The fee is the whole bond: the tenant has its own back, the loser's went to the router, beside what was burned.
        left.router += BOND + 10 * DOLLAR;
        left.vault -= FEE + 10 * DOLLAR;
        _balances(left);
    }

    function test_TenantInPart_WhatIsNotAwardedGoesBackToTheProvider() public {
        _decide(abi.encodeCall(params.setCourtFee, (0, 30_000)));
        // A tenth of the contested rent is more than the fee.
        uint64 bond = PAID / 10;
        _contest();
        _answer();
        _rule(300_000, 0, 0);
        _conclude();
        _finish();
        Left memory left = _calm();
        left.refundTo += 300_000;
        left.payout -= 300_000;
        left.operator -= bond;
        left.tenant += bond - 30_000;
        left.router += 30_000;
        _balances(left);
    }

    function test_Provider_TheFreezeIsLiftedAndTheTenantsBondPaysTheFee() public {
        _decide(abi.encodeCall(params.setCourtFee, (0, 30_000)));
        uint64 bond = PAID / 10;
        _contest();
        _answer();
        _rule(0, 0, 0);
        _conclude();
        _finish();
        Left memory left = _calm();
        left.tenant -= bond;
        left.operator += bond - 30_000;
        left.router += 30_000;
        _balances(left);
    }

    // ---------------------------------------------------------------- and those without a court

    function test_I6_ADisputeNobodyEndsIsLetGoByBookAndVault() public {
        _contest();
        _answer();
        _rule(NET, FEE, 10 * DOLLAR);
        vm.warp(uint256(book.freezeOf(terms.id).until) + 1);
        vm.startPrank(stranger);
        book.release(terms.id);
        vault.unreserve(0, terms.id);
        vm.stopPrank();
        _conclude();
        _finish();
        Left memory left = _calm();
        // The bonds still go where the ruling said, and nothing else does.
        left.operator -= BOND;
        left.router += BOND;
        _balances(left);
    }

    function test_AReplacedCourtEndsWhatItReservedAndTheFreezeEndsByItself() public {
        _contest();
        _answer();
        _rule(NET, FEE, 10 * DOLLAR);
        _decide(abi.encodeCall(params.setSlasher, (0, address(0xc0))));
        _skip(7 days);
        _conclude();
        eq(book.freezeOf(terms.id).amount, NET, "not this court's to award any more");
        vm.warp(uint256(book.freezeOf(terms.id).until) + 1);
        book.release(terms.id);
        _finish();
        Left memory left = _calm();
        left.refundTo += FEE;
        left.operator -= BOND;
        left.router += BOND + 10 * DOLLAR;
        left.vault -= FEE + 10 * DOLLAR;
        _balances(left);
    }

    function test_WhatHasVestedIsNotFrozenAndTheStakeAnswersForIt() public {
        _skip(2 * W);
        book.claim(pid, 0);
        _contest();
        eq(book.freezeOf(terms.id).until, 0, "nothing was frozen");
        _answer();
        _rule(0, PAID, 0);
        _conclude();
        _finish();
        Left memory left = _calm();
        left.refundTo += PAID;
        left.operator -= BOND;
        left.router += BOND;
        left.vault -= PAID;
        _balances(left);
    }

    function test_AContestedLeaseThatClosesMeanwhileEndsItsDisputeAllTheSame() public {
        _contest();
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 800, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 800, deadline, signature, "");
        eq(dollar.balanceOf(refundTo), DEPOSIT - PAID, "what was left");
        // Its lane is the next lease's.
        Terms memory next = _live(0, 2);
        _conclude();
        eq(dollar.balanceOf(refundTo), DEPOSIT - PAID + NET, "the frozen rent");
        eq(vault.reservedOf(pid, 0), 0, "reserved");
        eq(uint256(realCourt.disputeOf(terms.id).phase), uint256(IDisputeCourt.Phase.Ended), "ended");
        eq(_lease(0).id, next.id, "the next lease is another");
        eq(_lease(0).balance, 19_520_000, "and has its money");
    }
}
