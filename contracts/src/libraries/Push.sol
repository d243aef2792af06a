// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Push
/// @notice Sends tokens to somebody who may not want them, so that nobody else is held up.
library Push {
    /// @notice ERC-20 `transfer` with bounded gas. Copies at most 32 bytes of what comes back, never reverts.
    /// @return ok whether the call succeeded and returned nothing or true
    function tryTransfer(address token, address to, uint256 amount, uint256 gasLimit) internal returns (bool ok) {
        bytes memory data = abi.encodeWithSelector(0xa9059cbb, to, amount); // transfer(address,uint256)
        assembly ("memory-safe") {
            // Scratch space takes the answer; whatever is longer stays where it is.
            mstore(0x00, 0)
            ok := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            let size := returndatasize()
            // Nothing came back, or a full word that is exactly one.
            ok := and(ok, or(iszero(size), and(gt(size, 0x1f), eq(mload(0x00), 1))))
        }
    }
}
