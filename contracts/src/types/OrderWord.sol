// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OrderState} from "./Types.sol";

/// What is stored of an order: amount 135..72, token 71..66, state 65..64, expiry 63..32, postedAt 31..0. Never zero again once
/// posted: a hash is used once.
type OrderSlot is uint256;

using OrderWord for OrderSlot global;

/// @title OrderWord
/// @notice Packing of an order's word.
library OrderWord {
    /// @param token_ below 2^6
    function posted(uint64 amount_, uint8 token_, uint32 expiry_, uint32 postedAt_) internal pure returns (OrderSlot) {
        return OrderSlot.wrap(
            (uint256(amount_) << 72) | (uint256(token_) << 66) | (uint256(OrderState.Open) << 64)
                | (uint256(expiry_) << 32) | uint256(postedAt_)
        );
    }

    /// @notice The word that stays when the deposit has left.
    function ended(OrderSlot slot, OrderState state_) internal pure returns (OrderSlot) {
        uint256 kept = OrderSlot.unwrap(slot) & ((uint256(0x3f) << 66) | type(uint64).max);
        return OrderSlot.wrap(kept | (uint256(state_) << 64));
    }

    /// @notice Whether the deposit is there and the order has not expired.
    function isOpen(OrderSlot slot, uint256 time) internal pure returns (bool) {
        // As a number: a conversion to the enum asks each time whether two bits are one of four states.
        return (OrderSlot.unwrap(slot) >> 64) & 0x3 == uint256(OrderState.Open) && time <= expiry(slot);
    }

    function amount(OrderSlot slot) internal pure returns (uint64) {
        return uint64(OrderSlot.unwrap(slot) >> 72);
    }

    function token(OrderSlot slot) internal pure returns (uint8) {
        return uint8((OrderSlot.unwrap(slot) >> 66) & 0x3f);
    }

    function state(OrderSlot slot) internal pure returns (OrderState) {
        return OrderState((OrderSlot.unwrap(slot) >> 64) & 0x3);
    }

    function expiry(OrderSlot slot) internal pure returns (uint32) {
        return uint32(OrderSlot.unwrap(slot) >> 32);
    }

    function postedAt(OrderSlot slot) internal pure returns (uint32) {
        return uint32(OrderSlot.unwrap(slot));
    }
}
