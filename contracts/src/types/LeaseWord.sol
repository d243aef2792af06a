// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {LeaseState, StopBy} from "./Types.sol";

/// The word that changes while a lease lives, high bits first:
///
/// | 255 254 | 253 252 | 251 | 250..244 | 243..238 | 237..207 | 206..176 | 175..144 | 143..112 | 111..64 | 63..0 |
/// |  state  | stopBy  |  -  |   fee    |  token   | laneBase | settled  | startAt  |  stopAt  |  rate   | balance |
type Hot is uint256;

/// The word written once at the opening: termsHash 255..56 (high 200 bits of the hash), gen 55..32, openedAt 31..0.
type Stat is uint256;

using LeaseWord for Hot global;
using LeaseWord for Stat global;

/// @title LeaseWord
/// @notice Packing of a lease's two words. Setters replace their field and nothing else; callers pass values within the
/// field's width (stated at each setter).
library LeaseWord {
    uint256 private constant STATE = 254;
    uint256 private constant STOP_BY = 252;
    uint256 private constant FEE = 244;
    uint256 private constant TOKEN = 238;
    uint256 private constant LANE_BASE = 207;
    uint256 private constant SETTLED = 176;
    uint256 private constant START_AT = 144;
    uint256 private constant STOP_AT = 112;
    uint256 private constant RATE = 64;

    uint256 private constant MASK_2 = 0x3;
    uint256 private constant MASK_6 = 0x3f;
    uint256 private constant MASK_7 = 0x7f;
    uint256 private constant MASK_24 = 0xffffff;
    uint256 private constant MASK_31 = 0x7fffffff;
    uint256 private constant MASK_32 = 0xffffffff;
    uint256 private constant MASK_48 = 0xffffffffffff;
    uint256 private constant MASK_64 = 0xffffffffffffffff;

    /// @notice The hot word of a lease that was just opened.
    /// @param feeSteps below 2^7
    /// @param token_ below 2^6
    function pending(uint8 feeSteps, uint8 token_, uint32 stopAt_, uint48 rate_, uint64 balance_)
        internal
        pure
        returns (Hot)
    {
        return Hot.wrap(
            (uint256(LeaseState.Pending) << STATE) | (uint256(feeSteps) << FEE) | (uint256(token_) << TOKEN)
                | (uint256(stopAt_) << STOP_AT) | (uint256(rate_) << RATE) | uint256(balance_)
        );
    }

    function state(Hot hot) internal pure returns (LeaseState) {
        return LeaseState(Hot.unwrap(hot) >> STATE);
    }

    function stopBy(Hot hot) internal pure returns (StopBy) {
        return StopBy((Hot.unwrap(hot) >> STOP_BY) & MASK_2);
    }

    function fee(Hot hot) internal pure returns (uint8) {
        return uint8((Hot.unwrap(hot) >> FEE) & MASK_7);
    }

    function token(Hot hot) internal pure returns (uint8) {
        return uint8((Hot.unwrap(hot) >> TOKEN) & MASK_6);
    }

    function laneBase(Hot hot) internal pure returns (uint32) {
        return uint32((Hot.unwrap(hot) >> LANE_BASE) & MASK_31);
    }

    function settled(Hot hot) internal pure returns (uint32) {
        return uint32((Hot.unwrap(hot) >> SETTLED) & MASK_31);
    }

    function startAt(Hot hot) internal pure returns (uint32) {
        return uint32((Hot.unwrap(hot) >> START_AT) & MASK_32);
    }

    function stopAt(Hot hot) internal pure returns (uint32) {
        return uint32((Hot.unwrap(hot) >> STOP_AT) & MASK_32);
    }

    function rate(Hot hot) internal pure returns (uint48) {
        return uint48((Hot.unwrap(hot) >> RATE) & MASK_48);
    }

    function balance(Hot hot) internal pure returns (uint64) {
        return uint64(Hot.unwrap(hot) & MASK_64);
    }

    function withState(Hot hot, LeaseState value) internal pure returns (Hot) {
        return _with(hot, STATE, MASK_2, uint256(value));
    }

    function withStopBy(Hot hot, StopBy value) internal pure returns (Hot) {
        return _with(hot, STOP_BY, MASK_2, uint256(value));
    }

    /// @param value below 2^31
    function withLaneBase(Hot hot, uint256 value) internal pure returns (Hot) {
        return _with(hot, LANE_BASE, MASK_31, value);
    }

    /// @param value below 2^31
    function withSettled(Hot hot, uint256 value) internal pure returns (Hot) {
        return _with(hot, SETTLED, MASK_31, value);
    }

    function withStartAt(Hot hot, uint32 value) internal pure returns (Hot) {
        return _with(hot, START_AT, MASK_32, value);
    }

    function withStopAt(Hot hot, uint32 value) internal pure returns (Hot) {
        return _with(hot, STOP_AT, MASK_32, value);
    }

    function withRate(Hot hot, uint48 value) internal pure returns (Hot) {
        return _with(hot, RATE, MASK_48, value);
    }

    function withBalance(Hot hot, uint64 value) internal pure returns (Hot) {
        return _with(hot, 0, MASK_64, value);
    }

    /// @notice The word written at the opening.
    /// @param gen_ below 2^24
    function opened(bytes32 hash, uint32 gen_, uint32 openedAt_) internal pure returns (Stat) {
        return Stat.wrap(((uint256(hash) >> 56) << 56) | (uint256(gen_) << 32) | uint256(openedAt_));
    }

    function gen(Stat stat) internal pure returns (uint32) {
        return uint32((Stat.unwrap(stat) >> 32) & MASK_24);
    }

    function openedAt(Stat stat) internal pure returns (uint32) {
        return uint32(Stat.unwrap(stat) & MASK_32);
    }

    /// @notice The stored part of the hash of the terms, the low 56 bits zero.
    function termsHash(Stat stat) internal pure returns (bytes32) {
        return bytes32((Stat.unwrap(stat) >> 56) << 56);
    }

    /// @notice Whether the stored part of the hash is this hash's.
    function holds(Stat stat, bytes32 hash) internal pure returns (bool) {
        return (Stat.unwrap(stat) >> 56) == (uint256(hash) >> 56);
    }

    function _with(Hot hot, uint256 offset, uint256 mask, uint256 value) private pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(hot) & ~(mask << offset)) | (value << offset));
    }
}
