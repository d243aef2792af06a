// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {FeeRouter} from "../../src/router/FeeRouter.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {Port} from "../../src/token/Port.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice Fees in, treasury and burning out.
contract RouterTest is Assertions {
    address private treasury = address(0x74ea);
    address private auction = address(0xa0c7);
    address private stranger = address(0x57a46e);

    AccessManager private access;
    FeeRouter private router;
    TestDollar private dollar;
    Port private port;

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.chainId(31_337);
        access = new AccessManager(address(this));
        dollar = new TestDollar();
        port = new Port([address(this), address(this), address(this), address(this), address(this)]);
        router = new FeeRouter(address(access), address(port), treasury, 6000, 4000);
    }

    function test_FeesAreSplitAndTheOddUnitIsNotTheTreasurys() public {
        dollar.mint(address(router), 101);
        vm.prank(stranger);
        router.distribute(address(dollar));
        eq(dollar.balanceOf(treasury), 60, "down");
        eq(router.kept(address(dollar)), 41, "up");
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Nothing(address)", address(dollar)));
        router.distribute(address(dollar));
        dollar.mint(address(router), 10);
        router.distribute(address(dollar));
        eq(dollar.balanceOf(treasury), 66, "only what came in since");
        eq(router.kept(address(dollar)), 45, "adds up");
    }

    function test_FeesInPortAreBurnedDirectly() public {
        port.mint(4);
        port.transfer(address(router), 1000);
        uint256 supply = port.totalSupply();
        router.distribute(address(port));
        eq(port.totalSupply(), supply - 400, "burned");
        eq(port.balanceOf(treasury), 600, "the treasury's share");
        eq(router.kept(address(port)), 0, "nothing waits");
    }

    function test_WhatIsKeptGoesToTheAuctionOnceThereIsOne() public {
        dollar.mint(address(router), 100);
        router.distribute(address(dollar));
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_NoAuction()"));
        router.sendToAuction(address(dollar));
        router.setAuction(auction);
        vm.prank(stranger);
        eq(router.sendToAuction(address(dollar)), 40, "by anyone");
        eq(dollar.balanceOf(auction), 40, "sent");
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Nothing(address)", address(dollar)));
        router.sendToAuction(address(dollar));
    }

    function test_SharesOfAllOrNothingWork() public {
        router.setShares(10_000, 0);
        dollar.mint(address(router), 7);
        router.distribute(address(dollar));
        eq(dollar.balanceOf(treasury), 7, "all");
        port.mint(4);
        port.transfer(address(router), 7);
        router.distribute(address(port));
        eq(port.balanceOf(treasury), 7, "nothing to burn");
        router.setShares(0, 10_000);
        port.transfer(address(router), 7);
        router.distribute(address(port));
        eq(port.balanceOf(treasury), 7, "all burned");
    }

    function test_FR1_SharesSumToTheWholeAndOnlyAdminSetsThem() public {
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Shares(uint256)", 10_001));
        router.setShares(6000, 4001);
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Shares(uint256)", 131_070));
        router.setShares(type(uint16).max, type(uint16).max);
        bytes memory denied = abi.encodeWithSignature("AccessManagedUnauthorized(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        router.setShares(0, 10_000);
        vm.expectRevert(denied);
        router.setTreasury(stranger);
        vm.expectRevert(denied);
        router.setAuction(stranger);
        vm.stopPrank();
    }

    function test_NoShareGoesToNobodyOrBackToTheRouter() public {
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Address(address)", address(0)));
        router.setTreasury(address(0));
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Address(address)", address(router)));
        router.setTreasury(address(router));
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Address(address)", address(router)));
        router.setAuction(address(router));
        vm.expectRevert(abi.encodeWithSignature("FeeRouter_Address(address)", address(0)));
        new FeeRouter(address(access), address(0), treasury, 6000, 4000);
        router.setTreasury(stranger);
        eq(router.treasury(), stranger, "set");
        router.setAuction(auction);
        router.setAuction(address(0));
        eq(router.auction(), address(0), "none again");
    }
}
