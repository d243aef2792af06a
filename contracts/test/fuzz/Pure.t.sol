// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "../../src/libraries/Lanes.sol";
import {Rent} from "../../src/libraries/Rent.sol";
import {Bucket} from "../../src/libraries/Vesting.sol";
import {Hot, LeaseWord, Stat} from "../../src/types/LeaseWord.sol";
import {OrderSlot, OrderWord} from "../../src/types/OrderWord.sol";
import {LeaseState, OrderState, StopBy} from "../../src/types/Types.sol";

import {Assertions} from "../support/Assertions.sol";

/// @notice The pure parts against plain twins.
contract PureTest is Assertions {
    uint256 private constant GUARDS = 0x8000000080000000800000008000000080000000800000008000000080000000;

    // ---------------------------------------------------------------- lanes

    function _naive(uint256 a, uint256 b) private pure returns (uint256 merged, bool far) {
        for (uint256 i = 0; i < 8; ++i) {
            uint256 x = (a >> (32 * i)) & 0x7fffffff;
            uint256 y = (b >> (32 * i)) & 0x7fffffff;
            merged |= (x > y ? x : y) << (32 * i);
            if (y > x && y - x >= 1 << 17) far = true;
        }
    }

    function testFuzz_MergeIsTheLaneWiseMaximumAndRefusesJumps(uint256 a, uint256 b) public pure {
        a &= ~GUARDS;
        b &= ~GUARDS;
        (uint256 merged, uint256 refused) = Lanes.merge(a, b);
        (uint256 expected, bool far) = _naive(a, b);
        eq(merged, expected, "maximum");
        yes((refused != 0) == far, "refusal");
    }

    /// @dev Random words nearly always jump too far somewhere; here each lane rises a little or falls.
    function testFuzz_MergeOfNearWordsIsAccepted(uint256 a, uint256 rise) public pure {
        a &= 0x3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff;
        rise &= 0x0001ffff0001ffff0001ffff0001ffff0001ffff0001ffff0001ffff0001ffff;
        (uint256 merged, uint256 refused) = Lanes.merge(a, a + rise);
        eq(refused, 0, "accepted");
        eq(merged, a + rise, "raised");
        (merged, refused) = Lanes.merge(a + rise, a);
        eq(refused, 0, "a lower word is no news");
        eq(merged, a + rise, "kept");
    }

    function testFuzz_MergeIsIdempotentCommutativeAndAssociative(uint256 a, uint256 b, uint256 c) public pure {
        a &= ~GUARDS;
        b &= ~GUARDS;
        c &= ~GUARDS;
        (uint256 ab,) = Lanes.merge(a, b);
        (uint256 ba,) = Lanes.merge(b, a);
        eq(ab, ba, "commutative");
        (uint256 again,) = Lanes.merge(ab, b);
        eq(again, ab, "idempotent");
        (uint256 left,) = Lanes.merge(ab, c);
        (uint256 bc,) = Lanes.merge(b, c);
        (uint256 right,) = Lanes.merge(a, bc);
        eq(left, right, "associative");
    }

    function testFuzz_AGuardBitIsRefused(uint256 a, uint256 b, uint8 lane) public pure {
        (, uint256 refused) = Lanes.merge(a & ~GUARDS, b | (0x80000000 << (32 * uint256(lane % 8))));
        yes(refused != 0, "refused");
    }

    function testFuzz_ARefusalNamesTheFirstLane(uint256 a, uint8 lane, uint32 rise) public pure {
        a &= 0x3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff3fffffff;
        uint256 index = lane % 8;
        uint256 by = (1 << 17) + (uint256(rise) % (1 << 29));
        (uint256 named, bool guard, uint256 rose) = Lanes.refusal(a, a + (by << (32 * index)));
        eq(named, index, "lane");
        yes(!guard, "no guard");
        eq(rose, by, "rise");
    }

    // ---------------------------------------------------------------- rent

    function testFuzz_PaymentsTelescope(uint32 a, uint32 b, uint32 c, uint48 rate) public pure {
        rate = rate == 0 ? 1 : rate;
        (uint256 x, uint256 y, uint256 z) = _sorted(a >> 1, b >> 1, c >> 1);
        (, uint256 first) = Rent.pay(x, y, rate, type(uint128).max);
        (, uint256 second) = Rent.pay(y, z, rate, type(uint128).max);
        (, uint256 whole) = Rent.pay(x, z, rate, type(uint128).max);
        eq(first + second, whole, "cut anywhere");
    }

    function testFuzz_AShortBalancePaysToTheLastSecondItCovers(uint32 a, uint32 b, uint48 rate, uint64 funds)
        public
        pure
    {
        rate = rate == 0 ? 1 : rate;
        (uint256 from, uint256 to) = a < b ? (uint256(a >> 1), uint256(b >> 1)) : (uint256(b >> 1), uint256(a >> 1));
        (uint256 upTo, uint256 paid) = Rent.pay(from, to, rate, funds);
        yes(paid <= funds, "never more than there is");
        yes(upTo >= from && upTo <= to, "between");
        eq(paid, Rent.rentDown(upTo, rate) - Rent.rentDown(from, rate), "exactly those seconds");
        if (upTo < to) {
            yes(Rent.rentDown(upTo + 1, rate) - Rent.rentDown(from, rate) > funds, "not one second more");
        }
    }

    function testFuzz_TheHoldbackCoversGraceAndEarlyFee(
        uint48 rate,
        uint32 grace,
        uint32 commit,
        uint16 bps,
        uint32 elapsed,
        uint32 settled,
        uint32 unpaid
    ) public pure {
        rate = rate == 0 ? 1 : rate;
        bps = bps % 10_001;
        commit = commit % (1 << 30);
        grace = grace % (1 << 30);
        settled = settled >> 2;
        uint256 covered = unpaid < grace ? unpaid : grace;
        uint256 served = settled + covered;
        // Served is never more than elapsed.
        uint256 wall = uint256(elapsed) + served;
        uint256 fee = Rent.earlyFeeDown(rate, commit, bps, wall, served);
        uint256 extra = Rent.rentDown(served, rate) - Rent.rentDown(settled, rate);
        yes(extra + fee <= Rent.holdbackUp(rate, grace, commit, bps), "covered");
        yes(fee * 10_000 * 3600 <= uint256(bps) * rate * served, "at most what was served");
        yes(fee <= Rent.earlyFeeMaxUp(rate, commit, bps), "at most half of the commitment");
    }

    function _sorted(uint256 a, uint256 b, uint256 c) private pure returns (uint256, uint256, uint256) {
        if (a > b) (a, b) = (b, a);
        if (b > c) (b, c) = (c, b);
        if (a > b) (a, b) = (b, a);
        return (a, b, c);
    }

    // ---------------------------------------------------------------- vesting

    function testFuzz_ABucketNeitherMakesNorLosesMoney(uint64[8] memory amounts, uint8[8] memory steps) public pure {
        Bucket bucket;
        uint256 epoch = 5;
        uint256 added;
        uint256 vested;
        for (uint256 i = 0; i < 8; ++i) {
            epoch += steps[i] % 4;
            uint256 out;
            (bucket, out) = bucket.roll(epoch);
            vested += out;
            bucket = bucket.add(amounts[i]);
            added += amounts[i];
            eq(vested + bucket.cur() + bucket.prev(), added, "conserved");
        }
        (bucket, vested) = bucket.roll(epoch + 1);
        uint256 late = bucket.prev();
        yes(late >= amounts[7], "the last amount still waits after one epoch");
        (, vested) = bucket.roll(epoch + 2);
        eq(vested, late, "and is free after two");
    }

    function testFuzz_ATakeIsWhatThereIs(uint64 young, uint64 old, uint128 amount) public pure {
        Bucket bucket;
        (bucket,) = bucket.roll(7);
        bucket = bucket.add(old);
        (bucket,) = bucket.roll(8);
        bucket = bucket.add(young);
        (Bucket left, uint256 taken) = bucket.take(amount);
        uint256 total = uint256(young) + old;
        eq(taken, amount < total ? amount : total, "taken");
        eq(left.cur() + left.prev() + taken, total, "conserved");
        eq(left.epoch(), 8, "epoch");
    }

    // ---------------------------------------------------------------- words

    function testFuzz_AHotWordKeepsEveryField(
        uint8 fee,
        uint8 token,
        uint32 base,
        uint32 settled,
        uint32 startAt,
        uint32 stopAt,
        uint48 rate,
        uint64 balance
    ) public pure {
        fee %= 128;
        token %= 64;
        base >>= 1;
        settled >>= 1;
        Hot hot = LeaseWord.pending(fee, token, 1, rate, 1);
        hot = hot.withBalance(balance).withStopAt(stopAt).withStartAt(startAt).withSettled(settled).withLaneBase(base);
        hot = hot.withState(LeaseState.Live).withStopBy(StopBy.ProviderNotice);
        // And once more over what is there, in another order.
        hot = hot.withStopBy(StopBy.ProviderFault).withState(LeaseState.Closed).withLaneBase(base).withBalance(balance);
        hot = hot.withSettled(settled).withStartAt(startAt).withStopAt(stopAt);
        eq(uint256(hot.state()), uint256(LeaseState.Closed), "state");
        eq(uint256(hot.stopBy()), uint256(StopBy.ProviderFault), "stopBy");
        eq(hot.fee(), fee, "fee");
        eq(hot.token(), token, "token");
        eq(hot.laneBase(), base, "laneBase");
        eq(hot.settled(), settled, "settled");
        eq(hot.startAt(), startAt, "startAt");
        eq(hot.stopAt(), stopAt, "stopAt");
        eq(hot.rate(), rate, "rate");
        eq(hot.balance(), balance, "balance");
        uint256 picture = (uint256(3) << 254) | (uint256(3) << 252) | (uint256(fee) << 244) | (uint256(token) << 238)
            | (uint256(base) << 207) | (uint256(settled) << 176) | (uint256(startAt) << 144) | (uint256(stopAt) << 112)
            | (uint256(rate) << 64) | balance;
        eq(Hot.unwrap(hot), picture, "as in the picture");
    }

    function testFuzz_AStatWordKeepsEveryField(bytes32 hash, uint32 gen, uint32 openedAt, bytes32 other) public pure {
        gen %= 1 << 24;
        Stat stat = LeaseWord.opened(hash, gen, openedAt);
        eq(stat.gen(), gen, "gen");
        eq(stat.openedAt(), openedAt, "openedAt");
        yes(stat.holds(hash), "holds its hash");
        yes(stat.holds(other) == (bytes25(other) == bytes25(hash)), "and no other");
    }

    function testFuzz_AnOrderWordKeepsEveryField(uint64 amount, uint8 token, uint32 expiry, uint32 postedAt)
        public
        pure
    {
        token %= 64;
        OrderSlot slot = OrderWord.posted(amount, token, expiry, postedAt);
        eq(slot.amount(), amount, "amount");
        eq(slot.token(), token, "token");
        eq(slot.expiry(), expiry, "expiry");
        eq(slot.postedAt(), postedAt, "postedAt");
        eq(uint256(slot.state()), uint256(OrderState.Open), "open");
        slot = slot.ended(OrderState.Accepted);
        eq(slot.amount(), 0, "nothing in it");
        eq(slot.token(), token, "token stays");
        eq(slot.expiry(), expiry, "expiry stays");
        eq(slot.postedAt(), postedAt, "postedAt stays");
        eq(uint256(slot.state()), uint256(OrderState.Accepted), "ended");
    }
}
