// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../types/LeaseWord.sol";
import {LeaseState, StopBy, Terms} from "../types/Types.sol";

import {Lanes} from "../libraries/Lanes.sol";
import {Rent} from "../libraries/Rent.sol";

import {BookStorage} from "./BookStorage.sol";

/// @title LeaseAccess
/// @notice From the terms a caller passes to the lease they belong to, in the state the call needs; and what both halves of the
/// book compute of a lease.
abstract contract LeaseAccess is BookStorage {
    // These take the terms as Typed.copyTerms returns them: a struct in memory that a function returns is allocated and cleared once
    // more by each function it passes through.

    /// @dev The lease these terms belong to; reverts when they are not the terms of the lane's last lease. That their hash is
    /// the stored one proves the passed words.
    function _lease(Terms memory agreed, bytes32 termsHash) internal view returns (LeaseWords storage words, Hot hot) {
        words = _leases[uint32(agreed.id >> 64)][uint32(agreed.id >> 32)];
        // The hash covers the id, and with it the gen.
        require(words.stat.holds(termsHash), Lease_TermsMismatch(agreed.id, termsHash));
        hot = words.hot;
    }

    function _pending(Terms memory agreed, bytes32 termsHash)
        internal
        view
        returns (LeaseWords storage words, Hot hot)
    {
        (words, hot) = _lease(agreed, termsHash);
        require(hot.state() == LeaseState.Pending, Lease_NotPending(agreed.id, uint8(hot.state())));
    }

    function _live(Terms memory agreed, bytes32 termsHash) internal view returns (LeaseWords storage words, Hot hot) {
        (words, hot) = _lease(agreed, termsHash);
        require(hot.state() == LeaseState.Live, Lease_NotLive(agreed.id, uint8(hot.state())));
    }

    function _active(Terms memory agreed, bytes32 termsHash) internal view returns (LeaseWords storage words, Hot hot) {
        (words, hot) = _live(agreed, termsHash);
        require(block.timestamp < hot.stopAt(), Lease_Stopped(agreed.id, hot.stopAt()));
    }

    function _laneOf(uint96 id) internal view returns (uint32) {
        uint32 lane = uint32(id >> 32);
        // 31 bits.
        return uint32(Lanes.get(_lanes[uint32(id >> 64)][lane >> 3], lane));
    }

    /// @dev Seconds a live lease has run.
    function _elapsed(Hot hot) internal view returns (uint256) {
        return (block.timestamp < hot.stopAt() ? block.timestamp : hot.stopAt()) - hot.startAt();
    }

    /// @dev Who consents for the tenant: the caller, or whoever signed.
    function _isTenant(Terms memory terms, address who) internal pure returns (bool) {
        // Nobody recovered is address zero, which an order may name as its agent.
        return who != address(0) && (who == terms.tenant || who == terms.agent);
    }

    function _holdback(Terms memory terms) internal pure returns (uint64) {
        // Was below the deposit at the opening.
        return uint64(Rent.holdbackUp(terms.ratePerHour, terms.grace, terms.minCommit, terms.earlyFeeBps));
    }

    /// @dev I3: billable seconds of a live lease, clipped to the time it has run, and not below what is settled: a voucher may
    /// have paid seconds that no report has counted yet.
    function _used(Hot hot, uint256 lane) internal view returns (uint256 used) {
        unchecked {
            uint256 base = hot.laneBase();
            used = lane > base ? lane - base : 0;
            uint256 until = hot.stopAt();
            if (block.timestamp < until) until = block.timestamp;
            // Not below zero: a live lease's stopAt is never before its start.
            uint256 elapsed = until - hot.startAt();
            if (used > elapsed) used = elapsed;
            uint256 settled = hot.settled();
            if (used < settled) used = settled;
        }
    }

    /// @dev I4, I14: lowers `stopAt`; the first to stop keeps it.
    function _stop(uint96 id, LeaseWords storage words, Hot hot, StopBy by, uint16 reason, uint32 stopAt) internal {
        if (hot.stopBy() != StopBy.EndReached) by = hot.stopBy();
        words.hot = hot.withStopAt(stopAt).withStopBy(by);
        emit Stopped(id, by, reason, stopAt);
    }
}
