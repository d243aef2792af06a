// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../types/Types.sol";

/// @title StakeVault
/// @notice Holds what providers stake, per token. Anyone may add; only the provider's owner may take out, and only what is
/// neither locked nor reserved, after a time longer than every window of the market. Only the LeaseBook locks, releases and
/// burns bonds, and a burn never exceeds the bond it locked. Only slashers named by Params slash, and only what they reserved
/// before for a lease whose terms the LeaseBook confirms: never more than its `liability`, and of one provider's stake never
/// more than the slasher's compiled share in an epoch. What is slashed goes to the tenant's refundTo or is burned, never to a
/// caller.
/// @dev Amounts in micro-units. Invariants: SV-1 token balance = stakes + burned + credits, per token; SV-2 locked + reserved <=
/// amount and locked + unbonding <= amount; SV-3 (I13) no reserve and no slash raises slashed + reserved of a lease beyond its
/// liability, which an amendment may lower below what is reserved or slashed already; SV-4 a slasher takes at most its share of a
/// provider's stake in an epoch.
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
        /// whether a part is reserved for slashers
        bool contested;
    }

    /// @notice What of a provider's stake waits for a decision about one lease.
    struct Reserve {
        /// who reserved and may slash, also when Params names another by then
        address slasher;
        /// what may be slashed
        uint64 amount;
        /// from then on anyone may undo it
        uint32 until;
        /// who gets what the tenant lost
        address refundTo;
        uint8 token;
    }

    /// @notice What a lease's liability has come to.
    struct Liability {
        uint64 slashed;
        /// by all slashers together
        uint64 reserved;
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
    /// @notice Burned bonds and slashed stake went to the fee receiver.
    event BurnedPushed(uint8 indexed token, address indexed receiver, uint128 amount);
    /// @notice Stake waits for a slasher's decision about a lease.
    event Reserved(uint96 indexed id, uint8 indexed slot, address indexed slasher, uint64 amount, uint32 until);
    /// @notice The decision came without a slash, or never.
    event Unreserved(uint96 indexed id, uint8 indexed slot, uint64 amount);
    /// @notice Stake was taken: `refunded` is credited to refundTo, `burned` waits for pushBurned.
    event Slashed(
        uint96 indexed id, uint8 indexed slot, address indexed refundTo, uint8 token, uint64 refunded, uint64 burned
    );
    /// @notice A credit was paid.
    event CreditWithdrawn(address indexed account, uint8 indexed token, uint128 amount);

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
    /// @notice Not the slasher Params names for the slot, or not the one that made the reserve.
    error StakeVault_NotSlasher(uint8 slot, address caller);
    /// @notice The slot reserved for the lease already.
    error StakeVault_Reserved(uint96 id, uint8 slot);
    /// @notice The book knows no lease with these terms on that lane.
    error StakeVault_TermsMismatch(uint96 id, bytes32 termsHash);
    /// @notice Nothing is reserved, or a stranger came before `from`.
    error StakeVault_ReserveStands(uint96 id, uint8 slot, uint32 from);
    /// @notice More asked for than reserved.
    error StakeVault_BeyondReserve(uint96 id, uint256 asked, uint64 reserved);
    /// @notice Nothing to withdraw.
    error StakeVault_NoCredit(address account, uint8 token);

    /// @notice Adds stake from the caller's allowance. Anyone may; it moves no clock.
    function deposit(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Asks free stake back; restarts the clock of what waits already. Provider's owner only.
    function requestUnbond(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Pays what waited long enough to the provider's payout address. Anyone may call. What is reserved stays and may
    /// be asked for again, without another wait, once it is not reserved any more.
    function completeUnbond(uint32 providerId, uint8 token) external;
    /// @notice Locks free stake as a bond. LeaseBook only.
    function lock(uint32 providerId, uint8 token, uint64 amount) external;
    /// @notice Releases a bond and burns a part of it. LeaseBook only.
    /// @param amount what was locked
    /// @param burn at most `amount`
    function release(uint32 providerId, uint8 token, uint64 amount, uint64 burn) external;
    /// @notice Sends burned bonds and slashed stake to the fee receiver of Params. Anyone may call.
    function pushBurned(uint8 token) external;
    /// @notice Pays a credit to the account it belongs to. Anyone may call.
    function withdrawCredit(address account, uint8 token) external returns (uint128 amount);

    /// @notice Holds stake back for a decision about a lease: free stake first, then what is unbonding. The slasher of the slot only.
    /// @dev Requirements: the lane's last lease has these terms; the slot reserved nothing for it yet. Reserves the least of
    /// `amount`, what is left of the terms' liability, and the stake that is neither locked nor reserved. Undone by anyone 21 days
    /// later.
    /// @return reserved may be less than asked for, also 0
    function reserve(uint8 slot, Terms calldata terms, uint64 amount) external returns (uint64 reserved);
    /// @notice Gives a reserve back. The slasher that made it; anyone from its `until` on.
    function unreserve(uint8 slot, uint96 id) external;
    /// @notice Takes reserved stake and gives the rest of the reserve back. The slasher that made it only.
    /// @dev Both parts together are cut to what the slot's share leaves in this epoch, the burned part first.
    /// @param refund for refundTo, which is credited
    /// @param burn for nobody
    /// @return refunded of `refund`
    /// @return burnt of `burn`
    function slash(uint8 slot, uint96 id, uint64 refund, uint64 burn) external returns (uint64 refunded, uint64 burnt);

    /// @notice A provider's stake in one token.
    function stakeOf(uint32 providerId, uint8 token) external view returns (Stake memory);
    /// @notice What can be locked or asked back.
    function freeOf(uint32 providerId, uint8 token) external view returns (uint64);
    /// @notice What waits for decisions, of all leases together.
    function reservedOf(uint32 providerId, uint8 token) external view returns (uint64);
    /// @notice What a slot reserved for a lease.
    function reserveOf(uint8 slot, uint96 id) external view returns (Reserve memory);
    /// @notice What was slashed and is reserved for a lease, by all slots.
    function liabilityOf(uint96 id) external view returns (Liability memory);
    /// @notice What a slot may still slash of a provider's stake in this epoch.
    function slashableOf(uint8 slot, uint32 providerId, uint8 token) external view returns (uint64);
    /// @notice A slot's share of a provider's stake in one epoch, in parts of 10,000; they sum to 10,000.
    function shareOf(uint8 slot) external pure returns (uint16);
    /// @notice Owed to an account.
    function credits(address account, uint8 token) external view returns (uint128);
    /// @notice Burned and not yet pushed.
    function burned(uint8 token) external view returns (uint128);
    /// @notice The book whose bonds this vault holds.
    function leaseBook() external view returns (address);
    /// @notice Who names slashers and tokens.
    function params() external view returns (address);
    /// @notice Seconds from a request to its payment.
    function unbondTime() external view returns (uint40);
}
