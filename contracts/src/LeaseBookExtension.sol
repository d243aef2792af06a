// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot, Stat} from "./types/LeaseWord.sol";
import {OrderSlot} from "./types/OrderWord.sol";
import {
    Bid,
    Freeze,
    LeaseView,
    Offer,
    Order,
    OrderState,
    Provider,
    Reputation,
    Terms,
    TokenInfo
} from "./types/Types.sol";

import {Agreements} from "./book/Agreements.sol";
import {BookStorage} from "./book/BookStorage.sol";
import {Disputes} from "./book/Disputes.sol";
import {Interventions} from "./book/Interventions.sol";
import {Providers} from "./book/Providers.sol";
import {ILeaseBookExtension} from "./interfaces/ILeaseBook.sol";
import {Typed} from "./libraries/Typed.sol";
import {Bucket} from "./libraries/Vesting.sol";

/// @title LeaseBookExtension
/// @notice The rarely used half of ILeaseBook. The book makes it in its constructor, runs it by delegatecall on its own storage
/// and can never exchange it, so both are one contract that would not fit into one code. Called directly it acts on an empty
/// storage of its own, where there is nothing to gain.
contract LeaseBookExtension is Providers, Interventions, Agreements, Disputes {
    constructor(address params_, address stakeVault_, uint32 finalReports_, uint32 vestEpoch_)
        BookStorage(params_, stakeVault_, finalReports_, vestEpoch_)
    {}

    // ---------------------------------------------------------------- money that leaves

    function withdrawCredit(uint8 token, address to) external nonReentrant returns (uint128 amount) {
        amount = _credits[msg.sender][token];
        require(amount != 0, Credit_Nothing(msg.sender, token));
        _credits[msg.sender][token] = 0;
        emit CreditWithdrawn(msg.sender, token, to, amount);
        _send(token, to, amount);
    }

    function pushFees(uint8 token) external nonReentrant returns (uint128 amount) {
        amount = _fees[token];
        require(amount != 0, Fees_Nothing(token));
        _fees[token] = 0;
        address receiver = _params.feeReceiver();
        emit FeesPushed(token, receiver, amount);
        _send(token, receiver, amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ILeaseBookExtension
    function providerCount() external view returns (uint32) {
        return _providerCount;
    }

    /// @inheritdoc ILeaseBookExtension
    function providerOf(uint32 providerId) external view returns (Provider memory) {
        return _providers[providerId];
    }

    /// @inheritdoc ILeaseBookExtension
    function ownerOf(uint32 providerId) external view returns (address) {
        return _providers[providerId].owner;
    }

    /// @inheritdoc ILeaseBookExtension
    function payoutOf(uint32 providerId) external view returns (address) {
        return _payoutOf(providerId);
    }

    /// @inheritdoc ILeaseBookExtension
    function domainSeparator() external view returns (bytes32) {
        return _domain();
    }

    /// @inheritdoc ILeaseBookExtension
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // Name, version, chain and contract; no salt.
        return (hex"0f", NAME, VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @inheritdoc ILeaseBookExtension
    function keyOf(uint32 providerId, address key) external view returns (uint8 roles, uint40 from, uint32 bidEpoch) {
        Key storage slot = _keys[providerId][key];
        return (slot.roles, slot.from, slot.bidEpoch);
    }

    /// @inheritdoc ILeaseBookExtension
    function reputation(uint32 providerId) external view returns (Reputation memory) {
        return _reputations[providerId];
    }

    /// @inheritdoc ILeaseBookExtension
    function orderOf(bytes32 orderHash)
        external
        view
        returns (OrderState state, uint64 amount, uint8 token, uint32 expiry, uint32 postedAt)
    {
        OrderSlot slot = _orders[orderHash];
        return (slot.state(), slot.amount(), slot.token(), slot.expiry(), slot.postedAt());
    }

    /// @inheritdoc ILeaseBookExtension
    function leaseAt(uint32 providerId, uint32 lane) external view returns (LeaseView memory lease) {
        Hot hot = _leases[providerId][lane].hot;
        Stat stat = _leases[providerId][lane].stat;
        if (Stat.unwrap(stat) == 0) return lease;
        lease.id = (uint96(providerId) << 64) | (uint96(lane) << 32) | stat.gen();
        lease.state = hot.state();
        lease.stopBy = hot.stopBy();
        lease.feeSteps = hot.fee();
        lease.token = hot.token();
        lease.laneBase = hot.laneBase();
        lease.settled = hot.settled();
        lease.startAt = hot.startAt();
        lease.stopAt = hot.stopAt();
        lease.ratePerHour = hot.rate();
        lease.balance = hot.balance();
        lease.termsHash = stat.termsHash();
        lease.openedAt = stat.openedAt();
        lease.lane = _laneOf(lease.id);
    }

    /// @inheritdoc ILeaseBookExtension
    function leaseWords(uint32 providerId, uint32 lane) external view returns (uint256 hot, uint256 stat) {
        LeaseWords storage words = _leases[providerId][lane];
        return (Hot.unwrap(words.hot), Stat.unwrap(words.stat));
    }

    /// @inheritdoc ILeaseBookExtension
    function laneWord(uint32 providerId, uint32 word) external view returns (uint256) {
        return _lanes[providerId][word];
    }

    /// @inheritdoc ILeaseBookExtension
    function earnings(uint32 providerId, uint8 token) external view returns (uint128 claimable, uint128 vesting) {
        (Bucket bucket, uint256 vested) = _vesting[providerId][token].roll(block.timestamp / _vestEpoch);
        claimable = _earnings[providerId][token].claimable + uint128(vested);
        vesting = uint128(bucket.cur() + bucket.prev());
    }

    /// @inheritdoc ILeaseBookExtension
    function frozenOf(uint32 providerId, uint8 token) external view returns (uint128) {
        return _earnings[providerId][token].frozen;
    }

    /// @inheritdoc ILeaseBookExtension
    function freezeOf(uint96 id) external view returns (Freeze memory) {
        return _freezes[id];
    }

    /// @inheritdoc ILeaseBookExtension
    function offerTaken(bytes32 offerHash) external view returns (uint256) {
        return _offersTaken[offerHash];
    }

    /// @inheritdoc ILeaseBookExtension
    function credits(address account, uint8 token) external view returns (uint128) {
        return _credits[account][token];
    }

    /// @inheritdoc ILeaseBookExtension
    function fees(uint8 token) external view returns (uint128) {
        return _fees[token];
    }

    /// @inheritdoc ILeaseBookExtension
    function tokenOf(uint8 token) external view returns (TokenInfo memory) {
        return _tokens[token];
    }

    /// @inheritdoc ILeaseBookExtension
    function finalReports() external view returns (uint32) {
        return _finalReports;
    }

    /// @inheritdoc ILeaseBookExtension
    function vestEpoch() external view returns (uint32) {
        return _vestEpoch;
    }

    /// @inheritdoc ILeaseBookExtension
    function params() external view returns (address) {
        return address(_params);
    }

    /// @inheritdoc ILeaseBookExtension
    function stakeVault() external view returns (address) {
        return address(_vault);
    }

    /// @inheritdoc ILeaseBookExtension
    function hashOrder(Order calldata order) external pure returns (bytes32 hash) {
        (, hash) = Typed.copyOrder(order);
    }

    /// @inheritdoc ILeaseBookExtension
    function hashBid(Bid calldata bid) external pure returns (bytes32) {
        return Typed.hashBid(bid);
    }

    /// @inheritdoc ILeaseBookExtension
    function hashOffer(Offer calldata offer) external pure returns (bytes32) {
        return Typed.hashOffer(offer);
    }

    /// @inheritdoc ILeaseBookExtension
    function hashTerms(Terms calldata terms) external pure returns (bytes32 hash) {
        (, hash) = Typed.copyTerms(terms);
    }
}
