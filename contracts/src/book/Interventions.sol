// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../types/LeaseWord.sol";
import {OrderSlot} from "../types/OrderWord.sol";
import {LeaseState, Order, OrderState, Reputation, StopBy, Terms, TokenInfo} from "../types/Types.sol";

import {ILeaseBookExtension} from "../interfaces/ILeaseBook.sol";
import {Rent} from "../libraries/Rent.sol";
import {Typed} from "../libraries/Typed.sol";
import {Bucket} from "../libraries/Vesting.sol";

import {LeaseAccess} from "./LeaseAccess.sol";

/// @title Interventions
/// @notice What happens to few orders and leases: cancel, decline, expire, top up, notice, evict, waive, and a stop by the provider. `stopAt` is a
/// lease's only clock; nothing here raises it once it runs (I4).
abstract contract Interventions is LeaseAccess, ILeaseBookExtension {
    /// @dev Reason in LeaseDeclined when nobody started in time.
    uint16 private constant REASON_EXPIRED = 4001;
    /// @dev Reason in Stopped when the provider evicts.
    uint16 private constant REASON_FUNDS = 3001;

    // ---------------------------------------------------------------- order

    function cancelOrder(Order calldata order) external nonReentrant {
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        OrderSlot slot = _orders[orderHash];
        require(slot.state() == OrderState.Open, Order_NotOpen(orderHash, uint8(slot.state())));
        if (msg.sender != posted.tenant && msg.sender != posted.agent) {
            require(block.timestamp > slot.expiry(), Order_NotExpired(slot.expiry()));
        }
        _orders[orderHash] = slot.ended(OrderState.Cancelled);
        uint64 amount = slot.amount();
        bool pushed = _refund(slot.token(), posted.refundTo, amount);
        emit OrderCancelled(orderHash, posted.refundTo, amount, pushed);
    }

    // ---------------------------------------------------------------- pending

    function decline(Terms calldata terms, uint16 reason) external nonReentrant {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _pending(agreed, termsHash);
        uint32 providerId = uint32(agreed.id >> 64);
        _requireRole(providerId, ROLE_START);
        require(block.timestamp <= hot.stopAt(), Lease_Late(agreed.id, hot.stopAt()));
        Reputation storage record = _reputations[providerId];
        record.declined = _plusOne(record.declined);
        _endPending(agreed, words, hot, reason);
    }

    function expire(Terms calldata terms) external nonReentrant {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _pending(agreed, termsHash);
        require(block.timestamp > hot.stopAt(), Lease_Early(agreed.id, uint256(hot.stopAt()) + 1));
        Reputation storage record = _reputations[uint32(agreed.id >> 64)];
        record.expiredPending = _plusOne(record.expiredPending);
        _endPending(agreed, words, hot, REASON_EXPIRED);
    }

    /// @dev I9: who failed cannot be proven, so both lose the same and nobody gains.
    function _endPending(Terms memory terms, LeaseWords storage words, Hot hot, uint16 reason) private {
        uint256 until = block.timestamp < hot.stopAt() ? block.timestamp : hot.stopAt();
        uint256 deposit = hot.balance() + _holdback(terms);
        uint256 burn = Rent.rentDown(until - words.stat.openedAt(), terms.ratePerHour);
        if (burn > terms.bond) burn = terms.bond;
        if (burn > deposit) burn = deposit;

        words.hot = hot.withState(LeaseState.Closed).withStopAt(0).withBalance(0);
        // At most the bond: 64 bits.
        if (burn != 0) _fees[terms.token] += uint128(burn);
        if (terms.bond != 0) _vault.release(uint32(terms.id >> 64), terms.token, terms.bond, uint64(burn));
        bool pushed = _refund(terms.token, terms.refundTo, deposit - burn);
        emit LeaseDeclined(terms.id, reason, uint64(burn), uint64(deposit - burn), pushed);
    }

    // ---------------------------------------------------------------- live

    function topUp(Terms calldata terms, uint64 amount) external nonReentrant {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        uint64 least = uint64(Rent.rentUp(60, agreed.ratePerHour));
        require(amount >= least, TopUp_TooSmall(amount, least));
        uint64 balance = hot.balance();
        require(amount <= type(uint64).max - balance - _holdback(agreed), TopUp_TooLarge(amount, balance));
        words.hot = hot.withBalance(balance + amount);
        emit ToppedUp(agreed.id, msg.sender, amount, balance + amount);
        TokenInfo memory info = _tokens[agreed.token];
        _pull(info, msg.sender, amount);
    }

    /// @notice The provider's half of ILeaseBookCore.stop, which runs it when the caller is not the tenant.
    function stop(Terms calldata terms, uint16 reason) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        uint32 providerId = uint32(agreed.id >> 64);
        require(_hasRole(providerId, msg.sender, ROLE_START), Lease_NotParty(agreed.id, msg.sender));
        Reputation storage record = _reputations[providerId];
        record.faulted = _plusOne(record.faulted);
        uint256 rest = hot.stopAt() - block.timestamp;
        uint256 missing = rest < agreed.notice ? rest : agreed.notice;
        _stop(agreed.id, words, hot, StopBy.ProviderFault, reason, uint32(block.timestamp));
        _compensate(agreed, Rent.rentDown(missing, agreed.ratePerHour));
    }

    function notice(Terms calldata terms, uint16 reason) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        uint32 providerId = uint32(agreed.id >> 64);
        _requireRole(providerId, ROLE_START);
        // Both below 2^31 until 2038, below 2^32 until 2072.
        uint32 stopAt = uint32(block.timestamp) + agreed.notice;
        require(stopAt < hot.stopAt(), Lease_Stopped(agreed.id, hot.stopAt()));
        Reputation storage record = _reputations[providerId];
        record.noticeGiven = _plusOne(record.noticeGiven);
        _stop(agreed.id, words, hot, StopBy.ProviderNotice, reason, stopAt);
    }

    function evict(Terms calldata terms) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _active(agreed, termsHash);
        _requireRole(uint32(agreed.id >> 64), ROLE_START);
        uint256 cum = _used(hot, _laneOf(agreed.id));
        (uint256 upTo,) = Rent.pay(hot.settled(), cum, hot.rate(), hot.balance());
        uint256 unpaid = cum - upTo;
        require(unpaid != 0 && unpaid >= agreed.grace, Lease_GraceNotReached(agreed.id, uint32(unpaid), agreed.grace));
        _stop(agreed.id, words, hot, StopBy.TenantOrFunds, REASON_FUNDS, uint32(block.timestamp));
    }

    function waive(Terms calldata terms, uint32 cum) external {
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (LeaseWords storage words, Hot hot) = _live(agreed, termsHash);
        _requireRole(uint32(agreed.id >> 64), ROLE_START);
        uint32 lane = _laneOf(agreed.id);
        uint32 counted = lane > hot.laneBase() ? lane - hot.laneBase() : 0;
        require(cum >= hot.settled() && cum < counted, Waive_Cum(cum, hot.settled(), counted));
        words.hot = hot.withLaneBase(lane - cum);
        emit Waived(agreed.id, cum, lane - cum);
    }

    /// @dev Out of what the provider has not vested, whatever there is of it.
    function _compensate(Terms memory terms, uint256 amount) private {
        if (amount == 0) return;
        uint32 providerId = uint32(terms.id >> 64);
        (Bucket left, uint256 taken) = _rolled(providerId, terms.token).take(amount);
        _vesting[providerId][terms.token] = left;
        if (taken == 0) return;
        emit Compensated(terms.id, uint64(taken));
        _credit(terms.refundTo, terms.token, taken);
    }
}
