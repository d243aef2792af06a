// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderSlot, OrderWord} from "../types/OrderWord.sol";
import {LeaseWord} from "../types/LeaseWord.sol";
import {Bid, LeaseState, Order, OrderState, Terms, TokenInfo} from "../types/Types.sol";

import {ILeaseBookCore} from "../interfaces/ILeaseBook.sol";
import {PackedBid} from "../libraries/PackedBid.sol";
import {Rent} from "../libraries/Rent.sol";
import {Typed} from "../libraries/Typed.sol";

import {BookStorage} from "./BookStorage.sol";

/// @title Orders
/// @notice From a funded wish to a pending lease: post, bid, accept. The only place where leases open, and only on
/// terms computed from the order and the bid.
abstract contract Orders is BookStorage, ILeaseBookCore {
    using PackedBid for bytes;

    uint256 private constant MAX_NEEDS = 4096;
    uint256 private constant MAX_ENDPOINT = 256;
    uint256 private constant MAX_ORDER_LIFE = 1 days;
    uint8 private constant FLAGS = 3;
    uint8 private constant FORM_AUCTION = 0;
    uint16 private constant MAX_LOTS = 256;
    /// @dev Params promises no more; the book does not rely on it.
    uint8 private constant MAX_FEE_STEPS = 100;

    // ---------------------------------------------------------------- post

    function postOrder(Order calldata order, bytes calldata needs, string calldata endpoint)
        external
        nonReentrant
        returns (bytes32 orderHash)
    {
        require(msg.sender == order.tenant || msg.sender == order.agent, Order_NotTenant(msg.sender));
        _checkOrder(order);
        _checkDocuments(order, needs, bytes(endpoint));
        orderHash = Typed.hashOrder(order);
        require(OrderSlot.unwrap(_orders[orderHash]) == 0, Order_Known(orderHash));

        TokenInfo memory info = _adopt(order.token);
        _orders[orderHash] = OrderWord.posted(order.deposit, order.token, order.expiry, uint32(block.timestamp));
        emit OrderPosted(orderHash, order.tenant, order, needs, endpoint);
        _pull(info, order.deposit);
    }

    // ---------------------------------------------------------------- bid

    function postBid(bytes calldata packedBid) external {
        require(packedBid.isWhole(), Bid_Malformed(packedBid.length));
        (bytes32 orderHash, uint32 providerId, uint32 bidEpoch) = packedBid.head();
        OrderSlot slot = _orders[orderHash];
        require(
            slot.state() == OrderState.Open && block.timestamp <= slot.expiry(),
            Order_NotOpen(orderHash, uint8(slot.state()))
        );
        Key storage key = _keys[providerId][msg.sender];
        if (!_hasRole(key, ROLE_BID)) {
            (Bid memory bid, bytes calldata signature) = packedBid.unpack();
            address signer = _signer(Typed.hashBidMembers(bid), signature);
            key = _keys[providerId][signer];
            // Nobody recovered is address zero, which never has a role.
            require(_hasRole(key, ROLE_BID), Bid_Signer(providerId, signer));
        }
        require(bidEpoch == key.bidEpoch, Bid_Epoch(bidEpoch, key.bidEpoch));
        emit BidPosted(orderHash, providerId, packedBid);
    }

    // ---------------------------------------------------------------- accept

    function accept(Order calldata order, Bid calldata bid, uint64[] calldata lanes, bytes calldata signature)
        external
    {
        // No reentrancy guard: Params is asked by staticcall, and the vault is the immutable one, which calls nobody.
        require(msg.sender == order.tenant || msg.sender == order.agent, Order_NotTenant(msg.sender));
        bytes32 orderHash = Typed.hashOrder(order);
        OrderSlot slot = _orders[orderHash];
        require(
            slot.state() == OrderState.Open && block.timestamp <= slot.expiry(),
            Order_NotOpen(orderHash, uint8(slot.state()))
        );
        _orders[orderHash] = slot.ended(OrderState.Accepted);
        _checkBid(orderHash, order, bid, lanes, signature);
        _open(_terms(orderHash, order, bid), order, lanes);
        if (bid.bond != 0) {
            // At most 256 lots; a sum beyond 64 bits is beyond any stake and panics.
            _vault.lock(bid.providerId, order.token, bid.bond * uint64(lanes.length));
        }
    }

    function _checkBid(
        bytes32 orderHash,
        Order calldata order,
        Bid calldata bid,
        uint64[] calldata lanes,
        bytes calldata signature
    ) private view {
        require(bid.orderHash == orderHash, Accept_OrderMismatch(orderHash, bid.orderHash));
        require(block.timestamp <= bid.deadline, Accept_Deadline(bid.deadline));
        uint48 rate = bid.ratePerHour;
        require(rate != 0 && (order.maxRate == 0 || rate <= order.maxRate), Accept_Rate(rate, order.maxRate));
        require(bid.bond >= order.minBond, Accept_Bond(bid.bond, order.minBond));
        require(lanes.length == order.lots, Accept_Lots(lanes.length, order.lots));
        bytes32 lanesHash = Typed.hashLanes(lanes);
        require(lanesHash == bid.lanesHash, Accept_Lanes(lanesHash, bid.lanesHash));

        uint32 providerId = bid.providerId;
        address signer = _signer(Typed.hashBid(bid), signature);
        Key storage key = _keys[providerId][signer];
        // Nobody recovered is address zero, which never has a role.
        require(_hasRole(key, ROLE_BID), Bid_Signer(providerId, signer));
        require(bid.bidEpoch == key.bidEpoch, Bid_Epoch(bid.bidEpoch, key.bidEpoch));
        if (order.minSignedPaid != 0) {
            uint80 signedPaid = _reputations[providerId].signedPaid;
            require(signedPaid >= order.minSignedPaid, Accept_SignedPaid(signedPaid, order.minSignedPaid));
        }
    }

    function _terms(bytes32 orderHash, Order calldata order, Bid calldata bid)
        private
        view
        returns (Terms memory terms)
    {
        (uint8 feeSteps, bool open) = _params.opening();
        require(open, Opening_Paused());
        // The provider's part of the id; each lot adds lane and gen.
        terms.id = uint96(bid.providerId) << 64;
        terms.orderHash = orderHash;
        terms.tenant = order.tenant;
        terms.agent = order.agent;
        terms.refundTo = order.refundTo;
        terms.token = order.token;
        terms.flags = order.flags;
        terms.feeSteps = feeSteps < MAX_FEE_STEPS ? feeSteps : MAX_FEE_STEPS;
        terms.ratePerHour = bid.ratePerHour;
        terms.bond = bid.bond;
        terms.liability = bid.liability;
        terms.maxDuration = order.maxDuration;
        terms.minCommit = order.minCommit;
        terms.earlyFeeBps = order.earlyFeeBps;
        terms.notice = order.notice;
        terms.grace = order.grace;
        terms.slaPolicy = order.slaPolicy;
        terms.needsHash = order.needsHash;
        terms.manifestHash = order.manifestHash;
    }

    function _open(Terms memory terms, Order calldata order, uint64[] calldata lanes) private {
        uint64 deposit = order.deposit / order.lots;
        uint256 rate = terms.ratePerHour;
        uint256 holdback = Rent.holdbackUp(rate, terms.grace, terms.minCommit, terms.earlyFeeBps);
        uint256 least = holdback + Rent.rentUp(order.minDuration, rate);
        require(deposit >= least, Accept_DepositTooSmall(deposit, least));
        // Checked at posting: now + startWindow stays below 2^32 until 2072.
        uint32 stopAt = uint32(block.timestamp) + order.startWindow;
        uint96 ofProvider = terms.id;
        for (uint256 i = 0; i < lanes.length; ++i) {
            uint32 gen = uint32(lanes[i]);
            LeaseWords storage words = _freeLane(uint32(ofProvider >> 64), uint32(lanes[i] >> 32), gen);
            terms.id = ofProvider | lanes[i];
            // Below `deposit`, so it fits.
            words.hot =
                LeaseWord.pending(terms.feeSteps, terms.token, stopAt, terms.ratePerHour, deposit - uint64(holdback));
            words.stat = LeaseWord.opened(Typed.hashTerms(terms), gen, uint32(block.timestamp));
            emit LeaseOpened(terms.id, terms.tenant, terms.orderHash, deposit, uint64(holdback), stopAt, terms);
        }
    }

    /// @dev I5: a lane has at most one lease that is not closed, and gens only grow.
    function _freeLane(uint32 providerId, uint32 lane, uint32 gen) private view returns (LeaseWords storage words) {
        words = _leases[providerId][lane];
        LeaseState state = words.hot.state();
        if (state != LeaseState.None) {
            uint256 freeFrom = state == LeaseState.Closed ? uint256(words.hot.stopAt()) + _vestEpoch : type(uint256).max;
            require(block.timestamp >= freeFrom, Lane_Busy(providerId, lane, freeFrom));
        }
        uint32 expected = words.stat.gen() + 1;
        require(gen == expected && gen < 1 << 24, Lane_Gen(lane, gen, expected));
    }

    // ---------------------------------------------------------------- checks of an order

    function _checkOrder(Order calldata order) private view {
        require(order.form == FORM_AUCTION && order.startRate == 0 && order.climb == 0, Order_Form(order.form));
        require(order.flags <= FLAGS, Order_Flags(order.flags));
        // Money returned to the book itself would belong to nobody.
        require(
            order.tenant != address(0) && order.refundTo != address(0) && order.refundTo != address(this),
            Order_ZeroAddress()
        );
        require(
            order.lots != 0 && order.lots <= MAX_LOTS && order.deposit != 0 && order.deposit % order.lots == 0,
            Order_Deposit(order.deposit, order.lots)
        );
        _checkDuration(order.maxDuration, MAX_DURATION);
        _checkDuration(order.minDuration, order.maxDuration);
        _checkDuration(order.startWindow, MAX_DURATION);
        require(order.notice <= MAX_DURATION, Order_Duration(order.notice, MAX_DURATION));
        require(order.grace <= MAX_DURATION, Order_Duration(order.grace, MAX_DURATION));
        require(
            order.minCommit <= order.maxDuration && order.earlyFeeBps <= 10_000,
            Order_Commitment(order.minCommit, order.earlyFeeBps)
        );
        require(
            order.expiry > block.timestamp && order.expiry <= block.timestamp + MAX_ORDER_LIFE,
            Order_Expiry(order.expiry, block.timestamp, block.timestamp + MAX_ORDER_LIFE)
        );
    }

    function _checkDuration(uint32 duration, uint32 limit) private pure {
        require(duration != 0 && duration <= limit, Order_Duration(duration, limit));
    }

    function _checkDocuments(Order calldata order, bytes calldata needs, bytes calldata endpoint) private pure {
        require(needs.length <= MAX_NEEDS, Order_TooLong(needs.length, MAX_NEEDS));
        bytes32 needsHash = keccak256(needs);
        require(needsHash == order.needsHash, Order_NeedsHash(order.needsHash, needsHash));
        require(endpoint.length <= MAX_ENDPOINT, Order_TooLong(endpoint.length, MAX_ENDPOINT));
        bytes32 endpointHash = endpoint.length == 0 ? bytes32(0) : keccak256(endpoint);
        require(endpointHash == order.endpointHash, Order_EndpointHash(order.endpointHash, endpointHash));
    }

    /// @dev Asks Params whether posting is open; the token itself is taken from it once and never again.
    function _adopt(uint8 token) private returns (TokenInfo memory info) {
        (TokenInfo memory listed, bool open) = _params.posting(token);
        require(open, Order_TokenClosed(token));
        info = _tokens[token];
        if (info.asset == address(0)) {
            require(token < 64 && listed.asset != address(0), Order_TokenClosed(token));
            _tokens[token] = info = listed;
            emit TokenAdopted(token, info.asset, info.scale, info.dollar);
        }
    }
}
