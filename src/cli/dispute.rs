//! `leaseport dispute`: how contested leases stand, and what a tenant, an arbiter or anybody does about them next. Who is to move is pure.

mod act;

use alloy::primitives::{Address, B256};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    output::{answer, pairs, relative, table},
    tenant::{Market, TenantArgs, TenantError, chain_now, unix_now},
};
use crate::{
    chain_io::signer::WalletSigner,
    core::{
        book::{Book, DisputePhase, DisputeState, Outcome, Ruling},
        ids::LeaseId,
        money::MicroUnits,
        time::ChainSeconds,
        view::ChainView,
    },
};

/// See how contested leases stand, and end disputes.
#[derive(Debug, Clone, Args)]
pub struct DisputeArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: DisputeVerb,
}

/// What to do about disputes.
#[derive(Debug, Clone, Subcommand)]
pub enum DisputeVerb {
    /// Show one: its phase, until when, and who does what next.
    Get(OneArgs),
    /// List disputes that are not over.
    #[command(alias = "list")]
    Ls(LsArgs),
    /// End one that was not answered or not ruled in time (anyone may), and fetch what the court owes this key.
    Expire(OneArgs),
    /// Carry a ruling out after the time for a veto (anyone may), and fetch what the court owes this key.
    Execute(OneArgs),
    /// Decide one that was answered; for the market's arbiter.
    Rule(act::RuleArgs),
    /// Undo a ruling before it is carried out: by whoever may, or through the timelock by whoever may propose there.
    Veto(OneArgs),
}

/// Which dispute.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// The contested lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Which disputes.
#[derive(Debug, Clone, Args)]
pub struct LsArgs {
    /// Ended ones too.
    #[arg(long, short)]
    pub all: bool,
    /// Of leases of this tenant; the key file's address when left out, everybody's without a key file.
    #[arg(long, value_name = "ADDRESS")]
    pub of: Option<Address>,
    /// Which market.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// A dispute as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisputeRow {
    /// Which lease.
    pub lease_id: LeaseId,
    /// `Contested`, `Answered`, `Ruled` or `Ended`.
    pub phase: &'static str,
    /// Unix seconds until which the next act may come; none once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Who does what next.
    pub next: String,
    /// Who contested.
    pub contester: Address,
    /// Contested seconds: after the first number, up to the second.
    pub seconds: (u32, u32),
    /// In which token.
    pub currency: String,
    /// Rent of the contested seconds.
    pub rent: MicroUnits,
    /// Of each side.
    pub bond: MicroUnits,
    /// Frozen of the provider's earnings now.
    pub frozen: MicroUnits,
    /// Reserved of the provider's stake now.
    pub reserved: MicroUnits,
    /// Seconds in the provider's receipt, once it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_seconds: Option<u32>,
    /// Root of the evidence behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_root: Option<B256>,
    /// What was ruled, or what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruling: Option<RulingRow>,
    /// How it ended: `Silence`, `Lapsed`, `Vetoed`, `Tenant` or `Provider`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Hash of what the tenant says.
    pub statement: B256,
    /// Hash of the written ruling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<B256>,
}

/// A ruling as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RulingRow {
    /// Of what is frozen, to the tenant.
    pub award: MicroUnits,
    /// Of the stake, to the tenant.
    pub refund: MicroUnits,
    /// Of the stake, to nobody.
    pub burn: MicroUnits,
}

impl From<&Ruling> for RulingRow {
    fn from(ruling: &Ruling) -> Self {
        Self {
            award: ruling.award,
            refund: ruling.refund,
            burn: ruling.burn,
        }
    }
}

/// The word for a phase.
#[must_use]
pub const fn phase_word(phase: &DisputePhase) -> &'static str {
    match phase {
        DisputePhase::Contested { .. } => "Contested",
        DisputePhase::Answered { .. } => "Answered",
        DisputePhase::Ruled { .. } => "Ruled",
        DisputePhase::Ended { .. } => "Ended",
    }
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Silence => "Silence",
        Outcome::Lapsed => "Lapsed",
        Outcome::Vetoed => "Vetoed",
        Outcome::Tenant => "Tenant",
        Outcome::Provider => "Provider",
    }
}

/// Who does what next, at a chain time.
#[must_use]
pub fn next(dispute: &DisputeState, now: ChainSeconds) -> String {
    let id = dispute.key.id;
    let over = dispute.phase.due().is_some_and(|due| now > due);
    match (&dispute.phase, over) {
        (DisputePhase::Contested { .. }, false) => {
            "the provider answers with a signed receipt and the same bond, or is silent".to_owned()
        }
        (DisputePhase::Contested { .. }, true) => {
            format!(
                "nobody answered: anyone ends it, and what is frozen goes to the tenant: leaseport dispute expire {id}"
            )
        }
        (DisputePhase::Answered { .. }, false) => {
            format!("the arbiter rules: leaseport dispute rule {id} --for tenant|provider --reasons FILE")
        }
        (DisputePhase::Answered { .. }, true) => {
            format!("nobody ruled: anyone ends it, and all goes back: leaseport dispute expire {id}")
        }
        (DisputePhase::Ruled { .. }, false) => {
            format!("the council may veto, else it is carried out after that: leaseport dispute execute {id}")
        }
        (DisputePhase::Ruled { .. }, true) => {
            format!("anyone carries it out: leaseport dispute execute {id}")
        }
        (DisputePhase::Ended { .. }, _) => "nothing: it is over".to_owned(),
    }
}

/// A dispute at a chain time.
#[must_use]
pub fn dispute_row(book: &Book, dispute: &DisputeState, now: ChainSeconds, currency: String) -> DisputeRow {
    let held = book.disputes();
    let id = dispute.key.id;
    let (ruling, outcome) = match &dispute.phase {
        DisputePhase::Contested { .. } | DisputePhase::Answered { .. } => (None, None),
        DisputePhase::Ruled { ruling, .. } => (Some(ruling.into()), None),
        DisputePhase::Ended { outcome, ruling, .. } => (Some(ruling.into()), Some(outcome_word(*outcome))),
    };
    DisputeRow {
        lease_id: id,
        phase: phase_word(&dispute.phase),
        due: dispute.phase.due().map(|due| due.0),
        next: next(dispute, now),
        contester: dispute.contester,
        seconds: (dispute.from_cum, dispute.to_cum),
        currency,
        rent: dispute.amount,
        bond: dispute.bond,
        frozen: held.freeze(id).map_or(MicroUnits::ZERO, |freeze| freeze.amount),
        reserved: held
            .reserve(id)
            .map_or(MicroUnits::ZERO, |reserve| reserve.amount),
        answered_seconds: dispute.answer.map(|answer| answer.cum),
        evidence_root: dispute.answer.map(|answer| answer.root),
        ruling,
        outcome,
        statement: dispute.statement,
        reasons: dispute.reasons,
    }
}

/// The market's court.
///
/// # Errors
/// It has none.
pub fn court_of(market: &Market) -> Result<Address, TenantError> {
    market.contracts.court.map(|court| court.address).ok_or_else(|| {
        TenantError::Refused(
            "this market's Directory names no DisputeCourt: its leases cannot be contested".to_owned(),
        )
    })
}

/// The dispute about a lease.
///
/// # Errors
/// There is none.
pub fn find_dispute(book: &Book, id: LeaseId) -> Result<&DisputeState, TenantError> {
    book.disputes().get(id).map(AsRef::as_ref).ok_or_else(|| {
        TenantError::Refused(format!(
            "lease {id} was never contested; its tenant does that with `leaseport contest {id}`, `leaseport dispute ls` shows what was"
        ))
    })
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &DisputeArgs) -> Result<(), TenantError> {
    match &args.verb {
        DisputeVerb::Get(args) => get(args).await,
        DisputeVerb::Ls(args) => ls(args).await,
        DisputeVerb::Expire(args) => act::conclude(args, act::End::Expire).await,
        DisputeVerb::Execute(args) => act::conclude(args, act::End::Execute).await,
        DisputeVerb::Rule(args) => act::rule(args).await,
        DisputeVerb::Veto(args) => act::veto(args).await,
    }
}

fn row(market: &Market, view: &ChainView, dispute: &DisputeState) -> DisputeRow {
    dispute_row(
        &view.head.book,
        dispute,
        chain_now(view),
        market.currency(dispute.token),
    )
}

async fn get(args: &OneArgs) -> Result<(), TenantError> {
    let market = args.tenant.market().await?;
    court_of(&market)?;
    let view = market.follow().view().await?;
    let found = row(&market, &view, find_dispute(&view.head.book, args.lease)?);
    answer(args.tenant.output, &found, told)
}

async fn ls(args: &LsArgs) -> Result<(), TenantError> {
    let of = match (args.of, &args.tenant.key_file) {
        (Some(address), _) => Some(address),
        (None, Some(_)) => Some(args.tenant.key()?.address()),
        (None, None) => None,
    };
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let book = &view.head.book;
    let tenant = |dispute: &DisputeState| {
        book.lease_by_id(dispute.key.id)
            .map_or(dispute.contester, |found| found.lease.tenant())
    };
    let rows: Vec<DisputeRow> = book
        .disputes()
        .iter()
        .filter(|dispute| of.is_none_or(|of| tenant(dispute) == of || dispute.contester == of))
        .filter(|dispute| args.all || dispute.is_open())
        .map(|dispute| row(&market, &view, dispute))
        .collect();
    answer(args.tenant.output, &rows, |rows| {
        if rows.is_empty() {
            let more = if args.all {
                ""
            } else {
                " that is not over (all: --all)"
            };
            return format!("no dispute{more}\n");
        }
        let now = unix_now();
        let lines = rows.iter().map(|row| {
            vec![
                row.lease_id.to_string(),
                row.phase.to_owned(),
                row.due.map_or_else(String::new, |due| relative(due, now)),
                format!("{} {}", row.rent, row.currency),
                row.bond.to_string(),
                row.frozen.to_string(),
                row.next.clone(),
            ]
        });
        table(
            &["LEASE", "PHASE", "DUE", "RENT", "BOND", "FROZEN", "NEXT"],
            lines.collect(),
        )
    })
}

/// One dispute for people.
fn told(row: &DisputeRow) -> String {
    let money = |amount: MicroUnits| format!("{amount} {}", row.currency);
    let (from, to) = row.seconds;
    pairs(&[
        ("lease", row.lease_id.to_string()),
        ("phase", row.phase.to_owned()),
        (
            "due",
            row.due.map_or_else(String::new, |due| relative(due, unix_now())),
        ),
        ("next", row.next.clone()),
        ("contester", row.contester.to_string()),
        (
            "contested",
            format!("seconds {} to {to}, {}", from.saturating_add(1), money(row.rent)),
        ),
        ("bond", format!("{} of each side", money(row.bond))),
        ("frozen", money(row.frozen)),
        ("reserved", money(row.reserved)),
        (
            "answer",
            row.answered_seconds
                .map_or_else(String::new, |cum| format!("a receipt over {cum} s")),
        ),
        (
            "evidence",
            row.evidence_root
                .map_or_else(String::new, |root| root.to_string()),
        ),
        (
            "ruling",
            row.ruling.map_or_else(String::new, |ruling| {
                format!(
                    "{} of the frozen and {} of the stake to the tenant, {} burned",
                    ruling.award, ruling.refund, ruling.burn
                )
            }),
        ),
        ("outcome", row.outcome.unwrap_or_default().to_owned()),
        ("statement", row.statement.to_string()),
        (
            "reasons",
            row.reasons.map_or_else(String::new, |hash| hash.to_string()),
        ),
    ])
}

#[cfg(test)]
mod tests;
