//! `PUT …/manifest`: takes the manifest the order names, and no other. The same again changes nothing; a refused one leaves what is
//! there in place.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::admit;
use crate::{
    core::documents::{
        exchange::{LARGEST_BODY, Parcel},
        session::Scope,
    },
    gateway::{
        directory::{Kept, LeaseDirectory, Standing},
        problem::Refusal,
        state::Gateway,
    },
};

/// Takes a parcel: 201 the first time, 200 for the same one again.
pub(super) async fn put<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let (verified, _, lease) = admit(&gateway, &parts, &id, Scope::Manifest).await?;
    match lease.standing {
        Standing::Open => {}
        Standing::Stopped | Standing::Closed => {
            return Err(Refusal::new(
                StatusCode::GONE,
                "LeaseEnded",
                "the lease has ended: it takes no manifest any more",
            ));
        }
    }
    let body = whole(body, LARGEST_BODY).await?;
    verified.body_is(&body)?;
    if parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| !value.as_bytes().starts_with(b"application/json"))
    {
        let detail = "send the parcel as application/json: {\"manifest\": base64 of the canonical bytes, \"secrets\": {name: value}}";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "NotJson",
            detail,
        ));
    }
    let parcel: Parcel = serde_json::from_slice(&body).map_err(|error| {
        // serde_json's words name fields and positions, never values of strings it could read.
        let detail = format!(
            "the parcel cannot be read at line {} column {}: it is {{manifest, secrets}}",
            error.line(),
            error.column()
        );
        Refusal::new(StatusCode::BAD_REQUEST, "BadParcel", detail)
    })?;
    let accepted = parcel.accept(lease.manifest_hash, &lease.needs)?;
    let kept = gateway
        .directory
        .keep_manifest(&lease, &accepted, gateway.now())
        .await?;
    Ok(match kept {
        Kept::New(taken) => {
            tracing::info!(lease = %taken.lease_id, hash = %taken.manifest_hash, "manifest taken");
            (StatusCode::CREATED, Json(taken)).into_response()
        }
        Kept::Again(taken) => Json(taken).into_response(),
    })
}

/// A body up to a bound.
pub(super) async fn whole(body: Body, most: usize) -> Result<Vec<u8>, Refusal> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {most} bytes");
            Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BodyTooLarge",
                detail,
            ))
        }
        Err(_) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "BodyBroken",
            "the body ended before it was whole: send it again",
        )),
    }
}
