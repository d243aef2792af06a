// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../types/Types.sol";

/// @title DisputeCourt
/// @notice Where a tenant contests seconds it has paid for. A dispute never changes a lease: it holds back what the book lets it
/// freeze of the lease's unvested money and what the vault lets it reserve of the provider's liability, and ends by itself.
///
///     contest --(no answer in `answerTime`)--> silence: what is frozen goes to the tenant, stake is not touched
///        |
///     answer with a Receipt --(no ruling in `rulingTime`)--> lapse: both bonds back, all is lifted
///        |
///     rule by an arbiter --(veto by the timelock in `vetoTime`)--> as a lapse
///        |
///     execute
///
/// @dev Bounded by others: LeaseBook (at most what this lease has paid and its provider has not vested; 21 days), StakeVault (at
/// most the lease's liability, and a share of the stake in an epoch). Bounded here: what a tenant gets of both is at most the rent of the
/// contested seconds. The three times sum to less than 21 days. Bonds are paid out by credit, so nobody's token trouble holds up
/// another. DC-1: token balance = bonds of open disputes + credits, per token.
interface IDisputeCourt {
    /// @notice Where a dispute stands.
    enum Phase {
        None,
        Contested,
        Answered,
        Ruled,
        Ended
    }

    /// @notice How a dispute ended.
    enum Outcome {
        Silence,
        Lapsed,
        Vetoed,
        Tenant,
        Provider
    }

    /// @notice One dispute; a lease can have one.
    struct Dispute {
        address contester;
        /// until then the next act may come; after it the phase's other end
        uint32 due;
        Phase phase;
        uint8 token;
        /// seconds up to here are contested
        uint32 toCum;
        address answerer;
        /// of each side, in micro-units
        uint64 bond;
        bytes32 termsHash;
        /// rent of the contested seconds: the most the tenant can get
        uint64 amount;
        /// out of the loser's bond
        uint64 fee;
        /// the ruling: of what is frozen, of the stake to refundTo, of the stake to nobody
        uint64 award;
        uint64 refund;
        uint64 burn;
    }

    /// @notice Seconds (fromCum, toCum] of a lease are contested; `statement` is the hash of what the tenant says.
    event Contested(
        uint96 indexed id,
        address indexed contester,
        uint32 fromCum,
        uint32 toCum,
        uint64 amount,
        uint64 frozen,
        uint64 reserved,
        uint64 bond,
        uint32 answerBy,
        bytes32 statement
    );
    /// @notice The provider stands by its count: the Receipt it signed covers the contested seconds.
    event Answered(uint96 indexed id, address indexed answerer, uint32 cum, uint40 asOf, bytes32 root, uint32 rulingBy);
    /// @notice An arbiter has decided; it holds unless vetoed by then. `reasons` is the hash of the written ruling.
    event Ruled(
        uint96 indexed id,
        address indexed arbiter,
        uint64 award,
        uint64 refund,
        uint64 burn,
        uint32 vetoBy,
        bytes32 reasons
    );
    /// @notice It is over. What the tenant got of frozen money and of stake, and what stake was burned.
    event Ended(uint96 indexed id, Outcome outcome, uint64 awarded, uint64 refunded, uint64 burnt);
    /// @notice An account can withdraw more.
    event Credited(address indexed account, uint8 indexed token, uint64 amount);
    /// @notice A credit was paid.
    event CreditWithdrawn(address indexed account, uint8 indexed token, uint128 amount);

    /// @notice Each at least 1 s, together less than 21 days.
    error Court_Times(uint32 answerTime, uint32 rulingTime, uint32 vetoTime);
    /// @notice Only the lease's tenant or its agent contests.
    error Court_NotTenant(uint96 id, address caller);
    /// @notice Only the provider's owner, or a key that may start or report, answers.
    error Court_NotProvider(uint96 id, address caller);
    /// @notice A lease can be contested once.
    error Court_Contested(uint96 id);
    /// @notice The book knows no lease with these terms on that lane.
    error Court_TermsMismatch(uint96 id, bytes32 termsHash);
    /// @notice The lane may be reused (`until` 0: the lease never ran, or both sides closed it).
    error Court_TooLate(uint96 id, uint256 until);
    /// @notice No seconds, or more than were paid for.
    error Court_Seconds(uint32 fromCum, uint32 toCum, uint32 settled);
    /// @notice Nothing of the lease is unvested and no stake stands behind it.
    error Court_NothingAtStake(uint96 id);
    /// @notice The bond is above what the caller allowed.
    error Court_Bond(uint64 bond, uint64 most);
    /// @notice The token did not move exactly what was asked.
    error Court_TransferMismatch(uint256 received, uint256 asked);
    /// @notice The dispute is in another phase.
    error Court_Phase(uint96 id, Phase phase, Phase needed);
    /// @notice The time for this act is over.
    error Court_Over(uint96 id, uint32 due);
    /// @notice The other side's time is not over.
    error Court_Early(uint96 id, uint32 due);
    /// @notice The Receipt does not cover the contested seconds, or is from the future.
    error Court_Receipt(uint32 cum, uint40 asOf, uint32 needed);
    /// @notice The Receipt is not signed by a key that may report.
    error Court_ReceiptSigner(uint96 id, address signer);
    /// @notice The tenant would get more than the contested rent.
    error Court_AboveAmount(uint256 sum, uint64 amount);
    /// @notice More than is frozen, or more than is reserved.
    error Court_AboveHeld(uint256 asked, uint64 held);
    /// @notice Nothing to withdraw.
    error Court_NoCredit(address account, uint8 token);

    /// @notice Contests seconds that a lease has paid for; pulls the bond from the caller's allowance. Tenant or agent, while the
    /// lease is live and until its lane may be reused; once a lease.
    /// @param fromCum first contested second, less one
    /// @param toCum last contested second, at most `settled`
    /// @param maxBond the most the caller bonds; see `bondFor`
    /// @param statement hash of what the tenant says, published elsewhere
    function contest(Terms calldata terms, uint32 fromCum, uint32 toCum, uint64 maxBond, bytes32 statement) external;
    /// @notice Stands by the count with a signed Receipt (EIP-712, the book's domain) and a bond of the same size.
    /// @param cum seconds in the Receipt, at least the contested ones
    /// @param asOf in the Receipt
    /// @param root in the Receipt: of the evidence an arbiter will ask for
    /// @param signature by a key of the provider that may report
    function answer(uint96 id, uint32 cum, uint40 asOf, bytes32 root, bytes calldata signature) external;
    /// @notice Decides. ARBITER only.
    /// @param award of what is frozen, to the tenant
    /// @param refund of the provider's stake, to the tenant: its loss that frozen money does not cover
    /// @param burn of the provider's stake, to nobody
    /// @param reasons hash of the written ruling
    function rule(uint96 id, uint64 award, uint64 refund, uint64 burn, bytes32 reasons) external;
    /// @notice Undoes a ruling before it is executed; both bonds go back. ADMIN (the timelock) only.
    function veto(uint96 id) external;
    /// @notice Ends a dispute whose time is over: by silence, by lapse, or by executing the ruling. Anyone may.
    function conclude(uint96 id) external;
    /// @notice Pays a credit to the account it belongs to. Anyone may.
    function withdrawCredit(address account, uint8 token) external returns (uint128 amount);

    /// @notice A dispute.
    function disputeOf(uint96 id) external view returns (Dispute memory);
    /// @notice What each side bonds when rent of `amount` is contested: the greater of the court fee and a tenth, rounded up.
    function bondFor(uint8 token, uint64 amount) external view returns (uint64);
    /// @notice Owed to an account.
    function credits(address account, uint8 token) external view returns (uint128);
    /// @notice Seconds to answer a contest.
    function answerTime() external view returns (uint32);
    /// @notice Seconds to rule after the answer.
    function rulingTime() external view returns (uint32);
    /// @notice Seconds a ruling waits.
    function vetoTime() external view returns (uint32);
    /// @notice The book whose leases are contested here.
    function leaseBook() external view returns (address);
    /// @notice The vault whose stake stands behind them.
    function stakeVault() external view returns (address);
    /// @notice Fees, tokens, and who the court is.
    function params() external view returns (address);
}
