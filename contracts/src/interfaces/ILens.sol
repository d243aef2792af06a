// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {LeaseView} from "../types/Types.sol";

/// @title Lens
/// @notice Pages of a provider's state in one call at one block. Stores nothing, holds nothing.
interface ILens {
    /// @notice The last leases opened on lanes firstLane to firstLane + count - 1 (id 0 where there was none).
    function leases(address leaseBook, uint32 providerId, uint32 firstLane, uint32 count)
        external
        view
        returns (LeaseView[] memory page);
    /// @notice Lane words firstWord to firstWord + count - 1.
    function laneWords(address leaseBook, uint32 providerId, uint32 firstWord, uint32 count)
        external
        view
        returns (uint256[] memory page);
}
