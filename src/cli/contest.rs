//! `leaseport contest`: a tenant says that seconds it paid for were not delivered. What it bonds, what it can lose and what can be held back is
//! said before anything is sent; that plan is pure.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, keccak256};
use clap::Args;
use serde::Serialize;

use super::{
    dispute::{court_of, phase_word},
    output::{answer, consent, pairs, progress, relative},
    tenant::{TenantArgs, TenantError, Transaction, chain_now, find_lease, read_text, unix_now},
    value,
};
use crate::{
    api::duration::format_seconds,
    chain_io::{
        court::{Stakes, stakes},
        purse,
        signer::WalletSigner,
    },
    core::{
        book::{Book, CloseKind, Ending, LeaseState, StoredPhase},
        documents::calls,
        ids::LeaseId,
        money::MicroUnits,
        time::ChainSeconds,
    },
};

/// Contest seconds that a lease has paid for.
#[derive(Debug, Clone, Args)]
pub struct ContestArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Contest seconds after this one; 0 begins with the first.
    #[arg(long, value_name = "SECONDS", value_parser = value::number::<u32>, required_unless_present = "all")]
    pub from_cum: Option<u32>,
    /// Contest seconds up to this one, at most those that are settled.
    #[arg(long, value_name = "SECONDS", value_parser = value::number::<u32>, required_unless_present = "all")]
    pub to_cum: Option<u32>,
    /// Contest every second that is settled.
    #[arg(long, conflicts_with_all = ["from_cum", "to_cum"])]
    pub all: bool,
    /// What was wrong, in words, for the arbiter; its keccak-256 goes on chain, the file itself you hand over. - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub statement: PathBuf,
    /// Show the plan, send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before the bond is paid.
    #[arg(long, short)]
    pub yes: bool,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer, and with a dry run the plan.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contested {
    /// Which lease.
    pub lease_id: LeaseId,
    /// False after a dry run.
    pub sent: bool,
    /// Contested seconds: after the first number, up to the second.
    pub seconds: (u32, u32),
    /// In which token.
    pub currency: String,
    /// Rent of the contested seconds: the most that can come back.
    pub rent: MicroUnits,
    /// What is bonded.
    pub bond: MicroUnits,
    /// What the loser's bond pays to the protocol.
    pub court_fee: MicroUnits,
    /// What can be frozen of the provider's earnings, or was.
    pub frozen: MicroUnits,
    /// What can be reserved of the provider's stake, or was.
    pub reserved: MicroUnits,
    /// keccak-256 of the statement.
    pub statement: B256,
    /// Unix seconds until which the provider may answer; before it is sent, as if it were mined now.
    pub answer_by: u64,
    /// What was sent.
    pub transactions: Vec<Transaction>,
}

/// Which seconds are contested.
///
/// # Errors
/// There are none, or more than are settled.
pub fn seconds(args: (Option<u32>, Option<u32>), settled: u32) -> Result<(u32, u32), String> {
    let (from, to) = (args.0.unwrap_or(0), args.1.unwrap_or(settled));
    if settled == 0 {
        return Err("no second of the lease is settled yet: there is nothing paid to contest; look again after the next settlement".to_owned());
    }
    if to > settled {
        return Err(format!(
            "--to-cum {to}: only {settled} s are settled, later ones can be contested once they are: use --to-cum {settled} or --all"
        ));
    }
    if from >= to {
        return Err(format!(
            "--from-cum {from}: contested are the seconds after it up to --to-cum, which is {to}: use a smaller one"
        ));
    }
    Ok((from, to))
}

/// Whether this lease can be contested by this key now.
///
/// # Errors
/// Why not, and what to do.
pub fn may_contest(book: &Book, lease: &LeaseState, key: Address, now: ChainSeconds) -> Result<(), String> {
    let id = lease.key.id;
    if ![lease.terms.tenant, lease.terms.agent].contains(&key) {
        return Err(format!(
            "--key-file: {key} is neither tenant ({}) nor agent of lease {id}",
            lease.terms.tenant
        ));
    }
    if let Some(dispute) = book.disputes().get(id) {
        return Err(format!(
            "lease {id} was contested before ({}): a lease can be contested once; `leaseport dispute get {id}` shows how it stands",
            phase_word(&dispute.phase)
        ));
    }
    match (&lease.ending, lease.stored) {
        (None, StoredPhase::Live) => Ok(()),
        (None, StoredPhase::Pending | StoredPhase::Closed) => Err(format!(
            "lease {id} never started: nothing was paid, so there is nothing to contest"
        )),
        (Some(Ending::NeverStarted { .. }), _) => Err(format!(
            "lease {id} never started: nothing was paid, so there is nothing to contest"
        )),
        (Some(Ending::Ran { kind, at, .. }), _) => match kind {
            CloseKind::Agreed => Err(format!(
                "lease {id} was closed by agreement: you signed its seconds, they cannot be contested"
            )),
            CloseKind::Finalized => {
                let until = at.time.0.saturating_add(u64::from(book.windows().vest_epoch));
                if now.0 < until {
                    Ok(())
                } else {
                    Err(format!(
                        "lease {id} could be contested until Unix {until}, {}: it is too late",
                        relative(until, now.0)
                    ))
                }
            }
        },
    }
}

/// What is at stake: at most what is unvested and at most the rent; of the stake at most the liability and what is neither locked nor reserved.
#[must_use]
pub fn at_stake(
    book: &Book,
    lease: &LeaseState,
    rent: MicroUnits,
    unvested: MicroUnits,
) -> (MicroUnits, MicroUnits) {
    let free = book
        .provider(lease.key.id.provider)
        .and_then(|provider| provider.stake.get(&lease.terms.token))
        .map_or(MicroUnits::ZERO, |stake| {
            stake
                .amount
                .saturating_sub(stake.locked)
                .saturating_sub(stake.reserved)
        });
    (rent.min(unvested), MicroUnits(lease.terms.liability).min(free))
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &ContestArgs) -> Result<(), TenantError> {
    let statement = keccak256(read_text(&args.statement)?.as_bytes());
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let court = court_of(&market)?;
    let mut following = market.follow();
    let view = following.view().await?;
    let book = &view.head.book;
    let lease = find_lease(book, args.lease)?;
    may_contest(book, lease, key.address(), chain_now(&view)).map_err(TenantError::Refused)?;
    let (from, to) = seconds((args.from_cum, args.to_cum), lease.settled).map_err(TenantError::Usage)?;
    let rent = lease
        .rate
        .owed_down(to)
        .saturating_sub(lease.rate.owed_down(from));
    let contracts = &market.contracts;
    let token = lease.terms.token;
    let stakes: Stakes = stakes(
        &market.endpoints,
        (court, contracts.params.address, contracts.lease_book.address),
        args.lease.provider,
        token,
        rent,
    )
    .await?;
    let (frozen, reserved) = at_stake(book, lease, rent, stakes.unvested);
    let mut contested = Contested {
        lease_id: args.lease,
        sent: false,
        seconds: (from, to),
        currency: market.currency(token),
        rent,
        bond: stakes.bond,
        court_fee: stakes.fee,
        frozen,
        reserved,
        statement,
        answer_by: chain_now(&view).0.saturating_add(u64::from(stakes.answer_time)),
        transactions: Vec::new(),
    };
    if args.dry_run {
        return answer(args.tenant.output, &contested, told);
    }
    if frozen == MicroUnits::ZERO && reserved == MicroUnits::ZERO {
        return Err(TenantError::Refused(format!(
            "nothing of lease {} is at stake: its provider has no unvested earnings and no stake stands behind it, so a contest could bring nothing",
            args.lease
        )));
    }
    progress(plan_text(&contested, unix_now()));
    if !args.yes {
        consent(&format!("Bond {} {}?", contested.bond, contested.currency))?;
    }
    let listed = market.token(token).ok_or_else(|| {
        TenantError::Refused(format!(
            "token {token} is not listed in this market: check --directory"
        ))
    })?;
    let has = purse::tokens(
        &market.endpoints,
        listed.asset,
        listed.scale,
        key.address(),
        court,
    )
    .await?;
    if has.balance < contested.bond {
        return Err(TenantError::Refused(format!(
            "{} has {} {}, the bond is {}: send it the rest, or contest fewer seconds",
            key.address(),
            has.balance,
            contested.currency,
            contested.bond
        )));
    }
    let sender = market.sender(&key)?;
    if has.allowance < contested.bond {
        let units = U256::from(contested.bond.0).saturating_mul(U256::from(listed.scale));
        let what = format!("approve {} {}", contested.bond, contested.currency);
        let sent = sender
            .send(&what, listed.asset, calls::approve(court, units))
            .await?;
        progress(Transaction::from(&sent).line());
        contested.transactions.push((&sent).into());
    }
    let call = calls::contest(&lease.terms, from, to, contested.bond, statement);
    let sent = sender.send("contest the lease", court, call).await?;
    contested.sent = true;
    contested.transactions.push((&sent).into());
    let view = following.until(sent.mined.block_number).await?;
    if let Some(dispute) = view.head.book.disputes().get(args.lease) {
        contested.frozen = dispute.frozen;
        contested.reserved = dispute.reserved;
        contested.answer_by = dispute.phase.due().map_or(contested.answer_by, |due| due.0);
    }
    answer(args.tenant.output, &contested, told)
}

/// What is about to happen, for people.
fn plan_text(contested: &Contested, now: u64) -> String {
    let money = |amount: MicroUnits| format!("{amount} {}", contested.currency);
    let (from, to) = contested.seconds;
    let held = if contested.sent { "" } else { "at most " };
    pairs(&[
        ("lease", contested.lease_id.to_string()),
        (
            "contested",
            format!(
                "seconds {} to {to}, {}",
                from.saturating_add(1),
                money(contested.rent)
            ),
        ),
        (
            "bond",
            format!(
                "{}, lost to the provider if it is ruled against you",
                money(contested.bond)
            ),
        ),
        (
            "court fee",
            format!("{}, out of the loser's bond", money(contested.court_fee)),
        ),
        (
            "frozen",
            format!("{held}{} of the provider's earnings", money(contested.frozen)),
        ),
        (
            "reserved",
            format!("{held}{} of the provider's stake", money(contested.reserved)),
        ),
        (
            "answer",
            format!(
                "the provider's time ends {}; without an answer the frozen money is yours",
                relative(contested.answer_by, now)
            ),
        ),
        ("statement", contested.statement.to_string()),
    ])
}

fn told(contested: &Contested) -> String {
    let now = unix_now();
    let mut text = plan_text(contested, now);
    for transaction in &contested.transactions {
        text.push_str(&format!("{}\n", transaction.line()));
    }
    if contested.sent {
        text.push_str(&format!(
            "\nKeep the statement: an arbiter compares it with its hash. Next: leaseport dispute get {0}\nIf nobody answers in {1}: leaseport dispute expire {0}\n",
            contested.lease_id,
            format_seconds(contested.answer_by.saturating_sub(now))
        ));
    } else {
        text.push_str("nothing was sent: dry run\n");
    }
    text
}

#[cfg(test)]
mod tests;
