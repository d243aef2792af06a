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
        bytes32 orderHash = Typed.hashOrder(order);
        OrderSlot slot = _orders[orderHash];
        require(slot.state() == OrderState.Open, Order_NotOpen(orderHash, uint8(slot.state())));
        if (msg.sender != order.tenant && msg.sender != order.agent) {
            require(block.timestamp > slot.expiry(), Order_NotExpired(slot.expiry()));
        }
        _orders[orderHash] = slot.ended(OrderState.Cancelled);
        uint64 amount = slot.amount();
        bool pushed = _refund(slot.token(), order.refundTo, amount);
        emit OrderCancelled(orderHash, order.refundTo, amount, pushed);
    }

    // ---------------------------------------------------------------- pending

    function decline(Terms calldata terms, uint16 reason) external nonReentrant {
        (LeaseWords storage words, Hot hot) = _pending(terms);
        uint32 providerId = uint32(terms.id >> 64);
        _requireRole(providerId, ROLE_START);
        require(block.timestamp <= hot.stopAt(), Lease_Late(terms.id, hot.stopAt()));
        Reputation storage record = _reputations[providerId];
        record.declined = _plusOne(record.declined);
        _endPending(terms, words, hot, reason);
    }

    function expire(Terms calldata terms) external nonReentrant {
        (LeaseWords storage words, Hot hot) = _pending(terms);
        require(block.timestamp > hot.stopAt(), Lease_Early(terms.id, uint256(hot.stopAt()) + 1));
        Reputation storage record = _reputations[uint32(terms.id >> 64)];
        record.expiredPending = _plusOne(record.expiredPending);
        _endPending(terms, words, hot, REASON_EXPIRED);
    }

    /// @dev I9: who failed cannot be proven, so both lose the same and nobody gains.
    function _endPending(Terms calldata terms, LeaseWords storage words, Hot hot, uint16 reason) private {
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
        (LeaseWords storage words, Hot hot) = _active(terms);
        uint64 least = uint64(Rent.rentUp(60, terms.ratePerHour));
        require(amount >= least, TopUp_TooSmall(amount, least));
        uint64 balance = hot.balance();
        require(amount <= type(uint64).max - balance - _holdback(terms), TopUp_TooLarge(amount, balance));
        words.hot = hot.withBalance(balance + amount);
        emit ToppedUp(terms.id, msg.sender, amount, balance + amount);
        TokenInfo memory info = _tokens[terms.token];
        _pull(info, amount);
    }

    /// @notice The provider's half of ILeaseBookCore.stop, which runs it when the caller is not the tenant.
    function stop(Terms calldata terms, uint16 reason) external {
        (LeaseWords storage words, Hot hot) = _active(terms);
        uint32 providerId = uint32(terms.id >> 64);
        require(_hasRole(_keys[providerId][msg.sender], ROLE_START), Lease_NotParty(terms.id, msg.sender));
        Reputation storage record = _reputations[providerId];
        record.faulted = _plusOne(record.faulted);
        uint256 rest = hot.stopAt() - block.timestamp;
        uint256 missing = rest < terms.notice ? rest : terms.notice;
        _stop(terms.id, words, hot, StopBy.ProviderFault, reason, uint32(block.timestamp));
        _compensate(terms, Rent.rentDown(missing, terms.ratePerHour));
    }

    function notice(Terms calldata terms, uint16 reason) external {
        (LeaseWords storage words, Hot hot) = _active(terms);
        uint32 providerId = uint32(terms.id >> 64);
        _requireRole(providerId, ROLE_START);
        // Both below 2^31 until 2038, below 2^32 until 2072.
        uint32 stopAt = uint32(block.timestamp) + terms.notice;
        require(stopAt < hot.stopAt(), Lease_Stopped(terms.id, hot.stopAt()));
        Reputation storage record = _reputations[providerId];
        record.noticeGiven = _plusOne(record.noticeGiven);
        _stop(terms.id, words, hot, StopBy.ProviderNotice, reason, stopAt);
    }

    function evict(Terms calldata terms) external {
        (LeaseWords storage words, Hot hot) = _active(terms);
        _requireRole(uint32(terms.id >> 64), ROLE_START);
        uint256 cum = _used(hot, _laneOf(terms.id));
        (uint256 upTo,) = Rent.pay(hot.settled(), cum, hot.rate(), hot.balance());
        uint256 unpaid = cum - upTo;
        require(unpaid != 0 && unpaid >= terms.grace, Lease_GraceNotReached(terms.id, uint32(unpaid), terms.grace));
        _stop(terms.id, words, hot, StopBy.TenantOrFunds, REASON_FUNDS, uint32(block.timestamp));
    }

    function waive(Terms calldata terms, uint32 cum) external {
        (LeaseWords storage words, Hot hot) = _live(terms);
        _requireRole(uint32(terms.id >> 64), ROLE_START);
        uint32 lane = _laneOf(terms.id);
        uint32 counted = lane > hot.laneBase() ? lane - hot.laneBase() : 0;
        require(cum >= hot.settled() && cum < counted, Waive_Cum(cum, hot.settled(), counted));
        words.hot = hot.withLaneBase(lane - cum);
        emit Waived(terms.id, cum, lane - cum);
    }

    /// @dev Out of what the provider has not vested, whatever there is of it.
    function _compensate(Terms calldata terms, uint256 amount) private {
        if (amount == 0) return;
        uint32 providerId = uint32(terms.id >> 64);
        (Bucket left, uint256 taken) = _rolled(providerId, terms.token).take(amount);
        _vesting[providerId][terms.token] = left;
        if (taken == 0) return;
        emit Compensated(terms.id, uint64(taken));
        _credit(terms.refundTo, terms.token, taken);
    }
}
