// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What the book uses of ERC-3009
/// @notice A transfer that its sender signed and that only its receiver can send: nobody else can run it first and leave the
/// money here without an owner, which is why `transferWithAuthorization` is never used.
interface IERC3009 {
    /// @notice Moves `value` of `from` to `to`, which must be the caller.
    /// @param nonce unused by `from` so far; the book asks for the hash of the order that is paid
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;
}
