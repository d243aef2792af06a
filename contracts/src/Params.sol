// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {TokenInfo} from "./types/Types.sol";

import {IParams} from "./interfaces/IParams.sol";

/// @title Params
/// @notice See IParams.
/// @dev The owner is meant to be a timelock on a public chain.
contract Params is IParams, Ownable2Step {
    /// @notice 10 %, in steps of 10 bps.
    uint8 public constant MAX_FEE_STEPS = 100;
    /// @notice Lease words give a token six bits.
    uint8 public constant MAX_TOKENS = 64;
    /// @notice How long a pause lasts.
    uint40 public constant PAUSE_LENGTH = 7 days;
    /// @notice From the beginning of one pause to the next.
    uint40 public constant PAUSE_EVERY = 60 days;

    struct Listed {
        address asset;
        uint64 scale;
        bool dollar;
        bool open;
    }

    mapping(uint8 token => Listed) private _tokens;
    mapping(address asset => bool) private _isListed;
    /// @inheritdoc IParams
    address public feeReceiver;
    // In one slot what the book asks for: one read for an order, one for a lease.
    /// @inheritdoc IParams
    address public guardian;
    /// @inheritdoc IParams
    uint40 public pausedUntil;
    /// @inheritdoc IParams
    uint8 public tokenCount;
    uint8 private _feeSteps;
    uint40 private _nextPauseFrom;

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
        _isListed[asset] = true;
        _tokens[token] = Listed({asset: asset, scale: scale, dollar: dollar, open: true});
        emit TokenListed(token, asset, scale, dollar);
        emit TokenOpened(token, true);
    }

    /// @inheritdoc IParams
    function setTokenOpen(uint8 token, bool open) external onlyOwner {
        _token(token).open = open;
        emit TokenOpened(token, open);
    }

    /// @inheritdoc IParams
    function setFee(uint8 feeSteps) external onlyOwner {
        _setFee(feeSteps);
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
        return _info(_token(token));
    }

    /// @inheritdoc IParams
    function posting(uint8 token) external view returns (TokenInfo memory info, bool open) {
        Listed storage listed = _token(token);
        return (_info(listed), listed.open && !_paused());
    }

    /// @inheritdoc IParams
    function opening() external view returns (uint8 feeSteps, bool open) {
        return (_feeSteps, !_paused());
    }

    /// @inheritdoc IParams
    function opening(uint8) external view returns (uint8 feeSteps, bool open) {
        return (_feeSteps, !_paused());
    }

    /// @inheritdoc IParams
    address public court;

    function setSlasher(uint8 slot, address slasher) external onlyOwner {
        if (slot == 0) court = slasher;
    }

    function _setFee(uint8 feeSteps) private {
        require(feeSteps <= MAX_FEE_STEPS, Params_FeeTooHigh(feeSteps, MAX_FEE_STEPS));
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

    function _info(Listed storage listed) private view returns (TokenInfo memory) {
        return TokenInfo({asset: listed.asset, scale: listed.scale, dollar: listed.dollar});
    }

    function _paused() private view returns (bool) {
        return block.timestamp < pausedUntil;
    }
}
