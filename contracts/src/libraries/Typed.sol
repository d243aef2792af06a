// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bid, Offer, Order, Terms} from "../types/Types.sol";

/// @title Typed
/// @notice EIP-712 type hashes and struct hashes of everything that is signed. `test/vectors` holds the same values for the
/// operator's side.
library Typed {
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address tenant,address agent,address refundTo,uint8 form,uint8 token,uint8 flags,uint16 lots,uint48 startRate,uint48 maxRate,uint32 climb,uint64 deposit,uint32 minDuration,uint32 maxDuration,uint32 minCommit,uint16 earlyFeeBps,uint32 notice,uint32 grace,uint32 startWindow,uint64 minBond,uint64 minSignedPaid,uint32 expiry,bytes32 slaPolicy,bytes32 needsHash,bytes32 manifestHash,bytes32 eligible,bytes32 endpointHash,bytes32 salt)"
    );
    bytes32 internal constant BID_TYPEHASH = keccak256(
        "Bid(bytes32 orderHash,uint32 providerId,uint32 bidEpoch,bytes32 lanesHash,uint48 ratePerHour,uint64 bond,uint64 liability,uint40 deadline)"
    );
    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(bytes32 classHash,uint32 providerId,uint32 bidEpoch,uint32 firstLane,uint16 count,uint8 token,uint48 ratePerHour,uint64 bond,uint64 liability,uint32 minDuration,uint32 maxDuration,uint32 notice,bytes32 tenants,uint40 deadline,bytes32 salt)"
    );
    bytes32 internal constant FUND_TYPEHASH =
        keccak256("Fund(bytes32 orderHash,address funder,uint64 amount,uint40 deadline)");
    bytes32 internal constant ACCEPT_TYPEHASH = keccak256("Accept(bytes32 orderHash,bytes32 bidHash,uint40 deadline)");
    bytes32 internal constant STOP_TYPEHASH =
        keccak256("Stop(uint96 id,bytes32 termsHash,uint16 reason,uint40 deadline)");
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(uint96 id,bytes32 termsHash,uint32 cum)");
    bytes32 internal constant CLOSE_TYPEHASH =
        keccak256("Close(uint96 id,bytes32 termsHash,uint32 cum,uint40 deadline)");
    bytes32 internal constant AMEND_TYPEHASH =
        keccak256("Amend(uint96 id,bytes32 oldTerms,bytes32 newTerms,uint32 cumAt,uint40 deadline)");
    bytes32 internal constant RECEIPT_TYPEHASH =
        keccak256("Receipt(uint96 id,bytes32 termsHash,uint32 cum,uint40 asOf,bytes32 root)");

    /// @dev Words of the structs, all of whose members are one word each.
    uint256 private constant ORDER_SIZE = 27 * 32;
    uint256 private constant BID_SIZE = 8 * 32;
    uint256 private constant OFFER_SIZE = 15 * 32;
    uint256 private constant TERMS_SIZE = 19 * 32;

    // What is hashed below are words as they are passed, or as they lie in memory: the ABI encoding, and EIP-712's too. A
    // member with bits beyond its type gives another hash, so it matches nothing that was stored or signed, and what does match
    // is clean. The two places that store a hash of passed words look themselves: postOrder (isClean) and amend (which decodes
    // all members for its event).

    /// @notice Copies an order as it was passed, bits beyond its members' types included, and hashes it.
    /// @return order holds what nobody has looked at yet, unless `hash` is known
    /// @return hash its struct hash: its id
    function copyOrder(Order calldata passed) internal pure returns (Order memory order, bytes32 hash) {
        bytes32 typeHash = ORDER_TYPEHASH;
        uint256 size = ORDER_SIZE;
        assembly ("memory-safe") {
            // The type hash before the members, so that one range is hashed; both stay allocated.
            let free := mload(0x40)
            mstore(free, typeHash)
            order := add(free, 0x20)
            calldatacopy(order, passed, size)
            mstore(0x40, add(order, size))
            hash := keccak256(free, add(size, 0x20))
        }
    }

    /// @notice Writes the documents behind an order's members, as the ABI encodes them for its event.
    /// @param order as copyOrder returned it, nothing allocated since: what is behind it is free
    /// @return size bytes of the event's data, from `order` on
    function appendDocuments(Order memory order, bytes calldata needs, bytes calldata endpoint)
        internal
        pure
        returns (uint256 size)
    {
        uint256 head = ORDER_SIZE;
        assembly ("memory-safe") {
            let at := add(order, head)
            head := add(head, 0x40)
            // Where the two documents begin, and each as its length, its bytes and zeros up to a whole word.
            mstore(at, head)
            let padded := and(add(needs.length, 0x1f), not(0x1f))
            mstore(add(at, 0x20), add(head, add(padded, 0x20)))
            at := add(at, 0x40)
            mstore(at, needs.length)
            at := add(at, 0x20)
            mstore(add(at, needs.length), 0)
            calldatacopy(at, needs.offset, needs.length)
            at := add(at, padded)
            mstore(at, endpoint.length)
            at := add(at, 0x20)
            padded := and(add(endpoint.length, 0x1f), not(0x1f))
            mstore(add(at, endpoint.length), 0)
            calldatacopy(at, endpoint.offset, endpoint.length)
            at := add(at, padded)
            // The zeros behind the last bytes may reach one word further.
            mstore(0x40, add(at, 0x20))
            size := sub(at, order)
        }
    }

    /// @notice Whether no member has bits beyond its type.
    function isClean(Order memory order) internal pure returns (bool clean) {
        assembly ("memory-safe") {
            function word(from, index) -> value {
                value := mload(add(from, shl(5, index)))
            }
            // tenant, agent, refundTo
            let dirty := shr(160, or(or(word(order, 0), word(order, 1)), word(order, 2)))
            // form, token, flags
            dirty := or(dirty, shr(8, or(or(word(order, 3), word(order, 4)), word(order, 5))))
            // lots, earlyFeeBps
            dirty := or(dirty, shr(16, or(word(order, 6), word(order, 14))))
            // startRate, maxRate
            dirty := or(dirty, shr(48, or(word(order, 7), word(order, 8))))
            // climb, minDuration, maxDuration, minCommit, notice, grace, startWindow, expiry
            let narrow := or(or(word(order, 9), word(order, 11)), or(word(order, 12), word(order, 13)))
            narrow := or(narrow, or(or(word(order, 15), word(order, 16)), or(word(order, 17), word(order, 20))))
            dirty := or(dirty, shr(32, narrow))
            // deposit, minBond, minSignedPaid
            dirty := or(dirty, shr(64, or(or(word(order, 10), word(order, 18)), word(order, 19))))
            clean := iszero(dirty)
        }
    }

    /// @notice Copies terms as they were passed and hashes them.
    /// @return terms holds what nobody has looked at yet, unless `hash` is known
    function copyTerms(Terms calldata passed) internal pure returns (Terms memory terms, bytes32 hash) {
        uint256 size = TERMS_SIZE;
        assembly ("memory-safe") {
            // Into the struct that the compiler has made room for.
            calldatacopy(terms, passed, size)
            hash := keccak256(terms, size)
        }
    }

    /// @notice Struct hash of a bid.
    function hashBid(Bid calldata bid) internal pure returns (bytes32 hash) {
        bytes32 typeHash = BID_TYPEHASH;
        uint256 size = BID_SIZE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), bid, size)
            hash := keccak256(free, add(size, 0x20))
        }
    }

    /// @notice Struct hash of an offer: its id.
    function hashOffer(Offer calldata offer) internal pure returns (bytes32 hash) {
        bytes32 typeHash = OFFER_TYPEHASH;
        uint256 size = OFFER_SIZE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), offer, size)
            hash := keccak256(free, add(size, 0x20))
        }
    }

    /// @notice Hash of terms: of their ABI encoding, no type hash; they are computed, never signed on their own.
    function hashTerms(Terms memory terms) internal pure returns (bytes32 hash) {
        uint256 size = TERMS_SIZE;
        assembly ("memory-safe") {
            hash := keccak256(terms, size)
        }
    }

    /// @notice What a bid signs of its lanes: keccak256 of (lane32, gen32) packed, one pair a lot.
    function hashLanes(uint64[] calldata lanes) internal pure returns (bytes32 hash) {
        if (lanes.length == 1) {
            uint256 only = uint256(lanes[0]) << 192;
            assembly ("memory-safe") {
                // Scratch space is enough for one pair.
                mstore(0x00, only)
                hash := keccak256(0x00, 8)
            }
            return hash;
        }
        // Room for the zeros that the last pair's word writes behind it.
        bytes memory packed = new bytes(lanes.length * 8 + 24);
        for (uint256 i = 0; i < lanes.length; ++i) {
            uint256 pair = uint256(lanes[i]) << 192;
            assembly ("memory-safe") {
                mstore(add(add(packed, 0x20), shl(3, i)), pair)
            }
        }
        assembly ("memory-safe") {
            mstore(packed, shl(3, lanes.length))
        }
        return keccak256(packed);
    }

    /// @notice Struct hash of a bid given by its members.
    function hashBidMembers(Bid memory bid) internal pure returns (bytes32) {
        return keccak256(abi.encode(BID_TYPEHASH, bid));
    }

    /// @notice Struct hash of a mutual close.
    function hashClose(uint96 id, bytes32 termsHash, uint32 cum, uint40 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSE_TYPEHASH, id, termsHash, cum, deadline));
    }

    /// @notice Struct hash of a tenant's consent to a bid.
    function hashAccept(bytes32 orderHash, bytes32 bidHash, uint40 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPT_TYPEHASH, orderHash, bidHash, deadline));
    }

    /// @notice Struct hash of a funder's consent to pay for an order.
    function hashFund(bytes32 orderHash, address funder, uint64 amount, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(FUND_TYPEHASH, orderHash, funder, amount, deadline));
    }

    /// @notice Struct hash of a tenant's stop.
    function hashStop(uint96 id, bytes32 termsHash, uint16 reason, uint40 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(STOP_TYPEHASH, id, termsHash, reason, deadline));
    }

    /// @notice Struct hash of usage that the tenant signed.
    function hashVoucher(uint96 id, bytes32 termsHash, uint32 cum) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, id, termsHash, cum));
    }

    /// @notice Struct hash of a change of terms.
    function hashAmend(uint96 id, bytes32 oldTerms, bytes32 newTerms, uint32 cumAt, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(AMEND_TYPEHASH, id, oldTerms, newTerms, cumAt, deadline));
    }
}
