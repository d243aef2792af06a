// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../../src/types/LeaseWord.sol";
import {LeaseState, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {vm} from "../support/Vm.sol";

import {Trading} from "./Trading.sol";

/// @notice What happens to a lease from its opening to its stop.
abstract contract Running is Trading {
    /// @dev The last word each side reported, which anybody may have seen and sends again.
    uint256[2] private _reported;

    // ---------------------------------------------------------------- pending

    function start(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _at(seed % SLOTS, LeaseState.Pending);
        if (slot == SLOTS || _now() > _hot(slot).stopAt()) return;
        uint32 base = uint32(_counter(slot) + _die(seed, 1, 50));
        vm.prank(_dutyOf(slot));
        book.start(held[slot], base, 0);
        _may(slot, STARTS);
        _did("start");
    }

    function decline(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _at(seed % SLOTS, LeaseState.Pending);
        // Seldom, or nothing would ever live.
        if (slot == SLOTS || _now() > _hot(slot).stopAt() || _die(seed, 1, 6) != 0) return;
        _endPending(slot, false);
        _did("decline");
    }

    function expire(uint256 seed) public watched {
        uint256 slot = _at(_mix(seed) % SLOTS, LeaseState.Pending);
        if (slot == SLOTS || _now() <= _hot(slot).stopAt()) return;
        _endPending(slot, true);
        _did("expire");
    }

    /// @dev I9: both sides lose the same, at most the rent of the time that the lease was pending.
    function _endPending(uint256 slot, bool expired) internal {
        Terms memory terms = held[slot];
        uint256 burned = vault.burned(terms.token);
        uint256 fees = book.fees(terms.token);
        uint256 until = expired ? _hot(slot).stopAt() : _now();
        uint256 due = Rent.rentDown(until - (stats[slot] & 0xffffffff), terms.ratePerHour);
        if (due > terms.bond) due = terms.bond;
        if (due > put[slot] + _holdback(terms)) due = put[slot] + _holdback(terms);
        if (expired) {
            vm.prank(stranger);
            book.expire(terms);
        } else {
            vm.prank(_dutyOf(slot));
            book.decline(terms, 2001);
        }
        _may(slot, ENDS);
        fees = book.fees(terms.token) - fees;
        burned = vault.burned(terms.token) - burned;
        _holds(9, fees == burned, "I9: the two burns differ");
        _holds(9, burned == due, "I9: not the rent of the time, up to bond and deposit");
        burnedDeposits[terms.token] += fees;
        burnedBonds[terms.token] += burned;
    }

    // ---------------------------------------------------------------- usage

    function report(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 side = _die(seed, 0, 2);
        uint256 word = 0;
        for (uint256 lane = 0; lane < LANES; ++lane) {
            // Now and then far more than can have run: an operator that lies gains nothing.
            uint256 rise = _die(seed, 1 + lane, _die(seed, 8, 9) == 0 ? 50_000 : 500);
            word |= (_counter(side * LANES + lane) + rise) << (32 * lane);
        }
        _tell(side, word);
        _reported[side] = word;
        _did("report");
    }

    function _tell(uint256 side, uint256 word) internal {
        uint256[] memory words = new uint256[](1);
        words[0] = word;
        vm.prank(duties[side]);
        book.report(uint32(side + 1), 0, uint40(_now()), bytes32("root"), words);
    }

    /// @dev I12: what was reported before changes nothing, whoever has it sent again.
    function replay(uint256 seed) public watched {
        uint256 side = _mix(seed) % 2;
        if (_reported[side] == 0) return;
        uint256 before = laneWords[side];
        _tell(side, _reported[side]);
        _holds(12, book.laneWord(uint32(side + 1), 0) == before, "I12: an old report changed a lane");
        _did("report sent again");
    }

    /// @dev I10: a rise of 2^17 is refused, however often it is tried.
    function jump(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 side = _die(seed, 0, 2);
        uint256[] memory words = new uint256[](1);
        words[0] = laneWords[side] + ((1 << 17) << (32 * _die(seed, 1, LANES)));
        vm.prank(duties[side]);
        (bool ok,) = address(book)
            .call(abi.encodeCall(book.report, (uint32(side + 1), 0, uint40(_now()), bytes32("root"), words)));
        _holds(10, !ok, "I10: a jump of 2^17 was accepted");
        _did("jump refused");
    }

    function settle(uint256 seed) public watched {
        seed = _mix(seed);
        uint32[] memory lanes = new uint32[](LANES + 1);
        // Any order, and one of them twice.
        for (uint256 i = 0; i <= LANES; ++i) {
            lanes[i] = uint32((_die(seed, 1, LANES) + i) % LANES);
        }
        book.settle(uint32(_die(seed, 0, 2) + 1), lanes);
        _did("settle");
    }

    /// @dev Some time, what was delivered in it, and a settlement: what an ordinary lease sees.
    function work(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 secs = _die(seed, 0, 400);
        _skip(secs);
        for (uint256 side = 0; side < 2; ++side) {
            uint256 word = laneWords[side];
            for (uint256 lane = 0; lane < LANES; ++lane) {
                uint256 share = _die(seed, 1 + lane, 4) == 0 ? secs / 2 : secs;
                if (_hot(side * LANES + lane).state() == LeaseState.Live) word += share << (32 * lane);
            }
            if (word == laneWords[side]) continue;
            _tell(side, word);
            uint32[] memory lanes = new uint32[](LANES);
            for (uint32 lane = 0; lane < LANES; ++lane) {
                lanes[lane] = lane;
            }
            if (_die(seed, 5, 2) == 0) book.settle(uint32(side + 1), lanes);
            _did("work");
        }
    }

    /// @dev I11: never more than it would have been.
    function waive(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _at(seed % SLOTS, LeaseState.Live);
        if (slot == SLOTS) return;
        Hot hot = _hot(slot);
        uint256 counted = _counter(slot) > hot.laneBase() ? _counter(slot) - hot.laneBase() : 0;
        if (counted <= hot.settled()) return;
        uint256 owed = _usage(slot);
        uint32 cum = uint32(hot.settled() + _die(seed, 1, counted - hot.settled()));
        vm.prank(_dutyOf(slot));
        book.waive(held[slot], cum);
        _look();
        _holds(11, _usage(slot) <= owed && _usage(slot) <= cum, "I11: a waive raised what is owed");
        _did("waive");
    }

    /// @dev Paid at once, by the tenant's signature.
    function redeem(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _at(seed % SLOTS, LeaseState.Live);
        if (slot == SLOTS) return;
        Hot hot = _hot(slot);
        uint256 elapsed = _ran(slot);
        if (elapsed <= hot.settled()) return;
        uint32 cum = uint32(hot.settled() + 1 + _die(seed, 1, elapsed - hot.settled()));
        (uint256 upTo,) = Rent.pay(hot.settled(), cum, hot.rate(), hot.balance());
        if (upTo == hot.settled()) return;
        Terms memory terms = held[slot];
        bytes memory signature =
            _signed(_tenantKey(terms, seed), Typed.hashVoucher(terms.id, Typed.hashTerms(terms), cum));
        vm.prank(stranger);
        book.redeem(terms, cum, signature);
        _did("redeem");
    }

    function _tenantKey(Terms memory terms, uint256 seed) internal view returns (uint256) {
        if (terms.agent != address(0) && _die(seed, 9, 2) == 0) return AGENT_KEY;
        return terms.tenant == tenants[0] ? tenantKeys[0] : tenantKeys[1];
    }

    // ---------------------------------------------------------------- money and time of a lease

    /// @dev By a stranger: it moves no clock (I14).
    function topUp(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS) return;
        Terms memory terms = held[slot];
        uint64 amount = uint64(Rent.rentUp(60, terms.ratePerHour) + _die(seed, 1, DOLLAR));
        vm.prank(stranger);
        book.topUp(terms, amount);
        put[slot] += amount;
        _did("topUp");
    }

    /// @dev By tenant or agent, itself or by a signature that a stranger sends.
    function stopByTenant(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS || _die(seed, 1, 4) != 0) return;
        Terms memory terms = held[slot];
        bool signed = _die(seed, 2, 2) == 0;
        if (signed) {
            bytes32 structHash = Typed.hashStop(terms.id, Typed.hashTerms(terms), 1001, uint40(_now()));
            bytes memory signature = _signed(_tenantKey(terms, seed), structHash);
            vm.prank(stranger);
            book.stopSigned(terms, 1001, uint40(_now()), signature);
        } else {
            vm.prank(terms.agent != address(0) && _die(seed, 3, 2) == 0 ? agent : terms.tenant);
            book.stop(terms, 1001);
        }
        _may(slot, LOWERS);
        _did(signed ? bytes32("stop that another sent") : bytes32("stop by the tenant"));
    }

    /// @dev What notice is missing is paid out of what the provider has not vested, and no more than that.
    function stopByProvider(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS || _die(seed, 1, 6) != 0) return;
        Terms memory terms = held[slot];
        uint256 credit = book.credits(terms.refundTo, terms.token);
        vm.prank(_dutyOf(slot));
        book.stop(terms, 2002);
        _may(slot, LOWERS);
        _did("stop by the provider");
        if (book.credits(terms.refundTo, terms.token) != credit) _did("compensation");
    }

    function notice(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS || _die(seed, 1, 4) != 0) return;
        Terms memory terms = held[slot];
        if (_now() + terms.notice >= _hot(slot).stopAt()) return;
        vm.prank(_dutyOf(slot));
        book.notice(terms, 2001);
        _may(slot, LOWERS);
        _did("notice");
    }

    /// @dev Any lease that is dry for its grace.
    function evict(uint256 seed) public watched {
        seed = _mix(seed);
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 slot = (seed + i) % SLOTS;
            Hot hot = _hot(slot);
            if (hot.state() != LeaseState.Live || _now() >= hot.stopAt()) continue;
            uint256 usage = _usage(slot);
            (uint256 upTo,) = Rent.pay(hot.settled(), usage, hot.rate(), hot.balance());
            if (usage == upTo || usage - upTo < held[slot].grace) continue;
            vm.prank(_dutyOf(slot));
            book.evict(held[slot]);
            _may(slot, LOWERS);
            _did("evict");
            return;
        }
    }

    /// @dev Other terms, which both sign; what was agreed of the old ones is paid at once.
    function amend(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS || _die(seed, 1, 3) != 0) return;
        Hot hot = _hot(slot);
        Terms memory terms = held[slot];
        Terms memory next = held[slot];
        next.ratePerHour = uint48(1 + _die(seed, 2, 3_600_000));
        next.maxDuration = 1 + uint32(_die(seed, 3, 4000));
        next.minCommit = uint32(_die(seed, 4, next.maxDuration + 1));
        next.earlyFeeBps = uint16(_die(seed, 5, 10_001));
        (next.notice, next.grace) = (uint32(_die(seed, 6, 800)), uint32(_die(seed, 7, 300)));
        // Never the same terms twice.
        next.manifestHash = bytes32(seed);
        uint32 cumAt = uint32(hot.settled() + _die(seed, 8, _ran(slot) - hot.settled() + 1));
        uint256 all = put[slot] + _holdback(terms);
        uint256 spent = Rent.rentDown(cumAt, terms.ratePerHour) + _holdback(next);
        if (all < spent) return;
        uint40 deadline = uint40(_now());
        bytes32 structHash = Typed.hashAmend(terms.id, Typed.hashTerms(terms), Typed.hashTerms(next), cumAt, deadline);
        bytes memory provider = _signed(dutyKeys[slot / LANES], structHash);
        bytes memory consent = _signed(_tenantKey(terms, seed), structHash);
        vm.prank(stranger);
        book.amend(terms, next, cumAt, deadline, provider, consent);
        held[slot] = next;
        put[slot] = all - spent;
        _may(slot, LOWERS | AMENDS);
        _did("amend");
    }

    function _holdback(Terms memory terms) internal pure returns (uint256) {
        return Rent.holdbackUp(terms.ratePerHour, terms.grace, terms.minCommit, terms.earlyFeeBps);
    }

    /// @dev I14: nobody else moves a clock.
    function stopByStranger(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 slot = _active(seed % SLOTS);
        if (slot == SLOTS) return;
        // The other provider's key among them.
        address[4] memory others = [stranger, bidders[slot / LANES], duties[1 - slot / LANES], funder];
        vm.prank(others[_die(seed, 1, 4)]);
        (bool ok,) = address(book).call(abi.encodeCall(book.stop, (held[slot], 1001)));
        _holds(14, !ok, "I14: a stranger stopped a lease");
        _did("stop by a stranger refused");
    }
}
