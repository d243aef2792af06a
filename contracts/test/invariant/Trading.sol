// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../../src/types/LeaseWord.sol";
import {Bid, FundBy, Funding, LeaseState, Offer, Order, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {vm} from "../support/Vm.sol";

import {Ledger} from "./Ledger.sol";

/// @notice From a wish to pending leases: orders posted, sponsored and cancelled; accepted, filled and taken, in one lot or two.
abstract contract Trading is Ledger {
    uint48 private constant MOST = 3_600_000;
    mapping(uint256 side => mapping(uint8 token => Offer)) private _standing;
    uint256 private _made;

    // ---------------------------------------------------------------- orders

    function _shape(uint256 seed) private returns (Order memory order, uint256 who) {
        order = _order();
        who = _die(seed, 0, 2);
        order.tenant = tenants[who];
        order.agent = _die(seed, 1, 2) == 0 ? agent : address(0);
        order.refundTo = refunds[who];
        order.token = uint8(_die(seed, 2, 2));
        order.lots = _die(seed, 3, 4) == 0 ? 2 : 1;
        order.maxRate = MOST;
        if (_die(seed, 4, 3) == 0) {
            (order.form, order.startRate, order.climb) =
            (1, uint48(1 + _die(seed, 4, MOST)), uint32(_die(seed, 5, 500)));
        }
        order.minDuration = 1 + uint32(_die(seed, 5, 600));
        order.maxDuration = 1000 + uint32(_die(seed, 6, 4000));
        order.minCommit = uint32(_die(seed, 7, 2000));
        if (order.minCommit > order.maxDuration) order.minCommit = order.maxDuration;
        order.earlyFeeBps = uint16(_die(seed, 7, 10_001));
        order.notice = uint32(_die(seed, 8, 800));
        order.grace = uint32(_die(seed, 8, 300));
        order.startWindow = 1 + uint32(_die(seed, 9, 1500));
        order.minBond = uint64(_die(seed, 9, 2) * DOLLAR);
        order.minSignedPaid = _die(seed, 1, 9) == 0 ? 1 : 0;
        order.expiry = uint32(_now()) + 1 + uint32(_die(seed, 9, 6000));
        // Enough at the highest rate, and half of the time no more, so that leases run dry.
        uint256 least = Rent.holdbackUp(MOST, order.grace, order.minCommit, order.earlyFeeBps)
            + Rent.rentUp(order.minDuration, MOST);
        if (seed >> 255 == 0) least += _die(seed, 6, 3 * DOLLAR);
        order.deposit = uint64(least * order.lots);
    }

    function _mayPost(Order memory order) private view returns (bool) {
        if (waiting.length >= 5) return false;
        return params.takesOrders(order.token);
    }

    function post(uint256 seed) public watched {
        seed = _mix(seed);
        (Order memory order,) = _shape(seed);
        if (!_mayPost(order)) return;
        bool byAgent = order.agent != address(0) && _die(seed, 3, 3) == 0;
        vm.prank(byAgent ? agent : order.tenant);
        book.postOrder(order, NEEDS, "");
        waiting.push(order);
        _did(byAgent ? bytes32("post by the agent") : bytes32("post"));
    }

    /// @dev Signed by tenant or agent; the money is the sender's allowance, the tenant's permit, or a funder's.
    function postSigned(uint256 seed) public watched {
        seed = _mix(seed);
        (Order memory order, uint256 who) = _shape(seed);
        if (!_mayPost(order)) return;
        uint256 by = _die(seed, 3, 4);
        if (by >= 2) order.refundTo = funder;
        bytes32 hash = _hashOrder(order);
        uint40 deadline = uint40(_now()) + 1;
        Funding memory funding;
        if (by == 0) funding = _caller(stranger);
        else if (by == 1) funding = _permit(who, order, deadline);
        else if (by == 2) funding = _fundBy(FUNDER_KEY, order, deadline);
        else if (order.token == 1) funding = _authorizationBy(coin, FUNDER_KEY, order, deadline);
        else return;
        if (funding.by == FundBy.Authorization) funding.signature = _authorization(order, deadline);
        bytes memory signature = _signed(order.agent == address(0) ? tenantKeys[who] : AGENT_KEY, hash);
        if (by == 1) signature = "";
        vm.prank(by == 1 ? order.tenant : stranger);
        book.postOrderSigned(order, NEEDS, "", signature, funding);
        if (by == 1) {
            // The permit left an allowance of nothing.
            vm.prank(order.tenant);
            _asset(order.token).approve(address(book), type(uint256).max);
        }
        waiting.push(order);
        _did(
            [
                bytes32("relayed order"), bytes32("order by permit"), bytes32("sponsored order"), bytes32("authorized")
            ][by]
        );
    }

    function _permit(uint256 who, Order memory order, uint40 deadline) private view returns (Funding memory funding) {
        (bytes32 domain, uint256 nonce) = order.token == 0
            ? (dollar.DOMAIN_SEPARATOR(), dollar.nonces(order.tenant))
            : (coin.DOMAIN_SEPARATOR(), coin.nonces(order.tenant));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                order.tenant,
                address(book),
                uint256(order.deposit) * _scale(order.token),
                nonce,
                uint256(deadline)
            )
        );
        funding = Funding(FundBy.Permit, order.tenant, deadline, _signIn(domain, tenantKeys[who], structHash));
    }

    /// @dev Amounts of the coin are 10^12 times the book's.
    function _authorization(Order memory order, uint40 deadline) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                coin.RECEIVE_TYPEHASH(),
                funder,
                address(book),
                uint256(order.deposit) * 1e12,
                uint256(0),
                uint256(deadline),
                _hashOrder(order)
            )
        );
        return _signIn(coin.DOMAIN_SEPARATOR(), FUNDER_KEY, structHash);
    }

    function _hashOrder(Order memory order) internal pure returns (bytes32) {
        return keccak256(abi.encode(Typed.ORDER_TYPEHASH, order));
    }

    function cancel(uint256 seed) public watched {
        seed = _mix(seed);
        if (waiting.length == 0 || _die(seed, 1, 3) == 0) return;
        uint256 index = _die(seed, 0, waiting.length);
        Order memory order = waiting[index];
        bool expired = _now() > order.expiry;
        if (!expired && _die(seed, 2, 4) != 0) return;
        address who = expired ? stranger : order.agent != address(0) ? agent : order.tenant;
        vm.prank(who);
        book.cancelOrder(order);
        _forget(index);
        _did(expired ? bytes32("cancel after the expiry") : bytes32("cancel"));
    }

    function _forget(uint256 index) internal {
        waiting[index] = waiting[waiting.length - 1];
        waiting.pop();
    }

    // ---------------------------------------------------------------- openings

    function _free(uint256 slot) private view returns (bool) {
        Hot hot = _hot(slot);
        LeaseState state = hot.state();
        return state == LeaseState.None || (state == LeaseState.Closed && _now() >= uint256(hot.stopAt()) + W);
    }

    /// @dev As many free lanes of one side as the order has lots, or none.
    function _lanesFor(uint256 side, Order memory order) private view returns (uint64[] memory lanes) {
        lanes = new uint64[](order.lots);
        uint256 found = 0;
        for (uint256 lane = 0; lane < LANES && found < order.lots; ++lane) {
            uint256 slot = side * LANES + lane;
            if (_free(slot)) lanes[found++] = (uint64(lane) << 32) | (_gen(slot) + 1);
        }
        if (found < order.lots) lanes = new uint64[](0);
    }

    function _gen(uint256 slot) internal view returns (uint32) {
        return uint32((stats[slot] >> 32) & 0xffffff);
    }

    /// @dev Whether the order's terms can be opened at a rate and a bond by that side now.
    function _openable(uint256 side, Order memory order, uint48 rate, uint64 bond) private view returns (bool) {
        if (_now() > order.expiry || rate == 0 || bond < order.minBond) return false;
        (, bool open) = params.opening(order.token);
        if (!open || vault.freeOf(uint32(side + 1), order.token) < bond * order.lots) return false;
        return order.minSignedPaid == 0 || book.reputation(uint32(side + 1)).signedPaid >= order.minSignedPaid;
    }

    function _noteOpened(uint256 side, Order memory order, uint64[] memory lanes, Bid memory bid) private {
        bid.providerId = uint32(side + 1);
        (uint8 feeSteps,) = params.opening(order.token);
        uint256 holdback = Rent.holdbackUp(bid.ratePerHour, order.grace, order.minCommit, order.earlyFeeBps);
        for (uint256 i = 0; i < lanes.length; ++i) {
            uint256 slot = side * LANES + (lanes[i] >> 32);
            Terms memory terms = _terms(order, bid, uint32(lanes[i] >> 32), uint32(lanes[i]));
            terms.feeSteps = feeSteps;
            held[slot] = terms;
            put[slot] = order.deposit / order.lots - holdback;
            _may(slot, OPENS);
        }
    }

    function _rate(uint256 seed) private pure returns (uint48) {
        // Half of them at the highest, so that deposits are used up.
        return _die(seed, 5, 2) == 0 ? MOST : uint48(1 + _die(seed, 5, MOST));
    }

    function _bond(uint256 seed) private pure returns (uint64) {
        return uint64(DOLLAR + _die(seed, 6, 3 * DOLLAR));
    }

    /// @dev By the tenant or its agent, or sent by a stranger with the tenant's signature.
    function accept(uint256 seed) public watched {
        seed = _mix(seed);
        if (waiting.length == 0) return;
        uint256 index = _die(seed, 0, waiting.length);
        Order memory order = waiting[index];
        uint256 side = _die(seed, 1, 2);
        Bid memory bid;
        (bid.ratePerHour, bid.bond) = (_rate(seed), _bond(seed));
        uint64[] memory lanes = _lanesFor(side, order);
        if (lanes.length == 0 || !_openable(side, order, bid.ratePerHour, bid.bond)) return;
        bid.orderHash = _hashOrder(order);
        bid.providerId = uint32(side + 1);
        (,, bid.bidEpoch) = book.keyOf(uint32(side + 1), bidders[side]);
        bid.lanesHash = keccak256(_packed(lanes));
        bid.liability = uint64(_die(seed, 7, 8 * DOLLAR));
        bid.deadline = uint40(_now());
        bytes32 hash = Typed.hashBidMembers(bid);
        bytes memory signature = _signed(bidKeys[side], hash);
        uint256 how = _die(seed, 8, 3);
        if (how == 0) {
            bytes memory consent = _signed(
                order.tenant == tenants[0] ? tenantKeys[0] : tenantKeys[1],
                Typed.hashAccept(bid.orderHash, hash, uint40(_now()))
            );
            vm.prank(stranger);
            book.acceptSigned(order, bid, lanes, signature, uint40(_now()), consent);
        } else {
            if (how == 1 && order.agent == address(0)) how = 2;
            vm.prank(how == 1 ? agent : order.tenant);
            book.accept(order, bid, lanes, signature);
        }
        _noteOpened(side, order, lanes, bid);
        _forget(index);
        _did([bytes32("accept sent by another"), bytes32("accept by the agent"), bytes32("accept")][how]);
        if (lanes.length == 2) _did("two lots");
    }

    /// @dev A provider's own transaction, at the rate of the moment.
    function fill(uint256 seed) public watched {
        seed = _mix(seed);
        for (uint256 i = 0; i < waiting.length; ++i) {
            Order memory order = waiting[i];
            if (order.form != 1) continue;
            uint256 side = _die(seed, 1, 2);
            Bid memory bid;
            bid.ratePerHour = _climbed(order);
            (bid.bond, bid.liability) = (_bond(seed), uint64(_die(seed, 7, 8 * DOLLAR)));
            uint64[] memory lanes = _lanesFor(side, order);
            if (lanes.length == 0 || !_openable(side, order, bid.ratePerHour, bid.bond)) continue;
            vm.prank(bidders[side]);
            book.fill(order, uint32(side + 1), lanes, bid.bond, bid.liability, noProof);
            _noteOpened(side, order, lanes, bid);
            _forget(i);
            _did("fill");
            return;
        }
    }

    function _climbed(Order memory order) private view returns (uint48) {
        (,,,, uint32 postedAt) = book.orderOf(_hashOrder(order));
        uint256 age = _now() - postedAt;
        if (age >= order.climb) return order.maxRate;
        return uint48(order.startRate + uint256(order.maxRate - order.startRate) * age / order.climb);
    }

    /// @dev Parts of a standing offer, which is made anew when it is over or another price is wanted.
    function take(uint256 seed) public watched {
        seed = _mix(seed);
        if (waiting.length == 0) return;
        uint256 index = _die(seed, 0, waiting.length);
        Order memory order = waiting[index];
        uint256 side = _die(seed, 1, 2);
        Offer memory offer = _standingOffer(seed, side, order);
        bytes32 hash = keccak256(abi.encode(Typed.OFFER_TYPEHASH, offer));
        uint64[] memory lanes = _lanesFor(side, order);
        if (lanes.length == 0 || !_openable(side, order, offer.ratePerHour, offer.bond)) return;
        uint256 taken = book.offerTaken(hash);
        uint8[] memory parts = new uint8[](lanes.length);
        for (uint256 i = 0; i < lanes.length; ++i) {
            parts[i] = uint8(lanes[i] >> 32);
            if (taken & (1 << parts[i]) != 0) return;
        }
        bytes memory signature = _signed(bidKeys[side], hash);
        vm.prank(order.tenant);
        book.take(order, offer, parts, signature, noProof);
        Bid memory bid;
        (bid.ratePerHour, bid.bond, bid.liability) = (offer.ratePerHour, offer.bond, offer.liability);
        _noteOpened(side, order, lanes, bid);
        _forget(index);
        _did("take");
    }

    function _standingOffer(uint256 seed, uint256 side, Order memory order) private returns (Offer memory offer) {
        offer = _standing[side][order.token];
        (,, uint32 epoch) = book.keyOf(uint32(side + 1), bidders[side]);
        if (offer.deadline >= _now() && offer.bidEpoch == epoch && _die(seed, 4, 3) != 0) return offer;
        offer = _offer(order);
        (offer.providerId, offer.bidEpoch, offer.firstLane) = (uint32(side + 1), epoch, 0);
        (offer.count, offer.token) = (uint16(LANES), order.token);
        (offer.ratePerHour, offer.bond) = (_rate(seed), _bond(seed));
        offer.liability = uint64(_die(seed, 7, 8 * DOLLAR));
        (offer.minDuration, offer.maxDuration, offer.notice) = (1, 1 << 30, 1 << 30);
        offer.salt = bytes32(++_made);
        _standing[side][order.token] = offer;
    }
}
