// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {OrderSlot, OrderWord} from "../types/OrderWord.sol";
import {LeaseWord} from "../types/LeaseWord.sol";
import {Bid, FundBy, Funding, LeaseState, Offer, Order, OrderState, Terms, TokenInfo} from "../types/Types.sol";

import {IERC3009} from "../interfaces/IERC3009.sol";
import {ILeaseBookCore} from "../interfaces/ILeaseBook.sol";
import {PackedBid} from "../libraries/PackedBid.sol";
import {Rent} from "../libraries/Rent.sol";
import {Typed} from "../libraries/Typed.sol";

import {BookStorage} from "./BookStorage.sol";

/// @title Orders
/// @notice From a funded wish to a pending lease: post, bid, and accept, fill or take. The only place where leases open, and
/// only on terms computed from the order and what a key of the provider signed or sent.
abstract contract Orders is BookStorage, ILeaseBookCore {
    using PackedBid for bytes;
    using Typed for Order;

    uint256 private constant MAX_NEEDS = 4096;
    uint256 private constant MAX_ENDPOINT = 256;
    uint256 private constant MAX_ORDER_LIFE = 1 days;
    uint8 private constant FLAGS = 3;
    uint8 private constant FORM_AUCTION = 0;
    uint8 private constant FORM_DUTCH = 1;
    uint16 private constant MAX_LOTS = 256;
    /// @dev Params promises no more; the book does not rely on it.
    uint8 private constant MAX_FEE_STEPS = 100;

    // ---------------------------------------------------------------- post

    function postOrder(Order calldata order, bytes calldata needs, string calldata endpoint)
        external
        nonReentrant
        returns (bytes32)
    {
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        uint256 size = posted.appendDocuments(needs, bytes(endpoint));
        TokenInfo memory info = _post(posted, orderHash, size, needs, bytes(endpoint));
        _requireTenant(posted, msg.sender);
        _pull(info, msg.sender, posted.deposit);
        return orderHash;
    }

    function postOrderSigned(
        Order calldata order,
        bytes calldata needs,
        string calldata endpoint,
        bytes calldata signature,
        Funding calldata funding
    ) external nonReentrant returns (bytes32) {
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        uint256 size = posted.appendDocuments(needs, bytes(endpoint));
        TokenInfo memory info = _post(posted, orderHash, size, needs, bytes(endpoint));
        _requireTenant(posted, _party(orderHash, signature));
        _collect(info, orderHash, posted.deposit, funding);
        return orderHash;
    }

    /// @param size bytes of the event's data, which lies at `posted`
    function _post(Order memory posted, bytes32 orderHash, uint256 size, bytes calldata needs, bytes calldata endpoint)
        private
        returns (TokenInfo memory info)
    {
        require(posted.isClean(), Order_Malformed());
        _checkOrder(posted);
        _checkDocuments(posted, needs, endpoint);
        require(OrderSlot.unwrap(_orders[orderHash]) == 0, Order_Known(orderHash));
        info = _adopt(posted.token);
        _orders[orderHash] = OrderWord.posted(posted.deposit, posted.token, posted.expiry, uint32(block.timestamp));
        bytes32 topic = OrderPosted.selector;
        address tenant = posted.tenant;
        assembly ("memory-safe") {
            // emit OrderPosted(orderHash, tenant, posted, needs, endpoint), whose data lies ready.
            log3(posted, size, topic, orderHash, tenant)
        }
    }

    /// @dev Nobody recovered is address zero, which an order may name as its agent.
    function _requireTenant(Order memory order, address who) private pure {
        require(who != address(0) && (who == order.tenant || who == order.agent), Order_NotTenant(who));
    }

    /// @dev Money comes from the caller, or from a funder who signed for this very order.
    function _collect(TokenInfo memory info, bytes32 orderHash, uint64 amount, Funding calldata funding) private {
        address funder = funding.funder;
        if (funding.by == FundBy.Authorization) {
            _receive(info, orderHash, amount, funding);
            return;
        }
        if (funding.by == FundBy.Fund) {
            require(block.timestamp <= funding.deadline, Fund_Deadline(funding.deadline));
            bytes32 structHash = Typed.hashFund(orderHash, funder, amount, funding.deadline);
            address signer = _signer(structHash, funding.signature);
            require(signer == funder && signer != address(0), Fund_Signer(funder, signer));
        } else {
            require(funder == msg.sender, Fund_NotCaller(funder, msg.sender));
            if (funding.by == FundBy.Permit) {
                (uint8 v, bytes32 r, bytes32 s) = _parts(funding.signature);
                // Anyone may have sent this permit first; what counts is the allowance.
                try IERC20Permit(info.asset)
                    .permit(funder, address(this), uint256(amount) * info.scale, funding.deadline, v, r, s) {}
                    catch {}
            }
        }
        _pull(info, funder, amount);
    }

    /// @dev The token checks the authorization; its nonce makes it one for this order only.
    function _receive(TokenInfo memory info, bytes32 orderHash, uint64 amount, Funding calldata funding) private {
        (uint8 v, bytes32 r, bytes32 s) = _parts(funding.signature);
        uint256 asked = _units(info.scale, amount);
        uint256 before = _balance(info);
        IERC3009(info.asset)
            .receiveWithAuthorization(funding.funder, address(this), asked, 0, funding.deadline, orderHash, v, r, s);
        uint256 received = _balance(info) - before;
        require(received == asked, Deposit_Mismatch(received, asked));
    }

    function _parts(bytes calldata signature) private pure returns (uint8 v, bytes32 r, bytes32 s) {
        require(signature.length == 65, Fund_SignatureLength(signature.length));
        return (uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64]));
    }

    // ---------------------------------------------------------------- bid

    function publishBid(bytes calldata packedBid) external {
        if (!packedBid.isWhole()) revert Bid_Malformed(packedBid.length);
        (bytes32 orderHash, uint32 providerId, uint32 bidEpoch) = packedBid.head();
        OrderSlot slot = _orders[orderHash];
        if (!slot.isOpen(block.timestamp)) revert Order_NotOpen(orderHash, uint8(slot.state()));
        (bool may, uint32 current) = _keyOf(providerId, msg.sender, ROLE_BID);
        if (!may) {
            (Bid memory bid, bytes calldata signature) = packedBid.unpack();
            address signer = _signer(Typed.hashBidMembers(bid), signature);
            (may, current) = _keyOf(providerId, signer, ROLE_BID);
            require(may, Bid_Signer(providerId, signer));
        }
        if (bidEpoch != current) revert Bid_Epoch(bidEpoch, current);
        bytes32 topic = BidPosted.selector;
        assembly ("memory-safe") {
            // emit BidPosted(orderHash, providerId, packedBid): offset, length, the bytes and zeros up to a whole word. Behind
            // the free pointer, which is not moved: nothing is kept.
            let free := mload(0x40)
            mstore(free, 0x20)
            mstore(add(free, 0x20), packedBid.length)
            let data := add(free, 0x40)
            mstore(add(data, packedBid.length), 0)
            calldatacopy(data, packedBid.offset, packedBid.length)
            log3(free, add(0x40, and(add(packedBid.length, 0x1f), not(0x1f))), topic, orderHash, providerId)
        }
    }

    // ---------------------------------------------------------------- accept

    // No reentrancy guard on openings: Params and wallets are asked by staticcall, and the vault is the immutable one, which
    // calls nobody.

    function accept(Order calldata order, Bid calldata bid, uint64[] calldata lanes, bytes calldata signature)
        external
    {
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        _spend(orderHash);
        _requireTenant(posted, msg.sender);
        _accept(posted, orderHash, bid, Typed.hashBid(bid), lanes, signature);
    }

    function acceptSigned(
        Order calldata order,
        Bid calldata bid,
        uint64[] calldata lanes,
        bytes calldata signature,
        uint40 deadline,
        bytes calldata tenantSignature
    ) external {
        require(block.timestamp <= deadline, Accept_Deadline(deadline));
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        _spend(orderHash);
        bytes32 bidHash = Typed.hashBid(bid);
        _requireTenant(posted, _signer(Typed.hashAccept(orderHash, bidHash, deadline), tenantSignature));
        _accept(posted, orderHash, bid, bidHash, lanes, signature);
    }

    function _accept(
        Order memory order,
        bytes32 orderHash,
        Bid calldata bid,
        bytes32 bidHash,
        uint64[] calldata lanes,
        bytes calldata signature
    ) private {
        require(bid.orderHash == orderHash, Accept_OrderMismatch(orderHash, bid.orderHash));
        require(block.timestamp <= bid.deadline, Accept_Deadline(bid.deadline));
        _requireLots(order, lanes.length);
        bytes32 lanesHash = Typed.hashLanes(lanes);
        require(lanesHash == bid.lanesHash, Accept_Lanes(lanesHash, bid.lanesHash));
        _checkSigner(bid.providerId, bid.bidEpoch, bidHash, signature);
        _openLanes(_terms(orderHash, order, bid.providerId, bid.ratePerHour, bid.bond, bid.liability), order, lanes);
    }

    /// @dev The order's deposit leaves it for leases. That the hash is known proves the words that copyOrder made it of.
    function _spend(bytes32 orderHash) private returns (uint256 postedAt) {
        OrderSlot slot = _orders[orderHash];
        if (!slot.isOpen(block.timestamp)) revert Order_NotOpen(orderHash, uint8(slot.state()));
        _orders[orderHash] = slot.ended(OrderState.Accepted);
        postedAt = slot.postedAt();
    }

    function _checkSigner(uint32 providerId, uint32 bidEpoch, bytes32 structHash, bytes calldata signature)
        private
        view
    {
        address signer = _signer(structHash, signature);
        (bool may, uint32 current) = _keyOf(providerId, signer, ROLE_BID);
        require(may, Bid_Signer(providerId, signer));
        require(bidEpoch == current, Bid_Epoch(bidEpoch, current));
    }

    // ---------------------------------------------------------------- fill

    function fill(
        Order calldata order,
        uint32 providerId,
        uint64[] calldata lanes,
        uint64 bond,
        uint64 liability,
        bytes32[] calldata proof
    ) external {
        // First, since the usual reason to fail is that another was faster.
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        uint256 postedAt = _spend(orderHash);
        require(posted.form == FORM_DUTCH, Order_Form(posted.form));
        _requireRole(providerId, ROLE_BID);
        _requireLots(posted, lanes.length);
        if (posted.eligible != bytes32(0)) {
            require(MerkleProof.verifyCalldata(proof, posted.eligible, _leaf(providerId)), Fill_NotEligible(providerId));
        }
        uint48 rate = uint48(Rent.climbDown(posted.startRate, posted.maxRate, posted.climb, block.timestamp - postedAt));
        _openLanes(_terms(orderHash, posted, providerId, rate, bond, liability), posted, lanes);
    }

    // ---------------------------------------------------------------- take

    function take(
        Order calldata order,
        Offer calldata offer,
        uint8[] calldata parts,
        bytes calldata signature,
        bytes32[] calldata proof
    ) external {
        (Order memory posted, bytes32 orderHash) = Typed.copyOrder(order);
        _spend(orderHash);
        _requireTenant(posted, msg.sender);
        bytes32 offerHash = Typed.hashOffer(offer);
        uint32 providerId = offer.providerId;
        _checkOffer(posted, offer, proof);
        _checkSigner(providerId, offer.bidEpoch, offerHash, signature);
        _requireLots(posted, parts.length);
        Terms memory terms = _terms(orderHash, posted, providerId, offer.ratePerHour, offer.bond, offer.liability);
        (uint64 deposit, uint256 holdback) = _share(terms, posted);
        uint256 taken = _offersTaken[offerHash];
        for (uint256 i = 0; i < parts.length; ++i) {
            uint256 part = parts[i];
            require(part < offer.count && taken & (1 << part) == 0, Take_Part(offerHash, part, offer.count));
            taken |= 1 << part;
            uint32 lane = offer.firstLane + uint32(part);
            _openLane(terms, posted, lane, _leases[providerId][lane].stat.gen() + 1, deposit, holdback);
        }
        _offersTaken[offerHash] = taken;
        emit OfferTaken(offerHash, providerId, taken);
        _lockBonds(terms, parts.length);
    }

    function _checkOffer(Order memory order, Offer calldata offer, bytes32[] calldata proof) private view {
        require(block.timestamp <= offer.deadline, Accept_Deadline(offer.deadline));
        bytes32 class = keccak256(abi.encode(order.needsHash, order.slaPolicy, order.flags));
        require(class == offer.classHash, Take_Class(class, offer.classHash));
        require(order.token == offer.token, Take_Token(order.token, offer.token));
        require(order.minDuration >= offer.minDuration, Take_Duration(order.minDuration, offer.minDuration));
        require(order.maxDuration <= offer.maxDuration, Take_Duration(order.maxDuration, offer.maxDuration));
        require(order.notice <= offer.notice, Take_Notice(order.notice, offer.notice));
        if (offer.tenants != bytes32(0)) {
            require(
                MerkleProof.verifyCalldata(proof, offer.tenants, _leaf(uint160(order.tenant))),
                Take_NotAdmitted(order.tenant)
            );
        }
    }

    /// @dev A leaf of OpenZeppelin's standard tree: hashed twice, so that no inner node passes for one.
    function _leaf(uint256 word) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(word))));
    }

    // ---------------------------------------------------------------- open

    /// @dev Terms of the order at a provider's price, and what the order asks of it.
    function _terms(
        bytes32 orderHash,
        Order memory order,
        uint32 providerId,
        uint48 rate,
        uint64 bond,
        uint64 liability
    ) private view returns (Terms memory terms) {
        require(rate != 0 && (order.maxRate == 0 || rate <= order.maxRate), Accept_Rate(rate, order.maxRate));
        require(bond >= order.minBond, Accept_Bond(bond, order.minBond));
        if (order.minSignedPaid != 0) {
            uint80 signedPaid = _reputations[providerId].signedPaid;
            require(signedPaid >= order.minSignedPaid, Accept_SignedPaid(signedPaid, order.minSignedPaid));
        }
        (uint8 feeSteps, bool open) = _params.opening(order.token);
        require(open, Opening_Paused());
        // The provider's part of the id; each lot adds lane and gen.
        terms.id = uint96(providerId) << 64;
        terms.orderHash = orderHash;
        terms.tenant = order.tenant;
        terms.agent = order.agent;
        terms.refundTo = order.refundTo;
        terms.token = order.token;
        terms.flags = order.flags;
        terms.feeSteps = feeSteps < MAX_FEE_STEPS ? feeSteps : MAX_FEE_STEPS;
        terms.ratePerHour = rate;
        terms.bond = bond;
        terms.liability = liability;
        terms.maxDuration = order.maxDuration;
        terms.minCommit = order.minCommit;
        terms.earlyFeeBps = order.earlyFeeBps;
        terms.notice = order.notice;
        terms.grace = order.grace;
        terms.slaPolicy = order.slaPolicy;
        terms.needsHash = order.needsHash;
        terms.manifestHash = order.manifestHash;
    }

    /// @dev All lots or none, on the lanes that the provider named.
    function _openLanes(Terms memory terms, Order memory order, uint64[] calldata lanes) private {
        (uint64 deposit, uint256 holdback) = _share(terms, order);
        for (uint256 i = 0; i < lanes.length; ++i) {
            _openLane(terms, order, uint32(lanes[i] >> 32), uint32(lanes[i]), deposit, holdback);
        }
        _lockBonds(terms, lanes.length);
    }

    function _requireLots(Order memory order, uint256 lots) private pure {
        require(lots == order.lots, Accept_Lots(lots, order.lots));
    }

    /// @dev What each lot gets of the deposit, and what of that is held back.
    function _share(Terms memory terms, Order memory order) private pure returns (uint64 deposit, uint256 holdback) {
        deposit = order.deposit / order.lots;
        uint256 rate = terms.ratePerHour;
        holdback = Rent.holdbackUp(rate, terms.grace, terms.minCommit, terms.earlyFeeBps);
        uint256 least = holdback + Rent.rentUp(order.minDuration, rate);
        require(deposit >= least, Accept_DepositTooSmall(deposit, least));
    }

    function _openLane(
        Terms memory terms,
        Order memory order,
        uint32 lane,
        uint32 gen,
        uint64 deposit,
        uint256 holdback
    ) private {
        uint32 providerId = uint32(terms.id >> 64);
        LeaseWords storage words = _freeLane(providerId, lane, gen);
        // Checked at posting: now + startWindow stays below 2^32 until 2072.
        uint32 stopAt = uint32(block.timestamp) + order.startWindow;
        terms.id = (uint96(providerId) << 64) | (uint96(lane) << 32) | gen;
        // Below `deposit`, so it fits.
        words.hot =
            LeaseWord.pending(terms.feeSteps, terms.token, stopAt, terms.ratePerHour, deposit - uint64(holdback));
        words.stat = LeaseWord.opened(Typed.hashTerms(terms), gen, uint32(block.timestamp));
        emit LeaseOpened(terms.id, terms.tenant, terms.orderHash, deposit, uint64(holdback), stopAt, terms);
    }

    function _lockBonds(Terms memory terms, uint256 lots) private {
        if (terms.bond == 0) return;
        // At most 256 lots; a sum beyond 64 bits is beyond any stake and panics.
        _vault.lock(uint32(terms.id >> 64), terms.token, terms.bond * uint64(lots));
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

    function _checkOrder(Order memory order) private view {
        if (order.form == FORM_AUCTION) {
            require(order.startRate == 0 && order.climb == 0, Order_Form(FORM_AUCTION));
        } else {
            require(order.form == FORM_DUTCH && order.climb <= MAX_ORDER_LIFE, Order_Form(order.form));
            require(order.maxRate != 0 && order.startRate <= order.maxRate, Order_Climb(order.startRate, order.maxRate));
        }
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

    function _checkDocuments(Order memory order, bytes calldata needs, bytes calldata endpoint) private pure {
        require(needs.length <= MAX_NEEDS, Order_TooLong(needs.length, MAX_NEEDS));
        bytes32 needsHash = keccak256(needs);
        require(needsHash == order.needsHash, Order_NeedsHash(order.needsHash, needsHash));
        require(endpoint.length <= MAX_ENDPOINT, Order_TooLong(endpoint.length, MAX_ENDPOINT));
        bytes32 endpointHash = endpoint.length == 0 ? bytes32(0) : keccak256(endpoint);
        require(endpointHash == order.endpointHash, Order_EndpointHash(order.endpointHash, endpointHash));
    }

    /// @dev Asks Params whether posting is open; the token itself is taken from it once and never again.
    function _adopt(uint8 token) private returns (TokenInfo memory info) {
        require(_params.takesOrders(token), Order_TokenClosed(token));
        info = _tokens[token];
        if (info.asset == address(0)) {
            info = _params.tokenInfo(token);
            require(token < 64 && info.asset != address(0), Order_TokenClosed(token));
            _tokens[token] = info;
            emit TokenAdopted(token, info.asset, info.scale, info.dollar);
        }
    }
}
