// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeVault} from "../../src/StakeVault.sol";
import {Order, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice Refusals of the acts on leases, and reports.
contract LeasesTest is Market {
    function test_ChangedTermsAreNoLeasesTerms() public {
        Terms memory terms = _live(0, 1);
        terms.refundTo = stranger;
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Lease_TermsMismatch(uint96,bytes32)", terms.id, book.hashTerms(terms)));
        book.stop(terms, 1001);
    }

    function test_AStartNeedsItsRoleAndABaseTheLaneCanCountFrom() public {
        _live(8, 1);
        Terms memory terms = _open(_order(), 9, 1);
        _report(9, 500);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, bidder, 2));
        book.start(terms, 500, 0);
        uint256 most = (1 << 31) - 1 - 7200;
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Start_Base(uint32,uint32,uint256)", 499, 500, most));
        book.start(terms, 499, 0);
        vm.expectRevert(abi.encodeWithSignature("Start_Base(uint32,uint32,uint256)", most + 1, 500, most));
        book.start(terms, uint32(most + 1), 0);
        book.start(terms, uint32(most), 0);
        vm.stopPrank();
        eq(_lease(9).laneBase, most, "base");
    }

    function test_OnlyTheProvidersKeyDeclinesNotifiesEvictsAndWaives() public {
        bytes memory denied = abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, tenant, 2);
        Terms memory terms = _open(_order(), 1, 1);
        vm.startPrank(tenant);
        vm.expectRevert(denied);
        book.decline(terms, 1);
        vm.stopPrank();
        terms = _live(0, 1);
        vm.startPrank(tenant);
        vm.expectRevert(denied);
        book.notice(terms, 1);
        vm.expectRevert(denied);
        book.evict(terms);
        vm.expectRevert(denied);
        book.waive(terms, 0);
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Lease_NotParty(uint96,address)", terms.id, stranger));
        book.stop(terms, 1);
    }

    function test_ANoticeThatEndsAfterTheLeaseDoesIsRefused() public {
        Terms memory terms = _live(0, 1);
        uint32 stopAt = _lease(0).stopAt;
        _skip(6600);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Lease_Stopped(uint96,uint32)", terms.id, stopAt));
        book.notice(terms, 1);
    }

    function test_ATopUpBelowAMinuteOrBeyondTheWordIsRefused() public {
        Terms memory terms = _live(0, 1);
        vm.expectRevert(abi.encodeWithSignature("TopUp_TooSmall(uint64,uint64)", 59_999, 60_000));
        book.topUp(terms, 59_999);
        uint64 balance = _lease(0).balance;
        vm.expectRevert(abi.encodeWithSignature("TopUp_TooLarge(uint64,uint64)", type(uint64).max, balance));
        book.topUp(terms, type(uint64).max);
    }

    function test_ACloseOutsideOfWhatRanOrWithoutConsentIsRefused() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        _report(0, 60);
        _settle(0);
        uint40 deadline = uint40(_now()) + 10;
        bytes memory signature = _signClose(DUTY_KEY, terms, 59, deadline);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Close_CumBelowSettled(uint32,uint32)", 59, 60));
        book.closeBoth(terms, 59, deadline, signature, "");
        vm.stopPrank();
        signature = _signClose(DUTY_KEY, terms, 101, deadline);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Close_CumBeyondElapsed(uint32,uint32)", 101, 100));
        book.closeBoth(terms, 101, deadline, signature, "");
        vm.expectRevert(abi.encodeWithSignature("Close_Signature(address)", tenant));
        book.closeBoth(terms, 100, deadline, "", "");
        vm.stopPrank();
        signature = _signClose(DUTY_KEY, terms, 100, deadline);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Close_Signature(address)", stranger));
        book.closeBoth(terms, 100, deadline, signature, "");
        vm.stopPrank();
        bytes memory bid = _signClose(BID_KEY, terms, 100, deadline);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Close_Signature(address)", bidder));
        book.closeBoth(terms, 100, deadline, bid, "");
        _skip(11);
        vm.expectRevert(abi.encodeWithSignature("Close_Deadline(uint40)", deadline));
        book.closeBoth(terms, 100, deadline, signature, "");
        vm.stopPrank();
    }

    function test_ACloseSignedForOneLeaseFitsNoOtherUnderTheSameId() public {
        Terms memory terms = _live(0, 1);
        Terms memory other = terms;
        _skip(100);
        uint40 deadline = uint40(_now()) + 10;
        other.manifestHash = "other";
        bytes memory signature = _signClose(DUTY_KEY, other, 100, deadline);
        terms.manifestHash = keccak256("manifest");
        vm.startPrank(tenant);
        vm.expectRevert();
        book.closeBoth(terms, 100, deadline, signature, "");
        vm.stopPrank();
    }

    function test_ACloseByBothPaysFromTheHoldbackToo() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(1000);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 1000, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 1000, deadline, signature, "");
        eq(_lease(0).settled, 900, "as far as the money goes");
        eq(dollar.balanceOf(refundTo), 0, "nothing left");
    }

    // ---------------------------------------------------------------- report

    function test_AReportIsRefusedWithoutRoleWordsOrRoom() public {
        uint256[] memory words = new uint256[](1);
        words[0] = 1;
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, bidder, 4));
        book.report(pid, 0, 0, 0, words);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Report_Empty()"));
        book.report(pid, 0, 0, 0, new uint256[](0));
        vm.expectRevert(abi.encodeWithSignature("Report_WordRange(uint256,uint256)", 1 << 29, 1));
        book.report(pid, 1 << 29, 0, 0, words);
        book.report(pid, (1 << 29) - 1, 0, 0, words);
        vm.stopPrank();
    }

    function test_AReportThatJumpsTooFarOrSetsAGuardChangesNothing() public {
        uint256[] memory words = new uint256[](2);
        words[0] = 100;
        words[1] = uint256(1 << 17) << 64;
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Report_JumpTooFar(uint32,uint32)", 26, 1 << 17));
        book.report(pid, 2, 0, 0, words);
        words[1] = uint256(0x80000000) << 96;
        vm.expectRevert(abi.encodeWithSignature("Report_GuardBit(uint32)", 27));
        book.report(pid, 2, 0, 0, words);
        words[1] = uint256((1 << 17) - 1) << 64;
        book.report(pid, 2, 0, 0, words);
        vm.stopPrank();
        eq(book.laneWord(pid, 2), 100, "first word");
        eq(_laneValue(26), (1 << 17) - 1, "third lane of the second");
    }

    function testFuzz_ReportsInAnyOrderAndOftenEndInTheSameState(uint256 a, uint256 b, uint8 order) public {
        uint256 small = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        uint256[2] memory reports = [a & small, b & small];
        for (uint256 i = 0; i < 4; ++i) {
            uint256[] memory words = new uint256[](1);
            words[0] = reports[(order >> i) & 1];
            vm.prank(operator);
            book.report(pid, 0, uint40(i), 0, words);
        }
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory words = new uint256[](1);
            words[0] = reports[i];
            vm.prank(operator);
            book.report(pid, 0, 0, 0, words);
        }
        uint256 expected;
        for (uint256 lane = 0; lane < 8; ++lane) {
            uint256 x = (reports[0] >> (lane * 32)) & 0xffff;
            uint256 y = (reports[1] >> (lane * 32)) & 0xffff;
            expected |= (x > y ? x : y) << (lane * 32);
        }
        eq(book.laneWord(pid, 0), expected, "the maximum");
    }

    function test_SettleSkipsWhatIsNotLiveAndCountsALaneOnce() public {
        _live(0, 1);
        _open(_order(), 1, 1);
        _skip(100);
        _report(0, 80);
        uint32[] memory lanes = new uint32[](4);
        (lanes[0], lanes[1], lanes[2], lanes[3]) = (1, 0, 0, 77);
        vm.recordLogs();
        book.settle(pid, lanes);
        // Settled and Earned.
        eq(vm.getRecordedLogs().length, 2, "two events");
        eq(_lease(0).settled, 80, "once");
        vm.recordLogs();
        book.settle(pid, lanes);
        eq(vm.getRecordedLogs().length, 0, "nothing to do, nothing said");
    }

    function test_ARowOfSettledIsLaneSecondsAndPayment() public {
        _live(5, 1);
        _skip(100);
        _report(5, 80);
        vm.recordLogs();
        _settle(5);
        bytes memory rows = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        eq(keccak256(rows), keccak256(abi.encodePacked(uint32(5), uint32(80), uint64(80_000))), "16 bytes");
    }

    function test_NothingIsClaimedBeforeItVestsAndNothingTwice() public {
        _live(0, 1);
        _skip(100);
        _report(0, 100);
        _settle(0);
        bytes memory nothing = abi.encodeWithSignature("Claim_Nothing(uint32,uint8)", pid, 0);
        vm.expectRevert(nothing);
        book.claim(pid, 0);
        vm.warp((_now() / W + 2) * W - 1);
        vm.expectRevert(nothing);
        book.claim(pid, 0);
        _skip(1);
        eq(book.claim(pid, 0), 97_500, "vested");
        vm.expectRevert(nothing);
        book.claim(pid, 0);
        vm.expectRevert(abi.encodeWithSignature("Credit_Nothing(address,uint8)", address(this), 0));
        book.withdrawCredit(0, address(this));
        book.pushFees(0);
        vm.expectRevert(abi.encodeWithSignature("Fees_Nothing(uint8)", 0));
        book.pushFees(0);
    }

    function test_LeasesInSeveralTokensAreSettledInOneCall() public {
        uint8 second = _secondToken();
        _live(0, 1);
        Order memory order = _order();
        order.token = second;
        _live(order, 1, 1);
        _live(2, 1);
        _skip(100);
        _report(0, 100);
        _report(1, 100);
        _report(2, 100);
        uint32[] memory lanes = new uint32[](3);
        (lanes[0], lanes[1], lanes[2]) = (0, 1, 2);
        book.settle(pid, lanes);
        (, uint128 first) = book.earnings(pid, 0);
        (, uint128 other) = book.earnings(pid, second);
        eq(first, 195_000, "two leases");
        eq(other, 97_500, "one lease");
        eq(book.reputation(pid).paid, 200_000, "the second is no dollar");
    }

    function _secondToken() private returns (uint8 token) {
        dollar.approve(address(vault), type(uint256).max);
        SecondToken other = new SecondToken();
        token = params.listToken(address(other), false);
        other.mint(tenant, 1e12);
        other.mint(address(this), 1e12);
        vm.prank(tenant);
        other.approve(address(book), type(uint256).max);
        other.approve(address(vault), type(uint256).max);
        vault.deposit(pid, token, 1000 * DOLLAR);
    }

    // ---------------------------------------------------------------- construction

    function _refused(uint32 finalReports, uint32 vestEpoch, bytes memory reason) private {
        bytes memory creation =
            _creation("LeaseBook", abi.encode(address(params), address(vault), finalReports, vestEpoch));
        vm.expectRevert(reason);
        _created(creation);
    }

    function test_ABookRefusesBadWindowsAndAVaultOfAnotherBook() public {
        _refused(0, 1, abi.encodeWithSignature("Windows_Invalid(uint32,uint32)", 0, 1));
        _refused(1, 0, abi.encodeWithSignature("Windows_Invalid(uint32,uint32)", 1, 0));
        uint32 tooLong = (1 << 30) + 1;
        _refused(tooLong, 1, abi.encodeWithSignature("Windows_Invalid(uint32,uint32)", tooLong, 1));
        _refused(1, tooLong, abi.encodeWithSignature("Windows_Invalid(uint32,uint32)", 1, tooLong));
        _refused(F, W, abi.encodeWithSignature("Vault_NamesOtherBook(address)", address(vault)));
        eq(book.finalReports(), F, "F");
        eq(book.vestEpoch(), W, "W");
        eq(book.params(), address(params), "params");
        eq(book.stakeVault(), address(vault), "vault");
        yes(book.extension().code.length != 0, "extension");
        eq(StakeVault(book.stakeVault()).unbondTime(), F + 2 * W + 48 hours, "unbonding");
    }

    function test_ACallTheBookDoesNotKnowReverts() public {
        (bool ok,) = address(book).call(hex"deadbeef");
        yes(!ok, "unknown");
        (ok,) = address(book).call("");
        yes(!ok, "empty");
        (ok,) = address(book).call{value: 0}(hex"00");
        yes(!ok, "short");
    }
}

contract SecondToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint8 public constant decimals = 6;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
