//! `leaseport lease voucher`: signs for what was delivered, so that the provider can claim that money at once. Never for more seconds than the
//! provider's checked receipts say, the chain counts, and passed: the bound is pure, and is kept here and not at the gateway.

use std::path::{Path, PathBuf};

use alloy::primitives::Bytes;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        close::elapsed,
        kept::write_private,
        manifest::{gateway_url, session},
        output::{answer, pairs, progress},
        tenant::{Market, TenantArgs, TenantError, chain_now, find_lease},
        value,
    },
    usage::{SignedUsage, signed_usage},
};
use crate::{
    chain_io::signer::{LocalKey, WalletSigner},
    core::{
        book::{LeaseState, StoredPhase},
        documents::{
            acts::Voucher,
            session::Scope,
            signing::digest,
            voucher::{SignedVoucher, VoucherKept},
        },
        ids::{LeaseId, TermsHash},
        money::MicroUnits,
    },
};

/// Sign for what was delivered so far; the provider can claim that money at once.
#[derive(Debug, Clone, Args)]
pub struct VoucherArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Sign for so many seconds since the start; all that the provider signed and the chain counts when left out.
    #[arg(long, value_name = "SECONDS", value_parser = value::number::<u32>)]
    pub seconds: Option<u32>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vouched {
    /// Which lease.
    pub lease_id: LeaseId,
    /// On which terms.
    pub terms_hash: TermsHash,
    /// In which token.
    pub currency: String,
    /// Seconds vouched for: an earlier voucher for more stands.
    pub seconds: u32,
    /// What they come to since the start.
    pub amount: MicroUnits,
    /// Of it, paid already.
    pub paid: MicroUnits,
    /// Seconds that the provider signed.
    pub signed_seconds: u32,
    /// Seconds that count on chain.
    pub chain_seconds: u32,
    /// When the gateway took the voucher that is kept.
    pub received_at: String,
    /// Where it is written down here.
    pub file: PathBuf,
}

/// A voucher as it is written down before it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    lease_id: LeaseId,
    #[serde(flatten)]
    voucher: SignedVoucher,
}

/// How many seconds to sign for: no more than the provider signed, the chain counts and passed, however many were asked for.
///
/// # Errors
/// What stands against it, in words.
pub fn seconds(asked: Option<u32>, usage: &SignedUsage, elapsed: u32) -> Result<u32, String> {
    let bounds = [
        (usage.signed_seconds, "the provider has signed for"),
        (usage.chain_seconds, "the chain counts"),
        (elapsed, "have passed since the start:"),
    ];
    let (most, bound) = bounds
        .into_iter()
        .min_by_key(|(seconds, _)| *seconds)
        .unwrap_or_default();
    match asked {
        Some(asked) if asked > most => Err(format!(
            "--seconds {asked}: {bound} {most} s; nothing was signed, give {most} or less"
        )),
        Some(0) => Err("--seconds 0: a voucher is for at least one second".to_owned()),
        Some(asked) => Ok(asked),
        None if most == 0 => Err(format!(
            "{bound} 0 s: nothing was signed; run it again when the first report is on chain"
        )),
        None => Ok(most),
    }
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]; a bill that does not hold is a refusal with its reason, and nothing is signed.
pub(super) async fn run(args: &VoucherArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let view = following.view().await?;
    let lease = find_lease(&view.head.book, args.lease)?;
    may_vouch(lease, &key)?;
    let url = gateway_url(&view.head.book, lease)?;
    let scopes = [Scope::Usage, Scope::Voucher];
    let client = session(&market, &url, lease, &key, &scopes).await?;
    let (view, usage) = signed_usage(&market, &mut following, &client, args.lease).await?;
    let lease = find_lease(&view.head.book, args.lease)?;
    may_vouch(lease, &key)?;
    let most = elapsed(lease, chain_now(&view));
    let cum = seconds(args.seconds, &usage, most).map_err(TenantError::Refused)?;
    let (file, voucher) = sign(&market, lease, &key, cum).await?;
    let kept = client.put_voucher(args.lease, &voucher).await?;
    if kept.cum > cum {
        progress(format_args!(
            "an earlier voucher for {} s stands: a voucher only grows",
            kept.cum
        ));
    }
    answer(args.tenant.output, &vouched(lease, &usage, &kept, file), told)
}

fn may_vouch(lease: &LeaseState, key: &LocalKey) -> Result<(), TenantError> {
    if ![lease.terms.tenant, lease.terms.agent].contains(&key.address()) {
        return Err(TenantError::Refused(format!(
            "--key-file: {} is neither tenant ({}) nor agent of lease {}",
            key.address(),
            lease.terms.tenant,
            lease.key.id
        )));
    }
    let why = match lease.stored {
        StoredPhase::Live => return Ok(()),
        StoredPhase::Pending => "has not started: there is nothing to vouch for",
        StoredPhase::Closed => "is closed and paid: there is nothing left to vouch for",
    };
    Err(TenantError::Refused(format!("lease {} {why}", lease.key.id)))
}

/// Signs and writes down, in this order, before anything leaves.
async fn sign(
    market: &Market,
    lease: &LeaseState,
    key: &LocalKey,
    cum: u32,
) -> Result<(PathBuf, SignedVoucher), TenantError> {
    let signed_as = lease.signed_as();
    let hash = digest(&Voucher::of(&signed_as, cum), &market.domain());
    let signature = key
        .sign_digest(hash)
        .await
        .map_err(|error| TenantError::Refused(format!("--key-file: {error}")))?;
    let voucher = SignedVoucher {
        terms_hash: signed_as.terms,
        cum,
        signature: Bytes::from(signature.as_bytes().to_vec()),
    };
    let terms: String = signed_as.terms.0.to_string().chars().skip(2).take(8).collect();
    let file = market
        .state_dir
        .join(format!("voucher-{}-{terms}.json", lease.key.id));
    let written = Written {
        lease_id: lease.key.id,
        voucher: voucher.clone(),
    };
    write_highest(&written, &file)?;
    Ok((file, voucher))
}

/// The file keeps the highest, as the gateway does.
fn write_highest(written: &Written, file: &Path) -> Result<(), TenantError> {
    let before = std::fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Written>(&text).ok());
    match before {
        Some(before) if before.voucher.cum >= written.voucher.cum => Ok(()),
        Some(_) | None => write_private(written, file),
    }
}

fn vouched(lease: &LeaseState, usage: &SignedUsage, kept: &VoucherKept, file: PathBuf) -> Vouched {
    Vouched {
        lease_id: kept.lease_id,
        terms_hash: kept.terms_hash,
        currency: usage.currency.clone(),
        seconds: kept.cum,
        amount: lease.rate.owed_down(kept.cum),
        paid: usage.paid,
        signed_seconds: usage.signed_seconds,
        chain_seconds: usage.chain_seconds,
        received_at: kept.received_at.clone(),
        file,
    }
}

fn told(vouched: &Vouched) -> String {
    let money = |amount: MicroUnits| format!("{amount} {}", vouched.currency);
    pairs(&[
        ("lease", vouched.lease_id.to_string()),
        (
            "vouched",
            format!("{} s, {}", vouched.seconds, money(vouched.amount)),
        ),
        ("signed", format!("{} s by the provider", vouched.signed_seconds)),
        ("on chain", format!("{} s", vouched.chain_seconds)),
        ("paid", money(vouched.paid)),
        ("file", vouched.file.display().to_string()),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn usage(signed: u32, chain: u32) -> SignedUsage {
        SignedUsage {
            lease_id: "7-0-1".parse().unwrap(),
            currency: "tUSD".to_owned(),
            rate_per_hour: MicroUnits(1),
            statements: Vec::new(),
            signed_seconds: signed,
            signed_amount: MicroUnits::ZERO,
            chain_seconds: chain,
            paid: MicroUnits::ZERO,
            covered: true,
        }
    }

    #[test]
    fn a_request_for_more_names_the_bound_that_it_breaks() {
        let refused = |signed, chain, passed| seconds(Some(51), &usage(signed, chain), passed).unwrap_err();
        assert!(refused(50, 90, 90).contains("the provider has signed for 50 s"));
        assert!(refused(90, 50, 90).contains("the chain counts 50 s"));
        assert!(refused(90, 90, 50).contains("have passed since the start: 50 s"));
    }

    #[test]
    fn before_the_first_report_nothing_is_signed() {
        assert!(seconds(None, &usage(0, 0), 90).is_err());
        assert!(seconds(Some(0), &usage(9, 9), 9).is_err());
    }

    #[test]
    fn a_lower_voucher_leaves_the_file_of_a_higher_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("voucher.json");
        let of = |cum| Written {
            lease_id: "7-0-1".parse().unwrap(),
            voucher: SignedVoucher {
                terms_hash: TermsHash(alloy::primitives::B256::repeat_byte(1)),
                cum,
                signature: vec![1; 65].into(),
            },
        };
        for cum in [9, 5, 12] {
            write_highest(&of(cum), &file).unwrap();
            let kept: Written = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            assert_eq!(kept, of(cum.max(9)));
        }
    }

    proptest! {
        #[test]
        fn no_voucher_exceeds_what_was_signed_counted_or_passed(
            asked in prop::option::of(0u32..2_000), signed in 0u32..1_000, chain in 0u32..1_000, passed in 0u32..1_000,
        ) {
            if let Ok(cum) = seconds(asked, &usage(signed, chain), passed) {
                prop_assert!(cum > 0 && cum <= signed && cum <= chain && cum <= passed);
                prop_assert!(asked.is_none_or(|asked| asked == cum));
            }
        }
    }
}
