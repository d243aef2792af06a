// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Params} from "../../src/Params.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {Terms} from "../../src/types/Types.sol";

import {Assertions} from "../support/Assertions.sol";
import {PickyCoin} from "../support/Mocks.sol";
import {vm} from "../support/Vm.sol";
import {BookOfOneProvider} from "./VaultSlash.t.sol";

/// @notice Every way of money into the vault and out of it, told by an event, in a token that counts in units of its own: eighteen
/// decimals, of which the vault's micro-units are the first six.
contract VaultMoneyTest is Assertions {
    uint32 private constant F = 100;
    uint32 private constant W = 1000;
    uint64 private constant COIN = 1_000_000;
    uint256 private constant SCALE = 10 ** 12;
    uint32 private constant START = 1_800_000_000;
    uint40 private constant WAIT = uint40(F) + 2 * uint40(W) + 48 hours;

    address private owner = address(0x04e4);
    address private payout = address(0x9a0);
    address private tenant = address(0x7e4a47);
    address private treasury = address(0x74ea);
    address private court = address(0xc0047);

    BookOfOneProvider private book;
    StakeVault private vault;
    PickyCoin private coin;

    function setUp() public {
        vm.warp(START);
        vm.chainId(31_337);
        Params params = new Params(address(this), treasury, address(this), 25);
        coin = new PickyCoin();
        params.listToken(address(coin), false);
        params.setSlasher(0, court);
        book = new BookOfOneProvider(owner, payout);
        vault = new StakeVault(address(book), address(params), F, W);
        coin.mint(address(this), 1000 * COIN * SCALE);
        coin.approve(address(vault), type(uint256).max);
    }

    function _deposit(uint64 amount) private {
        vm.expectEmit();
        emit IStakeVault.Deposited(1, 0, address(this), amount);
        vault.deposit(1, 0, amount);
    }

    function _terms() private returns (Terms memory terms) {
        terms.id = (uint96(1) << 64) | 1;
        terms.tenant = tenant;
        terms.refundTo = tenant;
        terms.liability = 50 * COIN;
        book.put(0, terms.id, (keccak256(abi.encode(terms)) >> 56) << 56);
    }

    function test_ADepositTakesTheTokensOwnUnits() public {
        _deposit(7 * COIN + 1);
        eq(coin.balanceOf(address(vault)), (7 * COIN + 1) * SCALE, "in the vault");
        eq(vault.stakeOf(1, 0).amount, 7 * COIN + 1, "of the provider");
    }

    function test_TheLastUnitFitsAndOneMoreDoesNot() public {
        coin.mint(address(this), type(uint64).max * SCALE);
        _deposit(1);
        _deposit(type(uint64).max - 1);
        eq(vault.stakeOf(1, 0).amount, type(uint64).max, "full");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Amount(uint64)", 1));
        vault.deposit(1, 0, 1);
    }

    function test_WhatIsAskedBackIsPaidInTheTokensOwnUnitsAfterItsTime() public {
        _deposit(10 * COIN);
        vm.expectEmit();
        emit IStakeVault.UnbondRequested(1, 0, 3 * COIN, 3 * COIN, START + WAIT);
        vm.prank(owner);
        vault.requestUnbond(1, 0, 3 * COIN);
        vm.warp(START + WAIT);
        vm.expectEmit();
        emit IStakeVault.Unbonded(1, 0, payout, 3 * COIN);
        vault.completeUnbond(1, 0);
        eq(coin.balanceOf(payout), 3 * COIN * SCALE, "paid");
        eq(coin.balanceOf(address(vault)), 7 * COIN * SCALE, "stays");
    }

    function test_ABondLocksAllThatIsFreeIsToldAndBurnsInPart() public {
        _deposit(10 * COIN);
        vm.expectEmit();
        emit IStakeVault.Locked(1, 0, 10 * COIN);
        vm.prank(address(book));
        vault.lock(1, 0, 10 * COIN);
        vm.expectEmit();
        emit IStakeVault.Released(1, 0, 10 * COIN, 4 * COIN);
        vm.prank(address(book));
        vault.release(1, 0, 10 * COIN, 4 * COIN);
        vm.expectEmit();
        emit IStakeVault.BurnedPushed(0, treasury, 4 * COIN);
        vault.pushBurned(0);
        eq(coin.balanceOf(treasury), 4 * COIN * SCALE, "burned");
        eq(vault.burned(0), 0, "once");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NothingBurned(uint8)", 0));
        vault.pushBurned(0);
    }

    function test_AReserveItsReturnAndASlashAreToldAndTheTenantIsPaidInTheTokensOwnUnits() public {
        _deposit(1000 * COIN);
        vm.warp(START + 7 days);
        Terms memory terms = _terms();
        vm.expectEmit();
        emit IStakeVault.Reserved(terms.id, 0, court, 30 * COIN, uint32(START + 7 days) + 21 days);
        vm.prank(court);
        vault.reserve(0, terms, 30 * COIN);
        vm.expectEmit();
        emit IStakeVault.Unreserved(terms.id, 0, 30 * COIN);
        vm.prank(court);
        vault.unreserve(0, terms.id);
        vm.prank(court);
        vault.reserve(0, terms, 30 * COIN);
        vm.expectEmit();
        emit IStakeVault.Slashed(terms.id, 0, tenant, 0, 20 * COIN, 10 * COIN);
        vm.prank(court);
        vault.slash(0, terms.id, 20 * COIN, 10 * COIN);
        vm.expectEmit();
        emit IStakeVault.CreditWithdrawn(tenant, 0, 20 * COIN);
        eq(vault.withdrawCredit(tenant, 0), 20 * COIN, "told");
        eq(coin.balanceOf(tenant), 20 * COIN * SCALE, "paid");
        eq(vault.burned(0), 10 * COIN, "burned");
        eq(vault.credits(tenant, 0), 0, "once");
    }
}
