// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../types/LeaseWord.sol";
import {Freeze, LeaseState, Terms} from "../types/Types.sol";

import {ILeaseBookExtension} from "../interfaces/ILeaseBook.sol";
import {Rent} from "../libraries/Rent.sol";
import {Typed} from "../libraries/Typed.sol";
import {Bucket} from "../libraries/Vesting.sol";

import {LeaseAccess} from "./LeaseAccess.sol";

/// @title Disputes
/// @notice All the power a court has here: to keep some of what one lease has paid and its provider has not vested for at most
/// 21 days, and to give it to that lease's refundTo or back. It never changes a lease, and needs no court to end (I6).
abstract contract Disputes is LeaseAccess, ILeaseBookExtension {
    uint32 private constant FREEZE_LENGTH = 21 days;

    function freeze(Terms calldata terms, uint64 amount) external returns (uint64 frozen) {
        _requireCourt();
        (Terms memory agreed, bytes32 termsHash) = Typed.copyTerms(terms);
        (, Hot hot) = _lease(agreed, termsHash);
        LeaseState state = hot.state();
        uint256 until = uint256(hot.stopAt()) + _vestEpoch;
        // A lease that both sides closed, or that never started, has a stopAt of zero and no time to contest.
        require(
            state == LeaseState.Live || (state == LeaseState.Closed && block.timestamp < until),
            Freeze_TooLate(agreed.id, state == LeaseState.Closed ? until : 0)
        );
        Freeze storage record = _freezes[agreed.id];
        require(record.amount == 0, Freeze_Pending(agreed.id, record.until));
        uint64 total = record.total;
        uint256 most = Rent.rentDown(hot.settled(), hot.rate());
        // An amendment begins the count anew, so what was frozen before may be more.
        most = most > total ? most - total : 0;
        if (amount < most) most = amount;
        (Bucket left, uint256 taken) = _rolled(uint32(agreed.id >> 64), agreed.token).take(most);
        require(taken != 0, Freeze_Nothing(agreed.id));
        _vesting[uint32(agreed.id >> 64)][agreed.token] = left;
        // At most `amount`.
        frozen = uint64(taken);
        _earnings[uint32(agreed.id >> 64)][agreed.token].frozen += frozen;
        uint32 ends = uint32(block.timestamp) + FREEZE_LENGTH;
        _freezes[agreed.id] = Freeze({
            refundTo: agreed.refundTo, amount: frozen, until: ends, total: total + frozen, token: agreed.token
        });
        emit Frozen(agreed.id, frozen, ends);
    }

    function release(uint96 id) external {
        Freeze storage record = _freezes[id];
        if (block.timestamp <= record.until) _requireCourt();
        _endFreeze(id, record, 0);
    }

    function award(uint96 id, uint64 amount) external nonReentrant {
        _requireCourt();
        Freeze storage record = _freezes[id];
        require(block.timestamp <= record.until, Freeze_Over(id, record.until));
        require(amount <= record.amount, Freeze_Amount(id, amount, record.amount));
        _endFreeze(id, record, amount);
    }

    /// @dev What goes back is claimable at once: it can be frozen no second time.
    function _endFreeze(uint96 id, Freeze storage record, uint64 toTenant) private {
        uint64 amount = record.amount;
        require(amount != 0, Freeze_None(id));
        uint8 token = record.token;
        record.amount = 0;
        Earnings storage earned = _earnings[uint32(id >> 64)][token];
        earned.frozen -= amount;
        earned.claimable += amount - toTenant;
        bool pushed = _refund(token, record.refundTo, toTenant);
        emit FreezeEnded(id, toTenant, amount - toTenant, pushed);
    }

    function _requireCourt() private view {
        address court = _params.court();
        require(msg.sender == court, Court_Only(msg.sender, court));
    }
}
