// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ILeaseBook} from "../../src/interfaces/ILeaseBook.sol";
import {Hot, LeaseWord} from "../../src/types/LeaseWord.sol";
import {LeaseState, LeaseView} from "../../src/types/Types.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {vm} from "../support/Vm.sol";

import {Campaign} from "./Invariants.t.sol";

/// @notice Rules are worth what they would see: after some hundred acts the set is spoiled in its storage, one thing at a time, and
/// the rule whose it is must say so. Slots are those of contracts/layout.
contract SpoiledTest is Campaign {
    uint256 private constant LEASES = 5;
    uint256 private constant LANES_ = 6;
    uint256 private constant EARNINGS = 7;
    uint256 private constant LIABILITIES = 4;

    ILeaseBook private book;
    address private vault;
    address private court;
    TestDollar private dollar;

    /// @dev Acts until a lease lives and has paid.
    function _live() private returns (LeaseView memory lease) {
        (address book_, address vault_, address court_, address dollar_) = handler.parts();
        (book, vault, court, dollar) = (ILeaseBook(book_), vault_, court_, TestDollar(dollar_));
        for (uint256 tries = 1; tries < 40; ++tries) {
            _act(tries, 50);
            for (uint256 i = 0; i < 6; ++i) {
                lease = book.leaseAt(uint32(i / 3 + 1), uint32(i % 3));
                if (lease.state == LeaseState.Live && lease.settled != 0 && handler.caseCount() != 0) {
                    handler.checkMoney(0);
                    handler.checkLeases();
                    handler.checkDisputes();
                    return lease;
                }
            }
        }
        yes(false, "no lease lives");
    }

    function _slotOf(LeaseView memory lease) private pure returns (bytes32) {
        bytes32 leases = keccak256(abi.encode(uint256(uint32(lease.id >> 64)), LEASES));
        return keccak256(abi.encode(uint256(uint32(lease.id >> 32)), leases));
    }

    function _hot(LeaseView memory lease) private view returns (Hot) {
        return Hot.wrap(uint256(vm.load(address(book), _slotOf(lease))));
    }

    function _spoil(LeaseView memory lease, Hot hot) private {
        vm.store(address(book), _slotOf(lease), bytes32(Hot.unwrap(hot)));
        handler.look();
    }

    function _seen(uint256 id) private view {
        yes(bytes(handler.breach(id)).length != 0, "not seen");
    }

    function test_I1_AUnitThatLeavesOrComesIsSeenInEachContract() public {
        _live();
        address[3] memory holders = [address(book), vault, court];
        for (uint256 i = 0; i < 3; ++i) {
            dollar.mint(holders[i], 1);
            vm.expectRevert();
            handler.checkMoney(0);
            vm.prank(holders[i]);
            IERC20(address(dollar)).transfer(address(1), 1);
            handler.checkMoney(0);
        }
        vm.prank(address(book));
        IERC20(address(dollar)).transfer(address(1), 1);
        vm.expectRevert();
        handler.checkMoney(0);
    }

    function test_I2_AUnitTooMuchInALeaseIsSeen() public {
        LeaseView memory lease = _live();
        _spoil(lease, _hot(lease).withBalance(lease.balance + 1));
        vm.expectRevert();
        handler.checkLeases();
    }

    function test_I3_ASecondThatDidNotRunIsSeen() public {
        LeaseView memory lease = _live();
        uint256 until = vm.getBlockTimestamp() < lease.stopAt ? vm.getBlockTimestamp() : lease.stopAt;
        uint256 settled = until - lease.startAt + 1;
        // Paid for, so that I2 has nothing to say.
        uint256 rent = settled * lease.ratePerHour / 3600 - uint256(lease.settled) * lease.ratePerHour / 3600;
        Hot hot = _hot(lease).withSettled(settled).withBalance(uint64(lease.balance - rent));
        vm.store(address(book), _slotOf(lease), bytes32(Hot.unwrap(hot)));
        handler.look();
        vm.expectRevert(abi.encodeWithSelector(Above.selector, "I3: settled more than ran", settled, settled - 1));
        handler.checkLeases();
    }

    function test_I4_I14_AClockThatMovedIsSeen() public {
        LeaseView memory lease = _live();
        _spoil(lease, _hot(lease).withStopAt(lease.stopAt + 1));
        _seen(4);
        _spoil(lease, _hot(lease).withStopAt(lease.stopAt));
        _seen(14);
    }

    function test_I5_AGenThatRoseIsSeen() public {
        LeaseView memory lease = _live();
        bytes32 stat = bytes32(uint256(_slotOf(lease)) + 1);
        vm.store(address(book), stat, bytes32(uint256(vm.load(address(book), stat)) + (1 << 32)));
        handler.look();
        _seen(5);
    }

    function test_I6_AUnitFrozenForNoLeaseIsSeen() public {
        _live();
        bytes32 slot = keccak256(abi.encode(uint256(0), keccak256(abi.encode(uint256(1), EARNINGS))));
        vm.store(address(book), slot, bytes32(uint256(vm.load(address(book), slot)) + 1));
        vm.expectRevert();
        handler.checkDisputes();
    }

    function test_I10_I12_ALaneThatFellOrJumpedIsSeen() public {
        _live();
        bytes32 slot = keccak256(abi.encode(uint256(0), keccak256(abi.encode(uint256(1), LANES_))));
        uint256 word = uint256(vm.load(address(book), slot));
        vm.store(address(book), slot, bytes32(word + (1 << 17)));
        handler.look();
        _seen(10);
        vm.store(address(book), slot, bytes32(word));
        handler.look();
        _seen(12);
    }

    function test_I13_ASlashAboveTheLiabilityIsSeen() public {
        _live();
        bytes32 slot = keccak256(abi.encode(uint256(handler.caseAt(0)), LIABILITIES));
        vm.store(vault, slot, bytes32(uint256(vm.load(vault, slot)) | type(uint32).max));
        vm.expectRevert();
        handler.checkDisputes();
    }

    function test_I15_AnEndThatNobodyMadeIsSeen() public {
        LeaseView memory lease = _live();
        _spoil(lease, _hot(lease).withState(LeaseState.Closed));
        _seen(15);
    }
}
