//! `PUT …/voucher`: the tenant signs for usage, so that its provider can claim that money at once. The gateway has no key: it keeps the highest
//! voucher, the operator redeems it. It only grows: a lower one is answered with the one that is kept.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;

use super::{admit, manifest::whole};
use crate::{
    core::documents::{
        session::Scope,
        signing::domain,
        voucher::{LARGEST_VOUCHER, Payers, SignedVoucher},
    },
    gateway::{
        directory::{KeptVoucher, LeaseDirectory, Standing},
        problem::Refusal,
        state::Gateway,
    },
};

/// Takes a voucher: 201 for a higher one, 200 with the kept one for any other.
pub(super) async fn put<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let (verified, _, lease) = admit(&gateway, &parts, &id, Scope::Voucher).await?;
    match lease.standing {
        // Until it is finalized, what a stopped lease has run can still be vouched for.
        Standing::Open | Standing::Stopped => {}
        Standing::Closed => {
            return Err(Refusal::new(
                StatusCode::GONE,
                "LeaseEnded",
                "the lease is closed and paid: it takes no voucher any more",
            ));
        }
    }
    let body = whole(body, LARGEST_VOUCHER).await?;
    verified.body_is(&body)?;
    let voucher: SignedVoucher = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("the voucher cannot be read: {error}; it is {{termsHash, cum, signature}}");
        Refusal::new(StatusCode::BAD_REQUEST, "BadVoucher", detail)
    })?;
    let facts = &gateway.options.facts;
    let payers = Payers {
        tenant: lease.facts.tenant,
        agent: lease.facts.agent,
    };
    let by = voucher.signer(&lease.in_force, &domain(facts.chain_id, facts.lease_book), payers)?;
    let kept = gateway
        .directory
        .keep_voucher(&lease, &voucher, by, gateway.now())
        .await?;
    Ok(match kept {
        KeptVoucher::New(kept) => {
            tracing::info!(lease = %kept.lease_id, seconds = kept.cum, "voucher taken");
            (StatusCode::CREATED, Json(kept)).into_response()
        }
        KeptVoucher::Standing(kept) => Json(kept).into_response(),
        KeptVoucher::Refused(error) => return Err(error.into()),
    })
}
