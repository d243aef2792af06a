// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Port} from "../../src/token/Port.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice The table of PORT, to the second.
contract PortTest is Assertions {
    uint256 private constant START = 1_800_000_000;
    uint256 private constant YEAR = 365 days;
    uint256 private constant KEY = 0xa11ce;

    address[5] private holders = [address(0x10), address(0x11), address(0x12), address(0x13), address(0x14)];
    Port private port;

    function setUp() public {
        vm.warp(START);
        port = new Port(holders);
    }

    function test_PT1_TheRowsSumToTheCapAndAllIsMintedAfterEightYears() public {
        uint256 sum = 0;
        for (uint256 i = 0; i < port.ROWS(); ++i) {
            sum += port.rowOf(i).amount;
        }
        eq(sum, port.CAP(), "the cap");
        vm.warp(START + 8 * YEAR);
        for (uint256 i = 0; i < port.ROWS(); ++i) {
            eq(port.mint(i), port.rowOf(i).amount, "all of the row");
            eq(port.balanceOf(holders[i]), port.rowOf(i).amount, "to its holder");
            vm.expectRevert(abi.encodeWithSignature("Port_NothingVested(uint256)", i));
            port.mint(i);
        }
        eq(port.totalSupply(), port.CAP(), "no more than the cap");
        vm.warp(START + 80 * YEAR);
        vm.expectRevert(abi.encodeWithSignature("Port_NothingVested(uint256)", 0));
        port.mint(0);
    }

    function test_AtTheStartTheTreasuryTheEcosystemAndLiquidityHaveTheirFirstPart() public {
        uint256[5] memory first = [uint256(0), 25_000_000e18, 0, 12_000_000e18, 30_000_000e18];
        for (uint256 i = 0; i < 5; ++i) {
            eq(port.vestedOf(i), first[i], "first part");
        }
        vm.expectRevert(abi.encodeWithSignature("Port_NothingVested(uint256)", 0));
        port.mint(0);
        port.mint(4);
        eq(port.totalSupply(), 30_000_000e18, "liquidity");
    }

    function test_ContributorsGetNothingForAYearAndThenAQuarter() public {
        vm.warp(START + YEAR - 1);
        eq(port.vestedOf(2), 0, "the cliff");
        vm.warp(START + YEAR);
        eq(port.vestedOf(2), 50_000_000e18, "a year of four");
        vm.warp(START + 4 * YEAR);
        eq(port.vestedOf(2), 200_000_000e18, "all");
        eq(port.vestedOf(0), 200_000_000e18, "providers: half");
        eq(port.vestedOf(1), 250_000_000e18, "treasury: all");
    }

    function test_WhatIsBurnedIsNeverMintedAgain() public {
        port.mint(4);
        vm.prank(holders[4]);
        port.burn(10_000_000e18);
        vm.warp(START + 8 * YEAR);
        for (uint256 i = 0; i < 4; ++i) {
            port.mint(i);
        }
        vm.expectRevert(abi.encodeWithSignature("Port_NothingVested(uint256)", 4));
        port.mint(4);
        eq(port.totalSupply(), port.CAP() - 10_000_000e18, "less");
    }

    function test_OnlyARowsHolderNamesTheNext() public {
        vm.expectRevert(abi.encodeWithSignature("Port_NotHolder(uint256,address)", 4, address(this)));
        port.setHolder(4, address(this));
        vm.prank(holders[4]);
        vm.expectRevert(abi.encodeWithSignature("Port_ZeroAddress()"));
        port.setHolder(4, address(0));
        vm.prank(holders[4]);
        port.setHolder(4, address(this));
        port.mint(4);
        eq(port.balanceOf(address(this)), 30_000_000e18, "the next holder's");
        vm.expectRevert(abi.encodeWithSignature("Port_NoRow(uint256)", 5));
        port.mint(5);
        holders[2] = address(0);
        vm.expectRevert(abi.encodeWithSignature("Port_ZeroAddress()"));
        new Port(holders);
    }

    /// @dev PT-1, PT-2: however often and whenever a row is minted, it comes to what has vested.
    function testFuzz_PT2_MintingInPartsComesToTheSame(uint256 row, uint32[4] calldata steps) public {
        row = row % 5;
        uint256 now_ = START;
        for (uint256 i = 0; i < 4; ++i) {
            now_ += steps[i];
            vm.warp(now_);
            if (port.vestedOf(row) == port.mintedOf(row)) continue;
            port.mint(row);
            eq(port.mintedOf(row), port.vestedOf(row), "no more, no less");
        }
        atMost(port.totalSupply(), port.rowOf(row).amount, "the row");
    }

    function test_VotesFollowDelegationByTheTimestamp() public {
        port.mint(4);
        vm.prank(holders[4]);
        port.delegate(address(this));
        eq(port.getVotes(address(this)), 30_000_000e18, "votes");
        eq(port.clock(), START, "clock");
        eq(keccak256(bytes(port.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        vm.warp(START + 10);
        vm.prank(holders[4]);
        port.transfer(address(1), 30_000_000e18);
        eq(port.getVotes(address(this)), 0, "gone");
        vm.warp(START + 11);
        eq(port.getPastVotes(address(this), START + 9), 30_000_000e18, "before");
    }

    function test_APermitIsAnAllowance() public {
        address owner = vm.addr(KEY);
        bytes32 permit = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                address(this),
                7,
                port.nonces(owner),
                START
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", port.DOMAIN_SEPARATOR(), permit)));
        port.permit(owner, address(this), 7, START, v, r, s);
        eq(port.allowance(owner, address(this)), 7, "allowed");
        eq(port.nonces(owner), 1, "used");
    }
}
