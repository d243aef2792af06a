// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Wallet
/// @notice Asks a contract wallet whether a signature is its own (ERC-1271). The wallet is a stranger's code: bounded gas, at
/// most 32 bytes of its answer are copied, and nothing it does reverts the caller.
library Wallet {
    /// @notice Whether the wallet answers with the magic value and zeros behind it. An address without code does not.
    /// @param signature as the wallet wants it
    function accepts(address wallet, bytes32 digest, bytes calldata signature, uint256 gasLimit)
        internal
        view
        returns (bool ok)
    {
        bytes memory data = abi.encodeWithSelector(0x1626ba7e, digest, signature); // isValidSignature(bytes32,bytes)
        assembly ("memory-safe") {
            // Scratch space takes the answer; whatever is longer stays where it is.
            mstore(0x00, 0)
            ok := staticcall(gasLimit, wallet, add(data, 0x20), mload(data), 0x00, 0x20)
            ok := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), shl(224, 0x1626ba7e))))
        }
    }
}
