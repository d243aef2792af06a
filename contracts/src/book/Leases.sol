// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../types/LeaseWord.sol";
import {LeaseState, Reputation, StopBy, Terms} from "../types/Types.sol";

import {ILeaseBookCore} from "../interfaces/ILeaseBook.sol";
import {Typed} from "../libraries/Typed.sol";

import {LeaseAccess} from "./LeaseAccess.sol";

/// @title Leases
/// @notice Start and stop: the two acts every lease sees that move its only clock, `stopAt` (I4).
abstract contract Leases is LeaseAccess, ILeaseBookCore {
    function start(Terms calldata terms, uint32 base, bytes32 bindings) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _pending(agreed, termsHash);
        uint32 providerId = uint32(agreed.id >> 64);
        _requireRole(providerId, ROLE_START);
        require(block.timestamp <= hot.stopAt(), Lease_Late(agreed.id, hot.stopAt()));
        uint32 lane = _laneOf(agreed.id);
        // The lane must be able to count the whole lease in 31 bits.
        uint256 most = (1 << 31) - 1 - uint256(agreed.maxDuration);
        require(base >= lane && base <= most, Start_Base(base, lane, most));

        uint32 now_ = uint32(block.timestamp);
        uint32 stopAt = now_ + agreed.maxDuration;
        words.hot = hot.withState(LeaseState.Live).withStartAt(now_).withStopAt(stopAt).withLaneBase(base);
        Reputation storage record = _reputations[providerId];
        record.started = _plusOne(record.started);
        emit LeaseStarted(agreed.id, now_, stopAt, base, bindings);
        if (agreed.bond != 0) _vault.release(providerId, agreed.token, agreed.bond, 0);
    }

    function stop(Terms calldata terms, uint16 reason) external {
        if (msg.sender != terms.tenant && msg.sender != terms.agent) _extend();
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        _stop(agreed.id, words, hot, StopBy.TenantOrFunds, reason, uint32(block.timestamp));
    }

    /// @dev Runs this very call in the extension's code, and ends it.
    function _extend() internal virtual;
}
