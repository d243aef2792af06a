//! The client and the one time limit of its requests. kube's own retries are off: a repeated POST or one that waits minutes for a
//! `Retry-After` would outlive the leader's lock (architecture: rule 7). What is counted of requests is [`super::counted`]'s. May not decide what to ask.

use std::{future::Future, time::Duration};

use kube::{Client, Config};

use super::KubeError;

/// No request of ours waits longer for its answer; watches and log streams are no requests in this sense.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that asks once.
///
/// # Errors
/// The configuration holds no usable URL, credentials or certificates.
pub fn connect(mut config: Config) -> Result<Client, KubeError> {
    config.default_retry = false;
    config.connect_timeout = Some(REQUEST_TIMEOUT);
    Client::try_from(config).map_err(|source| KubeError::of("connect to the API server", source))
}

/// A client from the pod's service account, or the kubeconfig of whoever runs us.
///
/// # Errors
/// Neither is there, or they cannot be used.
pub async fn infer() -> Result<Client, KubeError> {
    let config = Config::infer()
        .await
        .map_err(|source| KubeError::of("find the API server", kube::Error::InferConfig(source)))?;
    connect(config)
}

/// Waits for a request, at most [`REQUEST_TIMEOUT`]. After a timeout the request may still have been served.
///
/// # Errors
/// The request's own, or that it took too long.
pub async fn within<T>(what: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T, KubeError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|source| KubeError::of(what, source)),
        Err(_) => Err(KubeError::Timeout {
            what: what.to_owned(),
        }),
    }
}
