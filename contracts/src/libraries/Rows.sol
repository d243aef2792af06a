// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Rows
/// @notice Packed rows of 16 bytes (lane 4, settled seconds 4, paid 8) for the Settled event.
library Rows {
    /// @notice Room for `count` rows; the last write may spill 16 bytes, which are allocated too.
    function room(uint256 count) internal pure returns (bytes memory rows) {
        rows = new bytes(count * 16 + 16);
    }

    /// @notice Writes row `index`; rows are written in order.
    /// @param cum below 2^32
    /// @param paid below 2^64
    function put(bytes memory rows, uint256 index, uint32 lane, uint256 cum, uint256 paid) internal pure {
        uint256 row = (uint256(lane) << 224) | (cum << 192) | (paid << 128);
        assembly ("memory-safe") {
            // Within the room: index < count, and the 16 bytes behind a row are the next row's or the spill's.
            mstore(add(add(rows, 0x20), shl(4, index)), row)
        }
    }

    /// @notice Cuts to the rows written.
    function cut(bytes memory rows, uint256 count) internal pure {
        assembly ("memory-safe") {
            mstore(rows, shl(4, count))
        }
    }
}
