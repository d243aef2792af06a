// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";

import {Directory} from "../../src/Directory.sol";
import {Params} from "../../src/Params.sol";
import {PortGovernor} from "../../src/governance/PortGovernor.sol";
import {Slipway} from "../../src/governance/Slipway.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {Port} from "../../src/token/Port.sol";

import {Assertions} from "../support/Assertions.sol";
import {vm} from "../support/Vm.sol";

/// @notice Who decides: a vote moves policy through Governor, Timelock and AccessManager, the narrower roles do what they are for and
/// nothing else, and the founder can do nothing any more. The same wiring as `leaseport market deploy` sends.
contract GovernanceTest is Assertions {
    uint256 private constant START = 1_800_000_000;
    uint64 private constant GUARDIAN = 1;
    uint64 private constant LISTER = 2;

    address private guardian = address(0x60a4d);
    address private lister = address(0x1157);
    address private voter = address(0x707e4);
    address private founder = address(0xf0);

    AccessManager private access;
    TimelockController private timelock;
    Port private port;
    PortGovernor private governor;
    Params private params;
    Directory private directory;
    TestDollar private dollar;

    function setUp() public {
        vm.warp(START);
        vm.chainId(31_337);
        access = new AccessManager(founder);
        address[] memory anyone = new address[](1);
        timelock = new TimelockController(2 days, new address[](0), anyone, address(access));
        port = new Port([voter, voter, voter, voter, voter]);
        governor = new PortGovernor(IVotes(address(port)), timelock, 1 days, 5 days, 1_000_000e18, 4, 1 days);
        params = new Params(address(access), address(1), address(access), 25);
        directory = new Directory(address(access), 10, 20);
        dollar = new TestDollar();
        port.mint(4);
        vm.prank(voter);
        port.delegate(voter);

        bytes[] memory acts = new bytes[](11);
        acts[0] = _on(address(params), abi.encodeCall(params.listToken, (address(dollar), true)));
        acts[1] = _on(address(params), abi.encodeCall(params.setSlasher, (0, address(0xc0047))));
        acts[2] = _on(address(directory), abi.encodeCall(directory.found, (7)));
        acts[3] =
            _on(address(timelock), abi.encodeCall(timelock.grantRole, (timelock.PROPOSER_ROLE(), address(governor))));
        acts[4] = _on(
            address(timelock), abi.encodeCall(timelock.renounceRole, (timelock.DEFAULT_ADMIN_ROLE(), address(access)))
        );
        bytes4[] memory pausing = new bytes4[](2);
        (pausing[0], pausing[1]) = (params.pause.selector, params.unpause.selector);
        acts[5] = abi.encodeCall(access.setTargetFunctionRole, (address(params), pausing, GUARDIAN));
        acts[6] = abi.encodeCall(access.grantRole, (GUARDIAN, guardian, 0));
        bytes4[] memory listing = new bytes4[](2);
        (listing[0], listing[1]) = (params.listToken.selector, params.setTokenOpen.selector);
        acts[7] = abi.encodeCall(access.setTargetFunctionRole, (address(params), listing, LISTER));
        acts[8] = abi.encodeCall(access.grantRole, (LISTER, lister, 1 days));
        acts[9] = abi.encodeCall(access.grantRole, (0, address(timelock), 0));
        acts[10] = abi.encodeCall(access.renounceRole, (0, founder));
        vm.prank(founder);
        access.multicall(acts);
    }

    function _on(address target, bytes memory data) private view returns (bytes memory) {
        return abi.encodeCall(access.execute, (target, data));
    }

    // ---------------------------------------------------------------- a vote

    function test_AVoteMovesPolicyAfterItsDelays() public {
        bytes memory act = _on(address(params), abi.encodeCall(params.setFee, (50)));
        (address[] memory targets, uint256[] memory values, bytes[] memory datas) = _one(address(access), act);
        vm.warp(START + 1);
        vm.prank(voter);
        uint256 id = governor.propose(targets, values, datas, "fee");
        vm.warp(START + 1 days + 2);
        vm.prank(voter);
        governor.castVote(id, 1);
        vm.warp(START + 7 days);
        yes(governor.proposalNeedsQueuing(id), "through the timelock");
        governor.queue(targets, values, datas, keccak256("fee"));
        vm.expectRevert();
        governor.execute(targets, values, datas, keccak256("fee"));
        vm.warp(START + 9 days);
        governor.execute(targets, values, datas, keccak256("fee"));
        (uint8 fee,) = params.opening();
        eq(fee, 50, "set");
    }

    function test_AVoteCannotPassTheBoundsThatAreCompiledIn() public {
        bytes memory act = _on(address(params), abi.encodeCall(params.setFee, (101)));
        (address[] memory targets, uint256[] memory values, bytes[] memory datas) = _one(address(access), act);
        vm.warp(START + 1);
        vm.prank(voter);
        uint256 id = governor.propose(targets, values, datas, "too high");
        vm.warp(START + 1 days + 2);
        vm.prank(voter);
        governor.castVote(id, 1);
        vm.warp(START + 7 days);
        governor.queue(targets, values, datas, keccak256("too high"));
        vm.warp(START + 9 days);
        vm.expectRevert(abi.encodeWithSignature("Params_FeeTooHigh(uint8,uint8)", 101, 100));
        governor.execute(targets, values, datas, keccak256("too high"));
    }

    function test_AQuorumReachedLateProlongsTheVoteAndAVoteCanBeCancelledByItsProposer() public {
        (address[] memory targets, uint256[] memory values, bytes[] memory datas) = _one(address(access), "");
        vm.warp(START + 1);
        vm.prank(voter);
        uint256 id = governor.propose(targets, values, datas, "late");
        uint256 end = governor.proposalDeadline(id);
        vm.warp(end - 10);
        vm.prank(voter);
        governor.castVote(id, 1);
        eq(governor.proposalDeadline(id), end - 10 + 1 days, "a day more");
        vm.warp(START + 8 days);
        vm.startPrank(voter);
        id = governor.propose(targets, values, datas, "taken back");
        governor.cancel(targets, values, datas, keccak256("taken back"));
        vm.stopPrank();
        eq(uint256(governor.state(id)), 2, "cancelled");
        eq(governor.proposalThreshold(), 1_000_000e18, "threshold");
    }

    function _one(address target, bytes memory data)
        private
        pure
        returns (address[] memory targets, uint256[] memory values, bytes[] memory datas)
    {
        (targets, values, datas) = (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], datas[0]) = (target, data);
    }

    // ---------------------------------------------------------------- roles

    function test_TheFounderCanDoNothingAnyMore() public {
        bytes memory fee = abi.encodeCall(params.setFee, (0));
        vm.startPrank(founder);
        vm.expectRevert(
            abi.encodeWithSignature(
                "AccessManagerUnauthorizedCall(address,address,bytes4)",
                founder,
                address(params),
                params.setFee.selector
            )
        );
        access.execute(address(params), fee);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerUnauthorizedAccount(address,uint64)", founder, 0));
        access.grantRole(0, founder, 0);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", founder));
        params.setFee(0);
        vm.expectRevert();
        timelock.schedule(address(params), 0, fee, 0, 0, 2 days);
        vm.stopPrank();
        (bool admin,) = access.hasRole(0, address(timelock));
        yes(admin, "the timelock decides");
        yes(!timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(access)), "and nobody decides about it");
    }

    function test_TheGuardianPausesForSevenDaysOnceInSixtyAndDoesNothingElse() public {
        vm.startPrank(guardian);
        access.execute(address(params), abi.encodeCall(params.pause, ()));
        eq(params.pausedUntil(), START + 7 days, "seven days");
        vm.expectRevert(abi.encodeWithSignature("Params_PauseTooSoon(uint40)", START + 60 days));
        access.execute(address(params), abi.encodeCall(params.pause, ()));
        access.execute(address(params), abi.encodeCall(params.unpause, ()));
        bytes memory fee = abi.encodeCall(params.setFee, (0));
        vm.expectRevert(
            abi.encodeWithSignature(
                "AccessManagerUnauthorizedCall(address,address,bytes4)",
                guardian,
                address(params),
                params.setFee.selector
            )
        );
        access.execute(address(params), fee);
        vm.expectRevert(abi.encodeWithSignature("Params_NotGuardian(address)", guardian));
        params.pause();
        vm.stopPrank();
    }

    function test_TheListerListsAfterItsDelayAndClosesForNewOrders() public {
        bytes memory list = abi.encodeCall(params.listToken, (address(new TestDollar()), true));
        vm.prank(lister);
        vm.expectRevert();
        access.execute(address(params), list);
        vm.prank(lister);
        access.schedule(address(params), list, 0);
        vm.warp(START + 1 days);
        vm.prank(lister);
        access.execute(address(params), list);
        eq(params.tokenCount(), 2, "listed");
        vm.prank(guardian);
        vm.expectRevert();
        access.execute(address(params), list);
    }

    // ---------------------------------------------------------------- Slipway

    function test_ASlipwayLaunchesOnceForItsBuilderAtAnAddressKnownBefore() public {
        Slipway slipway = new Slipway(address(this));
        address known = vm.computeCreateAddress(address(slipway), 1);
        bytes memory code = type(TestDollar).creationCode;
        vm.prank(founder);
        vm.expectRevert(abi.encodeWithSignature("Slipway_NotBuilder(address)", founder));
        slipway.launch(code);
        vm.expectRevert(abi.encodeWithSignature("Slipway_Failed()"));
        slipway.launch(hex"5f5ffd");
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSignature("TestDollar_NotALocalChain(uint256)", 1));
        slipway.launch(code);
        vm.chainId(31_337);
        eq(slipway.launch(code), known, "known");
        eq(slipway.launched(), known, "told");
        vm.expectRevert(abi.encodeWithSignature("Slipway_Used(address)", known));
        slipway.launch(code);
    }
}
