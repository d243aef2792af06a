// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {LeaseState, Terms} from "../../src/types/Types.sol";

import {vm} from "../support/Vm.sol";

import {Closing} from "./Closing.sol";

/// @notice Stake that comes and goes, and a second slasher beside the court.
abstract contract Staking is Closing {
    uint8 private constant SLOT = 1;

    function stake(uint256 seed) public watched {
        seed = _mix(seed);
        vm.prank(stranger);
        vault.deposit(uint32(_die(seed, 0, 2) + 1), uint8(_die(seed, 1, 2)), uint64(1 + _die(seed, 2, 9 * DOLLAR)));
        _did("stake");
    }

    function requestUnbond(uint256 seed) public watched {
        seed = _mix(seed);
        (uint32 providerId, uint8 token) = (uint32(_die(seed, 0, 2) + 1), uint8(_die(seed, 1, 2)));
        uint64 free = vault.freeOf(providerId, token);
        // Something stays for bonds.
        if (free < 100 * DOLLAR) return;
        vm.prank(owners[providerId - 1]);
        vault.requestUnbond(providerId, token, uint64(1 + _die(seed, 2, 20 * DOLLAR)));
        _did("requestUnbond");
    }

    function completeUnbond(uint256 seed) public watched {
        seed = _mix(seed);
        _completeUnbond(uint32(_die(seed, 0, 2) + 1), uint8(_die(seed, 1, 2)));
    }

    function _completeUnbond(uint32 providerId, uint8 token) internal {
        IStakeVault.Stake memory now_ = vault.stakeOf(providerId, token);
        if (now_.unbondAt == 0 || _now() < now_.unbondAt) return;
        if (now_.amount - now_.locked == vault.reservedOf(providerId, token)) return;
        vm.prank(stranger);
        vault.completeUnbond(providerId, token);
        _did("completeUnbond");
    }

    function pushBurned(uint256 seed) public watched {
        _pushBurned(uint8(_mix(seed) % 2));
    }

    function _pushBurned(uint8 token) internal {
        if (vault.burned(token) == 0) return;
        vault.pushBurned(token);
        _did("pushBurned");
    }

    function withdrawSlashed(uint256 seed) public watched {
        seed = _mix(seed);
        _withdrawSlashed(_creditor(_die(seed, 0, 3)), uint8(_die(seed, 1, 2)));
    }

    function _withdrawSlashed(address who, uint8 token) internal {
        if (vault.credits(who, token) == 0 || (token == 1 && coin.refused(who))) return;
        vm.prank(stranger);
        vault.withdrawCredit(who, token);
        _did("slashed stake withdrawn");
    }

    // ---------------------------------------------------------------- the second slasher

    /// @dev A lease that is somebody's case stays one: its liability is for ever.
    function _noteCase(Terms memory terms) internal {
        for (uint256 i = 0; i < cases.length; ++i) {
            if (cases[i] == terms.id) return;
        }
        cases.push(terms.id);
        liabilityOf[terms.id] = terms.liability;
    }

    function reserve(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _at(seed % SLOTS, _die(seed, 1, 2) == 0 ? LeaseState.Live : LeaseState.Closed);
        if (slot == SLOTS || cases.length > 5) return;
        Terms memory terms = held[slot];
        if (vault.reserveOf(SLOT, terms.id).slasher != address(0)) return;
        vm.prank(second);
        uint64 reserved = vault.reserve(SLOT, terms, uint64(1 + _die(seed, 2, 9 * DOLLAR)));
        _holds(13, reserved <= terms.liability, "I13: reserved above the liability");
        _noteCase(terms);
        _did("reserve by another slasher");
    }

    function slash(uint256 seed) public watched {
        seed = _mix(seed);
        for (uint256 i = 0; i < cases.length; ++i) {
            uint96 id = cases[i];
            IStakeVault.Reserve memory record = vault.reserveOf(SLOT, id);
            if (record.slasher == address(0)) continue;
            if (_die(seed, 1, 3) == 0) {
                vm.prank(second);
                vault.unreserve(SLOT, id);
                _did("unreserve");
                return;
            }
            uint64 refund = uint64(_die(seed, 2, record.amount + 1));
            uint64 burn = uint64(_die(seed, 3, record.amount - refund + 1));
            uint64 share = vault.slashableOf(SLOT, uint32(id >> 64), record.token);
            vm.prank(second);
            (uint64 refunded, uint64 burnt) = vault.slash(SLOT, id, refund, burn);
            _holds(13, refunded <= refund && burnt <= burn, "I13: slashed more than was said");
            _holds(13, refunded + burnt <= share, "SV-4: slashed above the slot's share");
            _did("slash by another slasher");
            return;
        }
    }

    /// @dev After its time anyone gives a reserve back, whoever made it.
    function _undo(uint8 slot, uint96 id) internal {
        IStakeVault.Reserve memory record = vault.reserveOf(slot, id);
        if (record.slasher == address(0) || _now() < record.until) return;
        vm.prank(stranger);
        vault.unreserve(slot, id);
        _did("reserve given back by anyone");
    }
}
