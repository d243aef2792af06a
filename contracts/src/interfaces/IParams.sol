// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TokenInfo} from "../types/Types.sol";

/// @title Params
/// @notice What policy may decide: which tokens new orders may use, the fee of new leases, where fees go, and a pause of
/// posting and opening. It can touch no deposit, no running lease and no earning: the book reads it when an order is posted,
/// when a lease opens, and for the address that fees are pushed to.
/// @dev Bounds compiled in: fee at most 10 %; 64 tokens, whose asset and scale never change once listed; a pause lasts at most
/// 7 days and can begin once in 60.
interface IParams {
    /// @notice A token was appended to the list.
    event TokenListed(uint8 indexed token, address indexed asset, uint64 scale, bool dollar);
    /// @notice New orders may (or may no longer) use the token.
    event TokenOpened(uint8 indexed token, bool open);
    /// @notice Leases opened from now on pay this fee, in steps of 10 bps.
    event FeeSet(uint8 feeSteps);
    /// @notice Fees are pushed to this address from now on.
    event FeeReceiverSet(address indexed receiver);
    /// @notice Who may pause.
    event GuardianSet(address indexed guardian);
    /// @notice Posting and opening are paused until then.
    event Paused(uint40 until);

    /// @notice The list is full.
    error Params_ListFull(uint256 limit);
    /// @notice The index is beyond the list.
    error Params_NoToken(uint8 token);
    /// @notice The asset is listed already.
    error Params_TokenListed(address asset);
    /// @notice Tokens with fewer than 6 or more than 18 decimals cannot be listed.
    error Params_Decimals(uint8 decimals);
    /// @notice Above the compiled bound.
    error Params_FeeTooHigh(uint8 feeSteps, uint8 limit);
    /// @notice Not the guardian.
    error Params_NotGuardian(address caller);
    /// @notice The last pause is too recent.
    error Params_PauseTooSoon(uint40 from);
    /// @notice An address is zero.
    error Params_ZeroAddress();

    /// @notice Appends a token; asset and scale never change afterwards.
    /// @param asset ERC-20 with 6 to 18 decimals; no fee on transfer, no rebasing
    /// @param dollar whether it counts in reputation as dollars
    /// @return token its index
    function listToken(address asset, bool dollar) external returns (uint8 token);
    /// @notice Lets new orders use a token, or no longer.
    function setTokenOpen(uint8 token, bool open) external;
    /// @notice Sets the fee of leases opened from now on, in steps of 10 bps.
    function setFee(uint8 feeSteps) external;
    /// @notice Sets where fees are pushed to.
    function setFeeReceiver(address receiver) external;
    /// @notice Names who may pause.
    function setGuardian(address guardian) external;
    /// @notice Stops posting and opening for 7 days; once in 60 days.
    function pause() external;
    /// @notice Ends a pause early.
    function unpause() external;

    /// @notice A listed token.
    function tokenInfo(uint8 token) external view returns (TokenInfo memory info);
    /// @notice What the book needs to post an order: the token, and whether posting is open for it.
    function posting(uint8 token) external view returns (TokenInfo memory info, bool open);
    /// @notice What the book needs to open a lease: the fee, and whether opening is possible.
    function opening() external view returns (uint8 feeSteps, bool open);
    /// @notice The same of a lease in a token, which may pay a lower fee.
    function opening(uint8 token) external view returns (uint8 feeSteps, bool open);
    /// @notice Who may freeze earnings.
    function court() external view returns (address);
    /// @notice Length of the list.
    function tokenCount() external view returns (uint8);
    /// @notice Where fees go.
    function feeReceiver() external view returns (address);
    /// @notice Who may pause.
    function guardian() external view returns (address);
    /// @notice Until when posting and opening are paused.
    function pausedUntil() external view returns (uint40);
}
