//! What a provider does about contested leases: it answers with a receipt it signed before, and ends disputes in which its own money waits. May not
//! sign a receipt, and does nothing on a view that is not fresh. What it does not do it says on the lease, long before the time to answer is over.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::duty::{Sent, Trust};
use crate::{
    api::{
        condition::Status,
        provider::{AnswerWhen, DisputeDuties},
    },
    core::{
        book::{DisputePhase, Outcome, TokenIndex},
        documents::statement::SignedReceipt,
        ids::LeaseKey,
        money::{MicroUnits, MoneyError},
        time::ChainSeconds,
    },
};

/// What the provider can show for the contested seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptSide {
    /// A receipt under the contested terms that covers them, by a key that may report.
    Covers(SignedReceipt),
    /// None of those kept covers them; this is the most seconds that one does.
    Short(u32),
    /// One covers them, and its signer may not report now.
    SignerMayNot,
    /// The API server did not show what is kept.
    Unknown,
}

/// What the duty wallet has in one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    /// Its tokens.
    pub balance: MicroUnits,
    /// What the court may take of them.
    pub allowance: MicroUnits,
}

/// One dispute about a lease of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// The lease and the contested terms.
    pub key: LeaseKey,
    /// Token of lease and bonds.
    pub token: TokenIndex,
    /// Where it stands at the newest block.
    pub phase: DisputePhase,
    /// Contested seconds: after the first number, up to the second.
    pub seconds: (u32, u32),
    /// What an answer bonds.
    pub bond: MicroUnits,
    /// What the book holds back of our money now.
    pub frozen: MicroUnits,
    /// What the vault holds back of our stake now.
    pub reserved: MicroUnits,
    /// What we can show; looked for while it can be answered.
    pub receipt: ReceiptSide,
    /// Our answer.
    pub answer: Sent,
    /// Our transaction that ends it.
    pub conclude: Sent,
}

/// Everything a pass saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// How far the chain view may be trusted.
    pub trust: Trust,
    /// The newest block's time.
    pub now: ChainSeconds,
    /// Disputes about our leases.
    pub contests: Vec<Contest>,
    /// The duty wallet's tokens, as far as they are known: a token that is not here was not read.
    pub purses: BTreeMap<TokenIndex, Purse>,
    /// What the court owes the duty wallet.
    pub credits: Vec<(TokenIndex, u128)>,
    /// Any approval on its way.
    pub approve: Sent,
    /// Any withdrawal on its way.
    pub withdraw: Sent,
}

/// What the provider's object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether contests are answered.
    pub answer: AnswerWhen,
    /// The largest bond paid for an answer.
    pub max_bond: MicroUnits,
}

impl Policy {
    /// What the object says.
    ///
    /// # Errors
    /// The bond does not read; the schema refuses such an object before.
    pub fn of(duties: &DisputeDuties) -> Result<Self, MoneyError> {
        Ok(Self {
            answer: duties.answer,
            max_bond: duties.max_bond.parse()?,
        })
    }
}

/// One act. The shell runs them in the order given; one that fails stops none of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Let the court take exactly so much, which it may not yet; nothing, where it may take another sum.
    Approve {
        /// In which token.
        token: TokenIndex,
        /// How much.
        amount: MicroUnits,
        /// What it may take now.
        allowed: MicroUnits,
    },
    /// Stand by the count.
    Answer {
        /// About which lease.
        key: LeaseKey,
        /// With which receipt.
        receipt: SignedReceipt,
        /// Tries that failed before.
        attempt: u32,
    },
    /// End a dispute whose time is over.
    Conclude {
        /// About which lease.
        key: LeaseKey,
        /// Tries that failed before.
        attempt: u32,
    },
    /// Have the court pay what it owes the duty wallet.
    Withdraw {
        /// In which token.
        token: TokenIndex,
    },
}

/// What to say on a lease's object: the condition `Disputed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which lease.
    pub key: LeaseKey,
    /// True while the dispute is open.
    pub status: Status,
    /// CamelCase.
    pub reason: &'static str,
    /// Whether a person should do something.
    pub urgency: Urgency,
    /// What it is about and what to do.
    pub message: String,
}

/// Whether a person should do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It goes its way.
    None,
    /// Without a person it is lost.
    Act,
}

/// What to do and say now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Acts in order.
    pub actions: Vec<Action>,
    /// What each lease's object is to say.
    pub findings: Vec<Finding>,
}

/// What is due about all disputes of one provider.
#[must_use]
pub fn plan(seen: &Observed, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    // An old or disputed view moves no money and knows nothing new to say (rule 2).
    if seen.trust != Trust::Fresh {
        return plan;
    }
    let mut contests: Vec<&Contest> = seen.contests.iter().collect();
    contests.sort_by_key(|contest| (contest.phase.due(), contest.key.id));
    // What is planned and under way draws on the same purse.
    let mut left: BTreeMap<TokenIndex, u64> = BTreeMap::new();
    let mut wanted: BTreeMap<TokenIndex, Vec<(&Contest, &SignedReceipt)>> = BTreeMap::new();
    let flying = contests.iter().any(|contest| {
        open_to_answer(contest, seen.now) && matches!(contest.answer, Sent::InFlight | Sent::Done)
    });
    for contest in contests {
        let verdict = judge(contest, seen, policy, &mut left);
        if let Verdict::Answer(receipt) = verdict {
            wanted.entry(contest.token).or_default().push((contest, receipt));
        }
        if concludes(contest, seen.now) && contest.conclude.may_send() {
            plan.actions.push(Action::Conclude {
                key: contest.key,
                attempt: contest.conclude.attempt(),
            });
        }
        plan.findings.push(say(contest, &verdict, policy));
    }
    // While an answer or an approval is on its way the allowance that was read is about to change.
    if !flying && seen.approve != Sent::InFlight {
        for (token, answers) in wanted {
            let allowed = seen
                .purses
                .get(&token)
                .map_or(MicroUnits::ZERO, |purse| purse.allowance);
            let needed = answers
                .iter()
                .fold(0u64, |sum, (contest, _)| sum.saturating_add(contest.bond.0));
            if allowed.0 >= needed {
                plan.actions
                    .extend(answers.into_iter().map(|(contest, receipt)| Action::Answer {
                        key: contest.key,
                        receipt: receipt.clone(),
                        attempt: contest.answer.attempt(),
                    }));
            } else {
                // Some tokens refuse to change an allowance that is not zero.
                let amount = if allowed == MicroUnits::ZERO { needed } else { 0 };
                plan.actions.push(Action::Approve {
                    token,
                    amount: MicroUnits(amount),
                    allowed,
                });
            }
        }
    }
    if seen.withdraw != Sent::InFlight {
        let owed = seen.credits.iter().filter(|(_, open)| *open > 0);
        plan.actions
            .extend(owed.map(|(token, _)| Action::Withdraw { token: *token }));
    }
    plan
}

/// Whether our answer may still come.
#[must_use]
pub fn open_to_answer(contest: &Contest, now: ChainSeconds) -> bool {
    matches!(contest.phase, DisputePhase::Contested { due } if now <= due)
}

/// Whether anyone may end it now and something of ours comes back by that. What would only go to the tenant, the tenant ends.
fn concludes(contest: &Contest, now: ChainSeconds) -> bool {
    if contest.phase.due().is_none_or(|due| now <= due) {
        return false;
    }
    match contest.phase {
        // Silence gives what is frozen to the tenant; the stake behind it is untouched, and free again.
        DisputePhase::Contested { .. } => {
            contest.frozen == MicroUnits::ZERO && contest.reserved > MicroUnits::ZERO
        }
        // Our bond comes back, and all that is held.
        DisputePhase::Answered { .. } => true,
        DisputePhase::Ruled { ruling, .. } => {
            ruling.for_provider()
                || contest.frozen > ruling.award
                || contest.reserved.saturating_sub(ruling.refund) > ruling.burn
        }
        DisputePhase::Ended { .. } => false,
    }
}

/// What becomes of one contest.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict<'a> {
    /// Answer it with this.
    Answer(&'a SignedReceipt),
    /// The answer is on its way.
    Sent,
    /// Not told to.
    Off,
    /// The bond is above the bound.
    TooDear,
    /// The wallet lacks tokens.
    Poor(MicroUnits),
    /// No receipt covers the seconds.
    NoReceipt(u32),
    /// The receipt's signer may not report.
    NoSigner,
    /// It reverted too often.
    Reverted,
    /// What it takes is not known in this pass.
    Unknown,
    /// It is too late.
    Late,
    /// Nothing to answer.
    Beyond,
}

fn judge<'a>(
    contest: &'a Contest,
    seen: &Observed,
    policy: &Policy,
    left: &mut BTreeMap<TokenIndex, u64>,
) -> Verdict<'a> {
    match contest.phase {
        DisputePhase::Contested { due } if seen.now > due => return Verdict::Late,
        DisputePhase::Contested { .. } => {}
        DisputePhase::Answered { .. } | DisputePhase::Ruled { .. } | DisputePhase::Ended { .. } => {
            return Verdict::Beyond;
        }
    }
    match contest.answer {
        Sent::InFlight | Sent::Done => return Verdict::Sent,
        Sent::Failed { .. } if !contest.answer.may_send() => return Verdict::Reverted,
        Sent::Never | Sent::Failed { .. } => {}
    }
    match policy.answer {
        AnswerWhen::Never => return Verdict::Off,
        AnswerWhen::Always => {}
    }
    if contest.bond > policy.max_bond {
        return Verdict::TooDear;
    }
    let receipt = match &contest.receipt {
        ReceiptSide::Covers(receipt) => receipt,
        ReceiptSide::Short(most) => return Verdict::NoReceipt(*most),
        ReceiptSide::SignerMayNot => return Verdict::NoSigner,
        ReceiptSide::Unknown => return Verdict::Unknown,
    };
    let Some(purse) = seen.purses.get(&contest.token) else {
        return Verdict::Unknown;
    };
    let rest = left.entry(contest.token).or_insert(purse.balance.0);
    match rest.checked_sub(contest.bond.0) {
        Some(after) => {
            *rest = after;
            Verdict::Answer(receipt)
        }
        None => Verdict::Poor(MicroUnits(*rest)),
    }
}

fn say(contest: &Contest, verdict: &Verdict<'_>, policy: &Policy) -> Finding {
    let id = contest.key.id;
    let (from, to) = contest.seconds;
    let about = format!(
        "seconds {} to {to} of lease {id} are contested",
        from.saturating_add(1)
    );
    let until = contest.phase.due().map_or_else(String::new, instant);
    let bond = contest.bond;
    let silence = format!(
        "without an answer by {until} the tenant gets {} that is frozen",
        contest.frozen
    );
    let (reason, urgency, message) = match verdict {
        Verdict::Answer(_) | Verdict::Sent => (
            "Answering",
            Urgency::None,
            format!(
                "{about}: they are answered with a signed receipt and a bond of {bond} from the duty wallet"
            ),
        ),
        Verdict::Off => (
            "AnswerOff",
            Urgency::Act,
            format!(
                "{about} and spec.duties.disputes.answer of the ComputeProvider is Never: {silence}; set it to Always to answer"
            ),
        ),
        Verdict::TooDear => (
            "BondAboveBound",
            Urgency::Act,
            format!(
                "{about}: an answer bonds {bond}, spec.duties.disputes.maxBond of the ComputeProvider is {}: {silence}; raise it to answer",
                policy.max_bond
            ),
        ),
        Verdict::Poor(has) => (
            "WalletLacksTokens",
            Urgency::Act,
            format!(
                "{about}: an answer bonds {bond} and the duty wallet has {has} left for it: {silence}; send it tokens of the lease's currency"
            ),
        ),
        Verdict::NoReceipt(most) => (
            "NoReceipt",
            Urgency::Act,
            format!(
                "{about} and no kept receipt under these terms covers {to} s (the most is {most} s): {silence}; the owner can answer with a receipt kept elsewhere"
            ),
        ),
        Verdict::NoSigner => (
            "ReceiptSignerMayNot",
            Urgency::Act,
            format!(
                "{about} and the key that signed the receipt may not report any more: {silence}; give it back its role with leaseport provider key add, which holds after a day"
            ),
        ),
        Verdict::Reverted => (
            "AnswerReverted",
            Urgency::Act,
            format!(
                "{about} and the answer reverted several times: {silence}; look at the ComputeTransactions of kind Answer"
            ),
        ),
        Verdict::Unknown => (
            "NotYetKnown",
            Urgency::None,
            format!("{about}; what an answer takes could not be read yet, it is asked again: {silence}"),
        ),
        Verdict::Late => (
            "NotAnswered",
            Urgency::None,
            format!(
                "{about} and were not answered in time: {} that is frozen goes to the tenant once somebody ends the dispute",
                contest.frozen
            ),
        ),
        Verdict::Beyond => beyond(contest, &about, &until),
    };
    Finding {
        key: contest.key,
        status: contest.phase.due().is_some().into(),
        reason,
        urgency,
        message,
    }
}

/// The dispute after its answer.
fn beyond(contest: &Contest, about: &str, until: &str) -> (&'static str, Urgency, String) {
    match contest.phase {
        DisputePhase::Contested { .. } | DisputePhase::Answered { .. } => (
            "Answered",
            Urgency::None,
            format!("{about} and answered: an arbiter may rule until {until}, else all goes back"),
        ),
        DisputePhase::Ruled { ruling, .. } if ruling.for_provider() => (
            "RuledForProvider",
            Urgency::None,
            format!("{about}: ruled for the provider, which may be vetoed until {until}"),
        ),
        DisputePhase::Ruled { ruling, .. } => (
            "RuledForTenant",
            Urgency::None,
            format!(
                "{about}: ruled for the tenant, {} of what is frozen and {} of the stake to it, {} of the stake burned, which may be vetoed until {until}",
                ruling.award, ruling.refund, ruling.burn
            ),
        ),
        DisputePhase::Ended { outcome, ruling, .. } => {
            let (reason, how) = match outcome {
                Outcome::Silence => ("LostBySilence", "it was not answered"),
                Outcome::Lapsed => ("Lapsed", "nobody ruled"),
                Outcome::Vetoed => ("Vetoed", "the ruling was vetoed"),
                Outcome::Tenant => ("Lost", "it was ruled for the tenant"),
                Outcome::Provider => ("Won", "it was ruled for the provider"),
            };
            (
                reason,
                Urgency::None,
                format!(
                    "the dispute is over, {how}: the tenant got {} of what was frozen and {} of the stake, {} was burned",
                    ruling.award, ruling.refund, ruling.burn
                ),
            )
        }
    }
}

/// An instant as people and machines read it.
fn instant(at: ChainSeconds) -> String {
    i64::try_from(at.0)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .map_or_else(|| at.0.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests;
