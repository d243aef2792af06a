// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bid} from "../types/Types.sol";

/// @title PackedBid
/// @notice A signed bid as bytes, big-endian: orderHash 32, providerId 4, bidEpoch 4, ratePerHour 6, bond 8, liability 8, deadline
/// 5, then (lane 4, gen 4) for each lot, then the signature 65.
library PackedBid {
    uint256 private constant HEAD = 67;
    uint256 private constant LOT = 8;
    uint256 private constant SIGNATURE = 65;

    /// @notice Whether the bytes can be a bid of 1 to 256 lots.
    function isWhole(bytes calldata packed) internal pure returns (bool) {
        unchecked {
            // Beyond one lot a multiple of 8 up to 255 * 8; fewer bytes wrap around to much more.
            return (packed.length - (HEAD + LOT + SIGNATURE)) & ~uint256(255 * LOT) == 0;
        }
    }

    /// @notice The members that are looked at before anything else.
    /// @param packed whole
    function head(bytes calldata packed) internal pure returns (bytes32 orderHash, uint32 providerId, uint32 bidEpoch) {
        uint256 second;
        assembly ("memory-safe") {
            orderHash := calldataload(packed.offset)
            second := calldataload(add(packed.offset, 0x20))
        }
        return (orderHash, uint32(second >> 224), uint32(second >> 192));
    }

    /// @notice All of it.
    /// @param packed whole
    function unpack(bytes calldata packed) internal pure returns (Bid memory bid, bytes calldata signature) {
        uint256 end = packed.length - SIGNATURE;
        signature = packed[end:];
        (bid.orderHash, bid.providerId, bid.bidEpoch) = head(packed);
        bid.lanesHash = keccak256(packed[HEAD:end]);
        bid.ratePerHour = uint48(bytes6(packed[40:46]));
        bid.bond = uint64(bytes8(packed[46:54]));
        bid.liability = uint64(bytes8(packed[54:62]));
        bid.deadline = uint40(bytes5(packed[62:67]));
    }
}
