//! `leaseport manifest push`: hands a lease's manifest to the provider's gateway, as often as it takes. Sending it again changes nothing.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    kept::Kept,
    output::{answer, progress},
    tenant::{Market, TenantArgs, TenantError, duration, find_lease},
};
use crate::{
    chain_io::signer::{LocalKey, WalletSigner},
    core::{
        book::{Book, Gateway, LeaseState},
        documents::session::Scope,
        ids::LeaseId,
    },
    outbound::{GatewayClient, GatewayError, Grant, PinnedUrl},
};

/// How long between two tries where the gateway names no time.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a session lasts; a followed log ends with it.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60 - 60);

/// A lease's manifest.
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ManifestVerb,
}

/// What to do with a manifest.
#[derive(Debug, Clone, Subcommand)]
pub enum ManifestVerb {
    /// Send it to the provider's gateway (again).
    Push(PushArgs),
}

/// Send the manifest.
#[derive(Debug, Clone, Args)]
pub struct PushArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// How long the gateway may take to be ready for it.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub manifest_timeout: Duration,
    /// The order's file, where it is not under --state-dir.
    #[arg(long, value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// What the gateway said.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// Which lease.
    pub lease_id: LeaseId,
    /// keccak-256 of what it took.
    pub manifest_hash: B256,
    /// When it first took it, RFC 3339.
    pub received_at: String,
    /// Where.
    pub gateway: String,
}

impl Delivered {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!("taken by {} at {}", self.gateway, self.received_at)
    }
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &ManifestArgs) -> Result<(), TenantError> {
    match &args.verb {
        ManifestVerb::Push(args) => push(args).await,
    }
}

async fn push(args: &PushArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let lease = find_lease(&view.head.book, args.lease)?;
    let file = args
        .state_file
        .clone()
        .unwrap_or_else(|| market.order_file(lease.order_hash()));
    let kept = Kept::read(&file)?;
    let delivered = deliver(
        &market,
        &view.head.book,
        lease,
        &key,
        &kept,
        args.manifest_timeout,
    )
    .await?;
    answer(args.tenant.output, &delivered, Delivered::line)
}

/// Sends the manifest until the gateway takes it, it says that waiting will not help, or the time is over.
///
/// # Errors
/// The gateway's last words.
pub async fn deliver(
    market: &Market,
    book: &Book,
    lease: &LeaseState,
    key: &Arc<LocalKey>,
    kept: &Kept,
    patience: Duration,
) -> Result<Delivered, TenantError> {
    let parcel = kept.parcel(lease.terms.manifestHash)?;
    let url = gateway_url(book, lease)?;
    let began = Instant::now();
    let mut told = String::new();
    loop {
        let tried = async {
            let client = session(market, &url, lease, key, &[Scope::Manifest]).await?;
            client.put_manifest(lease.key.id, &parcel).await
        }
        .await;
        let error = match tried {
            Ok(taken) => {
                return Ok(Delivered {
                    lease_id: taken.lease_id,
                    manifest_hash: taken.manifest_hash,
                    received_at: taken.received_at,
                    gateway: url.authority(),
                });
            }
            Err(error) => error,
        };
        let Some(pause) = worth_waiting(&error) else {
            return Err(error.into());
        };
        if began.elapsed().saturating_add(pause) > patience {
            return Err(error.into());
        }
        let words = error.to_string();
        if words != told {
            progress(format_args!("waiting for the gateway: {words}"));
            told = words;
        }
        tokio::time::sleep(pause).await;
    }
}

/// When to try again; none where waiting will not help.
pub(super) fn worth_waiting(error: &GatewayError) -> Option<Duration> {
    match error {
        // 404: the operator has not seen the lease at its start depth yet.
        GatewayError::Refused {
            problem, retry_after, ..
        } => matches!(problem.status, 404 | 409 | 425 | 429 | 503 | 504)
            .then(|| retry_after.unwrap_or(PAUSE).max(Duration::from_millis(200))),
        GatewayError::Outbound(crate::outbound::OutboundError::NoAnswer { .. }) => Some(PAUSE),
        GatewayError::Outbound(_)
        | GatewayError::Unreadable { .. }
        | GatewayError::Wallet(_)
        | GatewayError::Session(_) => None,
    }
}

/// Where the provider of a lease is reached, with the pins that stand on chain.
///
/// # Errors
/// The provider published no gateway, or none that may be called.
pub fn gateway_url(book: &Book, lease: &LeaseState) -> Result<PinnedUrl, TenantError> {
    let id = lease.key.id.provider;
    let refuse = |why: String| {
        TenantError::Refused(format!(
            "provider {}'s gateway: {why}; ask the provider to publish a right one",
            id.0
        ))
    };
    let gateway = book
        .provider(id)
        .map(|state| &state.gateway)
        .filter(|gateway| !gateway.url.is_empty())
        .ok_or_else(|| refuse("none is on chain".to_owned()))?;
    pinned(gateway)
        .parse()
        .map_err(|error: crate::outbound::address::AddressError| refuse(error.to_string()))
}

/// The chain keeps pins beside the URL; as one text they are `#spki-sha256=…`.
fn pinned(gateway: &Gateway) -> String {
    let pins: Vec<String> = [gateway.spki, gateway.next_spki]
        .into_iter()
        .filter(|pin| !pin.is_zero())
        .map(|pin| URL_SAFE_NO_PAD.encode(pin))
        .collect();
    if pins.is_empty() {
        return gateway.url.clone();
    }
    // What stands on chain is the pin, whatever the URL itself carries.
    let bare = gateway.url.split('#').next().unwrap_or_default();
    format!("{bare}#spki-sha256={}", pins.join(","))
}

/// Opens a session of this key for a lease.
///
/// # Errors
/// The gateway may not be called, or the key does not sign.
pub async fn session(
    market: &Market,
    url: &PinnedUrl,
    lease: &LeaseState,
    key: &Arc<LocalKey>,
    scopes: &[Scope],
) -> Result<GatewayClient, GatewayError> {
    let grant = Grant {
        chain_id: market.contracts.chain,
        lease_book: market.contracts.lease_book.address,
        provider_id: lease.key.id.provider,
        lease_id: Some(lease.key.id),
        scopes: scopes.to_vec(),
        lasts: SESSION,
    };
    GatewayClient::open_session(&market.outbound, url, &grant, |digest| async move {
        let signature = key.sign_digest(digest).await?;
        Ok::<_, crate::chain_io::signer::SignerError>(Bytes::from(signature.as_bytes()))
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::documents::exchange::Problem;

    fn refused(status: u16, retry_after: Option<Duration>) -> GatewayError {
        GatewayError::Refused {
            host: "g".into(),
            problem: Problem::new(status, "NotReady", String::new()),
            retry_after,
        }
    }

    #[test]
    fn a_gateway_that_is_not_ready_is_asked_again_and_one_that_refuses_is_not() {
        let later = Duration::from_secs(7);
        assert_eq!(worth_waiting(&refused(425, Some(later))), Some(later));
        assert_eq!(worth_waiting(&refused(503, None)), Some(PAUSE));
        assert_eq!(worth_waiting(&refused(422, Some(later))), None);
        assert_eq!(worth_waiting(&refused(403, None)), None);
    }

    #[test]
    fn the_pins_on_chain_go_with_the_url_and_replace_any_in_it() {
        let gateway = Gateway {
            url: "https://gpu.example.org:8443#spki-sha256=AAAA".into(),
            spki: B256::repeat_byte(7),
            next_spki: B256::repeat_byte(8),
        };
        let url: PinnedUrl = pinned(&gateway).parse().unwrap();
        assert_eq!(url.pins(), &[[7; 32], [8; 32]]);
        let public = Gateway {
            url: "https://gpu.example.org".into(),
            ..Gateway::default()
        };
        assert_eq!(pinned(&public), "https://gpu.example.org");
    }
}
