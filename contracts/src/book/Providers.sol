// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {KeyGrant, Provider} from "../types/Types.sol";

import {ILeaseBookExtension} from "../interfaces/ILeaseBook.sol";

import {BookStorage} from "./BookStorage.sol";

/// @title Providers
/// @notice Who a provider is: owner, payout, hot keys, publications. Moves no money.
abstract contract Providers is BookStorage, ILeaseBookExtension {
    uint40 private constant KEY_DELAY = 1 days;
    uint40 private constant PAYOUT_DELAY = 2 days;
    uint256 private constant MAX_URL = 256;

    function register(address payout, KeyGrant[] calldata keys, string calldata gatewayUrl, bytes32 spki)
        external
        returns (uint32 providerId)
    {
        _checkPayout(payout);
        providerId = ++_providerCount;
        Provider storage record = _providers[providerId];
        record.owner = msg.sender;
        record.payout = payout;
        emit ProviderRegistered(providerId, msg.sender, payout);
        for (uint256 i = 0; i < keys.length; ++i) {
            _addKey(providerId, keys[i].key, keys[i].roles, 0);
        }
        if (bytes(gatewayUrl).length != 0) _setGateway(providerId, gatewayUrl, spki, 0);
    }

    function addKey(uint32 providerId, address key, uint8 roles) external {
        _requireOwner(providerId);
        _addKey(providerId, key, roles, KEY_DELAY);
    }

    function removeKey(uint32 providerId, address key) external {
        _requireOwnerOr(providerId, key);
        Key storage slot = _keys[providerId][key];
        require(slot.roles != 0, Key_Unknown(providerId, key));
        slot.roles = 0;
        slot.from = 0;
        // The epoch outlives the key: added again, its old bids stay void.
        uint32 epoch = ++slot.bidEpoch;
        emit KeyRemoved(providerId, key, epoch);
    }

    function cancelAllBids(uint32 providerId, address key) external {
        _requireOwnerOr(providerId, key);
        Key storage slot = _keys[providerId][key];
        require(slot.roles != 0, Key_Unknown(providerId, key));
        uint32 epoch = ++slot.bidEpoch;
        emit BidsCancelled(providerId, key, epoch);
    }

    function setPayout(uint32 providerId, address payout) external {
        _requireOwner(providerId);
        _checkPayout(payout);
        Provider storage record = _providers[providerId];
        // A change that already holds is not lost.
        record.payout = _payoutOf(providerId);
        record.nextPayout = payout;
        // Seconds fit 40 bits for 34,000 years.
        record.nextPayoutFrom = uint40(block.timestamp) + PAYOUT_DELAY;
        emit PayoutSet(providerId, payout, record.nextPayoutFrom);
    }

    function setGateway(uint32 providerId, string calldata url, bytes32 spki, bytes32 nextSpki) external {
        _requireOwner(providerId);
        _setGateway(providerId, url, spki, nextSpki);
    }

    function publishFacts(uint32 providerId, bytes32 hash) external {
        _requireOwnerOrBidder(providerId);
        _providers[providerId].factsAt = uint32(block.timestamp);
        emit FactsPublished(providerId, hash);
    }

    function publishOffers(uint32 providerId, bytes32 hash) external {
        _requireOwnerOrBidder(providerId);
        _providers[providerId].offersAt = uint32(block.timestamp);
        emit OffersPublished(providerId, hash);
    }

    function _addKey(uint32 providerId, address key, uint8 roles, uint40 delay) private {
        require(key != address(0) && roles != 0 && roles <= ROLES, Key_Invalid(key, roles));
        Key storage slot = _keys[providerId][key];
        // Changing roles in place would take the key out of service for a day without saying so.
        require(slot.roles == 0, Key_Exists(providerId, key));
        slot.roles = roles;
        slot.from = uint40(block.timestamp) + delay;
        emit KeyAdded(providerId, key, roles, slot.from, slot.bidEpoch);
    }

    function _setGateway(uint32 providerId, string calldata url, bytes32 spki, bytes32 nextSpki) private {
        require(bytes(url).length <= MAX_URL, Provider_UrlLength(bytes(url).length, MAX_URL));
        _providers[providerId].gatewayAt = uint32(block.timestamp);
        emit GatewaySet(providerId, url, spki, nextSpki);
    }

    function _checkPayout(address payout) private view {
        // Paid to the book itself, money would belong to nobody.
        require(payout != address(0) && payout != address(this), Provider_ZeroAddress());
    }

    function _requireOwnerOr(uint32 providerId, address key) private view {
        if (msg.sender != key) _requireOwner(providerId);
    }

    function _requireOwnerOrBidder(uint32 providerId) private view {
        if (_providers[providerId].owner != msg.sender) _requireRole(providerId, ROLE_BID);
    }
}
