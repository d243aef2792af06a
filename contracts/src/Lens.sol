// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseView} from "./types/Types.sol";

import {ILeaseBook} from "./interfaces/ILeaseBook.sol";
import {ILens} from "./interfaces/ILens.sol";

/// @title Lens
/// @notice See ILens.
contract Lens is ILens {
    /// @inheritdoc ILens
    function leases(address leaseBook, uint32 providerId, uint32 firstLane, uint32 count)
        external
        view
        returns (LeaseView[] memory page)
    {
        page = new LeaseView[](count);
        for (uint32 i = 0; i < count; ++i) {
            page[i] = ILeaseBook(leaseBook).leaseAt(providerId, firstLane + i);
        }
    }

    /// @inheritdoc ILens
    function laneWords(address leaseBook, uint32 providerId, uint32 firstWord, uint32 count)
        external
        view
        returns (uint256[] memory page)
    {
        page = new uint256[](count);
        for (uint32 i = 0; i < count; ++i) {
            page[i] = ILeaseBook(leaseBook).laneWord(providerId, firstWord + i);
        }
    }
}
