// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseWord, Hot, Stat} from "../../src/types/LeaseWord.sol";
import {OrderSlot, OrderWord} from "../../src/types/OrderWord.sol";
import {LeaseState, OrderState, StopBy} from "../../src/types/Types.sol";

import {Lanes} from "../../src/libraries/Lanes.sol";
import {Rent} from "../../src/libraries/Rent.sol";
import {Bucket} from "../../src/libraries/Vesting.sol";

/// @notice Lemmas that halmos proves for all inputs, `make prove`; docs/contracts-proofs.md has the last run. forge does not run
/// functions named check_.
contract LemmasTest {
    uint256 private constant GUARDS = 0x8000000080000000800000008000000080000000800000008000000080000000;

    function _require(bool condition) private pure {
        // halmos leaves such paths; the cheat code for it needs no more words.
        if (!condition) assembly { stop() }
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }

    // ---------------------------------------------------------------- lanes: a join under the jump limit (I10, I12)

    /// @dev Each lane of a merge is the larger of the two; guards stay clear.
    function check_MergeIsTheLaneWiseMaximum(uint256 old, uint256 reported, uint8 lane) external pure {
        old &= ~GUARDS;
        reported &= ~GUARDS;
        (uint256 merged,) = Lanes.merge(old, reported);
        assert(merged & GUARDS == 0);
        uint256 i = lane & 7;
        assert(Lanes.get(merged, i) == _max(Lanes.get(old, i), Lanes.get(reported, i)));
    }

    /// @dev What is not refused sets no guard and raises no lane by 2^17.
    function check_WhatIsAcceptedRisesLittle(uint256 old, uint256 reported, uint8 lane) external pure {
        old &= ~GUARDS;
        (, uint256 refused) = Lanes.merge(old, reported);
        _require(refused == 0);
        assert(reported & GUARDS == 0);
        uint256 i = lane & 7;
        uint256 from = Lanes.get(old, i);
        uint256 to = Lanes.get(reported, i);
        assert(to < from + (1 << 17));
    }

    /// @dev What is refused has a guard set or raises a lane by 2^17: no honest report is.
    function check_WhatIsRefusedDeservesIt(uint256 old, uint256 reported) external pure {
        old &= ~GUARDS;
        reported &= ~GUARDS;
        (, uint256 refused) = Lanes.merge(old, reported);
        _require(refused != 0);
        bool far;
        for (uint256 i = 0; i < 8; ++i) {
            // Without branches: eight would be 256 paths.
            uint256 from = Lanes.get(old, i);
            uint256 to = Lanes.get(reported, i);
            assembly {
                far := or(far, iszero(lt(to, add(from, 0x20000))))
            }
        }
        assert(far);
    }

    function check_MergeIsCommutative(uint256 a, uint256 b) external pure {
        a &= ~GUARDS;
        b &= ~GUARDS;
        (uint256 ab,) = Lanes.merge(a, b);
        (uint256 ba,) = Lanes.merge(b, a);
        assert(ab == ba);
    }

    function check_MergeIsIdempotent(uint256 a, uint256 b) external pure {
        a &= ~GUARDS;
        b &= ~GUARDS;
        (uint256 once,) = Lanes.merge(a, b);
        (uint256 twice, uint256 refused) = Lanes.merge(once, b);
        assert(once == twice && refused == 0);
    }

    function check_MergeIsAssociative(uint256 a, uint256 b, uint256 c, uint8 lane) external pure {
        a &= ~GUARDS;
        b &= ~GUARDS;
        c &= ~GUARDS;
        (uint256 left,) = Lanes.merge(a, b);
        (left,) = Lanes.merge(left, c);
        (uint256 right,) = Lanes.merge(b, c);
        (right,) = Lanes.merge(a, right);
        uint256 i = lane & 7;
        assert(Lanes.get(left, i) == Lanes.get(right, i));
    }

    // ---------------------------------------------------------------- rent (I2); the last affordable second is in rent.py

    /// @dev Usage cut into two payments costs what it costs in one.
    function check_PaymentsTelescope(uint32 x, uint32 y, uint32 z, uint48 rate) external pure {
        _require(x <= y && y <= z && rate != 0);
        (, uint256 first) = Rent.pay(x, y, rate, type(uint256).max);
        (, uint256 second) = Rent.pay(y, z, rate, type(uint256).max);
        (, uint256 whole) = Rent.pay(x, z, rate, type(uint256).max);
        assert(first + second == whole);
    }

    /// @dev A payment is the difference of two rents, whatever the funds.
    function check_APaymentIsADifferenceOfRents(uint32 settled, uint32 cum, uint48 rate, uint64 funds) external pure {
        _require(settled <= cum && rate != 0);
        (uint256 upTo, uint256 paid) = Rent.pay(settled, cum, rate, funds);
        unchecked {
            assert(paid == Rent.rentDown(upTo, rate) - Rent.rentDown(settled, rate));
        }
    }

    // ---------------------------------------------------------------- vesting

    function check_RollingNeitherMakesNorLosesMoney(uint256 word, uint32 later) external pure {
        Bucket bucket = Bucket.wrap(word);
        _require(later >= bucket.epoch());
        (Bucket rolled, uint256 vested) = bucket.roll(later);
        assert(rolled.cur() + rolled.prev() + vested == bucket.cur() + bucket.prev());
        assert(rolled.epoch() == later);
    }

    function check_TakingNeitherMakesNorLosesMoney(uint256 word, uint112 amount) external pure {
        Bucket bucket = Bucket.wrap(word);
        (Bucket left, uint256 taken) = bucket.take(amount);
        assert(left.cur() + left.prev() + taken == bucket.cur() + bucket.prev());
        assert(taken <= amount && left.epoch() == bucket.epoch());
    }

    // ---------------------------------------------------------------- words

    function check_AHotWordKeepsEveryField(
        uint8 fee,
        uint8 token,
        uint32 base,
        uint32 settled,
        uint32 startAt,
        uint32 stopAt,
        uint48 rate,
        uint64 balance
    ) external pure {
        fee &= 0x7f;
        token &= 0x3f;
        base &= 0x7fffffff;
        settled &= 0x7fffffff;
        Hot hot = LeaseWord.pending(fee, token, stopAt, rate, balance);
        assert(hot.state() == LeaseState.Pending && hot.stopBy() == StopBy.EndReached);
        hot = hot.withState(LeaseState.Live).withStopBy(StopBy.ProviderFault);
        hot = hot.withLaneBase(base).withSettled(settled).withStartAt(startAt);
        assert(hot.state() == LeaseState.Live && hot.stopBy() == StopBy.ProviderFault);
        assert(hot.fee() == fee && hot.token() == token && hot.laneBase() == base && hot.settled() == settled);
        assert(hot.startAt() == startAt && hot.stopAt() == stopAt && hot.rate() == rate && hot.balance() == balance);
    }

    /// @dev A setter changes its field in any word and nothing else.
    function check_ASetterTouchesItsFieldAlone(uint256 word, uint32 value, uint64 balance) external pure {
        Hot hot = Hot.wrap(word);
        uint256 bits = Hot.unwrap(hot.withStopAt(value));
        assert((bits ^ word) & ~(uint256(type(uint32).max) << 112) == 0);
        assert(Hot.wrap(bits).stopAt() == value);
        bits = Hot.unwrap(hot.withStartAt(value));
        assert((bits ^ word) & ~(uint256(type(uint32).max) << 144) == 0);
        bits = Hot.unwrap(hot.withBalance(balance));
        assert((bits ^ word) & ~uint256(type(uint64).max) == 0);
        uint256 narrow = value & 0x7fffffff;
        bits = Hot.unwrap(hot.withSettled(narrow));
        assert((bits ^ word) & ~(uint256(0x7fffffff) << 176) == 0);
        bits = Hot.unwrap(hot.withLaneBase(narrow));
        assert((bits ^ word) & ~(uint256(0x7fffffff) << 207) == 0);
    }

    function check_AStatWordKeepsEveryField(bytes32 hash, uint24 gen, uint32 openedAt, bytes32 other) external pure {
        Stat stat = LeaseWord.opened(hash, gen, openedAt);
        assert(stat.gen() == gen && stat.openedAt() == openedAt && stat.holds(hash));
        assert(stat.holds(other) == (bytes25(other) == bytes25(hash)));
    }

    function check_AnOrderWordKeepsEveryField(uint64 amount, uint8 token, uint32 expiry, uint32 postedAt)
        external
        pure
    {
        token &= 0x3f;
        OrderSlot slot = OrderWord.posted(amount, token, expiry, postedAt);
        assert(slot.amount() == amount && slot.token() == token && slot.expiry() == expiry);
        assert(slot.postedAt() == postedAt && slot.state() == OrderState.Open);
        slot = slot.ended(OrderState.Cancelled);
        assert(slot.amount() == 0 && slot.token() == token && slot.state() == OrderState.Cancelled);
    }
}
