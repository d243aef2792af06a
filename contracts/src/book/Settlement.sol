// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../types/LeaseWord.sol";
import {CloseKind, LeaseState, Reputation, StopBy, Terms} from "../types/Types.sol";

import {Lanes} from "../libraries/Lanes.sol";
import {Rent} from "../libraries/Rent.sol";
import {Rows} from "../libraries/Rows.sol";
import {Typed} from "../libraries/Typed.sol";
import {Bucket} from "../libraries/Vesting.sol";

import {Leases} from "./Leases.sol";

/// @title Settlement
/// @notice Usage in, earnings out: report, settle, finalize, close, claim.
abstract contract Settlement is Leases {
    using Rows for bytes;

    // ---------------------------------------------------------------- report

    /// @dev I10, I12. The hot path: one slot for the caller's key, one per word, one log.
    function report(uint32 providerId, uint32 firstWord, uint40 asOf, bytes32 root, uint256[] calldata words) external {
        _requireRole(providerId, ROLE_REPORT);
        uint256 count = words.length;
        require(count != 0, Report_Empty());
        // Lanes have 32 bits, so words have 29.
        require(uint256(firstWord) + count <= 1 << 29, Report_WordRange(firstWord, count));
        mapping(uint256 word => uint256) storage lanes = _lanes[providerId];
        unchecked {
            // Bounded by `count` and the range above.
            for (uint256 i = 0; i < count; ++i) {
                uint256 old = lanes[firstWord + i];
                (uint256 merged, uint256 refused) = Lanes.merge(old, words[i]);
                if (refused != 0) _refuse(firstWord + i, old, words[i]);
                if (merged != old) lanes[firstWord + i] = merged;
            }
        }
        emit Usage(providerId, firstWord, asOf, root, words);
    }

    function _refuse(uint256 word, uint256 old, uint256 reported) private pure {
        (uint256 lane, bool guard, uint256 rise) = Lanes.refusal(old, reported);
        if (guard) revert Report_GuardBit(uint32(word * 8 + lane));
        revert Report_JumpTooFar(uint32(word * 8 + lane), uint32(rise));
    }

    // ---------------------------------------------------------------- settle

    function settle(uint32 providerId, uint32[] calldata lanes) external {
        mapping(uint32 lane => LeaseWords) storage leases = _leases[providerId];
        mapping(uint256 word => uint256) storage counters = _lanes[providerId];
        bytes memory rows = Rows.room(lanes.length);
        uint256 count = 0;
        // One booking for each run of lanes that pay in the same token.
        uint8 token = 0;
        uint256 gross = 0;
        uint256 feeWeighted = 0;
        unchecked {
            // Paid is at most the balance; sums of fewer than 2^32 payments of 64 bits stay far below 256 bits.
            for (uint256 i = 0; i < lanes.length; ++i) {
                uint32 lane = lanes[i];
                Hot hot = leases[lane].hot;
                if (hot.state() != LeaseState.Live) continue;
                uint256 settled = hot.settled();
                uint256 balance = hot.balance();
                (uint256 upTo, uint256 paid) =
                    Rent.pay(settled, _used(hot, Lanes.get(counters[lane >> 3], lane)), hot.rate(), balance);
                if (upTo == settled) continue;
                if (hot.token() != token) {
                    _book(providerId, token, gross, feeWeighted);
                    (token, gross, feeWeighted) = (hot.token(), 0, 0);
                }
                leases[lane].hot = hot.withSettled(upTo).withBalance(uint64(balance - paid));
                rows.put(count++, lane, upTo, paid);
                gross += paid;
                feeWeighted += paid * hot.fee();
            }
        }
        if (count == 0) return;
        rows.cut(count);
        emit Settled(providerId, rows);
        _book(providerId, token, gross, feeWeighted);
    }

    function _book(uint32 providerId, uint8 token, uint256 gross, uint256 feeWeighted) private {
        if (gross == 0) return;
        _earn(providerId, token, gross, feeWeighted, false);
        if (_tokens[token].dollar) _recordPaid(providerId, gross, false);
    }

    // ---------------------------------------------------------------- finalize

    function finalize(Terms calldata terms) external nonReentrant {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _live(agreed, termsHash);
        uint256 from = uint256(hot.stopAt()) + _finalReports;
        require(block.timestamp >= from, Lease_Early(agreed.id, from));

        uint256 funds = hot.balance();
        uint256 rate = hot.rate();
        uint256 cum = _used(hot, _laneOf(agreed.id));
        (uint256 upTo, uint256 gross) = Rent.pay(hot.settled(), cum, rate, funds);
        funds += _holdback(agreed);
        if (upTo < cum) {
            // The holdback covers the grace seconds.
            uint256 covered = cum - upTo < agreed.grace ? cum : upTo + agreed.grace;
            gross += Rent.rentDown(covered, rate) - Rent.rentDown(upTo, rate);
            upTo = covered;
        }
        uint256 earlyFee = 0;
        if (hot.stopBy() == StopBy.TenantOrFunds) {
            // By wall clock, so downtime cannot raise it; never more than was served (I8).
            earlyFee = Rent.earlyFeeDown(rate, agreed.minCommit, agreed.earlyFeeBps, hot.stopAt() - hot.startAt(), upTo);
            Reputation storage record = _reputations[uint32(agreed.id >> 64)];
            record.stoppedByTenant = _plusOne(record.stoppedByTenant);
        }
        // The closing time: the lane rests from here.
        words.hot =
            hot.withState(LeaseState.Closed).withStopAt(uint32(block.timestamp)).withSettled(upTo).withBalance(0);
        _close(agreed, CloseKind.Finalized, upTo, gross + earlyFee, earlyFee, funds);
    }

    // ---------------------------------------------------------------- close by both

    function closeBoth(
        Terms calldata terms,
        uint32 cum,
        uint40 deadline,
        bytes calldata providerSignature,
        bytes calldata tenantSignature
    ) external nonReentrant {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _lease(agreed, termsHash);
        LeaseState state = hot.state();
        require(state == LeaseState.Pending || state == LeaseState.Live, Lease_NotLive(agreed.id, uint8(state)));
        _checkConsent(agreed, termsHash, cum, deadline, providerSignature, tenantSignature);

        uint256 funds = uint256(hot.balance()) + _holdback(agreed);
        uint256 elapsed = 0;
        if (state == LeaseState.Live) elapsed = _elapsed(hot);
        require(cum >= hot.settled(), Close_CumBelowSettled(cum, hot.settled()));
        require(cum <= elapsed, Close_CumBeyondElapsed(cum, uint32(elapsed)));
        (uint256 upTo, uint256 gross) = Rent.pay(hot.settled(), cum, hot.rate(), funds);

        words.hot = hot.withState(LeaseState.Closed).withStopAt(0).withSettled(upTo).withBalance(0);
        if (state == LeaseState.Pending && agreed.bond != 0) {
            _vault.release(uint32(agreed.id >> 64), agreed.token, agreed.bond, 0);
        }
        _close(agreed, CloseKind.Agreed, upTo, gross, 0, funds);
    }

    function _checkConsent(
        Terms memory terms,
        bytes32 termsHash,
        uint32 cum,
        uint40 deadline,
        bytes calldata providerSignature,
        bytes calldata tenantSignature
    ) private view {
        require(block.timestamp <= deadline, Close_Deadline(deadline));
        bytes32 structHash = Typed.hashClose(terms.id, termsHash, cum, deadline);
        address provider = _party(structHash, providerSignature);
        require(_hasRole(uint32(terms.id >> 64), provider, ROLE_START), Close_Signature(provider));
        address tenant = _party(structHash, tenantSignature);
        require(_isTenant(terms, tenant), Close_Signature(tenant));
    }

    // ---------------------------------------------------------------- money of a closing lease

    /// @dev I1: what the lease held is earned or returned, nothing else.
    /// @param gross what the provider gets, before the protocol's fee
    /// @param earlyFee the part of `gross` that is no rent
    /// @param funds all that the lease held
    function _close(Terms memory terms, CloseKind kind, uint256 cum, uint256 gross, uint256 earlyFee, uint256 funds)
        private
    {
        uint256 fee = 0;
        uint32 providerId = uint32(terms.id >> 64);
        bool signed = kind == CloseKind.Agreed;
        if (gross != 0) {
            fee = _earn(providerId, terms.token, gross, gross * terms.feeSteps, signed);
            if (_tokens[terms.token].dollar) _recordPaid(providerId, gross, signed);
        }
        // Checked arithmetic: a lease cannot pay more than it held.
        uint256 refund = funds - gross;
        bool pushed = _refund(terms.token, terms.refundTo, refund);
        emit Closed(
            terms.id,
            kind,
            uint32(cum),
            uint64(Rent.rentDown(cum, terms.ratePerHour)),
            uint64(earlyFee),
            uint64(fee),
            uint64(refund),
            pushed
        );
    }

    // ---------------------------------------------------------------- claim

    function claim(uint32 providerId, uint8 token) external nonReentrant returns (uint128 amount) {
        mapping(uint8 token => Bucket) storage buckets = _vesting[providerId];
        (Bucket bucket, uint256 vested) = buckets[token].roll(block.timestamp / _vestEpoch);
        Earnings storage earned = _earnings[providerId][token];
        uint128 waiting = earned.claimable;
        unchecked {
            // Sums of 64-bit deposits: 128 bits hold them.
            amount = waiting + uint128(vested);
        }
        require(amount != 0, Claim_Nothing(providerId, token));
        if (waiting != 0) earned.claimable = 0;
        if (vested != 0) buckets[token] = bucket;
        address payout = _payoutOf(providerId);
        emit Claimed(providerId, token, payout, amount);
        _send(token, payout, amount);
    }
}
