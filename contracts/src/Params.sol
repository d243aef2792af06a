// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {TokenInfo} from "./types/Types.sol";

import {IParams} from "./interfaces/IParams.sol";

/// @title Params
/// @notice See IParams.
/// @dev The owner is the market's AccessManager, through which a timelock and the narrower roles act.
contract Params is IParams, Ownable2Step {
    // Not public: each public function makes finding the ones the book calls dearer. IParams tells the bounds.
    /// @dev 10 %, in steps of 10 bps.
    uint8 private constant MAX_FEE_STEPS = 100;
    /// @dev Lease words give a token six bits.
    uint8 private constant MAX_TOKENS = 64;
    /// @dev How long a pause lasts.
    uint40 private constant PAUSE_LENGTH = 7 days;
    /// @dev From the beginning of one pause to the next.
    uint40 private constant PAUSE_EVERY = 60 days;

    /// @dev The most a dispute may cost its loser: 1,000 tokens, in micro-units.
    uint64 private constant MAX_COURT_FEE = 1_000_000_000;
    /// @dev Slots of slashers, as StakeVault has them.
    uint8 private constant SLOTS = 3;
    /// @dev From naming a slasher to its first act. Longer than StakeVault's unbonding time where F + 2W is below 5 days, so
    /// that a provider who trusts it less can be gone before.
    uint40 private constant SLASHER_DELAY = 7 days;
    /// @dev The longest an attestation lasts.
    uint40 private constant MAX_ATTESTATION = 400 days;

    struct Listed {
        address asset;
        uint64 scale;
        bool dollar;
    }

    struct Slasher {
        address now_;
        address next;
        // 0: nothing waits
        uint40 from;
    }

    struct Attestation {
        bytes32 factsHash;
        uint40 until;
    }

    mapping(uint8 token => Listed) private _tokens;
    mapping(address asset => bool) private _isListed;
    /// @inheritdoc IParams
    address public feeReceiver;
    // In one slot what the book asks for: one read for an order, one for a lease.
    /// @inheritdoc IParams
    uint40 public pausedUntil;
    /// @inheritdoc IParams
    uint8 public tokenCount;
    uint8 private _feeSteps;
    // Index + 1 of the token whose leases pay the reduced fee; 0: none.
    uint8 private _reducedToken;
    uint8 private _reducedSteps;
    // Bit k: token k may be taken by new orders.
    uint64 private _openTokens;
    // The second slot.
    /// @inheritdoc IParams
    address public guardian;
    uint40 private _nextPauseFrom;
    bool private _courtNamed;

    /// @inheritdoc IParams
    mapping(uint8 token => uint64) public courtFee;
    /// @inheritdoc IParams
    mapping(address account => bool) public isAuditor;
    mapping(uint8 slot => Slasher) private _slashers;
    mapping(uint32 providerId => mapping(address auditor => Attestation)) private _attestations;

    constructor(address owner, address feeReceiver_, address guardian_, uint8 feeSteps) Ownable(owner) {
        _setFeeReceiver(feeReceiver_);
        _setGuardian(guardian_);
        _setFee(feeSteps);
    }

    /// @inheritdoc IParams
    function listToken(address asset, bool dollar) external onlyOwner returns (uint8 token) {
        token = tokenCount;
        require(token < MAX_TOKENS, Params_ListFull(MAX_TOKENS));
        require(asset != address(0), Params_ZeroAddress());
        require(!_isListed[asset], Params_TokenListed(asset));
        uint8 decimals = IERC20Metadata(asset).decimals();
        require(decimals >= 6 && decimals <= 18, Params_Decimals(decimals));
        // At most 10^12, so it fits.
        uint64 scale = uint64(10 ** (uint256(decimals) - 6));
        tokenCount = token + 1;
        _openTokens |= _bit(token);
        _isListed[asset] = true;
        _tokens[token] = Listed({asset: asset, scale: scale, dollar: dollar});
        emit TokenListed(token, asset, scale, dollar);
        emit TokenOpened(token, true);
    }

    /// @inheritdoc IParams
    function setTokenOpen(uint8 token, bool open) external onlyOwner {
        _token(token);
        _openTokens = open ? _openTokens | _bit(token) : _openTokens & ~_bit(token);
        emit TokenOpened(token, open);
    }

    /// @inheritdoc IParams
    function setFee(uint8 feeSteps) external onlyOwner {
        _setFee(feeSteps);
    }

    /// @inheritdoc IParams
    function setReducedFee(uint8 token, uint8 feeSteps) external onlyOwner {
        _token(token);
        require(feeSteps <= _feeSteps, Params_FeeTooHigh(feeSteps, _feeSteps));
        _reducedToken = token + 1;
        _reducedSteps = feeSteps;
        emit ReducedFeeSet(token, feeSteps);
    }

    /// @inheritdoc IParams
    function setCourtFee(uint8 token, uint64 fee) external onlyOwner {
        _token(token);
        require(fee <= MAX_COURT_FEE, Params_CourtFeeTooHigh(fee, MAX_COURT_FEE));
        courtFee[token] = fee;
        emit CourtFeeSet(token, fee);
    }

    /// @inheritdoc IParams
    function setSlasher(uint8 slot, address slasher) external onlyOwner {
        require(slot < SLOTS, Params_NoSlot(slot, SLOTS));
        Slasher storage record = _slashers[slot];
        // One that holds by now is not lost.
        record.now_ = slasherOf(slot);
        record.next = slasher;
        // Seconds fit 40 bits for 34,000 years.
        uint40 from = uint40(block.timestamp) + SLASHER_DELAY;
        if (slot == 0 && !_courtNamed) {
            // Who stakes in a market without a court knows that the first is to come.
            _courtNamed = true;
            from = uint40(block.timestamp);
        }
        record.from = from;
        emit SlasherSet(slot, slasher, from);
    }

    /// @inheritdoc IParams
    function setAuditor(address auditor, bool active) external onlyOwner {
        require(auditor != address(0), Params_ZeroAddress());
        isAuditor[auditor] = active;
        emit AuditorSet(auditor, active);
    }

    /// @inheritdoc IParams
    function attest(uint32 providerId, bytes32 factsHash, uint40 until) external {
        require(isAuditor[msg.sender], Params_NotAuditor(msg.sender));
        uint256 limit = block.timestamp + MAX_ATTESTATION;
        require(until == 0 || (until > block.timestamp && until <= limit), Params_AttestUntil(until, limit));
        _attestations[providerId][msg.sender] = Attestation({factsHash: factsHash, until: until});
        emit Attested(providerId, msg.sender, factsHash, until);
    }

    /// @inheritdoc IParams
    function setFeeReceiver(address receiver) external onlyOwner {
        _setFeeReceiver(receiver);
    }

    /// @inheritdoc IParams
    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    /// @inheritdoc IParams
    function pause() external {
        require(msg.sender == guardian, Params_NotGuardian(msg.sender));
        require(block.timestamp >= _nextPauseFrom, Params_PauseTooSoon(_nextPauseFrom));
        // Seconds fit 40 bits for 34,000 years.
        pausedUntil = uint40(block.timestamp) + PAUSE_LENGTH;
        _nextPauseFrom = uint40(block.timestamp) + PAUSE_EVERY;
        emit Paused(pausedUntil);
    }

    /// @inheritdoc IParams
    function unpause() external {
        require(msg.sender == guardian, Params_NotGuardian(msg.sender));
        pausedUntil = 0;
        emit Paused(0);
    }

    /// @inheritdoc IParams
    function tokenInfo(uint8 token) external view returns (TokenInfo memory info) {
        Listed storage listed = _token(token);
        return TokenInfo({asset: listed.asset, scale: listed.scale, dollar: listed.dollar});
    }

    /// @inheritdoc IParams
    function takesOrders(uint8 token) external view returns (bool) {
        return _openTokens & _bit(token) != 0 && !_paused();
    }

    /// @inheritdoc IParams
    function opening() external view returns (uint8 feeSteps, bool open) {
        return (_feeSteps, !_paused());
    }

    /// @inheritdoc IParams
    function opening(uint8 token) external view returns (uint8 feeSteps, bool open) {
        bool reduced = _reducedToken == uint256(token) + 1;
        return (reduced ? _reducedSteps : _feeSteps, !_paused());
    }

    /// @inheritdoc IParams
    function court() external view returns (address) {
        return slasherOf(0);
    }

    /// @inheritdoc IParams
    function nextSlasher(uint8 slot) external view returns (address slasher, uint40 from) {
        Slasher storage record = _slashers[slot];
        bool waits = block.timestamp < record.from;
        return waits ? (record.next, record.from) : (slasherOf(slot), uint40(0));
    }

    /// @inheritdoc IParams
    function isAttested(uint32 providerId, address auditor, bytes32 factsHash) external view returns (bool) {
        Attestation storage record = _attestations[providerId][auditor];
        return isAuditor[auditor] && record.factsHash == factsHash && block.timestamp <= record.until;
    }

    /// @inheritdoc IParams
    function attestation(uint32 providerId, address auditor) external view returns (bytes32 factsHash, uint40 until) {
        Attestation storage record = _attestations[providerId][auditor];
        return (record.factsHash, record.until);
    }

    /// @inheritdoc IParams
    function slasherOf(uint8 slot) public view returns (address) {
        Slasher storage record = _slashers[slot];
        return record.from != 0 && record.from <= block.timestamp ? record.next : record.now_;
    }

    function _setFee(uint8 feeSteps) private {
        require(feeSteps <= MAX_FEE_STEPS, Params_FeeTooHigh(feeSteps, MAX_FEE_STEPS));
        // The reduced fee is never the higher one.
        if (_reducedSteps > feeSteps) _reducedSteps = feeSteps;
        _feeSteps = feeSteps;
        emit FeeSet(feeSteps);
    }

    function _setFeeReceiver(address receiver) private {
        require(receiver != address(0), Params_ZeroAddress());
        feeReceiver = receiver;
        emit FeeReceiverSet(receiver);
    }

    function _setGuardian(address guardian_) private {
        require(guardian_ != address(0), Params_ZeroAddress());
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    function _token(uint8 token) private view returns (Listed storage listed) {
        listed = _tokens[token];
        require(listed.asset != address(0), Params_NoToken(token));
    }

    /// @dev No bit for what cannot be listed.
    function _bit(uint8 token) private pure returns (uint64) {
        return uint64(1) << token;
    }

    function _paused() private view returns (bool) {
        return block.timestamp < pausedUntil;
    }
}
