// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {DisputeCourt} from "../../src/court/DisputeCourt.sol";
import {IDisputeCourt} from "../../src/interfaces/IDisputeCourt.sol";
import {Params} from "../../src/Params.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {LeaseState, LeaseView, Terms} from "../../src/types/Types.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice What court and vault ask of a book, with answers a test chooses and freezes as a LeaseBook does them.
contract BookInDispute {
    struct Freeze {
        address refundTo;
        uint64 amount;
        uint32 until;
        uint64 total;
        uint8 token;
    }

    address public owner;
    address public operator;
    address public bidder;
    address private _court;
    TestDollar private _dollar;
    bytes32 public constant domainSeparator = keccak256("domain");
    uint128 public claimable;
    uint128 public vesting;
    mapping(uint32 lane => LeaseView) private _leases;
    mapping(uint96 id => Freeze) public freezeOf;

    constructor(address owner_, address operator_, address bidder_, TestDollar dollar) {
        (owner, operator, bidder, _dollar) = (owner_, operator_, bidder_, dollar);
    }

    function setCourt(address court) external {
        _court = court;
    }

    function put(uint32 lane, LeaseView calldata lease, uint128 vesting_) external {
        _leases[lane] = lease;
        vesting = vesting_;
    }

    function vest() external {
        (claimable, vesting) = (claimable + vesting, 0);
    }

    function ownerOf(uint32) external view returns (address) {
        return owner;
    }

    function payoutOf(uint32) external view returns (address) {
        return owner;
    }

    function keyOf(uint32, address key) external view returns (uint8 roles, uint40 from, uint32 bidEpoch) {
        if (key == operator) return (6, 1, 0);
        return (key == bidder ? 1 : 0, 1, 0);
    }

    function leaseAt(uint32, uint32 lane) external view returns (LeaseView memory) {
        return _leases[lane];
    }

    function earnings(uint32, uint8) external view returns (uint128, uint128) {
        return (claimable, vesting);
    }

    function freeze(Terms calldata terms, uint64 amount) external returns (uint64 frozen) {
        require(msg.sender == _court, "court only");
        frozen = amount < vesting ? amount : uint64(vesting);
        vesting -= frozen;
        freezeOf[terms.id] = Freeze(terms.refundTo, frozen, uint32(block.timestamp) + 21 days, frozen, terms.token);
    }

    function release(uint96 id) external {
        require(msg.sender == _court || block.timestamp > freezeOf[id].until, "court only");
        claimable += freezeOf[id].amount;
        freezeOf[id].amount = 0;
    }

    function award(uint96 id, uint64 amount) external {
        require(msg.sender == _court && block.timestamp <= freezeOf[id].until, "court only");
        claimable += freezeOf[id].amount - amount;
        freezeOf[id].amount = 0;
        _dollar.mint(freezeOf[id].refundTo, amount);
    }
}

/// @notice Disputes on a real vault: every way one begins and ends.
contract CourtTest is Assertions {
    uint64 private constant ARBITER = 3;
    uint32 private constant T = 3 days;
    uint32 private constant RULING = 10 days;
    uint32 private constant VETO = 5 days;
    /// 1,000 micro-units a second: the rate of Market's leases.
    uint64 private constant SECOND = 1000;

    uint32 private constant W = 1000;
    uint32 private constant F = 100;
    uint32 private constant START = 1_800_000_000;
    uint32 private constant PID = 1;
    uint64 private constant DOLLAR = 1_000_000;
    uint256 private constant BID_KEY = 0xb1d;
    uint256 private constant DUTY_KEY = 0xd07;

    address private arbiter = address(0xa4b);
    address private bidder = vm.addr(BID_KEY);
    address private operator = vm.addr(DUTY_KEY);
    address private tenant = address(0x7e4a47);
    address private agent = address(0xa6e47);
    address private stranger = address(0x57a46e);
    address private refundTo = address(0x4ef0);
    address private owner = address(0x04e4);
    address private treasury = address(0x74ea);

    AccessManager private access;
    Params private params;
    TestDollar private dollar;
    BookInDispute private book;
    StakeVault private vault;
    DisputeCourt private court;

    function setUp() public {
        vm.warp(START);
        vm.chainId(31_337);
        params = new Params(address(this), treasury, address(this), 25);
        dollar = new TestDollar();
        params.listToken(address(dollar), true);
        book = new BookInDispute(owner, operator, bidder, dollar);
        vault = new StakeVault(address(book), address(params), F, W);
        access = new AccessManager(address(this));
        court = _court(T, RULING, VETO);
        book.setCourt(address(court));
        bytes4[] memory ruling = new bytes4[](1);
        ruling[0] = court.rule.selector;
        access.setTargetFunctionRole(address(court), ruling, ARBITER);
        access.grantRole(ARBITER, arbiter, 0);
        params.setSlasher(0, address(court));
        params.setCourtFee(0, DOLLAR);
        address[4] memory payers = [tenant, operator, owner, agent];
        for (uint256 i = 0; i < 4; ++i) {
            dollar.mint(payers[i], 100 * uint256(DOLLAR));
            vm.prank(payers[i]);
            dollar.approve(address(court), type(uint256).max);
        }
        dollar.mint(address(this), 1000 * uint256(DOLLAR));
        dollar.approve(address(vault), type(uint256).max);
        vault.deposit(PID, 0, 1000 * DOLLAR);
    }

    function _now() private view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _skip(uint256 secs) private {
        vm.warp(_now() + secs);
    }

    function _sign(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked(hex"1901", book.domainSeparator(), structHash)));
        return abi.encodePacked(r, s, v);
    }

    function _court(uint32 answer, uint32 ruling, uint32 veto) private returns (DisputeCourt) {
        return
            new DisputeCourt(address(access), address(book), address(vault), address(params), W, answer, ruling, veto);
    }

    /// @dev A live lease that has been paid `secs` seconds which nobody has claimed.
    function _paid(uint32 lane, uint32 secs) private returns (Terms memory terms) {
        terms.id = (uint96(PID) << 64) | (uint96(lane) << 32) | 1;
        (terms.tenant, terms.agent, terms.refundTo) = (tenant, agent, refundTo);
        terms.ratePerHour = 3_600_000;
        terms.liability = 50 * DOLLAR;
        _put(terms, LeaseState.Live, secs, uint32(_now()) + 7200, uint128(secs) * SECOND);
    }

    function _put(Terms memory terms, LeaseState state, uint32 settled, uint32 stopAt, uint128 vesting) private {
        LeaseView memory lease;
        lease.id = terms.id;
        lease.state = state;
        lease.settled = settled;
        lease.stopAt = stopAt;
        lease.termsHash = (keccak256(abi.encode(terms)) >> 56) << 56;
        book.put(uint32(terms.id >> 32), lease, vesting);
    }

    function _frozen(Terms memory terms) private view returns (uint64 amount) {
        (, amount,,,) = book.freezeOf(terms.id);
    }

    function _contest(Terms memory terms, uint32 from, uint32 to) private {
        vm.prank(tenant);
        court.contest(terms, from, to, type(uint64).max, "statement");
    }

    function _receipt(uint256 key, Terms memory terms, uint32 cum, uint40 asOf) private view returns (bytes memory) {
        return _sign(
            key,
            keccak256(
                abi.encode(Typed.RECEIPT_TYPEHASH, terms.id, keccak256(abi.encode(terms)), cum, asOf, bytes32("root"))
            )
        );
    }

    function _answer(Terms memory terms, uint32 cum) private {
        uint40 asOf = uint40(_now());
        bytes memory signature = _receipt(DUTY_KEY, terms, cum, asOf);
        vm.prank(operator);
        court.answer(terms.id, cum, asOf, "root", signature);
    }

    function _rule(Terms memory terms, uint64 award, uint64 refund, uint64 burn) private {
        vm.prank(arbiter);
        court.rule(terms.id, award, refund, burn, "reasons");
    }

    /// @dev DC-1: what the court holds is bonds of open disputes and credits.
    function _holds(uint256 openBonds) private view {
        uint256 credits = uint256(court.credits(tenant, 0)) + court.credits(operator, 0) + court.credits(treasury, 0);
        eq(dollar.balanceOf(address(court)), openBonds + credits, "DC-1");
    }

    // ---------------------------------------------------------------- contest

    function test_AContestFreezesWhatIsUnvestedAndReservesTheLiability() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 200, 1000);
        IDisputeCourt.Dispute memory dispute = court.disputeOf(terms.id);
        eq(dispute.amount, 800 * SECOND, "rent of the contested seconds");
        eq(dispute.bond, DOLLAR, "the fee is above a tenth");
        eq(dispute.due, _now() + T, "answer by");
        eq(_frozen(terms), 800 * SECOND, "frozen");
        eq(vault.reserveOf(0, terms.id).amount, terms.liability, "reserved");
        _holds(DOLLAR);
    }

    function test_OnlyTheTenantOrItsAgentContestsOnceAndOnlyWhatWasPaid() public {
        Terms memory terms = _paid(0, 1000);
        vm.expectRevert(abi.encodeWithSignature("Court_NotTenant(uint96,address)", terms.id, stranger));
        vm.prank(stranger);
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Court_Seconds(uint32,uint32,uint32)", 0, 1001, 1000));
        court.contest(terms, 0, 1001, type(uint64).max, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_Seconds(uint32,uint32,uint32)", 5, 5, 1000));
        court.contest(terms, 5, 5, type(uint64).max, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_Bond(uint64,uint64)", DOLLAR, DOLLAR - 1));
        court.contest(terms, 0, 1000, DOLLAR - 1, 0);
        bytes32 hash = keccak256(abi.encode(terms));
        terms.liability += 1;
        vm.expectRevert(
            abi.encodeWithSignature("Court_TermsMismatch(uint96,bytes32)", terms.id, keccak256(abi.encode(terms)))
        );
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        terms.liability -= 1;
        eq(keccak256(abi.encode(terms)), hash, "as before");
        vm.stopPrank();
        vm.startPrank(agent);
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_Contested(uint96)", terms.id));
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        vm.stopPrank();
    }

    function test_TheBondIsTheFeeOrATenthWhicheverIsMore() public {
        eq(court.bondFor(0, 0), DOLLAR, "the fee");
        eq(court.bondFor(0, 10 * DOLLAR), DOLLAR, "the same");
        eq(court.bondFor(0, 10 * DOLLAR + 1), DOLLAR + 1, "up");
        eq(court.bondFor(0, type(uint64).max), type(uint64).max / 10 + 1, "the most");
    }

    function test_ALeaseCanBeContestedUntilItsLaneMayBeReused() public {
        Terms memory terms = _paid(0, 1000);
        _put(terms, LeaseState.Closed, 1000, uint32(_now()), 1000 * SECOND);
        uint256 until = _now() + W;
        vm.warp(until);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Court_TooLate(uint96,uint256)", terms.id, until));
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        vm.warp(until - 1);
        _contest(terms, 0, 1000);
        eq(uint256(court.disputeOf(terms.id).phase), 1, "contested");
    }

    function test_WhatBothSidesClosedAndWhatNeverRanCannotBeContested() public {
        Terms memory terms = _paid(0, 1000);
        _put(terms, LeaseState.Closed, 1000, 0, 1000 * SECOND);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Court_TooLate(uint96,uint256)", terms.id, 0));
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        _put(terms, LeaseState.Pending, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_TooLate(uint96,uint256)", terms.id, 0));
        court.contest(terms, 0, 1, type(uint64).max, 0);
        vm.stopPrank();
    }

    function test_WithNothingUnvestedTheStakeAnswersAndWithoutEitherThereIsNoDispute() public {
        Terms memory terms = _paid(0, 1000);
        book.vest();
        uint64 stake = vault.freeOf(PID, 0);
        vm.prank(address(book));
        vault.lock(PID, 0, stake);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Court_NothingAtStake(uint96)", terms.id));
        court.contest(terms, 0, 1000, type(uint64).max, 0);
        vm.prank(address(book));
        vault.release(PID, 0, stake, 0);
        _contest(terms, 0, 1000);
        eq(_frozen(terms), 0, "nothing to freeze");
        eq(vault.reserveOf(0, terms.id).amount, terms.liability, "the stake");
        _skip(T + 1);
        court.conclude(terms.id);
        eq(vault.reservedOf(PID, 0), 0, "silence does not touch the stake");
    }

    // ---------------------------------------------------------------- silence

    function test_SilenceGivesTheTenantWhatIsFrozenAndLeavesTheStake() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        vm.expectRevert(abi.encodeWithSignature("Court_Early(uint96,uint32)", terms.id, _now() + T));
        court.conclude(terms.id);
        _skip(T);
        vm.expectRevert(abi.encodeWithSignature("Court_Early(uint96,uint32)", terms.id, _now()));
        court.conclude(terms.id);
        _skip(1);
        uint64 frozen = _frozen(terms);
        uint256 before = dollar.balanceOf(refundTo);
        court.conclude(terms.id);
        eq(dollar.balanceOf(refundTo) - before, frozen, "to refundTo");
        eq(vault.stakeOf(PID, 0).amount, 1000 * DOLLAR, "stake");
        eq(vault.reservedOf(PID, 0), 0, "nothing held");
        eq(court.credits(tenant, 0), DOLLAR, "the bond");
        eq(court.withdrawCredit(tenant, 0), DOLLAR, "paid");
        vm.expectRevert(abi.encodeWithSignature("Court_NoCredit(address,uint8)", tenant, 0));
        court.withdrawCredit(tenant, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_Phase(uint96,uint8,uint8)", terms.id, 4, 1));
        court.conclude(terms.id);
        _holds(0);
    }

    // ---------------------------------------------------------------- answer

    function test_AnAnswerNeedsAReceiptForTheContestedSecondsSignedByAKeyThatMayReport() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        uint40 asOf = uint40(_now());
        bytes memory signature = _receipt(DUTY_KEY, terms, 999, asOf);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Court_Receipt(uint32,uint40,uint32)", 999, asOf, 1000));
        court.answer(terms.id, 999, asOf, "root", signature);
        signature = _receipt(DUTY_KEY, terms, 1000, asOf + 1);
        vm.expectRevert(abi.encodeWithSignature("Court_Receipt(uint32,uint40,uint32)", 1000, asOf + 1, 1000));
        court.answer(terms.id, 1000, asOf + 1, "root", signature);
        signature = _receipt(BID_KEY, terms, 1000, asOf);
        vm.expectRevert(abi.encodeWithSignature("Court_ReceiptSigner(uint96,address)", terms.id, bidder));
        court.answer(terms.id, 1000, asOf, "root", signature);
        vm.expectRevert(abi.encodeWithSignature("Court_ReceiptSigner(uint96,address)", terms.id, address(0)));
        court.answer(terms.id, 1000, asOf, "root", "short");
        vm.stopPrank();
        signature = _receipt(DUTY_KEY, terms, 1000, asOf);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Court_NotProvider(uint96,address)", terms.id, stranger));
        court.answer(terms.id, 1000, asOf, "root", signature);
        vm.prank(owner);
        court.answer(terms.id, 1000, asOf, "root", signature);
        eq(court.disputeOf(terms.id).answerer, owner, "the owner may, too");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Court_Phase(uint96,uint8,uint8)", terms.id, 2, 1));
        court.answer(terms.id, 1000, asOf, "root", signature);
    }

    function test_AnAnswerThatComesTooLateIsNone() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        uint32 due = court.disputeOf(terms.id).due;
        vm.warp(due + 1);
        uint40 asOf = uint40(_now());
        bytes memory signature = _receipt(DUTY_KEY, terms, 1000, asOf);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Court_Over(uint96,uint32)", terms.id, due));
        court.answer(terms.id, 1000, asOf, "root", signature);
    }

    function test_WithoutARulingInTenDaysBothBondsGoBackAndTheFreezeIsLifted() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        _holds(2 * DOLLAR);
        _skip(RULING + 1);
        (uint128 claimable,) = book.earnings(PID, 0);
        uint64 frozen = _frozen(terms);
        court.conclude(terms.id);
        (uint128 after_,) = book.earnings(PID, 0);
        eq(after_ - claimable, frozen, "back to the provider");
        eq(court.credits(tenant, 0), DOLLAR, "the tenant's bond");
        eq(court.credits(operator, 0), DOLLAR, "the provider's");
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSignature("Court_Phase(uint96,uint8,uint8)", terms.id, 4, 2));
        court.rule(terms.id, 0, 0, 0, 0);
        _holds(0);
    }

    // ---------------------------------------------------------------- ruling

    function test_ARulingForTheTenantWaitsFiveDaysAndTheLosersBondPaysTheFee() public {
        // A tenth of the contested rent is above the fee.
        params.setCourtFee(0, 10_000);
        Terms memory terms = _paid(0, 1000);
        // A fifth has vested.
        _put(terms, LeaseState.Live, 1000, uint32(_now()) + 7200, 800 * SECOND);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        uint64 frozen = _frozen(terms);
        uint64 rest = 1000 * SECOND - frozen;
        _rule(terms, frozen, rest, 3 * DOLLAR);
        vm.expectRevert(abi.encodeWithSignature("Court_Early(uint96,uint32)", terms.id, _now() + VETO));
        court.conclude(terms.id);
        _skip(VETO + 1);
        uint256 before = dollar.balanceOf(refundTo);
        court.conclude(terms.id);
        eq(dollar.balanceOf(refundTo) - before, frozen, "what was frozen");
        eq(vault.credits(refundTo, 0), rest, "the loss that it does not cover, out of the stake");
        eq(vault.burned(0), 3 * DOLLAR, "burned");
        eq(vault.stakeOf(PID, 0).amount, 997 * DOLLAR - rest, "slashed");
        eq(court.credits(tenant, 0), 200_000 - 10_000, "both bonds less the fee");
        eq(court.credits(treasury, 0), 10_000, "the fee");
        eq(court.credits(operator, 0), 0, "nothing");
        _holds(0);
    }

    function test_ARulingForTheProviderCostsTheTenantItsBond() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        _rule(terms, 0, 0, 0);
        _skip(VETO + 1);
        court.conclude(terms.id);
        // The fee is the whole bond.
        eq(court.credits(operator, 0), DOLLAR, "its own");
        eq(court.credits(treasury, 0), DOLLAR, "the fee");
        eq(court.credits(tenant, 0), 0, "lost");
        eq(vault.stakeOf(PID, 0).amount, 1000 * DOLLAR, "no stake");
        _holds(0);
    }

    function test_ARulingIsBoundedByTheContestedRentAndByWhatIsHeld() public {
        Terms memory terms = _paid(0, 1000);
        // A fifth has vested.
        _put(terms, LeaseState.Live, 1000, uint32(_now()) + 7200, 800 * SECOND);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        uint64 frozen = _frozen(terms);
        vm.startPrank(arbiter);
        vm.expectRevert(abi.encodeWithSignature("Court_AboveAmount(uint256,uint64)", 1000 * SECOND + 1, 1000 * SECOND));
        court.rule(terms.id, frozen, 1000 * SECOND - frozen + 1, 0, 0);
        vm.expectRevert(abi.encodeWithSignature("Court_AboveHeld(uint256,uint64)", frozen + 1, frozen));
        court.rule(terms.id, frozen + 1, 0, 0, 0);
        vm.expectRevert(
            abi.encodeWithSignature("Court_AboveHeld(uint256,uint64)", terms.liability + 1, terms.liability)
        );
        court.rule(terms.id, 0, 1, terms.liability, 0);
        vm.stopPrank();
        uint32 due = court.disputeOf(terms.id).due;
        vm.warp(due + 1);
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSignature("Court_Over(uint96,uint32)", terms.id, due));
        court.rule(terms.id, 0, 0, 0, 0);
    }

    function test_OnlyAnArbiterRulesAndOnlyAdminVetoes() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("AccessManagedUnauthorized(address)", stranger));
        court.rule(terms.id, 0, 0, 0, 0);
        _rule(terms, 1, 0, 0);
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSignature("AccessManagedUnauthorized(address)", arbiter));
        court.veto(terms.id);
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSignature("Court_Phase(uint96,uint8,uint8)", terms.id, 3, 2));
        court.rule(terms.id, 0, 0, 0, 0);
    }

    function test_AVetoWithinFiveDaysUndoesARulingAndBothBondsGoBack() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        vm.expectRevert(abi.encodeWithSignature("Court_Phase(uint96,uint8,uint8)", terms.id, 1, 3));
        court.veto(terms.id);
        _answer(terms, 1000);
        _rule(terms, 1, 0, DOLLAR);
        _skip(VETO);
        court.veto(terms.id);
        eq(court.credits(tenant, 0), DOLLAR, "back");
        eq(court.credits(operator, 0), DOLLAR, "back");
        eq(vault.stakeOf(PID, 0).amount, 1000 * DOLLAR, "no stake");
        eq(_frozen(terms), 0, "lifted");
        _holds(0);
    }

    function test_AVetoThatComesTooLateIsNone() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        _rule(terms, 1, 0, 0);
        uint32 due = court.disputeOf(terms.id).due;
        vm.warp(due + 1);
        vm.expectRevert(abi.encodeWithSignature("Court_Over(uint96,uint32)", terms.id, due));
        court.veto(terms.id);
    }

    // ---------------------------------------------------------------- a dead or replaced court

    function test_I6_ADisputeNobodyEndsLetsGoOfEverythingAfterTwentyOneDays() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        _rule(terms, 1, 1, 1);
        _skip(21 days + 1);
        book.release(terms.id);
        vault.unreserve(0, terms.id);
        eq(vault.freeOf(PID, 0), 1000 * DOLLAR, "the stake is free");
        court.conclude(terms.id);
        eq(vault.stakeOf(PID, 0).amount, 1000 * DOLLAR, "and nothing is taken any more");
        // The bonds still go where the ruling says.
        eq(court.credits(tenant, 0), DOLLAR, "the winner's");
        _holds(0);
    }

    function test_ACourtThatWasReplacedPaysItsBondsBackAndTouchesNoMoneyOfTheLease() public {
        Terms memory terms = _paid(0, 1000);
        _contest(terms, 0, 1000);
        _answer(terms, 1000);
        params.setSlasher(0, address(_court(1, 1, 1)));
        _skip(7 days);
        _rule(terms, 1, 0, DOLLAR);
        _skip(VETO + 1);
        court.conclude(terms.id);
        eq(_frozen(terms) != 0 ? 1 : 0, 1, "the freeze waits for its own end");
        eq(vault.burned(0), DOLLAR, "what it reserved as the court it may still decide");
        _skip(21 days);
        book.release(terms.id);
        _holds(0);
    }

    function test_TimesThatOutlastAFreezeAreRefused() public {
        bytes memory refused = abi.encodeWithSignature("Court_Times(uint32,uint32,uint32)", 7 days, 7 days, 7 days);
        vm.expectRevert(refused);
        new DisputeCourt(address(access), address(1), address(2), address(3), 1, 7 days, 7 days, 7 days);
        vm.expectRevert();
        new DisputeCourt(address(access), address(1), address(2), address(3), 1, 0, 1, 1);
        vm.expectRevert();
        new DisputeCourt(address(access), address(1), address(2), address(3), 1, 1, 0, 1);
        vm.expectRevert();
        new DisputeCourt(address(access), address(1), address(2), address(3), 1, 1, 1, 0);
        eq(court.leaseBook(), address(book), "book");
        eq(court.stakeVault(), address(vault), "vault");
        eq(court.params(), address(params), "params");
    }
}
