// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Rent
/// @notice What seconds cost. Down favours the tenant, Up the provider. Inputs: seconds below 2^32, rates below 2^48, bps below
/// 2^16, amounts below 2^65: no sum or product here leaves 2^113, which is why the arithmetic is unchecked.
library Rent {
    uint256 private constant HOUR = 3600;
    uint256 private constant BPS = 10_000;

    /// @notice Rent of `secs` seconds, rounded down.
    function rentDown(uint256 secs, uint256 rate) internal pure returns (uint256) {
        unchecked {
            return secs * rate / HOUR;
        }
    }

    /// @notice Rent of `secs` seconds, rounded up.
    function rentUp(uint256 secs, uint256 rate) internal pure returns (uint256) {
        unchecked {
            return (secs * rate + HOUR - 1) / HOUR;
        }
    }

    /// @notice What `funds` can pay of the usage between `settled` and `cum`. Telescopes: any way of cutting usage into
    /// payments adds up to rentDown of the last second paid (I2).
    /// @param cum at least `settled`
    /// @param rate at least 1
    /// @return upTo the last second paid; `cum` unless the funds end before
    /// @return paid at most `funds`
    function pay(uint256 settled, uint256 cum, uint256 rate, uint256 funds)
        internal
        pure
        returns (uint256 upTo, uint256 paid)
    {
        unchecked {
            uint256 before = rentDown(settled, rate);
            // No less than zero: cum is at least settled, and rentDown grows with seconds.
            paid = rentDown(cum, rate) - before;
            if (paid <= funds) return (cum, paid);
            // The largest s with floor(s * rate / 3600) <= funds + before; at least `settled`.
            upTo = ((funds + before + 1) * HOUR - 1) / rate;
            paid = rentDown(upTo, rate) - before;
        }
    }

    /// @notice The most the early fee can be: for half of the commitment, because it is due on the lesser of what is missing
    /// and what was served (I8). Rounded up, so that it always covers the fee.
    function earlyFeeMaxUp(uint256 rate, uint256 minCommit, uint256 earlyFeeBps) internal pure returns (uint256) {
        return (earlyFeeBps * rate * (minCommit / 2) + HOUR * BPS - 1) / (HOUR * BPS);
    }

    /// @notice The early fee, rounded down.
    /// @param elapsed wall-clock seconds from start to stop
    /// @param served seconds paid
    function earlyFeeDown(uint256 rate, uint256 minCommit, uint256 earlyFeeBps, uint256 elapsed, uint256 served)
        internal
        pure
        returns (uint256)
    {
        if (elapsed >= minCommit) return 0;
        uint256 missing = minCommit - elapsed;
        return earlyFeeBps * rate * (missing < served ? missing : served) / (HOUR * BPS);
    }

    /// @notice What is kept out of a deposit at the opening: the grace seconds and the largest early fee.
    function holdbackUp(uint256 rate, uint256 grace, uint256 minCommit, uint256 earlyFeeBps)
        internal
        pure
        returns (uint256)
    {
        return rentUp(grace, rate) + earlyFeeMaxUp(rate, minCommit, earlyFeeBps);
    }

    /// @notice The rate of a dutch order: from `startRate` to `maxRate` in a straight line of `climb` seconds, rounded down, and
    /// `maxRate` from then on.
    /// @param startRate at most `maxRate`
    /// @param elapsed seconds since the posting
    function climbDown(uint256 startRate, uint256 maxRate, uint256 climb, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        if (elapsed >= climb) return maxRate;
        return startRate + (maxRate - startRate) * elapsed / climb;
    }
}
