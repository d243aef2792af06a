//! Why the book refuses an act. The contract says the same with the values, each in an error of its own; here the kinds are enough to tell a
//! caller what to change.

use thiserror::Error;

/// Why nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Refusal {
    /// The caller is not the tenant and not its agent.
    #[error("the caller is neither tenant nor agent: call as one of them")]
    NotTenant,
    /// A member of the order is outside its bounds.
    #[error("the order is outside the bounds of postOrder: see ILeaseBook")]
    OrderBounds,
    /// The same order was posted before.
    #[error("the order was posted before: change its salt")]
    OrderKnown,
    /// The order is not open, or no longer.
    #[error("the order is not open: post another")]
    OrderNotOpen,
    /// Only the tenant cancels before expiry.
    #[error("the order has not expired: only its tenant cancels it before")]
    OrderNotExpired,
    /// Posting or opening is paused, or the token takes no new orders.
    #[error("posting or opening is closed: wait for the end of the pause, or take another token")]
    Closed,
    /// The bid does not fit the order, or its signature names nobody who may bid.
    #[error("the bid does not fit the order or is not signed by a key that may bid: ask for another bid")]
    Bid,
    /// The deposit does not cover the holdback and the shortest duration.
    #[error("the deposit does not cover holdback and minDuration: post with a larger one")]
    DepositTooSmall,
    /// The lane is taken or rests.
    #[error("the lane is taken or rests: take another")]
    LaneBusy,
    /// The generation is not the lane's next.
    #[error("the generation is not the lane's next: read the lane again")]
    Generation,
    /// The provider's stake that is not locked is less than the bond.
    #[error("too little free stake: deposit more or name a lower bond")]
    Stake,
    /// Not the terms of the lane's last lease.
    #[error("these are not the terms of the lane's last lease: read them from LeaseOpened")]
    Terms,
    /// The lease is not pending.
    #[error("the lease is not pending")]
    NotPending,
    /// The lease is not live.
    #[error("the lease is not live")]
    NotLive,
    /// The lease has reached its end.
    #[error("the lease has stopped")]
    Stopped,
    /// Too early.
    #[error("too early: wait for the time the contract names")]
    Early,
    /// Too late.
    #[error("too late")]
    Late,
    /// The caller has no key for it.
    #[error("the caller has no key of the provider that may do this: add one, and wait a day")]
    NotAllowed,
    /// The base is below the lane or leaves no room for the lease.
    #[error("the base is below the lane's value, or the lane could not count the lease: see start")]
    Base,
    /// A guard bit is set, no words were given, or they lie beyond the last lane.
    #[error("the report's words are none, or not words: see report")]
    Words,
    /// A lane would rise too far.
    #[error("a lane would rise by 2^17 seconds or more: report in steps")]
    JumpTooFar,
    /// The amount is below the least, or above the most that fits.
    #[error("the amount is out of bounds: see the function")]
    Amount,
    /// A waiver below what is settled, or of nothing.
    #[error("a waiver is between what is settled and what is counted")]
    Waive,
    /// The money lasts, or less than the grace is unpaid.
    #[error("less than the grace is unpaid")]
    GraceNotReached,
    /// The agreed count is below what is settled or beyond the time that passed.
    #[error("the agreed count is below what is settled or beyond the time that passed")]
    Cum,
    /// A signature is of nobody who may sign.
    #[error("a signature is missing, late, or of nobody who may sign")]
    Signature,
    /// Whoever should pay gave no allowance, and no permit that counts.
    #[error(
        "whoever should pay gave no allowance and no permit that counts: approve the contract, or sign again"
    )]
    Allowance,
    /// The order is no dutch order.
    #[error("only a dutch order can be filled: bid for it")]
    Form,
    /// The Merkle proof does not lead from the party to the root.
    #[error("the order or the offer is not for this party, or the proof is wrong")]
    Proof,
    /// The offer does not fit the order, has ended, or the part is none or taken.
    #[error("the offer does not fit the order, has ended, or the part is taken: take another")]
    Offer,
    /// An amendment changes what none may, or is outside a bound.
    #[error("an amendment keeps id, parties, token, fee and bond, and stays in the bounds of an order")]
    Amendment,
    /// These terms were in force before.
    #[error("terms that an amendment replaced never return: change another member too")]
    Retired,
    /// The money does not cover what is owed and the new holdback.
    #[error("the lease holds too little for what it owes and the new holdback: top it up")]
    Funds,
    /// The caller is not the court, the slasher, the arbiter or the timelock.
    #[error("the caller has no such office")]
    Office,
    /// Something is held back for the lease already.
    #[error("something is held back for this lease already")]
    Held,
    /// A dispute is not in the phase that the act needs, or the lease was contested before.
    #[error("the dispute is not where this can be done: read disputeOf")]
    Dispute,
    /// There is nothing to pay out.
    #[error("there is nothing to pay out")]
    Nothing,
    /// The caller does not own the provider.
    #[error("the caller does not own the provider")]
    NotOwner,
    /// No such provider.
    #[error("no such provider")]
    NoProvider,
    /// A key that is zero, without roles, known already, or unknown.
    #[error("the key is zero, has no role or an unknown one, is there already, or is not there")]
    Key,
    /// The zero address, or the book's own.
    #[error("money cannot go to the zero address or to the book itself")]
    Address,
}
