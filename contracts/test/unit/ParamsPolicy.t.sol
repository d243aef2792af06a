// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Params} from "../../src/Params.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice Slashers, court fees, auditors and the reduced fee. Tokens, fee and pause are in Satellites.t.sol.
contract ParamsPolicyTest is Assertions {
    uint32 private constant START = 1_800_000_000;
    address private stranger = address(0x57a46e);
    address private court = address(0xc0047);
    address private other = address(0x07e4);
    address private auditor = address(0xa0d1);

    Params private params;

    function setUp() public {
        vm.warp(START);
        vm.chainId(31_337);
        params = new Params(address(this), address(1), address(2), 25);
        params.listToken(address(new TestDollar()), true);
        params.listToken(address(new TestDollar()), false);
    }

    function test_OnlyTheOwnerDecidesPolicy() public {
        bytes memory denied = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        params.setReducedFee(1, 1);
        vm.expectRevert(denied);
        params.setCourtFee(0, 1);
        vm.expectRevert(denied);
        params.setSlasher(0, court);
        vm.expectRevert(denied);
        params.setAuditor(auditor, true);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- slashers

    function test_TheFirstCourtHoldsAtOnceAndEveryOtherSlasherInSevenDays() public {
        eq(params.court(), address(0), "none");
        params.setSlasher(0, court);
        eq(params.court(), court, "at once");
        (address next, uint40 from) = params.nextSlasher(0);
        eq(next, court, "it holds");
        eq(from, 0, "nothing waits");
        params.setSlasher(0, other);
        eq(params.court(), court, "the old one for seven days");
        (next, from) = params.nextSlasher(0);
        eq(next, other, "named");
        eq(from, START + 7 days, "from");
        vm.warp(START + 7 days - 1);
        eq(params.court(), court, "still");
        vm.warp(START + 7 days);
        eq(params.court(), other, "now");
        params.setSlasher(1, court);
        eq(params.slasherOf(1), address(0), "an empty slot of the others waits too");
        vm.warp(START + 14 days);
        eq(params.slasherOf(1), court, "now");
    }

    function test_NamedAgainBeforeItHoldsTheFirstNamingIsVoid() public {
        params.setSlasher(0, court);
        params.setSlasher(0, other);
        vm.warp(START + 6 days);
        params.setSlasher(0, stranger);
        vm.warp(START + 7 days);
        eq(params.court(), court, "the other never holds");
        vm.warp(START + 13 days);
        eq(params.court(), stranger, "seven days after it was named");
    }

    function test_ACourtThatWasTakenAwayComesBackInSevenDaysOnly() public {
        params.setSlasher(0, court);
        params.setSlasher(0, address(0));
        vm.warp(START + 7 days);
        eq(params.court(), address(0), "none");
        params.setSlasher(0, court);
        eq(params.court(), address(0), "the first naming was the founding");
    }

    function test_ThereAreThreeSlots() public {
        vm.expectRevert(abi.encodeWithSignature("Params_NoSlot(uint8,uint8)", 3, 3));
        params.setSlasher(3, court);
        params.setSlasher(2, court);
        eq(params.slasherOf(3), address(0), "none");
    }

    // ---------------------------------------------------------------- fees

    function test_OneTokenPaysALowerFeeAndNeverAHigherOne() public {
        (uint8 fee, bool open) = params.opening(1);
        eq(fee, 25, "as all");
        yes(open, "open");
        vm.expectRevert(abi.encodeWithSignature("Params_FeeTooHigh(uint8,uint8)", 26, 25));
        params.setReducedFee(1, 26);
        vm.expectRevert(abi.encodeWithSignature("Params_NoToken(uint8)", 2));
        params.setReducedFee(2, 1);
        params.setReducedFee(1, 10);
        (fee,) = params.opening(1);
        eq(fee, 10, "reduced");
        (fee,) = params.opening(0);
        eq(fee, 25, "the others");
        (fee,) = params.opening();
        eq(fee, 25, "unasked");
        params.setFee(5);
        (fee,) = params.opening(1);
        eq(fee, 5, "cut with the others'");
        params.setFee(25);
        params.setReducedFee(0, 0);
        (fee,) = params.opening(0);
        eq(fee, 0, "token 0 now");
        (fee,) = params.opening(1);
        eq(fee, 25, "and no other");
        vm.prank(address(2));
        params.pause();
        (, open) = params.opening(0);
        yes(!open, "paused");
    }

    function test_ACourtFeeHasABoundAndATokenOfItsOwn() public {
        vm.expectRevert(abi.encodeWithSignature("Params_CourtFeeTooHigh(uint64,uint64)", 1_000_000_001, 1_000_000_000));
        params.setCourtFee(0, 1_000_000_001);
        vm.expectRevert(abi.encodeWithSignature("Params_NoToken(uint8)", 2));
        params.setCourtFee(2, 1);
        params.setCourtFee(0, 1_000_000_000);
        eq(params.courtFee(0), 1_000_000_000, "set");
        eq(params.courtFee(1), 0, "its own");
    }

    // ---------------------------------------------------------------- attest

    function test_AnAuditorStandsForFactsForAtMostFourHundredDays() public {
        vm.expectRevert(abi.encodeWithSignature("Params_NotAuditor(address)", auditor));
        vm.prank(auditor);
        params.attest(7, "facts", START + 1);
        vm.expectRevert(abi.encodeWithSignature("Params_ZeroAddress()"));
        params.setAuditor(address(0), true);
        params.setAuditor(auditor, true);
        uint256 limit = START + 400 days;
        vm.startPrank(auditor);
        vm.expectRevert(abi.encodeWithSignature("Params_AttestUntil(uint40,uint256)", limit + 1, limit));
        params.attest(7, "facts", uint40(limit + 1));
        vm.expectRevert(abi.encodeWithSignature("Params_AttestUntil(uint40,uint256)", START, limit));
        params.attest(7, "facts", START);
        params.attest(7, "facts", uint40(limit));
        vm.stopPrank();
        yes(params.isAttested(7, auditor, "facts"), "attested");
        yes(!params.isAttested(7, auditor, "other facts"), "these facts only");
        yes(!params.isAttested(8, auditor, "facts"), "this provider only");
        yes(!params.isAttested(7, other, "facts"), "by this auditor only");
        (bytes32 hash, uint40 until) = params.attestation(7, auditor);
        eq(hash, "facts", "facts");
        eq(until, limit, "until");
        vm.warp(limit);
        yes(params.isAttested(7, auditor, "facts"), "to the last second");
        vm.warp(limit + 1);
        yes(!params.isAttested(7, auditor, "facts"), "over");
    }

    function test_AnAttestationEndsWhenItIsTakenBackOrItsAuditorIsOneNoMore() public {
        params.setAuditor(auditor, true);
        vm.prank(auditor);
        params.attest(7, "facts", START + 100);
        params.setAuditor(auditor, false);
        yes(!params.isAttested(7, auditor, "facts"), "no auditor");
        params.setAuditor(auditor, true);
        yes(params.isAttested(7, auditor, "facts"), "again one");
        vm.prank(auditor);
        params.attest(7, "facts", 0);
        yes(!params.isAttested(7, auditor, "facts"), "taken back");
    }
}
