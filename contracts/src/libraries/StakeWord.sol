// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakeVault} from "../interfaces/IStakeVault.sol";

/// @title StakeWord
/// @notice A provider's stake as the one word it is stored in, for the two calls every lease makes:
/// contested 232 | unbondAt 231..192 | unbonding 191..128 | locked 127..64 | amount 63..0, as IStakeVault.Stake is laid out.
library StakeWord {
    uint256 private constant LOCKED_ONE = 1 << 64;

    /// @notice The word.
    function load(IStakeVault.Stake storage stake) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(stake.slot)
        }
    }

    /// @notice Stores the word.
    function store(IStakeVault.Stake storage stake, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(stake.slot, word)
        }
    }

    /// @notice What is neither locked nor asked back. Not below zero: SV-2.
    function open(uint256 word) internal pure returns (uint64) {
        unchecked {
            return uint64(word) - locked(word) - uint64(word >> 128);
        }
    }

    /// @notice Bonds.
    function locked(uint256 word) internal pure returns (uint64) {
        return uint64(word >> 64);
    }

    /// @notice Whether a part is reserved.
    function contested(uint256 word) internal pure returns (bool) {
        return word >> 232 != 0;
    }

    /// @notice With more locked: at most what is open, so it stays in its 64 bits.
    function lock(uint256 word, uint64 amount) internal pure returns (uint256) {
        unchecked {
            return word + uint256(amount) * LOCKED_ONE;
        }
    }

    /// @notice With less locked and less stake: at most what is locked, and no more burned than unlocked.
    function unlock(uint256 word, uint64 amount, uint64 burn) internal pure returns (uint256) {
        unchecked {
            return word - uint256(amount) * LOCKED_ONE - burn;
        }
    }
}
