// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Lanes
/// @notice Eight counters in a word: lane i is bits 32*i and up, 31 bits of seconds under a guard bit that is always zero in
/// storage. All eight are compared in one subtraction: with the guard set in the minuend, no lane borrows from its neighbour.
library Lanes {
    uint256 private constant GUARDS = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant TOO_FAR = 0x7ffe00007ffe00007ffe00007ffe00007ffe00007ffe00007ffe00007ffe0000;
    uint256 private constant ONE_LANE = 0x7fffffff;

    /// @notice Lane-wise maximum.
    /// @param old word in storage
    /// @param reported word that was reported
    /// @return merged meaningful only if `refused` is zero
    /// @return refused non-zero if a guard bit is set in `reported` or a lane would rise by 2^17 or more
    function merge(uint256 old, uint256 reported) internal pure returns (uint256 merged, uint256 refused) {
        unchecked {
            // Per lane 2^31 + reported - old: between 1 and 2^32 - 1 when the guard of `reported` is clear, so nothing leaves
            // the lane, and the guard of the result says reported >= old.
            uint256 difference = (reported | GUARDS) - old;
            uint256 higher = difference & GUARDS;
            // A set guard becomes 31 ones below it; a clear one nothing.
            uint256 mask = higher - (higher >> 31);
            merged = old ^ ((old ^ reported) & mask);
            refused = (reported & GUARDS) | (difference & mask & TOO_FAR);
        }
    }

    /// @notice One lane of a word.
    function get(uint256 word, uint256 lane) internal pure returns (uint256) {
        return (word >> ((lane & 7) << 5)) & ONE_LANE;
    }

    /// @notice The first lane of a word whose report is refused, and why.
    /// @return lane 0 to 7
    /// @return guard whether its guard bit is set
    /// @return rise by how much it would rise, when the guard is clear
    function refusal(uint256 old, uint256 reported) internal pure returns (uint256 lane, bool guard, uint256 rise) {
        for (lane = 0; lane < 8; ++lane) {
            guard = (reported >> (lane * 32)) & 0x80000000 != 0;
            if (guard) return (lane, true, 0);
            uint256 from = get(old, lane);
            uint256 to = get(reported, lane);
            rise = to > from ? to - from : 0;
            if (rise >= 1 << 17) return (lane, false, rise);
        }
    }
}
