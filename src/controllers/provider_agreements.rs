//! What a provider's leases settle by agreement: vouchers verified and redeemed, overcounted seconds waived. Whatever lies in a status that
//! strangers reach is verified before it counts; what is given away is read from the API server and not from a cache. Decides nothing.

use std::sync::Arc;

use alloy::{
    primitives::{Bytes, U256},
    sol_types::Eip712Domain,
};
use kube::{Api, ResourceExt};

use super::context::{Context, wallet_name};
use crate::{
    act::{
        lease::ActError,
        transact::{TransactContext, WalletName},
    },
    api::{ComputeLease, ComputeProvider, transaction::IntentKind as ApiIntent},
    core::{
        book::{LeaseState, Metered},
        documents::{
            calls,
            voucher::{Payers, SignedVoucher},
        },
        ids::{LeaseKey, TermsHash},
        plan::{
            duty::Sent,
            provider::{LeaseUse, Plan, Redemption, Waiver, overcounted},
        },
        tx::{Call, Intent, IntentKind, Subject},
        usage::lanes,
        view::ChainView,
    },
    kube_io::within,
    observe::{
        markets::Market,
        meters::{allowance, counted_under, persisted},
        transactions::sent,
    },
};

/// A live lease as chain, status and wallet know it; none while its count under the terms in force is not written down, so that nothing of
/// the terms before is reported, redeemed or waived under them.
pub(super) fn lease_use(
    context: &Context,
    uid: &str,
    object: &ComputeLease,
    metered: Metered<'_>,
    domain: &Eip712Domain,
) -> Option<LeaseUse> {
    let lease = metered.lease;
    let signed_as = lease.signed_as();
    if counted_under(object) != Some(signed_as.terms) {
        return None;
    }
    let transactions = &context.eyes.stores.transactions;
    let vouched = voucher(object, lease, domain).map(|voucher| voucher.cum);
    let mut seen = LeaseUse {
        key: lease.key,
        lane: lease.key.id.lane,
        on_chain: metered.lane_seconds,
        base: lease.lane_base,
        metered: billable(object),
        settled: lease.settled,
        vouched,
        balance: lease.balance,
        redeem: vouched.map_or(Sent::Never, |cum| {
            sent(transactions, uid, ApiIntent::Redeem, &epoch(&signed_as, cum))
        }),
        waive: Sent::Never,
        given_away: allowance(object).waived,
        rate: lease.rate,
        start_at: lease.start_at,
        stop_at: lease.stop_at,
    };
    if overcounted(&seen).is_some() {
        let epoch = epoch(&signed_as, lease.lane_base);
        seen.waive = sent(transactions, uid, ApiIntent::Waive, &epoch);
    }
    Some(seen)
}

/// Seconds that status persisted and that may be billed under the terms it counts under.
fn billable(object: &ComputeLease) -> u32 {
    let replicas = u64::try_from(object.spec.request.replicas).unwrap_or(1).max(1);
    let seconds = persisted(object.status.as_ref()).closed_ms / replicas.saturating_mul(1000);
    let seconds = u32::try_from(seconds)
        .unwrap_or(lanes::MAX_LANE)
        .min(lanes::MAX_LANE);
    allowance(object).billable(seconds)
}

/// The kept voucher, if tenant or agent signed it for the terms in force and it says more than is settled.
fn voucher(object: &ComputeLease, lease: &LeaseState, domain: &Eip712Domain) -> Option<SignedVoucher> {
    let kept = object.status.as_ref()?.voucher.as_ref()?;
    let voucher = SignedVoucher {
        terms_hash: kept.terms_hash.parse().map(TermsHash).ok()?,
        cum: u32::try_from(kept.cum).ok()?,
        signature: kept.signature.parse().ok()?,
    };
    if voucher.cum <= lease.settled {
        return None;
    }
    let payers = Payers {
        tenant: lease.terms.tenant,
        agent: lease.terms.agent,
    };
    match voucher.signer(&lease.signed_as(), domain, payers) {
        Ok(_) => Some(voucher),
        Err(error) => {
            tracing::debug!(lease = %lease.key.id, %error, "the kept voucher does not count");
            None
        }
    }
}

/// What makes a redemption or a waiver this one: the terms, and its count or where the count begins. Both only grow.
fn epoch(signed_as: &LeaseKey, at: u32) -> String {
    format!("{}/{}/{at}/", signed_as.id, signed_as.terms)
}

/// Sends what the plan says.
pub(super) async fn send(
    context: &Context,
    found: &ComputeProvider,
    market: &Market,
    view: &ChainView,
    (leases, plan): (&[LeaseUse], &Plan),
) -> Result<(), ActError> {
    if plan.redeem.is_empty() && plan.waive.is_empty() {
        return Ok(());
    }
    let transact = context.transacts.get(&market.name).ok_or(ActError::Missing {
        action: "a voucher or a waiver",
        what: "the market's wallets",
    })?;
    let hands = Hands {
        context,
        found,
        market,
        view,
        wallet: wallet_name(found, &found.spec.wallets.duty),
        transact,
    };
    // What is given back goes first: a settlement behind it takes nothing unproven.
    for waiver in &plan.waive {
        if let Some(seen) = leases.iter().find(|lease| lease.key == waiver.lease) {
            hands.waive(waiver, seen).await?;
        }
    }
    for redemption in &plan.redeem {
        if let Some(seen) = leases.iter().find(|lease| lease.key == redemption.lease) {
            hands.redeem(redemption, seen).await?;
        }
    }
    Ok(())
}

struct Hands<'a> {
    context: &'a Context,
    found: &'a ComputeProvider,
    market: &'a Market,
    view: &'a ChainView,
    wallet: WalletName,
    transact: Arc<TransactContext>,
}

impl Hands<'_> {
    fn lease(&self, key: &LeaseKey) -> Result<&LeaseState, ActError> {
        let found = self.view.head.book.lease(key).ok_or(ActError::Missing {
            action: "a voucher or a waiver",
            what: "the lease",
        })?;
        Ok(found.lease)
    }

    /// The object as the API server has it now.
    async fn object(&self, key: &LeaseKey) -> Result<ComputeLease, ActError> {
        let home = self.found.namespace().unwrap_or_default();
        let api = Api::<ComputeLease>::namespaced(self.context.client().clone(), &home);
        let name = crate::core::plan::opening::name(self.market.chain, key);
        Ok(within("read the lease", api.get(&name)).await?)
    }

    /// A cache that is behind knows fewer proven seconds than were reported, and money given away does not come back: so the proof is read anew.
    async fn waive(&self, waiver: &Waiver, seen: &LeaseUse) -> Result<(), ActError> {
        let lease = self.lease(&waiver.lease)?;
        let object = self.object(&waiver.lease).await?;
        if counted_under(&object) != Some(lease.signed_as().terms) {
            return Ok(());
        }
        let now = LeaseUse {
            metered: billable(&object),
            given_away: allowance(&object).waived,
            ..*seen
        };
        let Some(cum) = overcounted(&now) else {
            return Ok(());
        };
        let epoch = format!("{}{}", epoch(&lease.signed_as(), seen.base), seen.waive.attempt());
        let data = calls::waive(&lease.terms, cum);
        let transaction = self.submit(IntentKind::Waive, epoch, data).await?;
        tracing::warn!(
            lease = %lease.key.id, from = seen.on_chain.saturating_sub(seen.base), to = cum, transaction,
            "the chain counts more seconds than may be billed: the rest is waived"
        );
        Ok(())
    }

    async fn redeem(&self, redemption: &Redemption, seen: &LeaseUse) -> Result<(), ActError> {
        let lease = self.lease(&redemption.lease)?;
        let object = self.object(&redemption.lease).await?;
        let domain = crate::core::documents::signing::domain(self.market.chain, self.market.lease_book);
        // A higher one may have come meanwhile: it is planned in the next pass, with its own bound.
        let Some(voucher) = voucher(&object, lease, &domain).filter(|voucher| voucher.cum == redemption.cum)
        else {
            return Ok(());
        };
        let epoch = format!(
            "{}{}",
            epoch(&lease.signed_as(), voucher.cum),
            seen.redeem.attempt()
        );
        let data = calls::redeem(&lease.terms, voucher.cum, &voucher.signature);
        let transaction = self.submit(IntentKind::Redeem, epoch, data).await?;
        tracing::info!(lease = %lease.key.id, seconds = voucher.cum, transaction, "voucher redeemed");
        Ok(())
    }

    async fn submit(&self, kind: IntentKind, epoch: String, data: Bytes) -> Result<String, ActError> {
        let intent = Intent {
            kind,
            subject: Subject {
                kind: "ComputeProvider".to_owned(),
                namespace: self.found.namespace().unwrap_or_default(),
                name: self.found.name_any(),
                uid: self.found.uid().unwrap_or_default(),
            },
            epoch,
            call: Call {
                to: self.market.lease_book,
                data,
                value: U256::ZERO,
            },
        };
        Ok(self.transact.submit(&self.wallet, &intent).await?.name)
    }
}
