//! `GET …/status` and `GET …/usage`: what the ComputeLease says, from the cache; `GET …/usage?page=NAME`: the signed statements behind it, from the page
//! that the operator keeps. Writes nothing.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, Request, State},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admit;
use crate::{
    core::documents::session::Scope,
    gateway::{directory::LeaseDirectory, problem::Refusal, state::Gateway},
};

/// What the lease is doing.
pub(super) async fn status<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (parts, _) = request.into_parts();
    let (_, _, lease) = admit(&gateway, &parts, &id, Scope::Status).await?;
    Ok(Json(lease.status))
}

/// Which page of statements; none is the count itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    page: Option<String>,
}

/// What was counted and reported, or one page of what that rests on.
pub(super) async fn usage<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (parts, _) = request.into_parts();
    let (_, _, lease) = admit(&gateway, &parts, &id, Scope::Usage).await?;
    let Query(query) = Query::<UsageQuery>::try_from_uri(&parts.uri)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "InvalidQuery", error.body_text()))?;
    let Some(page) = query.page else {
        return Ok(Json(lease.usage));
    };
    // Only what the lease itself names: the name comes from a stranger.
    if !lease.pages.contains(&page) {
        let detail = format!("{page:?} is no page of this lease: GET its usage without `page` lists them");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "NoSuchPage", detail));
    }
    let statements = gateway.directory.statements(&lease, &page).await?;
    Ok(Json(
        json!({ "leaseId": lease.key.id, "page": page, "statements": statements }),
    ))
}
