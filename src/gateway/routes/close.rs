//! `POST …/close`: the tenant wants to end by agreement. The gateway has no key: it notes the wish, the operator answers with the
//! provider's signature over the final seconds. Asking twice is asking once; a signature handed out twice pays once.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::{admit, manifest::whole};
use crate::{
    core::{
        documents::{exchange::CloseOffer, session::Scope},
        time::UnixMillis,
    },
    gateway::{
        directory::{LeaseDirectory, LeaseRecord},
        problem::Refusal,
        state::Gateway,
    },
};

/// How often the answer is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// How much longer, in seconds, a signature must hold to be worth handing out: a transaction has to be mined.
const WORTH: u64 = 60;
/// The largest body; it says nothing.
const LARGEST: usize = 1024;

/// Hands out the offer, or 202 when the operator has not signed within the gateway's patience.
pub(super) async fn post<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let (verified, allowed, lease) = admit(&gateway, &parts, &id, Scope::Close).await?;
    let body = whole(body, LARGEST).await?;
    verified.body_is(&body)?;
    if let Some(offer) = worthwhile(&lease, gateway.now()) {
        return Ok(Json(offer).into_response());
    }
    gateway
        .directory
        .ask_close(&lease, allowed.wallet, gateway.now())
        .await?;
    let wait = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let again = gateway.directory.leases(lease.key.id).await?;
            let same = again.iter().find(|other| other.key == lease.key);
            if let Some(offer) = same.and_then(|other| worthwhile(other, gateway.now())) {
                return Ok::<CloseOffer, Refusal>(offer);
            }
        }
    };
    match tokio::time::timeout(gateway.options.close_patience, wait).await {
        Ok(offer) => offer.map(|offer| Json(offer).into_response()),
        Err(_) => {
            let noted = serde_json::json!({ "leaseId": lease.key.id, "noted": true });
            let mut response = (StatusCode::ACCEPTED, Json(noted)).into_response();
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            Ok(response)
        }
    }
}

fn worthwhile(lease: &LeaseRecord, now: UnixMillis) -> Option<CloseOffer> {
    let now = u64::try_from(now.0.div_euclid(1000)).ok()?;
    lease
        .close_offer
        .clone()
        .filter(|offer| offer.deadline >= now.saturating_add(WORTH))
}
