// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Params} from "../../src/Params.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {LeaseView, Terms} from "../../src/types/Types.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice What the vault asks of a book, with answers a test chooses.
contract BookOfOneProvider {
    address public immutable owner;
    address public immutable payout;
    mapping(uint32 lane => LeaseView) private _leases;

    constructor(address owner_, address payout_) {
        owner = owner_;
        payout = payout_;
    }

    function ownerOf(uint32 providerId) external view returns (address) {
        return providerId == 1 ? owner : address(0);
    }

    function payoutOf(uint32) external view returns (address) {
        return payout;
    }

    function put(uint32 lane, uint96 id, bytes32 termsHash) external {
        _leases[lane].id = id;
        _leases[lane].termsHash = termsHash;
    }

    function leaseAt(uint32, uint32 lane) external view returns (LeaseView memory) {
        return _leases[lane];
    }
}

/// @notice A token that takes a part of each transfer, when told to.
contract Shrinking is TestDollar {
    bool public shrinks;

    function shrink() external {
        shrinks = true;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return super.transferFrom(from, to, shrinks ? amount - 1 : amount);
    }
}

/// @notice A list of slashers that Params could never have: somebody in every slot.
contract SlashersWithoutEnd {
    function slasherOf(uint8) external view returns (address) {
        return tx.origin;
    }
}

/// @notice Stake, bonds, reserves and slashes: every branch of the vault.
contract VaultSlashTest is Assertions {
    uint32 private constant F = 100;
    uint32 private constant W = 1000;
    uint64 private constant DOLLAR = 1_000_000;
    uint32 private constant START = 1_800_000_000;
    uint40 private constant WAIT = uint40(F) + 2 * uint40(W) + 48 hours;

    address private owner = address(0x04e4);
    address private payout = address(0x9a0);
    address private tenant = address(0x7e4a47);
    address private treasury = address(0x74ea);
    address private court = address(0xc0047);
    address private second = address(0x5ec0);

    Params private params;
    BookOfOneProvider private book;
    StakeVault private vault;
    Shrinking private dollar;

    function setUp() public {
        vm.warp(START);
        vm.chainId(31_337);
        params = new Params(address(this), treasury, address(this), 25);
        dollar = new Shrinking();
        params.listToken(address(dollar), true);
        params.setSlasher(0, court);
        book = new BookOfOneProvider(owner, payout);
        vault = new StakeVault(address(book), address(params), F, W);
        dollar.mint(address(this), 10_000 * uint256(DOLLAR));
        dollar.approve(address(vault), type(uint256).max);
        vault.deposit(1, 0, 1000 * DOLLAR);
    }

    function _terms(uint32 lane, uint64 liability) private returns (Terms memory terms) {
        terms.id = (uint96(1) << 64) | (uint96(lane) << 32) | 1;
        terms.tenant = tenant;
        terms.refundTo = tenant;
        terms.liability = liability;
        book.put(lane, terms.id, (keccak256(abi.encode(terms)) >> 56) << 56);
    }

    function _reserve(Terms memory terms, uint64 amount) private returns (uint64) {
        vm.prank(court);
        return vault.reserve(0, terms, amount);
    }

    function _lock(uint64 amount) private {
        vm.prank(address(book));
        vault.lock(1, 0, amount);
    }

    function test_AFourthSlasherHasNoSlot() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        vm.etch(address(params), address(new SlashersWithoutEnd()).code);
        vm.prank(tx.origin);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 3, tx.origin));
        vault.reserve(3, terms, 1);
    }

    function _requestUnbond(uint64 amount) private {
        vm.prank(owner);
        vault.requestUnbond(1, 0, amount);
    }

    /// @dev SV-1 and SV-2, after every act of these tests.
    function _holds() private view {
        IStakeVault.Stake memory stake = vault.stakeOf(1, 0);
        uint64 reserved = vault.reservedOf(1, 0);
        yes(uint256(stake.locked) + reserved <= stake.amount, "SV-2: locked and reserved");
        yes(uint256(stake.locked) + stake.unbonding <= stake.amount, "SV-2: locked and unbonding");
        yes(stake.contested == (reserved != 0), "the flag says whether something is reserved");
        uint256 owed = uint256(stake.amount) + vault.burned(0) + vault.credits(tenant, 0);
        eq(dollar.balanceOf(address(vault)), owed, "SV-1: every unit belongs to somebody");
    }

    // ---------------------------------------------------------------- reserve

    function test_AReserveIsTheLeastOfWhatIsAskedTheLiabilityAndTheStakeThatIsNotHeld() public {
        eq(_reserve(_terms(0, 50 * DOLLAR), 40 * DOLLAR), 40 * DOLLAR, "asked");
        eq(_reserve(_terms(1, 50 * DOLLAR), type(uint64).max), 50 * DOLLAR, "liability");
        _lock(900 * DOLLAR);
        eq(_reserve(_terms(2, 50 * DOLLAR), type(uint64).max), 10 * DOLLAR, "1000 - 900 - 40 - 50");
        eq(_reserve(_terms(3, 50 * DOLLAR), type(uint64).max), 0, "nothing is left");
        eq(vault.freeOf(1, 0), 0, "no bond can be locked, no stake asked back");
        eq(vault.reservedOf(1, 0), 100 * DOLLAR, "all of them");
        eq(vault.reserveOf(0, _terms(1, 50 * DOLLAR).id).until, START + 21 days, "until");
        _holds();
    }

    function test_I13_AllSlashersTogetherReserveAndSlashNoMoreThanTheLiability() public {
        params.setSlasher(1, second);
        vm.warp(START + 7 days);
        Terms memory terms = _terms(0, 50 * DOLLAR);
        eq(_reserve(terms, 30 * DOLLAR), 30 * DOLLAR, "the court");
        vm.prank(second);
        eq(vault.reserve(1, terms, type(uint64).max), 20 * DOLLAR, "the second gets what is left");
        vm.prank(court);
        vault.slash(0, terms.id, 30 * DOLLAR, 0);
        eq(_reserve(terms, type(uint64).max), 0, "nothing of the liability is left");
        vm.prank(second);
        vault.slash(1, terms.id, 0, 20 * DOLLAR);
        IStakeVault.Liability memory liability = vault.liabilityOf(terms.id);
        eq(liability.slashed, 50 * DOLLAR, "the liability, no more");
        eq(liability.reserved, 0, "nothing waits");
        vm.prank(second);
        eq(vault.reserve(1, terms, type(uint64).max), 0, "and never again");
        _holds();
    }

    function test_OnlyTheSlasherParamsNamesReservesAndOnceForALease() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 0, address(this)));
        vault.reserve(0, terms, 1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 1, court));
        vault.reserve(1, terms, 1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 3, court));
        vault.reserve(3, terms, 1);
        _reserve(terms, 1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Reserved(uint96,uint8)", terms.id, 0));
        vault.reserve(0, terms, 1);
    }

    function test_TermsThatTheBookDoesNotKnowReserveNothing() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        terms.liability = 500 * DOLLAR;
        vm.prank(court);
        vm.expectRevert(
            abi.encodeWithSignature("StakeVault_TermsMismatch(uint96,bytes32)", terms.id, keccak256(abi.encode(terms)))
        );
        vault.reserve(0, terms, 1);
        // The lane's lease is another generation.
        terms = _terms(1, 50 * DOLLAR);
        book.put(1, terms.id + 1, (keccak256(abi.encode(terms)) >> 56) << 56);
        vm.prank(court);
        vm.expectRevert(
            abi.encodeWithSignature("StakeVault_TermsMismatch(uint96,bytes32)", terms.id, keccak256(abi.encode(terms)))
        );
        vault.reserve(0, terms, 1);
    }

    function test_AReserveIsUndoneByItsSlasherAndByAnyoneAfterTwentyOneDays() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_ReserveStands(uint96,uint8,uint32)", terms.id, 0, 0));
        vault.unreserve(0, terms.id);
        _reserve(terms, 50 * DOLLAR);
        vm.expectRevert(
            abi.encodeWithSignature("StakeVault_ReserveStands(uint96,uint8,uint32)", terms.id, 0, START + 21 days)
        );
        vault.unreserve(0, terms.id);
        vm.prank(court);
        vault.unreserve(0, terms.id);
        eq(vault.freeOf(1, 0), 1000 * DOLLAR, "free");
        _reserve(terms, 50 * DOLLAR);
        _reserve(_terms(1, DOLLAR), DOLLAR);
        vm.warp(START + 21 days);
        vault.unreserve(0, terms.id);
        eq(vault.reservedOf(1, 0), DOLLAR, "the other stands");
        eq(vault.liabilityOf(terms.id).reserved, 0, "given back");
        _holds();
    }

    // ---------------------------------------------------------------- unbonding

    function test_StakeThatWaitsToLeaveCanBeReservedAndSlashedUntilItLeft() public {
        _requestUnbond(1000 * DOLLAR);
        vm.warp(START + WAIT);
        Terms memory terms = _terms(0, 50 * DOLLAR);
        eq(_reserve(terms, type(uint64).max), 50 * DOLLAR, "due, but still here");
        vault.completeUnbond(1, 0);
        eq(dollar.balanceOf(payout), 950 * DOLLAR, "the rest leaves");
        eq(vault.stakeOf(1, 0).unbonding, 50 * DOLLAR, "what is reserved stays and keeps its turn");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotFree(uint32,uint8,uint64,uint64)", 1, 0, 50 * DOLLAR, 0));
        vault.completeUnbond(1, 0);
        _holds();
        vm.prank(court);
        vault.slash(0, terms.id, 10 * DOLLAR, 5 * DOLLAR);
        _holds();
        vault.completeUnbond(1, 0);
        eq(dollar.balanceOf(payout), 985 * DOLLAR, "less what was slashed");
        eq(vault.stakeOf(1, 0).unbondAt, 0, "nothing waits");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotYet(uint40)", 0));
        vault.completeUnbond(1, 0);
    }

    function test_AReserveTakesFreeStakeBeforeWhatIsUnbonding() public {
        _requestUnbond(900 * DOLLAR);
        _reserve(_terms(0, 60 * DOLLAR), type(uint64).max);
        eq(vault.freeOf(1, 0), 40 * DOLLAR, "100 - 60");
        _reserve(_terms(1, 60 * DOLLAR), type(uint64).max);
        eq(vault.freeOf(1, 0), 0, "none");
        vm.prank(address(book));
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotFree(uint32,uint8,uint64,uint64)", 1, 0, 1, 0));
        vault.lock(1, 0, 1);
        vm.warp(START + WAIT);
        vault.completeUnbond(1, 0);
        eq(dollar.balanceOf(payout), 880 * DOLLAR, "1000 - 120");
        _holds();
    }

    function test_ASlashThatTakesAllThatWaitsEndsTheWait() public {
        vault.deposit(1, 0, 1000 * DOLLAR);
        _lock(1900 * DOLLAR);
        _requestUnbond(100 * DOLLAR);
        Terms memory terms = _terms(0, 500 * DOLLAR);
        eq(_reserve(terms, type(uint64).max), 100 * DOLLAR, "what is not locked");
        vm.prank(court);
        vault.slash(0, terms.id, 100 * DOLLAR, 0);
        IStakeVault.Stake memory stake = vault.stakeOf(1, 0);
        eq(stake.unbonding, 0, "nothing waits");
        eq(stake.unbondAt, 0, "no clock");
        eq(stake.amount, 1900 * DOLLAR, "the bonds are untouched");
        _holds();
        vm.prank(address(book));
        vault.release(1, 0, 1900 * DOLLAR, 1900 * DOLLAR);
        _holds();
    }

    // ---------------------------------------------------------------- slash

    function test_WhatIsSlashedGoesToTheTenantOrIsBurnedAndNeverToACaller() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        _reserve(terms, type(uint64).max);
        vm.prank(court);
        (uint64 refunded, uint64 burnt) = vault.slash(0, terms.id, 20 * DOLLAR, 7 * DOLLAR);
        eq(refunded, 20 * DOLLAR, "refunded");
        eq(burnt, 7 * DOLLAR, "burned");
        _holds();
        eq(vault.reservedOf(1, 0), 0, "the rest of the reserve is free again");
        eq(vault.withdrawCredit(tenant, 0), 20 * DOLLAR, "by anyone");
        eq(dollar.balanceOf(tenant), 20 * DOLLAR, "to the tenant");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NoCredit(address,uint8)", tenant, 0));
        vault.withdrawCredit(tenant, 0);
        vault.pushBurned(0);
        eq(dollar.balanceOf(treasury), 7 * DOLLAR, "to the fee receiver");
        eq(dollar.balanceOf(court), 0, "nothing to the slasher");
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 0, court));
        vault.slash(0, terms.id, 1, 0);
    }

    function test_ASlasherTakesNoMoreThanItReservedAndNotWhatAnotherReserved() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        _reserve(terms, 10 * DOLLAR);
        vm.prank(court);
        vm.expectRevert(
            abi.encodeWithSignature(
                "StakeVault_BeyondReserve(uint96,uint256,uint64)", terms.id, 10 * DOLLAR + 1, 10 * DOLLAR
            )
        );
        vault.slash(0, terms.id, 10 * DOLLAR, 1);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 0, address(this)));
        vault.slash(0, terms.id, 1, 0);
        vm.prank(court);
        vm.expectRevert(
            abi.encodeWithSignature(
                "StakeVault_BeyondReserve(uint96,uint256,uint64)", terms.id, 2 * uint256(type(uint64).max), 10 * DOLLAR
            )
        );
        vault.slash(0, terms.id, type(uint64).max, type(uint64).max);
    }

    function test_SV4_ASlotTakesAtMostItsShareOfTheStakeInAnEpochAndTheTenantComesFirst() public {
        eq(uint256(vault.shareOf(0)) + vault.shareOf(1) + vault.shareOf(2), 10_000, "the shares sum to the whole");
        eq(vault.shareOf(3), 0, "no fourth");
        eq(vault.slashableOf(0, 1, 0), 500 * DOLLAR, "half of the stake");
        Terms memory terms = _terms(0, 400 * DOLLAR);
        _reserve(terms, type(uint64).max);
        vm.prank(court);
        vault.slash(0, terms.id, 400 * DOLLAR, 0);
        eq(vault.slashableOf(0, 1, 0), 100 * DOLLAR, "of the stake as the epoch found it");
        terms = _terms(1, 400 * DOLLAR);
        _reserve(terms, type(uint64).max);
        vm.prank(court);
        (uint64 refunded, uint64 burnt) = vault.slash(0, terms.id, 60 * DOLLAR, 340 * DOLLAR);
        eq(refunded, 60 * DOLLAR, "the tenant's part whole");
        eq(burnt, 40 * DOLLAR, "the burned part cut");
        eq(vault.slashableOf(0, 1, 0), 0, "nothing left");
        terms = _terms(2, 100 * DOLLAR);
        _reserve(terms, type(uint64).max);
        vm.prank(court);
        (refunded, burnt) = vault.slash(0, terms.id, 60 * DOLLAR, 1);
        eq(refunded + burnt, 0, "none in this epoch");
        _holds();
        vm.warp((START / 30 days + 1) * 30 days);
        eq(vault.slashableOf(0, 1, 0), 250 * DOLLAR, "half of what is left, in the next");
    }

    function test_AShareIsRoundedAgainstTheSlashed() public {
        vault.deposit(1, 0, 1);
        eq(vault.slashableOf(0, 1, 0), 500 * DOLLAR + 1, "up");
        Terms memory terms = _terms(0, 900 * DOLLAR);
        _reserve(terms, type(uint64).max);
        vm.prank(court);
        (uint64 refunded,) = vault.slash(0, terms.id, 900 * DOLLAR, 0);
        eq(refunded, 500 * DOLLAR + 1, "up");
    }

    function test_ASlasherThatWasReplacedStillEndsWhatItBegan() public {
        Terms memory terms = _terms(0, 50 * DOLLAR);
        _reserve(terms, type(uint64).max);
        params.setSlasher(0, second);
        vm.warp(START + 7 days);
        eq(params.court(), second, "replaced");
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 0, second));
        vault.slash(0, terms.id, 1, 0);
        vm.prank(court);
        vault.slash(0, terms.id, DOLLAR, 0);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotSlasher(uint8,address)", 0, court));
        vault.reserve(0, terms, 1);
        _holds();
    }

    /// @dev I13, SV-1, SV-2, SV-4 along any amounts.
    function testFuzz_WhateverIsReservedSlashedAndAskedBackTheVaultStaysWhole(
        uint64 stake,
        uint64 bond,
        uint64 back,
        uint64 liability,
        uint64 refund,
        uint64 burn
    ) public {
        vault.deposit(1, 0, uint64(stake % (5000 * DOLLAR)) + 1);
        uint64 amount = vault.stakeOf(1, 0).amount;
        _lock(bond % (vault.freeOf(1, 0) + 1));
        back = back % (vault.freeOf(1, 0) + 1);
        if (back != 0) _requestUnbond(back);
        Terms memory terms = _terms(0, liability);
        uint64 reserved = _reserve(terms, type(uint64).max);
        _holds();
        refund = refund % (reserved + 1);
        burn = burn % (reserved - refund + 1);
        vm.prank(court);
        (uint64 refunded, uint64 burnt) = vault.slash(0, terms.id, refund, burn);
        atMost(uint256(refunded) + burnt, liability, "I13");
        atMost(2 * (uint256(refunded) + burnt), uint256(amount) + 1, "SV-4");
        _holds();
        if (vault.stakeOf(1, 0).unbonding != 0) {
            vm.warp(START + WAIT);
            vault.completeUnbond(1, 0);
            _holds();
        }
    }

    // ---------------------------------------------------------------- what the book's own tests leave out

    function test_ATokenThatMovesLessThanAskedStakesNothing() public {
        dollar.shrink();
        vm.expectRevert(abi.encodeWithSignature("StakeVault_TransferMismatch(uint256,uint256)", DOLLAR - 1, DOLLAR));
        vault.deposit(1, 0, DOLLAR);
    }

    function test_TheVaultSaysWhoseItIs() public view {
        eq(vault.leaseBook(), address(book), "book");
        eq(vault.params(), address(params), "params");
        eq(vault.unbondTime(), WAIT, "longer than every window");
    }

    function test_ABondCanBeReleasedWhole() public {
        _lock(10);
        vm.prank(address(book));
        vault.release(1, 0, 10, 0);
        eq(vault.freeOf(1, 0), 1000 * DOLLAR, "free again");
        vm.prank(address(book));
        vm.expectRevert(
            abi.encodeWithSignature(
                "StakeVault_NotFree(uint32,uint8,uint64,uint64)", 1, 0, 2000 * DOLLAR, 1000 * DOLLAR
            )
        );
        vault.lock(1, 0, 2000 * DOLLAR);
    }

    function test_StakeAskedBackTwiceLeavesOnceAndTheClockBeginsAnew() public {
        _requestUnbond(DOLLAR);
        vm.warp(START + 10);
        _requestUnbond(2 * DOLLAR);
        eq(vault.stakeOf(1, 0).unbondAt, START + 10 + WAIT, "anew");
        vm.warp(START + 9 + WAIT);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotYet(uint40)", START + 10 + WAIT));
        vault.completeUnbond(1, 0);
        vm.warp(START + 10 + WAIT);
        vault.completeUnbond(1, 0);
        eq(dollar.balanceOf(payout), 3 * DOLLAR, "once");
        _holds();
    }
}
