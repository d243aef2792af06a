// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TokenInfo} from "../types/Types.sol";

/// @title Params
/// @notice What policy may decide: which tokens new orders may use, the fee of new leases, where fees go, a pause of posting and
/// opening, what a dispute costs, who the court and the other slashers are, and who attests what providers say of themselves. It
/// can touch no deposit, no running lease and no vested earning: the book reads it when an order is posted, when a lease opens,
/// for the address that fees are pushed to, and for who may freeze; the vault for tokens and slashers.
/// @dev Bounds compiled in: fee at most 10 %; 64 tokens, whose asset and scale never change once listed; a pause lasts at most
/// 7 days and can begin once in 60; a court fee is at most 1,000 tokens; a slasher is named 7 days ahead, but for the first court;
/// an attestation lasts at most 400 days. What a slasher can do is bounded by StakeVault, what a court can freeze by LeaseBook.
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

    /// @notice Leases in this token pay this fee instead, in steps of 10 bps.
    event ReducedFeeSet(uint8 indexed token, uint8 feeSteps);
    /// @notice A dispute about a lease in this token costs its loser that much, in micro-units.
    event CourtFeeSet(uint8 indexed token, uint64 fee);
    /// @notice Who may slash in the slot from `from` on. Slot 0 is the court.
    event SlasherSet(uint8 indexed slot, address indexed slasher, uint40 from);
    /// @notice Who may attest, or no longer.
    event AuditorSet(address indexed auditor, bool active);
    /// @notice An auditor stands for a provider's facts document until then; 0: no longer.
    event Attested(uint32 indexed providerId, address indexed auditor, bytes32 factsHash, uint40 until);

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
    /// @notice Above the compiled bound.
    error Params_CourtFeeTooHigh(uint64 fee, uint64 limit);
    /// @notice No such slot.
    error Params_NoSlot(uint8 slot, uint8 slots);
    /// @notice Not an auditor.
    error Params_NotAuditor(address caller);
    /// @notice In the past, or further ahead than an attestation may last.
    error Params_AttestUntil(uint40 until, uint256 limit);
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
    /// @notice Lets leases in one token (PORT is meant) pay a lower fee from now on; naming another token ends the first's.
    /// @param feeSteps at most the fee of the others
    function setReducedFee(uint8 token, uint8 feeSteps) external;
    /// @notice Sets what a dispute costs its loser, in micro-units of the lease's token.
    function setCourtFee(uint8 token, uint64 fee) external;
    /// @notice Names who may slash in a slot, in 7 days; the very first court at once. Zero: nobody.
    /// @dev Named again before it holds, the first naming is void and the time starts anew.
    function setSlasher(uint8 slot, address slasher) external;
    /// @notice Lets an auditor attest, or no longer. What it attested counts only while it is one.
    function setAuditor(address auditor, bool active) external;
    /// @notice Stands for the facts document a provider published, for at most 400 days. Auditors only.
    /// @param factsHash as in FactsPublished
    /// @param until 0 takes it back
    function attest(uint32 providerId, bytes32 factsHash, uint40 until) external;
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
    /// @notice What the book needs to post an order: whether the token is listed and open, and no pause holds.
    function takesOrders(uint8 token) external view returns (bool);
    /// @notice What the book needs to open a lease: the fee, and whether opening is possible.
    function opening() external view returns (uint8 feeSteps, bool open);
    /// @notice The same of a lease in a token, which may pay a lower fee.
    function opening(uint8 token) external view returns (uint8 feeSteps, bool open);
    /// @notice What a dispute about a lease in this token costs its loser, in micro-units.
    function courtFee(uint8 token) external view returns (uint64);
    /// @notice Who may freeze earnings: the slasher of slot 0.
    function court() external view returns (address);
    /// @notice Who may slash in a slot now; zero: nobody.
    function slasherOf(uint8 slot) external view returns (address);
    /// @notice Who is named for a slot, and from when on it holds (0: it holds).
    function nextSlasher(uint8 slot) external view returns (address slasher, uint40 from);
    /// @notice Whether an account may attest.
    function isAuditor(address account) external view returns (bool);
    /// @notice Whether an auditor stands for these facts of a provider now.
    function isAttested(uint32 providerId, address auditor, bytes32 factsHash) external view returns (bool);
    /// @notice What an auditor attested last, also when it does not count any more.
    function attestation(uint32 providerId, address auditor) external view returns (bytes32 factsHash, uint40 until);
    /// @notice Length of the list.
    function tokenCount() external view returns (uint8);
    /// @notice Where fees go.
    function feeReceiver() external view returns (address);
    /// @notice Who may pause.
    function guardian() external view returns (address);
    /// @notice Until when posting and opening are paused.
    function pausedUntil() external view returns (uint40);
}
