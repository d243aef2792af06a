// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot, LeaseWord} from "../types/LeaseWord.sol";
import {StopBy, Terms} from "../types/Types.sol";

import {ILeaseBookExtension} from "../interfaces/ILeaseBook.sol";
import {Rent} from "../libraries/Rent.sol";
import {Rows} from "../libraries/Rows.sol";
import {Typed} from "../libraries/Typed.sol";

import {LeaseAccess} from "./LeaseAccess.sol";

/// @title Agreements
/// @notice What the parties of a running lease sign beside its close: vouchers, a stop that somebody else sends, other terms.
/// @dev What a tenant signed is claimable at once: nobody needs time to contest it.
abstract contract Agreements is LeaseAccess, ILeaseBookExtension {
    using Rows for bytes;

    uint8 private constant FLAGS = 3;

    // ---------------------------------------------------------------- vouchers

    function redeem(Terms calldata terms, uint32 cum, bytes calldata signature) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _live(agreed, termsHash);
        address tenant = _party(Typed.hashVoucher(agreed.id, termsHash, cum), signature);
        require(_isTenant(agreed, tenant), Voucher_Signer(tenant));
        uint256 settled = hot.settled();
        uint256 elapsed = _elapsed(hot);
        require(cum > settled && cum <= elapsed, Voucher_Cum(cum, uint32(settled), uint32(elapsed)));
        uint256 balance = hot.balance();
        (uint256 upTo, uint256 paid) = Rent.pay(settled, cum, hot.rate(), balance);
        require(upTo != settled, Voucher_Dry(agreed.id));

        words.hot = hot.withSettled(upTo).withBalance(uint64(balance - paid));
        bytes memory rows = Rows.room(1);
        rows.put(0, uint32(agreed.id >> 32), upTo, paid);
        rows.cut(1);
        emit Settled(uint32(agreed.id >> 64), rows);
        if (paid != 0) _earnSigned(agreed, paid);
    }

    // ---------------------------------------------------------------- stop

    function stopSigned(Terms calldata terms, uint16 reason, uint40 deadline, bytes calldata signature) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        require(block.timestamp <= deadline, Stop_Deadline(deadline));
        address tenant = _signer(Typed.hashStop(agreed.id, termsHash, reason, deadline), signature);
        require(_isTenant(agreed, tenant), Lease_NotParty(agreed.id, tenant));
        _stop(agreed.id, words, hot, StopBy.TenantOrFunds, reason, uint32(block.timestamp));
    }

    // ---------------------------------------------------------------- other terms

    /// @dev I4: the one act that raises `stopAt`. Terms that were in force never return, so that nothing signed under them
    /// (vouchers, stops, closes, this very amendment) can count a second time.
    function amend(
        Terms calldata oldTerms,
        Terms calldata newTerms,
        uint32 cumAt,
        uint40 deadline,
        bytes calldata providerSignature,
        bytes calldata tenantSignature
    ) external {
        (Terms memory terms, bytes32 oldHash) = Typed.copyTerms(oldTerms);
        (LeaseWords storage words, Hot hot) = _active(terms, oldHash);
        (Terms memory next, bytes32 newHash) = Typed.copyTerms(newTerms);
        require(block.timestamp <= deadline, Amend_Deadline(deadline));
        bytes32 structHash = Typed.hashAmend(terms.id, oldHash, newHash, cumAt, deadline);
        address provider = _party(structHash, providerSignature);
        require(_hasRole(uint32(terms.id >> 64), provider, ROLE_START), Amend_Signer(provider));
        address tenant = _party(structHash, tenantSignature);
        require(_isTenant(terms, tenant), Amend_Signer(tenant));
        _retiredTerms[oldHash] = true;
        require(!_retiredTerms[newHash], Amend_Retired(newHash));
        _checkFixed(terms, next);
        _checkBounds(next);

        uint256 paid = _owedAt(terms, hot, cumAt);
        // Not narrowed before it is compared: the new terms were never held against a deposit.
        uint256 holdback = Rent.holdbackUp(next.ratePerHour, next.grace, next.minCommit, next.earlyFeeBps);
        uint256 funds = uint256(hot.balance()) + _holdback(terms);
        require(funds >= paid + holdback, Amend_Funds(funds, paid + holdback));
        uint64 balance = uint64(funds - paid - holdback);
        uint256 base = uint256(hot.laneBase()) + cumAt;
        uint256 most = (1 << 31) - 1 - uint256(next.maxDuration);
        require(base <= most, Start_Base(uint32(base), cumAt, most));

        uint32 now_ = uint32(block.timestamp);
        uint32 stopAt = now_ + next.maxDuration;
        hot = hot.withStopBy(StopBy.EndReached).withLaneBase(base).withSettled(0).withStartAt(now_);
        words.hot = hot.withStopAt(stopAt).withRate(next.ratePerHour).withBalance(balance);
        words.stat = LeaseWord.opened(newHash, words.stat.gen(), words.stat.openedAt());
        // From what was passed: bits beyond a member's type are refused here.
        emit Amended(next.id, cumAt, uint64(paid), now_, stopAt, uint32(base), balance, uint64(holdback), newTerms);
        if (paid != 0) _earnSigned(terms, paid);
    }

    /// @dev What no amendment changes: whose lease it is, where money returns to, in which token, at which fee.
    function _checkFixed(Terms memory oldTerms, Terms memory newTerms) private pure {
        require(
            newTerms.id == oldTerms.id && newTerms.orderHash == oldTerms.orderHash && newTerms.tenant == oldTerms.tenant
                && newTerms.agent == oldTerms.agent && newTerms.refundTo == oldTerms.refundTo
                && newTerms.token == oldTerms.token && newTerms.feeSteps == oldTerms.feeSteps
                && newTerms.bond == oldTerms.bond,
            Amend_Fixed(oldTerms.id)
        );
    }

    /// @dev The bounds of an order.
    function _checkBounds(Terms memory terms) private pure {
        require(terms.ratePerHour != 0, Accept_Rate(0, 0));
        require(terms.flags <= FLAGS, Order_Flags(terms.flags));
        require(
            terms.maxDuration != 0 && terms.maxDuration <= MAX_DURATION, Order_Duration(terms.maxDuration, MAX_DURATION)
        );
        require(terms.notice <= MAX_DURATION, Order_Duration(terms.notice, MAX_DURATION));
        require(terms.grace <= MAX_DURATION, Order_Duration(terms.grace, MAX_DURATION));
        require(
            terms.minCommit <= terms.maxDuration && terms.earlyFeeBps <= 10_000,
            Order_Commitment(terms.minCommit, terms.earlyFeeBps)
        );
    }

    /// @dev What the old terms still owe for the agreed count.
    function _owedAt(Terms memory terms, Hot hot, uint32 cumAt) private view returns (uint256) {
        uint256 settled = hot.settled();
        uint256 elapsed = _elapsed(hot);
        require(cumAt >= settled && cumAt <= elapsed, Amend_Cum(cumAt, uint32(settled), uint32(elapsed)));
        return Rent.rentDown(cumAt, terms.ratePerHour) - Rent.rentDown(settled, terms.ratePerHour);
    }

    function _earnSigned(Terms memory terms, uint256 gross) private {
        uint32 providerId = uint32(terms.id >> 64);
        _earn(providerId, terms.token, gross, gross * terms.feeSteps, true);
        if (_tokens[terms.token].dollar) _recordPaid(providerId, gross, true);
    }
}
