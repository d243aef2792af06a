//! Writes a ComputeProvider's status and shows its conditions as gauges. What is said is `core::plan::registration`'s.

use alloy::primitives::Address;
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};

use super::context::{Context, MANAGER, gauge, wallet_name};
use crate::{
    act::transact::WalletName,
    api::{
        ComputeProvider, ComputeWallet,
        condition::{self, KEYS_VALID, READY, REGISTERED, STAKE_SUFFICIENT},
        provider::ComputeProviderStatus,
        reference::WalletRef,
    },
    core::{
        book::ProviderState,
        plan::registration::{Observed, WalletSight, conditions},
        view::ChainView,
    },
    kube_io::status,
    observe::{clock, meters::time_of},
};

/// Every condition a provider can have.
pub(super) const PROVIDER_CONDITIONS: &[&str] = &[READY, REGISTERED, KEYS_VALID, STAKE_SUFFICIENT];

/// The address of a wallet, once its key was read.
pub(super) fn address(context: &Context, wallet: &WalletName) -> Option<Address> {
    let reference = ObjectRef::<ComputeWallet>::new(&wallet.name).within(&wallet.namespace);
    context
        .eyes
        .stores
        .wallets
        .get(&reference)?
        .status
        .as_ref()?
        .address
        .as_ref()?
        .parse()
        .ok()
}

/// Writes what the chain says of the provider; whether that could be written.
pub(super) async fn report(
    context: &Context,
    found: &ComputeProvider,
    state: Option<&ProviderState>,
    view: Option<&ChainView>,
) -> bool {
    let old = found.status.clone().unwrap_or_default();
    let generation = found.metadata.generation;
    let wallet = |wallet: &WalletRef| {
        let name = wallet_name(found, wallet);
        WalletSight {
            address: address(context, &name),
            name: name.to_string(),
        }
    };
    let said = conditions(&Observed {
        spec: &found.spec,
        now: view.map(ChainView::now),
        state,
        duty: wallet(&found.spec.wallets.duty),
        bids: wallet(&found.spec.wallets.bids),
    });
    let mut next = ComputeProviderStatus {
        observed_generation: generation,
        owner: state.map(|state| state.owner.to_string()).or(old.owner),
        payout_address: state
            .zip(view)
            .map(|(state, view)| state.payout_at(view.now()).to_string())
            .or(old.payout_address),
        conditions: old.conditions,
    };
    let now = time_of(clock::wall().0);
    for said in said {
        condition::set(
            &mut next.conditions,
            said.kind,
            said.is,
            said.reason,
            &said.message,
            generation,
            now.clone(),
        );
    }
    gauge(&context.metrics, found, &next.conditions);
    let api =
        Api::<ComputeProvider>::namespaced(context.client().clone(), &found.namespace().unwrap_or_default());
    match status::write(&api, MANAGER, found, &next, &[]).await {
        Ok(status::Written::Changed(_) | status::Written::Unchanged) => true,
        Err(error) => {
            tracing::warn!(provider = found.name_any(), %error, "status not written");
            false
        }
    }
}
