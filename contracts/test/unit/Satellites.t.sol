// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Directory} from "../../src/Directory.sol";
import {Params} from "../../src/Params.sol";
import {IDirectory} from "../../src/interfaces/IDirectory.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice StakeVault, Params, Directory, TestDollar.
contract SatellitesTest is Market {
    // ---------------------------------------------------------------- StakeVault

    function test_StakeLeavesAfterTheUnbondingTimeToThePayoutAddress() public {
        vm.prank(owner);
        vault.requestUnbond(pid, 0, 400 * DOLLAR);
        eq(vault.freeOf(pid, 0), 600 * DOLLAR, "what waits locks nothing");
        uint40 due = vault.stakeOf(pid, 0).unbondAt;
        eq(due, _now() + F + 2 * W + 48 hours, "longer than every window");
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotYet(uint40)", due));
        vault.completeUnbond(pid, 0);
        _skip(1);
        vault.completeUnbond(pid, 0);
        eq(dollar.balanceOf(payout), 400 * DOLLAR, "paid");
        eq(vault.stakeOf(pid, 0).amount, 600 * DOLLAR, "left");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotYet(uint40)", 0));
        vault.completeUnbond(pid, 0);
    }

    function test_ABondCannotBeAskedBackAndAnUnbondingStakeCannotBeLocked() public {
        _open(_order(), 0, 1);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSignature(
                "StakeVault_NotFree(uint32,uint8,uint64,uint64)", pid, 0, 999 * DOLLAR, 998 * DOLLAR
            )
        );
        vault.requestUnbond(pid, 0, 999 * DOLLAR);
        vm.prank(owner);
        vault.requestUnbond(pid, 0, 998 * DOLLAR);
        eq(vault.freeOf(pid, 0), 0, "nothing free");
    }

    function test_StrangersMoveNoStakeAndNoClock() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotOwner(uint32,address)", pid, stranger));
        vault.requestUnbond(pid, 0, 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotLeaseBook(address)", stranger));
        vault.lock(pid, 0, 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NotLeaseBook(address)", stranger));
        vault.release(pid, 0, 1, 1);
        vm.prank(owner);
        vault.requestUnbond(pid, 0, DOLLAR);
        uint40 due = vault.stakeOf(pid, 0).unbondAt;
        _skip(10);
        vault.deposit(pid, 0, 1);
        eq(vault.stakeOf(pid, 0).unbondAt, due, "a deposit of one unit moves no clock");
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NoProvider(uint32)", 9));
        vault.deposit(9, 0, 1);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Amount(uint64)", 0));
        vault.deposit(pid, 0, 0);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Amount(uint64)", 0));
        vault.requestUnbond(pid, 0, 0);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Amount(uint64)", type(uint64).max));
        vault.deposit(pid, 0, type(uint64).max);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_NothingBurned(uint8)", 0));
        vault.pushBurned(0);
    }

    function test_TheBookCannotReleaseMoreThanItLockedNorBurnMoreThanItReleases() public {
        vm.startPrank(address(book));
        vault.lock(pid, 0, 10);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Bond(uint64,uint64)", 11, 10));
        vault.release(pid, 0, 11, 0);
        vm.expectRevert(abi.encodeWithSignature("StakeVault_Bond(uint64,uint64)", 10, 9));
        vault.release(pid, 0, 9, 10);
        vault.release(pid, 0, 10, 4);
        vm.stopPrank();
        eq(vault.burned(0), 4, "burned");
        eq(vault.stakeOf(pid, 0).amount, 1000 * DOLLAR - 4, "stake");
        vault.pushBurned(0);
        eq(dollar.balanceOf(treasury), 4, "pushed");
    }

    // ---------------------------------------------------------------- Params

    function test_OnlyTheOwnerSetsParamsAndOnlyWithinTheirBounds() public {
        bytes memory denied = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        params.setFee(1);
        vm.expectRevert(denied);
        params.listToken(address(dollar), true);
        vm.expectRevert(denied);
        params.setTokenOpen(0, false);
        vm.expectRevert(denied);
        params.setFeeReceiver(stranger);
        vm.expectRevert(denied);
        params.setGuardian(stranger);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSignature("Params_FeeTooHigh(uint8,uint8)", 101, 100));
        params.setFee(101);
        params.setFee(100);
        vm.expectRevert(abi.encodeWithSignature("Params_ZeroAddress()"));
        params.setFeeReceiver(address(0));
        vm.expectRevert(abi.encodeWithSignature("Params_ZeroAddress()"));
        params.setGuardian(address(0));
        vm.expectRevert(abi.encodeWithSignature("Params_ZeroAddress()"));
        params.listToken(address(0), true);
        vm.expectRevert(abi.encodeWithSignature("Params_TokenListed(address)", address(dollar)));
        params.listToken(address(dollar), true);
        vm.expectRevert(abi.encodeWithSignature("Params_NoToken(uint8)", 1));
        params.setTokenOpen(1, true);
        vm.expectRevert(abi.encodeWithSignature("Params_NoToken(uint8)", 1));
        params.tokenInfo(1);
        eq(params.tokenCount(), 1, "count");
    }

    function test_TokensHaveSixToEighteenDecimalsAndThereAreAtMostSixtyFour() public {
        address coarse = address(new Decimals(5));
        vm.expectRevert(abi.encodeWithSignature("Params_Decimals(uint8)", 5));
        params.listToken(coarse, true);
        address fine = address(new Decimals(19));
        vm.expectRevert(abi.encodeWithSignature("Params_Decimals(uint8)", 19));
        params.listToken(fine, true);
        uint8 token = params.listToken(address(new Decimals(18)), false);
        eq(params.tokenInfo(token).scale, 1e12, "scale");
        yes(!params.takesOrders(2), "not listed yet");
        for (uint256 i = 2; i < 64; ++i) {
            params.listToken(address(new Decimals(6)), false);
        }
        yes(params.takesOrders(63), "the last");
        for (uint256 i = 64; i < 256; ++i) {
            yes(!params.takesOrders(uint8(i)), "cannot be listed");
        }
        address last = address(new Decimals(6));
        vm.expectRevert(abi.encodeWithSignature("Params_ListFull(uint256)", 64));
        params.listToken(last, false);
    }

    function test_ATokenThatIsClosedTakesNoOrdersAndTheOthersDo() public {
        uint8 other = params.listToken(address(new Decimals(18)), false);
        params.setTokenOpen(0, false);
        yes(!params.takesOrders(0) && params.takesOrders(other), "one is closed");
        params.setTokenOpen(0, false);
        params.setTokenOpen(other, true);
        yes(!params.takesOrders(0) && params.takesOrders(other), "said again, nothing changes");
        params.setTokenOpen(0, true);
        params.setTokenOpen(other, false);
        yes(params.takesOrders(0) && !params.takesOrders(other), "the other way round");
        eq(params.tokenCount(), 2, "both stay listed");
        vm.prank(guardian);
        params.pause();
        yes(!params.takesOrders(0), "paused");
        _skip(7 days);
        yes(params.takesOrders(0), "the pause has ended");
    }

    function test_APauseLastsSevenDaysAndComesOnceInSixty() public {
        vm.expectRevert(abi.encodeWithSignature("Params_NotGuardian(address)", address(this)));
        params.pause();
        vm.startPrank(guardian);
        params.pause();
        eq(params.pausedUntil(), START + 7 days, "until");
        (, bool open) = params.opening();
        yes(!open, "closed");
        params.unpause();
        (, open) = params.opening();
        yes(open, "open");
        _skip(60 days - 1);
        vm.expectRevert(abi.encodeWithSignature("Params_PauseTooSoon(uint40)", START + 60 days));
        params.pause();
        _skip(1);
        params.pause();
        vm.stopPrank();
        _skip(7 days);
        (, open) = params.opening();
        yes(open, "it ends by itself");
        vm.expectRevert(abi.encodeWithSignature("Params_NotGuardian(address)", address(this)));
        params.unpause();
    }

    function test_ANewFeeHoldsForNewLeasesOnly() public {
        Terms memory terms = _live(0, 1);
        params.setFee(100);
        _skip(1000);
        _report(0, 1000);
        _settle(0);
        eq(book.fees(0), 25_000, "the fee of the opening");
        eq(_lease(0).feeSteps, FEE_STEPS, "stored");
        eq(terms.feeSteps, FEE_STEPS, "in the terms");
    }

    // ---------------------------------------------------------------- Directory

    function test_ADirectoryNamesContractsWithTheirCodeAndVersionsThatOnlyGrow() public {
        Directory directory = new Directory(owner, F, W);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", address(this)));
        directory.found(17);
        vm.startPrank(owner);
        directory.found(17);
        vm.expectRevert(abi.encodeWithSignature("Directory_Founded(uint64)", 17));
        directory.found(18);
        vm.stopPrank();
        eq(directory.fromBlock(), 17, "from");
        eq(directory.finalReports(), F, "F");
        eq(directory.vestEpoch(), W, "W");
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", address(this)));
        directory.set("LeaseBook", address(book), 1);
        vm.expectRevert(abi.encodeWithSignature("Directory_NoEntry(bytes32)", bytes32("LeaseBook")));
        directory.get("LeaseBook");
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSignature("Directory_NoCode(address)", address(1)));
        directory.set("LeaseBook", address(1), 1);
        vm.expectRevert(abi.encodeWithSignature("Directory_VersionNotNewer(uint32,uint32)", 0, 0));
        directory.set("LeaseBook", address(book), 0);
        directory.set("LeaseBook", address(book), 1);
        directory.set("Params", address(params), 1);
        vm.expectRevert(abi.encodeWithSignature("Directory_VersionNotNewer(uint32,uint32)", 1, 1));
        directory.set("LeaseBook", address(book), 1);
        directory.set("Params", address(params), 3);
        vm.stopPrank();
        IDirectory.Entry[] memory entries = directory.entries();
        eq(entries.length, 2, "two names");
        eq(entries[0].codeHash, address(book).codehash, "code");
        eq(directory.get("Params").version, 3, "version");
    }

    // ---------------------------------------------------------------- TestDollar

    function test_ATestDollarLivesOnLocalChainsOnly() public {
        uint256[6] memory refused = [uint256(1), 10, 42_161, 31_336, 31_400, 1338];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.chainId(refused[i]);
            vm.expectRevert(abi.encodeWithSignature("TestDollar_NotALocalChain(uint256)", refused[i]));
            new TestDollar();
        }
        vm.chainId(1337);
        eq(new TestDollar().decimals(), 6, "decimals");
    }
}

contract Decimals {
    uint8 public immutable decimals;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }
}
