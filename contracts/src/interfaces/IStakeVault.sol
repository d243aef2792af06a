// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title StakeVault
/// @notice Holds what providers stake, per token. Anyone may add; only the provider's owner may take out, and only what is not
/// locked, after a time longer than every window of the market; only the LeaseBook locks, releases and burns bonds, and a burn
/// never exceeds the bond it locked.
/// @dev Amounts in micro-units. Slashing by courts is not in this version. Invariants: SV-1 balance = stakes + burned, per
/// token; SV-2 locked + unbonding <= amount.
interface IStakeVault {
    /// @notice A provider's stake in one token.
    struct Stake {
        /// all of it
        uint64 amount;
        /// bonds of pending leases
        uint64 locked;
        /// asked back
        uint64 unbonding;
        /// from when the unbonding part may leave; 0 when none
        uint40 unbondAt;
    }

    /// @notice Stake was added.
    event Deposited(uint32 indexed providerId, uint8 indexed token, address indexed from, uint64 amount);
    /// @notice Stake was asked back. `unbonding` is all that waits, `unbondAt` holds for all of it.
    event UnbondRequested(
        uint32 indexed providerId, uint8 indexed token, uint64 amount, uint64 unbonding, uint40 unbondAt
    );
    /// @notice Stake left.
    event Unbonded(uint32 indexed providerId, uint8 indexed token, address indexed to, uint64 amount);
    /// @notice A bond was locked.
    event Locked(uint32 indexed providerId, uint8 indexed token, uint64 amount);
    /// @notice A bond was released, less what was burned of it.
    event Released(uint32 indexed providerId, uint8 indexed token, uint64 amount, uint64 burned);
    /// @notice Burned bonds went to the fee receiver.
    event BurnedPushed(uint8 indexed token, address indexed receiver, uint128 amount);

    /// @notice Not the LeaseBook of this vault.
    error StakeVault_NotLeaseBook(address caller);
    /// @notice Not the owner of the provider.
    error StakeVault_NotOwner(uint32 providerId, address caller);
    /// @notice No such provider.
    error StakeVault_NoProvider(uint32 providerId);
    /// @notice Less is free than asked for.
    error StakeVault_NotFree(uint32 providerId, uint8 token, uint64 asked, uint64 free);
    /// @notice The waiting time is not over, or nothing waits (then `from` is 0).
    error StakeVault_NotYet(uint40 from);
    /// @notice The amount is zero or the stake would not fit.
    error StakeVault_Amount(uint64 amount);
    /// @notice The token did not move exactly what was asked.
    error StakeVault_TransferMismatch(uint256 received, uint256 asked);
    /// @notice More released than locked, or more burned than released.
    error StakeVault_Bond(uint64 amount, uint64 limit);
    /// @notice Nothing to push.
    error StakeVault_NothingBurned(uint8 token);

    /// @notice Adds stake from the caller's allowance. Anyone may; it moves no clock.
    function deposit(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Asks free stake back; restarts the clock of what waits already. Provider's owner only.
    function requestUnbond(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Pays what waited long enough to the provider's payout address. Anyone may call.
    function completeUnbond(uint32 providerId, uint8 token) external;
    /// @notice Locks free stake as a bond. LeaseBook only.
    function lock(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Releases a bond and burns a part of it. LeaseBook only.
    /// @param amount what was locked
    /// @param burn at most `amount`
    function release(uint32 providerId, uint8 token, uint64 amount, uint64 burn) external;
    /// @notice Sends burned bonds to the fee receiver of Params. Anyone may call.
    function pushBurned(uint8 token) external;

    /// @notice A provider's stake in one token.
    function stakeOf(uint32 providerId, uint8 token) external view returns (Stake memory);
    /// @notice What can be locked or asked back.
    function freeOf(uint32 providerId, uint8 token) external view returns (uint64);
    /// @notice Burned and not yet pushed.
    function burned(uint8 token) external view returns (uint128);
    /// @notice The book whose bonds this vault holds.
    function leaseBook() external view returns (address);
    /// @notice Seconds from a request to its payment.
    function unbondTime() external view returns (uint40);
}
