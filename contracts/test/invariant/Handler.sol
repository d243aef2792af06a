// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeCourt} from "../../src/interfaces/IDisputeCourt.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {Hot} from "../../src/types/LeaseWord.sol";
import {Freeze, LeaseState, Order, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {vm} from "../support/Vm.sol";

import {Policy} from "./Policy.sol";

/// @notice All acts, what must hold between them, and the end that everybody reaches alone.
contract Handler is Policy {
    /// @dev For who spoils them.
    function parts() external view returns (address book_, address vault_, address court_, address dollar_) {
        return (address(book), address(vault), address(realCourt), address(dollar));
    }

    function look() external {
        _look();
    }

    function caseCount() external view returns (uint256) {
        return cases.length;
    }

    function caseAt(uint256 index) external view returns (uint96) {
        return cases[index];
    }

    // ---------------------------------------------------------------- I1: whose money it is

    /// @dev Per token, of book, vault and court: all they hold is somebody's, or was given away to them.
    function checkMoney(uint8 token) external view {
        uint256 scale = _scale(token);
        eq(_balance(address(book), token), _inBook(token) * scale, "I1: the book's balance");
        eq(_balance(address(vault), token), _inVault(token) * scale, "SV-1: the vault's balance");
        eq(_balance(address(realCourt), token), _inCourt(token) * scale, "DC-1: the court's balance");
    }

    function _balance(address holder, uint8 token) private view returns (uint256) {
        return _asset(token).balanceOf(holder) - donated[holder][token];
    }

    function _inBook(uint8 token) private view returns (uint256 sum) {
        sum = book.fees(token);
        for (uint256 i = 0; i < waiting.length; ++i) {
            if (waiting[i].token == token) sum += waiting[i].deposit;
        }
        for (uint256 slot = 0; slot < SLOTS; ++slot) {
            Hot hot = _hot(slot);
            bool open = hot.state() == LeaseState.Pending || hot.state() == LeaseState.Live;
            if (open && hot.token() == token) sum += hot.balance() + _heldBack(slot);
        }
        for (uint32 providerId = 1; providerId < 3; ++providerId) {
            (uint128 claimable, uint128 vesting) = book.earnings(providerId, token);
            sum += uint256(claimable) + vesting + book.frozenOf(providerId, token);
        }
        for (uint256 i = 0; i < 3; ++i) {
            sum += book.credits(_creditor(i), token);
        }
    }

    function _heldBack(uint256 slot) private view returns (uint256) {
        Terms storage terms = held[slot];
        return Rent.holdbackUp(terms.ratePerHour, terms.grace, terms.minCommit, terms.earlyFeeBps);
    }

    function _inVault(uint8 token) private view returns (uint256 sum) {
        sum = vault.burned(token);
        for (uint32 providerId = 1; providerId < 3; ++providerId) {
            sum += vault.stakeOf(providerId, token).amount;
        }
        for (uint256 i = 0; i < 3; ++i) {
            sum += vault.credits(_creditor(i), token);
        }
    }

    function _inCourt(uint8 token) private view returns (uint256 sum) {
        for (uint256 i = 0; i < cases.length; ++i) {
            IDisputeCourt.Dispute memory dispute = realCourt.disputeOf(cases[i]);
            if (dispute.token != token) continue;
            if (dispute.phase == IDisputeCourt.Phase.Contested) sum += dispute.bond;
            bool two = dispute.phase == IDisputeCourt.Phase.Answered || dispute.phase == IDisputeCourt.Phase.Ruled;
            if (two) sum += 2 * uint256(dispute.bond);
        }
        for (uint256 i = 0; i < 8; ++i) {
            sum += realCourt.credits(_party(i), token);
        }
    }

    // ---------------------------------------------------------------- I2, I3, I4: leases

    function checkLeases() external view {
        for (uint256 slot = 0; slot < SLOTS; ++slot) {
            Hot hot = _hot(slot);
            LeaseState state = hot.state();
            if (state != LeaseState.Pending && state != LeaseState.Live) continue;
            eq(hot.balance() + Rent.rentDown(hot.settled(), hot.rate()), put[slot], "I2: paid is the settled rent");
            eq(hot.rate(), held[slot].ratePerHour, "I2: the rate of the terms");
            if (state == LeaseState.Pending) eq(hot.settled(), 0, "I3: settled before the start");
            else atMost(hot.settled(), _ran(slot), "I3: settled more than ran");
            if (state != LeaseState.Live) continue;
            atMost(hot.stopAt(), uint256(hot.startAt()) + held[slot].maxDuration, "I4: a clock beyond its duration");
            yes(hot.stopAt() >= hot.startAt(), "I4: a clock before its start");
        }
    }

    // ---------------------------------------------------------------- I6, I13: what others can hold and take

    function checkDisputes() external view {
        uint256[2][2] memory frozen;
        uint256[2][2] memory reserved;
        for (uint256 i = 0; i < cases.length; ++i) {
            uint96 id = cases[i];
            Freeze memory record = book.freezeOf(id);
            atMost(record.amount, record.total, "I6: frozen is a part of all that was");
            yes(record.amount == 0 || record.until <= _now() + 21 days, "I6: a freeze ends");
            IStakeVault.Liability memory used = vault.liabilityOf(id);
            atMost(uint256(used.slashed) + used.reserved, liabilityOf[id], "I13: slashed and reserved");
            uint256 side = (id >> 64) - 1;
            frozen[side][record.token] += record.amount;
            for (uint8 slot = 0; slot < 2; ++slot) {
                IStakeVault.Reserve memory kept = vault.reserveOf(slot, id);
                reserved[side][kept.token] += kept.amount;
            }
        }
        for (uint32 side = 0; side < 2; ++side) {
            for (uint8 token = 0; token < 2; ++token) {
                eq(book.frozenOf(side + 1, token), frozen[side][token], "I6: frozen for no lease");
                eq(vault.reservedOf(side + 1, token), reserved[side][token], "SV-3: reserved for no lease");
            }
        }
    }

    function checkStakes() external view {
        for (uint32 side = 0; side < 2; ++side) {
            for (uint8 token = 0; token < 2; ++token) {
                uint256 bonds = 0;
                for (uint256 slot = side * LANES; slot < (side + 1) * LANES; ++slot) {
                    bool pending = _hot(slot).state() == LeaseState.Pending && _hot(slot).token() == token;
                    if (pending) bonds += held[slot].bond;
                }
                IStakeVault.Stake memory now_ = vault.stakeOf(side + 1, token);
                uint64 reserved = vault.reservedOf(side + 1, token);
                eq(now_.locked, bonds, "SV-2: locked is the bonds of pending leases");
                atMost(uint256(now_.locked) + now_.unbonding, now_.amount, "SV-2: locked and unbonding");
                atMost(uint256(now_.locked) + reserved, now_.amount, "SV-2: locked and reserved");
                yes(now_.contested == (reserved != 0), "SV-2: the flag");
            }
        }
    }

    /// @dev I9.
    function checkBurns() external view {
        eq(burnedBonds[0], burnedDeposits[0], "I9: dollars");
        eq(burnedBonds[1], burnedDeposits[1], "I9: coins");
        atMost(burnedBonds[0], book.fees(0) + 1e18, "I9");
    }

    // ---------------------------------------------------------------- that something happens

    /// @dev Fails with the name of an act that never succeeded.
    function reached() external view {
        bytes32[62] memory acts = [
            bytes32("post"),
            "post by the agent",
            "relayed order",
            "order by permit",
            "sponsored order",
            "authorized",
            "cancel",
            "cancel after the expiry",
            "accept",
            "accept by the agent",
            "accept sent by another",
            "two lots",
            "fill",
            "take",
            "start",
            "decline",
            "expire",
            "report",
            "report sent again",
            "jump refused",
            "settle",
            "work",
            "waive",
            "redeem",
            "topUp",
            "stop by the tenant",
            "stop that another sent",
            "stop by the provider",
            "stop by a stranger refused",
            "compensation",
            "notice",
            "evict",
            "amend",
            "finalize",
            "early fee",
            "closeBoth",
            "close before the start",
            "claim",
            "pushFees",
            "withdrawCredit",
            "distribute",
            "stake",
            "requestUnbond",
            "completeUnbond",
            "pushBurned",
            "slashed stake withdrawn",
            "reserve by another slasher",
            "slash by another slasher",
            "unreserve",
            "contest",
            "answer",
            "rule",
            "veto",
            "dispute ended by silence",
            "dispute lapsed",
            "dispute won by the tenant",
            "dispute won by the provider",
            "freeze lifted by anyone",
            "bond withdrawn",
            "pause",
            "donate",
            "refuse"
        ];
        for (uint256 i = 0; i < acts.length; ++i) {
            yes(done[acts[i]] != 0, string(abi.encodePacked(acts[i])));
        }
    }

    // ---------------------------------------------------------------- I7: the end, alone

    /// @dev Everything that is open ends by strangers and by the one party whose it is: tenants, providers' keys, court, arbiter,
    /// guardian and admin do nothing. A market that is paused or closed for new orders changes nothing of it.
    function windDown() external {
        if (_now() >= params.pausedUntil()) _tryPause();
        _decide(abi.encodeCall(params.setTokenOpen, (0, false)));
        _skip(25 days);
        while (waiting.length != 0) {
            vm.prank(stranger);
            book.cancelOrder(waiting[0]);
            _forget(0);
        }
        for (uint256 slot = 0; slot < SLOTS; ++slot) {
            LeaseState state = _hot(slot).state();
            if (state == LeaseState.Pending) _endPending(slot, true);
            if (state == LeaseState.Live) _finalize(slot);
        }
        _look();
        for (uint256 i = 0; i < cases.length; ++i) {
            _conclude(cases[i]);
            _letGo(cases[i]);
        }
        for (uint256 side = 0; side < 2; ++side) {
            for (uint8 token = 0; token < 2; ++token) {
                uint64 free = vault.freeOf(uint32(side + 1), token);
                vm.prank(owners[side]);
                if (free != 0) vault.requestUnbond(uint32(side + 1), token, free);
            }
        }
        _skip(vault.unbondTime());
        for (uint256 i = 0; i < 3; ++i) {
            coin.refuse(_creditor(i), false);
        }
        for (uint8 token = 0; token < 2; ++token) {
            _collect(token);
        }
        for (uint256 id = 1; id < 16; ++id) {
            yes(bytes(breach[id]).length == 0, breach[id]);
        }
    }

    function _tryPause() private {
        try this.pauseNow() {} catch {}
    }

    function pauseNow() external {
        _guard(abi.encodeCall(params.pause, ()));
    }

    function _collect(uint8 token) private {
        for (uint32 providerId = 1; providerId < 3; ++providerId) {
            _claim(providerId, token);
            _completeUnbond(providerId, token);
            eq(vault.stakeOf(providerId, token).amount, 0, "I7: stake that cannot leave");
        }
        for (uint256 i = 0; i < 3; ++i) {
            _withdraw(_creditor(i), token);
            _withdrawSlashed(_creditor(i), token);
        }
        for (uint256 i = 0; i < 8; ++i) {
            _withdrawBond(_party(i), token);
        }
        _pushFees(token);
        _pushBurned(token);
        eq(_balance(address(book), token), 0, "I7: money that nobody reaches in the book");
        eq(_balance(address(vault), token), 0, "I7: in the vault");
        eq(_balance(address(realCourt), token), 0, "I7: in the court");
    }
}
