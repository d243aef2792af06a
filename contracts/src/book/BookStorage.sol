// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {OrderSlot} from "../types/OrderWord.sol";
import {Hot, Stat} from "../types/LeaseWord.sol";
import {Freeze, Provider, Reputation, TokenInfo} from "../types/Types.sol";

import {ILeaseBookBase} from "../interfaces/ILeaseBook.sol";
import {IParams} from "../interfaces/IParams.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Push} from "../libraries/Push.sol";
import {Bucket} from "../libraries/Vesting.sol";
import {Wallet} from "../libraries/Wallet.sol";

/// @title BookStorage
/// @notice All that the book stores, and the few acts on it that several of its parts share: who may, money in, money out,
/// earning.
abstract contract BookStorage is ILeaseBookBase, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    // ---------------------------------------------------------------- constants

    /// @dev Roles of a key.
    uint8 internal constant ROLE_BID = 1;
    uint8 internal constant ROLE_START = 2;
    uint8 internal constant ROLE_REPORT = 4;
    uint8 internal constant ROLES = ROLE_BID | ROLE_START | ROLE_REPORT;

    /// @dev No duration is longer, so that sums of two instants' distances stay below 2^32.
    uint32 internal constant MAX_DURATION = 1 << 30;

    /// @dev What a push to a stranger may burn; proxied tokens with a cold recipient stay well below.
    uint256 private constant PUSH_GAS = 120_000;
    /// @dev With this left, the callee is given PUSH_GAS in full (63/64 rule) and the rest of the call can finish.
    uint256 private constant PUSH_GAS_LEAST = PUSH_GAS + PUSH_GAS / 32 + 20_000;
    /// @dev What a contract wallet may burn to check a signature; enough to verify one on a curve the chain has no precompile
    /// for. A wallet that needs more has not signed.
    uint256 private constant WALLET_GAS = 400_000;

    /// @dev EIP-712 domain. OpenZeppelin's EIP712 stores name and version for whoever asks; here they are constants, which
    /// keeps both halves of the book below their size.
    string internal constant NAME = "Leaseport";
    string internal constant VERSION = "1";
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    // ---------------------------------------------------------------- immutables

    uint256 private immutable _domainChainId;
    address private immutable _domainContract;
    bytes32 private immutable _domainAtHome;

    IParams internal immutable _params;
    IStakeVault internal immutable _vault;
    /// @dev F: seconds after a lease's end during which reports still count.
    uint32 internal immutable _finalReports;
    /// @dev W: seconds of a vesting epoch, and of a lane's rest.
    uint32 internal immutable _vestEpoch;

    // ---------------------------------------------------------------- storage

    struct Key {
        uint8 roles;
        uint40 from;
        uint32 bidEpoch;
    }

    struct LeaseWords {
        Hot hot;
        Stat stat;
    }

    struct Earnings {
        uint128 frozen;
        uint128 claimable;
    }

    uint32 internal _providerCount;
    mapping(uint32 providerId => Provider) internal _providers;
    mapping(uint32 providerId => mapping(address key => Key)) internal _keys;
    mapping(uint32 providerId => Reputation) internal _reputations;
    mapping(bytes32 orderHash => OrderSlot) internal _orders;
    mapping(uint32 providerId => mapping(uint32 lane => LeaseWords)) internal _leases;
    mapping(uint32 providerId => mapping(uint256 word => uint256)) internal _lanes;
    mapping(uint32 providerId => mapping(uint8 token => Earnings)) internal _earnings;
    mapping(uint32 providerId => mapping(uint8 token => Bucket)) internal _vesting;
    mapping(uint8 token => uint128) internal _fees;
    mapping(address account => mapping(uint8 token => uint128)) internal _credits;
    /// @dev What the book needs of a token, taken from Params at its first use and never again.
    mapping(uint8 token => TokenInfo) internal _tokens;
    /// @dev Bit k: part k of the offer is taken.
    mapping(bytes32 offerHash => uint256) internal _offersTaken;
    mapping(uint96 id => Freeze) internal _freezes;
    /// @dev Terms that an amendment replaced.
    mapping(bytes32 termsHash => bool) internal _retiredTerms;

    /// @param params_ policy of new orders and leases
    /// @param stakeVault_ where bonds are
    /// @param finalReports_ F in seconds, 1 to 2^30
    /// @param vestEpoch_ W in seconds, 1 to 2^30
    constructor(address params_, address stakeVault_, uint32 finalReports_, uint32 vestEpoch_) {
        require(
            finalReports_ != 0 && finalReports_ <= MAX_DURATION && vestEpoch_ != 0 && vestEpoch_ <= MAX_DURATION,
            Windows_Invalid(finalReports_, vestEpoch_)
        );
        _params = IParams(params_);
        _vault = IStakeVault(stakeVault_);
        _finalReports = finalReports_;
        _vestEpoch = vestEpoch_;
        _domainChainId = block.chainid;
        _domainContract = address(this);
        _domainAtHome = _buildDomain();
    }

    // ---------------------------------------------------------------- domain

    /// @dev Another one after a fork of the chain, and in the extension, whose code runs at the book's address.
    function _domain() internal view returns (bytes32) {
        return block.chainid == _domainChainId && address(this) == _domainContract ? _domainAtHome : _buildDomain();
    }

    function _buildDomain() private view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(NAME)), keccak256(bytes(VERSION)), block.chainid, address(this))
        );
    }

    // ---------------------------------------------------------------- who may

    function _requireOwner(uint32 providerId) internal view {
        require(_providers[providerId].owner == msg.sender, Provider_NotOwner(providerId, msg.sender));
    }

    function _requireRole(uint32 providerId, uint8 role) internal view {
        (bool may,) = _keyOf(providerId, msg.sender, role);
        require(may, Key_Denied(providerId, msg.sender, role));
    }

    /// @dev Whether a key may act now, and the epoch of its bids; its slot is read once. Address zero never may: no key is added
    /// under it.
    function _keyOf(uint32 providerId, address who, uint8 role) internal view returns (bool may, uint32 bidEpoch) {
        Key storage key = _keys[providerId][who];
        uint256 word;
        assembly ("memory-safe") {
            word := sload(key.slot)
        }
        // As the struct lies in its slot: bidEpoch 79..48, from 47..8, roles 7..0.
        may = word & role != 0 && uint40(word >> 8) <= block.timestamp;
        bidEpoch = uint32(word >> 48);
    }

    /// @dev The same where only a party is asked for.
    function _hasRole(uint32 providerId, address who, uint8 role) internal view returns (bool may) {
        (may,) = _keyOf(providerId, who, role);
    }

    /// @dev Where a provider's money goes now.
    function _payoutOf(uint32 providerId) internal view returns (address) {
        Provider storage record = _providers[providerId];
        uint40 from = record.nextPayoutFrom;
        return from != 0 && from <= block.timestamp ? record.nextPayout : record.payout;
    }

    /// @dev Who signed. 65 bytes are a key's signature with low s; any other length is the 20 bytes of a contract wallet's
    /// address and what that wallet wants to see (ERC-1271). Zero when nobody did. Whether an address has code is never asked:
    /// under EIP-7702 that changes from one call to the next.
    function _signer(bytes32 structHash, bytes calldata signature) internal view returns (address signer) {
        bytes32 digest = MessageHashUtils.toTypedDataHash(_domain(), structHash);
        if (signature.length == 65) {
            (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        } else if (signature.length >= 20) {
            address wallet = address(bytes20(signature[:20]));
            if (Wallet.accepts(wallet, digest, signature[20:], WALLET_GAS)) signer = wallet;
        }
    }

    /// @dev The party to an act: the caller where no signature is given, else whoever signed.
    function _party(bytes32 structHash, bytes calldata signature) internal view returns (address) {
        return signature.length == 0 ? msg.sender : _signer(structHash, signature);
    }

    // ---------------------------------------------------------------- money in

    /// @dev Pulls micro-units from an allowance. The token must move exactly what it was asked to.
    /// @param from the caller, or who signed for this very deposit
    function _pull(TokenInfo memory info, address from, uint64 amount) internal {
        uint256 asked = _units(info.scale, amount);
        uint256 before = _balance(info);
        IERC20(info.asset).safeTransferFrom(from, address(this), asked);
        uint256 received = _balance(info) - before;
        require(received == asked, Deposit_Mismatch(received, asked));
    }

    /// @dev Micro-units as the token counts them: 64 and 128 bits make at most 192.
    function _units(uint64 scale, uint128 amount) internal pure returns (uint256) {
        unchecked {
            return uint256(scale) * amount;
        }
    }

    function _balance(TokenInfo memory info) internal view returns (uint256) {
        return IERC20(info.asset).balanceOf(address(this));
    }

    // ---------------------------------------------------------------- money out

    /// @dev Returns money to somebody who did not ask for it: pushed with bounded gas, else credited (I7).
    function _refund(uint8 token, address to, uint256 amount) internal returns (bool pushed) {
        if (amount == 0) return true;
        require(gasleft() >= PUSH_GAS_LEAST, Refund_GasTooLow(gasleft(), PUSH_GAS_LEAST));
        TokenInfo storage info = _tokens[token];
        pushed = Push.tryTransfer(info.asset, to, amount * info.scale, PUSH_GAS);
        if (!pushed) _credit(to, token, amount);
    }

    /// @dev Money its owner asked for.
    function _send(uint8 token, address to, uint128 amount) internal {
        TokenInfo storage info = _tokens[token];
        IERC20(info.asset).safeTransfer(to, _units(info.scale, amount));
    }

    /// @dev `amount` is a part of one lease's or order's money, so it fits.
    function _credit(address to, uint8 token, uint256 amount) internal {
        _credits[to][token] += uint128(amount);
        emit Credited(to, token, uint128(amount));
    }

    // ---------------------------------------------------------------- earning

    /// @dev Books what leases have paid: the fee to the fee bucket, rounded down, the rest to the provider, vesting or, where
    /// the tenant signed, claimable at once.
    /// @param gross sum of payments
    /// @param feeWeighted sum of payment * fee steps; a step is 10 bps
    function _earn(uint32 providerId, uint8 token, uint256 gross, uint256 feeWeighted, bool signed)
        internal
        returns (uint256 fee)
    {
        fee = feeWeighted / 1000;
        // All amounts are sums of 64-bit deposits: 128 bits hold them.
        if (fee != 0) _fees[token] += uint128(fee);
        if (signed) {
            _earnings[providerId][token].claimable += uint128(gross - fee);
        } else {
            _vesting[providerId][token] = _rolled(providerId, token).add(gross - fee);
        }
        emit Earned(providerId, token, uint128(gross), uint128(fee), !signed);
    }

    /// @dev Adds payments in dollar tokens to the provider's record.
    function _recordPaid(uint32 providerId, uint256 gross, bool signed) internal {
        Reputation storage record = _reputations[providerId];
        // 80 bits of micro-dollars are 10^18 dollars.
        record.paid += uint80(gross);
        if (signed) record.signedPaid += uint80(gross);
    }

    /// @dev The provider's bucket at this epoch; what left it became claimable.
    function _rolled(uint32 providerId, uint8 token) internal returns (Bucket bucket) {
        uint256 vested;
        (bucket, vested) = _vesting[providerId][token].roll(block.timestamp / _vestEpoch);
        if (vested != 0) _earnings[providerId][token].claimable += uint128(vested);
    }

    /// @dev The guard's place in transient storage, where nothing else is: a small number is in the code, a hash is copied into memory
    /// each time.
    function _reentrancyGuardStorageSlot() internal pure override returns (bytes32) {
        return bytes32(0);
    }

    /// @dev Counters of the record stop at their maximum.
    function _plusOne(uint16 count) internal pure returns (uint16) {
        return count == type(uint16).max ? count : count + 1;
    }
}
