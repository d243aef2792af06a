//! `GET …/status` and `GET …/usage`: what the ComputeLease says, from the cache. Writes nothing.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
};
use serde_json::Value;

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

/// What was counted and reported.
pub(super) async fn usage<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (parts, _) = request.into_parts();
    let (_, _, lease) = admit(&gateway, &parts, &id, Scope::Usage).await?;
    Ok(Json(lease.usage))
}
