// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bid, Order, Terms} from "../types/Types.sol";

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
    uint256 private constant TERMS_SIZE = 19 * 32;

    // The four hashes below read the words as they are passed or lie in memory, which is the ABI encoding and EIP-712's too.
    // A member with bits beyond its type gives another hash, so it matches nothing that was stored or signed; the one place
    // that stores a hash of passed words, postOrder, decodes all members for its event and reverts on such bits.

    /// @notice Struct hash of an order: its id.
    function hashOrder(Order calldata order) internal pure returns (bytes32 hash) {
        bytes32 typeHash = ORDER_TYPEHASH;
        uint256 size = ORDER_SIZE;
        assembly ("memory-safe") {
            // Behind the free pointer, which is not moved: nothing is kept.
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), order, size)
            hash := keccak256(free, add(size, 0x20))
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

    /// @notice Hash of terms: of their ABI encoding, no type hash; they are computed, never signed on their own.
    function hashTerms(Terms memory terms) internal pure returns (bytes32 hash) {
        uint256 size = TERMS_SIZE;
        assembly ("memory-safe") {
            hash := keccak256(terms, size)
        }
    }

    /// @notice The same of terms passed to a call.
    function hashTermsCalldata(Terms calldata terms) internal pure returns (bytes32 hash) {
        uint256 size = TERMS_SIZE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, size)
            hash := keccak256(free, size)
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
}
