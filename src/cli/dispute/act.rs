//! What is sent about a dispute that is there already: its end, a ruling, a veto. Each looks first whether the contract would take it now.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, keccak256};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    super::{
        output::{answer, progress, relative},
        tenant::{Following, Market, TenantArgs, TenantError, Transaction, chain_now, read_text},
    },
    DisputeRow, OneArgs, court_of, dispute_row, find_dispute, phase_word, told,
};
use crate::{
    act::journal::JournaledKey,
    chain_io::{
        court::{self, May, Scheduled},
        purse::vault_credit,
        signer::WalletSigner,
    },
    core::{
        book::{Book, DisputePhase, DisputeState, Ruling},
        documents::calls,
        ids::LeaseId,
        money::MicroUnits,
        time::ChainSeconds,
        view::ChainView,
    },
};

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Of one that was not answered or not ruled.
    Expire,
    /// Of one that was ruled.
    Execute,
}

/// Whom a ruling is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// The seconds were delivered: nothing is taken.
    Provider,
    /// They were not: what is frozen up to their rent, the rest of it out of reserved stake.
    Tenant,
}

/// Decide a dispute.
#[derive(Debug, Clone, Args)]
pub struct RuleArgs {
    /// The contested lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Whom it is for.
    #[arg(long = "for", value_name = "SIDE")]
    pub side: For,
    /// The written ruling; its keccak-256 goes on chain, the file itself you publish. - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub reasons: PathBuf,
    /// Of what is frozen, to the tenant; as much as the rent and the freeze allow when left out.
    #[arg(long, value_name = "AMOUNT", value_parser = super::super::chain::amount)]
    pub award: Option<MicroUnits>,
    /// Of the reserved stake, to the tenant; what the award leaves of the rent, as far as it reaches, when left out.
    #[arg(long, value_name = "AMOUNT", value_parser = super::super::chain::amount)]
    pub refund: Option<MicroUnits>,
    /// Of the reserved stake, to nobody; nothing when left out.
    #[arg(long, value_name = "AMOUNT", value_parser = super::super::chain::amount)]
    pub burn: Option<MicroUnits>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer: the dispute as it stands now, and what was sent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Acted {
    #[serde(flatten)]
    row: DisputeRow,
    /// What the court and the vault paid to this key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paid: Vec<MicroUnits>,
    transactions: Vec<Transaction>,
}

/// Whether a dispute can be ended this way now.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn may_end(dispute: &DisputeState, end: End, now: ChainSeconds) -> Result<(), String> {
    let id = dispute.key.id;
    let (wanted, due) = match (&dispute.phase, end) {
        (DisputePhase::Contested { due } | DisputePhase::Answered { due }, End::Expire)
        | (DisputePhase::Ruled { due, .. }, End::Execute) => (true, *due),
        (DisputePhase::Contested { due } | DisputePhase::Answered { due }, End::Execute)
        | (DisputePhase::Ruled { due, .. }, End::Expire) => (false, *due),
        (DisputePhase::Ended { .. }, _) => {
            return Err(format!(
                "the dispute about lease {id} is over: `leaseport dispute get {id}` shows how it ended"
            ));
        }
    };
    if !wanted {
        let verb = match end {
            End::Expire => "it was ruled: `leaseport dispute execute`",
            End::Execute => "it was not ruled: `leaseport dispute expire`",
        };
        return Err(format!(
            "the dispute about lease {id} is {}, {verb} ends it",
            phase_word(&dispute.phase)
        ));
    }
    if now <= due {
        return Err(format!(
            "the dispute about lease {id} is {} and the other side's time ends {} (Unix {}): run it again after that",
            phase_word(&dispute.phase),
            relative(due.0, now.0),
            due.0
        ));
    }
    Ok(())
}

/// Ends a dispute, then fetches what is owed to this key. One that is over already, of which something is still owed, is only paid out.
pub(super) async fn conclude(args: &OneArgs, end: End) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let court = court_of(&market)?;
    let mut following = market.follow();
    let view = following.view().await?;
    let dispute = find_dispute(&view.head.book, args.lease)?;
    let token = dispute.token;
    let over = !dispute.is_open();
    let owed_now = view.head.book.disputes().credit(key.address(), token).open();
    if !over || owed_now == 0 {
        may_end(dispute, end, chain_now(&view)).map_err(TenantError::Refused)?;
    }
    let sender = market.sender(&key)?;
    let mut transactions = Vec::new();
    let view = if over {
        view
    } else {
        let what = match end {
            End::Expire => "end the dispute",
            End::Execute => "execute the ruling",
        };
        send(
            &sender,
            &mut following,
            &mut transactions,
            what,
            court,
            calls::conclude(args.lease),
        )
        .await?
    };
    let (paid, view) = fetch(
        &market,
        &sender,
        &mut following,
        view,
        &mut transactions,
        key.address(),
        token,
    )
    .await?;
    shown(args, &market, &view, paid, transactions)
}

async fn send(
    sender: &JournaledKey,
    following: &mut Following,
    transactions: &mut Vec<Transaction>,
    what: &str,
    to: Address,
    call: alloy::primitives::Bytes,
) -> Result<std::sync::Arc<ChainView>, TenantError> {
    let sent = sender.send(what, to, call).await?;
    progress(Transaction::from(&sent).line());
    transactions.push((&sent).into());
    following.until(sent.mined.block_number).await
}

/// Bonds come back from the court, what was slashed for a tenant from the vault; both keep it until somebody has it paid.
async fn fetch(
    market: &Market,
    sender: &JournaledKey,
    following: &mut Following,
    mut view: std::sync::Arc<ChainView>,
    transactions: &mut Vec<Transaction>,
    account: Address,
    token: u8,
) -> Result<(Vec<MicroUnits>, std::sync::Arc<ChainView>), TenantError> {
    let court = court_of(market)?;
    let vault = market.contracts.stake_vault.address;
    let of_court = view.head.book.disputes().credit(account, token).open();
    let of_vault = vault_credit(&market.endpoints, vault, account, token).await?;
    let mut paid = Vec::new();
    for (what, from, amount) in [
        ("withdraw from the court", court, of_court),
        ("withdraw from the stake", vault, of_vault),
    ] {
        if amount > 0 {
            let call = calls::withdraw_credit(account, token);
            view = send(sender, following, transactions, what, from, call).await?;
            paid.push(MicroUnits(u64::try_from(amount).unwrap_or(u64::MAX)));
        }
    }
    Ok((paid, view))
}

fn shown(
    args: &OneArgs,
    market: &Market,
    view: &ChainView,
    paid: Vec<MicroUnits>,
    transactions: Vec<Transaction>,
) -> Result<(), TenantError> {
    let dispute = find_dispute(&view.head.book, args.lease)?;
    let row = dispute_row(
        &view.head.book,
        dispute,
        chain_now(view),
        market.currency(dispute.token),
    );
    let acted = Acted {
        row,
        paid,
        transactions,
    };
    answer(args.tenant.output, &acted, |acted| {
        let mut text = told(&acted.row);
        for amount in &acted.paid {
            text.push_str(&format!("paid to this key: {amount} {}\n", acted.row.currency));
        }
        for transaction in &acted.transactions {
            text.push_str(&format!("{}\n", transaction.line()));
        }
        text
    })
}

/// The ruling that the flags say, within what is held.
///
/// # Errors
/// More than is held or contested.
pub(super) fn ruling(args: &RuleArgs, book: &Book, dispute: &DisputeState) -> Result<Ruling, String> {
    let id = dispute.key.id;
    let held = book.disputes();
    let frozen = held.freeze(id).map_or(MicroUnits::ZERO, |freeze| freeze.amount);
    let reserved = held
        .reserve(id)
        .map_or(MicroUnits::ZERO, |reserve| reserve.amount);
    let given = [args.award, args.refund, args.burn];
    match args.side {
        For::Provider if given.iter().any(Option::is_some) => {
            return Err(
                "--for provider takes nothing: leave --award, --refund and --burn out, or rule --for tenant"
                    .to_owned(),
            );
        }
        For::Provider => {
            return Ok(Ruling {
                award: MicroUnits::ZERO,
                refund: MicroUnits::ZERO,
                burn: MicroUnits::ZERO,
            });
        }
        For::Tenant => {}
    }
    let award = args.award.unwrap_or_else(|| frozen.min(dispute.amount));
    let burn = args.burn.unwrap_or(MicroUnits::ZERO);
    let refund = args.refund.unwrap_or_else(|| {
        dispute
            .amount
            .saturating_sub(award)
            .min(reserved.saturating_sub(burn))
    });
    let within = |what: &str, asked: Option<MicroUnits>, most: MicroUnits, of: &str| match asked {
        Some(asked) if asked <= most => Ok(()),
        Some(_) | None => Err(format!("{what}: {of}, {most} in all: use less")),
    };
    within("--award", Some(award), frozen, "more than is frozen")?;
    within(
        "--refund and --burn",
        refund.checked_add(burn),
        reserved,
        "more than is reserved",
    )?;
    within(
        "--award and --refund",
        award.checked_add(refund),
        dispute.amount,
        "more than the contested rent",
    )?;
    let ruling = Ruling { award, refund, burn };
    if ruling.for_provider() {
        return Err("--for tenant with nothing to give is a ruling for the provider: say --for provider, or give amounts".to_owned());
    }
    Ok(ruling)
}

/// Rules.
pub(super) async fn rule(args: &RuleArgs) -> Result<(), TenantError> {
    let reasons: B256 = keccak256(read_text(&args.reasons)?.as_bytes());
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let court = court_of(&market)?;
    let mut following = market.follow();
    let view = following.view().await?;
    let dispute = find_dispute(&view.head.book, args.lease)?;
    in_time(dispute, Act::Rule, chain_now(&view)).map_err(TenantError::Refused)?;
    let ruling = ruling(args, &view.head.book, dispute).map_err(TenantError::Usage)?;
    let seat = court::seat(&market.endpoints, market.contracts.directory, court).await?;
    match court::may_rule(&market.endpoints, &seat, key.address()).await? {
        May::Now => {}
        May::No => {
            return Err(TenantError::Refused(format!(
                "--key-file: {} is no arbiter of this market (AccessManager {}): `leaseport market verify` lists who is",
                key.address(),
                seat.access
            )));
        }
    }
    let mut transactions = Vec::new();
    let call = calls::rule(args.lease, &ruling, reasons);
    let sender = market.sender(&key)?;
    let view = send(&sender, &mut following, &mut transactions, "rule", court, call).await?;
    let one = OneArgs {
        lease: args.lease,
        tenant: args.tenant.clone(),
    };
    shown(&one, &market, &view, Vec::new(), transactions)
}

/// What needs a phase and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A ruling.
    Rule,
    /// A veto.
    Veto,
}

/// Whether it is the time for it.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn in_time(dispute: &DisputeState, act: Act, now: ChainSeconds) -> Result<(), String> {
    let id = dispute.key.id;
    let due = match (&dispute.phase, act) {
        (DisputePhase::Answered { due }, Act::Rule) | (DisputePhase::Ruled { due, .. }, Act::Veto) => *due,
        (
            DisputePhase::Contested { .. }
            | DisputePhase::Answered { .. }
            | DisputePhase::Ruled { .. }
            | DisputePhase::Ended { .. },
            _,
        ) => {
            let needed = match act {
                Act::Rule => "Answered: only then an arbiter rules",
                Act::Veto => "Ruled: only a ruling can be vetoed",
            };
            return Err(format!(
                "the dispute about lease {id} is {}, it must be {needed}; `leaseport dispute get {id}` shows who is to move",
                phase_word(&dispute.phase)
            ));
        }
    };
    if now > due {
        return Err(format!(
            "the dispute about lease {id}: the time for it ended {} (Unix {}): `leaseport dispute get {id}` shows what is left to do",
            relative(due.0, now.0),
            due.0
        ));
    }
    Ok(())
}

/// Vetoes: at once where the key may, else through the timelock, one step a run.
pub(super) async fn veto(args: &OneArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let court = court_of(&market)?;
    let mut following = market.follow();
    let view = following.view().await?;
    let dispute = find_dispute(&view.head.book, args.lease)?;
    let now = chain_now(&view);
    in_time(dispute, Act::Veto, now).map_err(TenantError::Refused)?;
    let due = dispute.phase.due().unwrap_or(now);
    let seat = court::seat(&market.endpoints, market.contracts.directory, court).await?;
    let call = calls::veto(args.lease);
    let sender = market.sender(&key)?;
    let mut transactions = Vec::new();
    let view = match (
        court::may_veto(&market.endpoints, &seat, key.address()).await?,
        seat.timelock,
    ) {
        (May::Now, _) => send(&sender, &mut following, &mut transactions, "veto", court, call).await?,
        (May::No, None) => {
            return Err(TenantError::Refused(format!(
                "--key-file: {} may not veto (AccessManager {}), and the Directory names no Timelock to ask",
                key.address(),
                seat.access
            )));
        }
        (May::No, Some(timelock)) => {
            match court::scheduled(&market.endpoints, timelock, court, &call, key.address()).await? {
                Scheduled::Not { may: false, .. } => {
                    return Err(TenantError::Refused(format!(
                        "--key-file: {} may neither veto nor propose to the timelock {timelock}: ask the council",
                        key.address()
                    )));
                }
                Scheduled::Not { delay, .. } if now.0.saturating_add(delay) > due.0 => {
                    return Err(TenantError::Refused(format!(
                        "the timelock waits {delay} s and the time for a veto ends {} (Unix {}): it is too late",
                        relative(due.0, now.0),
                        due.0
                    )));
                }
                Scheduled::Not { delay, .. } => {
                    let propose = court::schedule(court, &call, delay);
                    let what = "propose the veto to the timelock";
                    let view = send(
                        &sender,
                        &mut following,
                        &mut transactions,
                        what,
                        timelock,
                        propose,
                    )
                    .await?;
                    progress(format_args!(
                        "proposed: run it again in {delay} s, and before Unix {}, to carry the veto out",
                        due.0
                    ));
                    view
                }
                Scheduled::Waits { from } if now.0 < from => {
                    return Err(TenantError::Refused(format!(
                        "the veto waits in the timelock until Unix {from}, {}: run it again then, before Unix {}",
                        relative(from, now.0),
                        due.0
                    )));
                }
                Scheduled::Waits { .. } => {
                    let carry = court::execute(court, &call);
                    send(
                        &sender,
                        &mut following,
                        &mut transactions,
                        "carry the veto out",
                        timelock,
                        carry,
                    )
                    .await?
                }
                Scheduled::Done => {
                    return Err(TenantError::Refused(format!(
                        "the veto of lease {} was carried out before: `leaseport dispute get {}` shows how it stands",
                        args.lease, args.lease
                    )));
                }
            }
        }
    };
    shown(args, &market, &view, Vec::new(), transactions)
}
