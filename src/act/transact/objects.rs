//! The few Kubernetes calls of a transaction, each bounded so that no write outlives the leader's lock (architecture, rule 7).
//! May not decide; a conflict is an answer here, not an error.

use std::{future::Future, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};
use thiserror::Error;
use tokio::time::timeout;

use super::WalletName;
use crate::api::{ComputeTransaction, ComputeWallet};

/// Longest any request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who wrote it, in managedFields.
const MANAGER: &str = "leaseport-transaction";

/// Why the API server did not do it.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// No answer in time; a write may have happened.
    #[error("{what}: the API server did not answer within 5 s")]
    TimedOut {
        /// What was asked.
        what: String,
    },
    /// It said no.
    #[error("{what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
}

impl ObjectError {
    /// The HTTP status of the refusal.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::TimedOut { .. } => None,
            Self::Refused { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
        }
    }
}

/// What became of a write that others may have raced.
#[derive(Debug)]
pub(super) enum Written<T> {
    Done(T),
    /// Somebody else was there first: look again.
    Lost,
}

pub(super) async fn wallet(client: &Client, name: &WalletName) -> Result<Option<ComputeWallet>, ObjectError> {
    let api: Api<ComputeWallet> = Api::namespaced(client.clone(), &name.namespace);
    bounded(format!("get ComputeWallet {name}"), api.get_opt(&name.name)).await
}

pub(super) async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Secret>, ObjectError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    bounded(format!("get Secret {namespace}/{name}"), api.get_opt(name)).await
}

/// Every transaction of the wallet from one consistent read. No label or field narrows it on the server: a label somebody removed
/// must not hide a nonce.
pub(super) async fn transactions(
    client: &Client,
    wallet: &WalletName,
) -> Result<Vec<ComputeTransaction>, ObjectError> {
    let what = format!("list ComputeTransactions in {}", wallet.namespace);
    // No resourceVersion: the API server reads from the quorum, not from its cache.
    let list = bounded(what, api(client, wallet).list(&ListParams::default())).await?;
    Ok(list
        .items
        .into_iter()
        .filter(|object| object.spec.wallet_ref.name == wallet.name)
        .collect())
}

pub(super) async fn create(
    client: &Client,
    wallet: &WalletName,
    object: &ComputeTransaction,
) -> Result<Written<ComputeTransaction>, ObjectError> {
    let what = format!("create ComputeTransaction {}", shown(object));
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let created = bounded(what, api(client, wallet).create(&params, object)).await;
    raced(created, &[409])
}

/// Replaces the status if nobody changed the object since it was read: it carries its resourceVersion.
pub(super) async fn write_status(
    client: &Client,
    wallet: &WalletName,
    object: &ComputeTransaction,
) -> Result<Written<ComputeTransaction>, ObjectError> {
    let name = shown(object);
    let what = format!("write the status of ComputeTransaction {name}");
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let written = bounded(what, api(client, wallet).replace_status(&name, &params, object)).await;
    raced(written, &[404, 409])
}

pub(super) async fn write_wallet_status(
    client: &Client,
    object: &ComputeWallet,
) -> Result<Written<ComputeWallet>, ObjectError> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let name = object.metadata.name.clone().unwrap_or_default();
    let api: Api<ComputeWallet> = Api::namespaced(client.clone(), &namespace);
    let params = PostParams {
        field_manager: Some("leaseport-wallet".to_owned()),
        ..PostParams::default()
    };
    let what = format!("write the status of ComputeWallet {namespace}/{name}");
    let written = bounded(what, api.replace_status(&name, &params, object)).await;
    raced(written, &[404, 409])
}

/// Deletes exactly the object that was seen.
pub(super) async fn delete(
    client: &Client,
    wallet: &WalletName,
    object: &ComputeTransaction,
) -> Result<Written<()>, ObjectError> {
    let name = shown(object);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    let what = format!("delete ComputeTransaction {name}");
    let gone = bounded(what, api(client, wallet).delete(&name, &params)).await;
    raced(gone.map(|_| ()), &[404, 409])
}

fn api(client: &Client, wallet: &WalletName) -> Api<ComputeTransaction> {
    Api::namespaced(client.clone(), &wallet.namespace)
}

fn shown(object: &ComputeTransaction) -> String {
    object.metadata.name.clone().unwrap_or_default()
}

async fn bounded<T>(what: String, call: impl Future<Output = kube::Result<T>>) -> Result<T, ObjectError> {
    match timeout(PATIENCE, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) => Err(ObjectError::Refused {
            what,
            source: Box::new(source),
        }),
        Err(_) => Err(ObjectError::TimedOut { what }),
    }
}

fn raced<T>(result: Result<T, ObjectError>, lost: &[u16]) -> Result<Written<T>, ObjectError> {
    match result {
        Ok(done) => Ok(Written::Done(done)),
        Err(error) if error.code().is_some_and(|code| lost.contains(&code)) => Ok(Written::Lost),
        Err(error) => Err(error),
    }
}
