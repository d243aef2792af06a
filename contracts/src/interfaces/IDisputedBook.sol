// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {LeaseView, Terms} from "../types/Types.sol";

/// @title What a court asks of a LeaseBook
/// @notice The part of ILeaseBook that a DisputeCourt calls, so that a court needs no more of a book than this.
interface IDisputedBook {
    /// @notice Keeps at most `amount` of what the lease has paid and its provider has not vested, for at most 21 days. Court only.
    function freeze(Terms calldata terms, uint64 amount) external returns (uint64 frozen);
    /// @notice Gives it all back to the provider. The court; after the 21 days anyone.
    function release(uint96 id) external;
    /// @notice Sends `amount` of it to the lease's refundTo, the rest back to the provider. The court, within the 21 days.
    function award(uint96 id, uint64 amount) external;

    /// @notice What is kept of a lease's money.
    function freezeOf(uint96 id)
        external
        view
        returns (address refundTo, uint64 amount, uint32 until, uint64 total, uint8 token);
    /// @notice The last lease opened on a lane.
    function leaseAt(uint32 providerId, uint32 lane) external view returns (LeaseView memory);
    /// @notice What could be claimed now, and what still vests.
    function earnings(uint32 providerId, uint8 token) external view returns (uint128 claimable, uint128 vesting);
    /// @notice A provider's owner; zero: no such provider.
    function ownerOf(uint32 providerId) external view returns (address);
    /// @notice A key's roles, the instant they hold from, and its bid epoch.
    function keyOf(uint32 providerId, address key) external view returns (uint8 roles, uint40 from, uint32 bidEpoch);
    /// @notice EIP-712.
    function domainSeparator() external view returns (bytes32);
}
