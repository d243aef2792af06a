//! The endpoints of one chain: which to ask next, each asked for its chain id before it is trusted and again after it was lost.
//! Knows no market and no contract. No text or debug output holds a URL.

mod config;
mod counted;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::RpcClient,
    transports::TransportError,
};

pub use config::{EndpointConfig, EndpointError, EndpointRole, SecretUrl};

use counted::Counting;

use super::errors::{Origin, RpcErrorClass, RpcFailure, Secrets};
use crate::{core::ids::ChainId, telemetry::RpcCalls};

/// No request takes longer, so no write outlives the leader's lock (architecture: rule 7).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an endpoint that failed is left alone, doubled with each failure up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Blocks that an endpoint may be behind the newest one seen and still be asked first.
const TOLERATED_LAG: u64 = 1;

/// How an endpoint is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Which.
    pub name: String,
    /// The newest block it named.
    pub head: Option<u64>,
    /// Failures since its last answer.
    pub failures: u32,
    /// Its last failure, until it answers.
    pub last_failure: Option<RpcFailure>,
    /// How long its last answer took.
    pub latency: Option<Duration>,
}

#[derive(Debug, Default)]
struct State {
    verified: bool,
    failures: u32,
    rests_until: Option<Instant>,
    last_failure: Option<RpcFailure>,
    head: Option<u64>,
    latency: Option<Duration>,
}

/// One HTTP endpoint.
pub struct Endpoint {
    name: String,
    chain: ChainId,
    secrets: Secrets,
    provider: DynProvider,
    timeout: Duration,
    state: Mutex<State>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    fn over(name: String, chain: ChainId, secrets: Secrets, client: RpcClient, timeout: Duration) -> Self {
        // No fillers: nonces, fees and chain ids of transactions are our own decisions (architecture: rule 5).
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client)
            .erased();
        Self {
            name,
            chain,
            secrets,
            provider,
            timeout,
            state: Mutex::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its provider, for what [`Endpoint::ask`] does not cover: bound every call by [`REQUEST_TIMEOUT`].
    #[must_use]
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    pub(super) const fn origin(&self, what: &'static str) -> Origin<'_> {
        Origin {
            endpoint: self.name.as_str(),
            secrets: &self.secrets,
            what,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> EndpointHealth {
        let state = self.state();
        EndpointHealth {
            name: self.name.clone(),
            head: state.head,
            failures: state.failures,
            last_failure: state.last_failure.clone(),
            latency: state.latency,
        }
    }

    pub(super) fn saw_head(&self, number: u64) {
        self.state().head = Some(number);
    }

    /// Makes one call, bounded in time; asks for the chain id first where that was not done since the endpoint was last lost.
    ///
    /// # Errors
    /// What the failure means; it also counts against the endpoint if another one might do better.
    pub async fn ask<T, F>(
        &self,
        what: &'static str,
        call: impl FnOnce(DynProvider) -> F,
    ) -> Result<T, RpcFailure>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let verified = self.state().verified;
        if !verified {
            self.verify().await?;
        }
        self.bounded(what, call(self.provider.clone())).await
    }

    async fn verify(&self) -> Result<(), RpcFailure> {
        let found = self
            .bounded("eth_chainId", async { self.provider.get_chain_id().await })
            .await?;
        if found == self.chain.0 {
            self.state().verified = true;
            return Ok(());
        }
        let failure = self.origin("eth_chainId").wrong_chain(self.chain, found);
        self.count(&failure);
        Err(failure)
    }

    async fn bounded<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, RpcFailure> {
        let began = Instant::now();
        let failure = match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => {
                let mut state = self.state();
                state.failures = 0;
                state.rests_until = None;
                state.last_failure = None;
                state.latency = Some(began.elapsed());
                return Ok(answer);
            }
            Ok(Err(error)) => self.origin(what).transport(&error),
            Err(_) => self.origin(what).timed_out(self.timeout),
        };
        self.count(&failure);
        Err(failure)
    }

    /// Remembers a failure that speaks against the endpoint; one that speaks against the question does not.
    pub(super) fn count(&self, failure: &RpcFailure) {
        if !failure.class.worth_another_try() {
            return;
        }
        let mut state = self.state();
        let rest = match failure.class {
            RpcErrorClass::WrongChain => LONGEST_REST,
            _ => FIRST_REST
                .saturating_mul(1 << state.failures.min(10))
                .min(LONGEST_REST),
        };
        state.failures = state.failures.saturating_add(1);
        state.rests_until = Some(Instant::now() + rest);
        // An answer in words proves the connection; anything else may have become another server behind the same URL.
        if failure.code.is_none() {
            state.verified = false;
        }
        state.last_failure = Some(failure.clone());
    }
}

/// The endpoints of one chain, in the order they are preferred.
#[derive(Debug)]
pub struct Endpoints {
    chain: ChainId,
    full: Vec<Arc<Endpoint>>,
    hints: Vec<EndpointConfig>,
}

impl Endpoints {
    /// Builds clients; connects to nothing.
    ///
    /// # Errors
    /// Each [`EndpointError`] but [`EndpointError::NoneUsable`].
    pub fn new(chain: ChainId, configs: Vec<EndpointConfig>) -> Result<Arc<Self>, EndpointError> {
        Self::built(chain, configs, |_| None)
    }

    /// The same, with every call counted where `calls` says for the endpoint of that name.
    ///
    /// # Errors
    /// As [`Endpoints::new`].
    pub fn counted(
        chain: ChainId,
        configs: Vec<EndpointConfig>,
        calls: impl Fn(&str) -> RpcCalls,
    ) -> Result<Arc<Self>, EndpointError> {
        Self::built(chain, configs, |name| Some(calls(name)))
    }

    fn built(
        chain: ChainId,
        configs: Vec<EndpointConfig>,
        calls: impl Fn(&str) -> Option<RpcCalls>,
    ) -> Result<Arc<Self>, EndpointError> {
        let mut full = Vec::new();
        let mut hints = Vec::new();
        for config in configs {
            match config.role()? {
                EndpointRole::Full => {
                    let client = http_client(&config, calls(&config.name))?;
                    full.push(Arc::new(Endpoint::over(
                        config.name,
                        chain,
                        Secrets::of(config.url.expose()),
                        client,
                        REQUEST_TIMEOUT,
                    )));
                }
                EndpointRole::HintOnly => hints.push(config),
            }
        }
        if full.is_empty() {
            return Err(EndpointError::NothingToRead);
        }
        Ok(Arc::new(Self { chain, full, hints }))
    }

    /// Endpoints over given clients, for tests.
    #[cfg(test)]
    pub(crate) fn over(chain: ChainId, clients: Vec<(&str, RpcClient)>, timeout: Duration) -> Arc<Self> {
        let full = clients
            .into_iter()
            .map(|(name, client)| {
                let secrets = Secrets::default();
                Arc::new(Endpoint::over(name.to_owned(), chain, secrets, client, timeout))
            })
            .collect();
        Arc::new(Self {
            chain,
            full,
            hints: vec![],
        })
    }

    /// Which chain they serve.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// All HTTP endpoints, as configured: raw transactions go to each.
    #[must_use]
    pub fn all(&self) -> &[Arc<Endpoint>] {
        &self.full
    }

    pub(super) fn hints(&self) -> &[EndpointConfig] {
        &self.hints
    }

    /// How each is doing.
    #[must_use]
    pub fn health(&self) -> Vec<EndpointHealth> {
        self.full.iter().map(|endpoint| endpoint.health()).collect()
    }

    /// Best first: those that do not rest, then those that are not behind, then as configured.
    #[must_use]
    pub fn ranked(&self) -> Vec<Arc<Endpoint>> {
        let now = Instant::now();
        let newest = self
            .full
            .iter()
            .filter_map(|endpoint| endpoint.state().head)
            .max();
        let mut ranked: Vec<(bool, bool, &Arc<Endpoint>)> = self
            .full
            .iter()
            .map(|endpoint| {
                let state = endpoint.state();
                let rests = state.rests_until.is_some_and(|until| until > now);
                let behind = match (state.head, newest) {
                    (Some(own), Some(newest)) => newest.saturating_sub(own) > TOLERATED_LAG,
                    (_, _) => false,
                };
                (rests, behind, endpoint)
            })
            .collect();
        ranked.sort_by_key(|(rests, behind, _)| (*rests, *behind));
        ranked
            .into_iter()
            .map(|(_, _, endpoint)| Arc::clone(endpoint))
            .collect()
    }

    /// The provider of the best endpoint now; its calls are not bounded or classified, [`Endpoints::ask`]'s are.
    #[must_use]
    pub fn read(&self) -> Option<DynProvider> {
        self.ranked().first().map(|endpoint| endpoint.provider.clone())
    }

    /// Asks the best endpoint, and the next ones where another may answer better. For reads only: a transaction goes to [`Endpoints::all`].
    ///
    /// # Errors
    /// The last endpoint's failure, or the first that speaks against the question itself.
    pub async fn ask<T, F>(
        &self,
        what: &'static str,
        call: impl Fn(DynProvider) -> F,
    ) -> Result<T, RpcFailure>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let mut last = None;
        for endpoint in self.ranked() {
            match endpoint.ask(what, &call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.class.worth_another_try() => last = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| RpcFailure {
            endpoint: "none".into(),
            what,
            class: RpcErrorClass::Unsupported,
            code: None,
            detail: "no endpoint is configured".into(),
            revert: None,
        }))
    }

    /// Asks every endpoint for its chain id.
    ///
    /// # Errors
    /// [`EndpointError::NoneUsable`] with each one's failure; one right endpoint is enough.
    pub async fn assert_chain(&self) -> Result<(), EndpointError> {
        let asked = futures::future::join_all(self.full.iter().map(|endpoint| endpoint.verify())).await;
        if asked.iter().any(Result::is_ok) {
            return Ok(());
        }
        let failures: Vec<String> = asked
            .into_iter()
            .filter_map(Result::err)
            .map(|failure| failure.to_string())
            .collect();
        Err(EndpointError::NoneUsable(failures.join("; ")))
    }
}

fn http_client(config: &EndpointConfig, calls: Option<RpcCalls>) -> Result<RpcClient, EndpointError> {
    let client = alloy::transports::http::reqwest::Client::builder()
        .connect_timeout(REQUEST_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(alloy::transports::http::reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
        .map_err(|error| EndpointError::Client {
            name: config.name.clone(),
            reason: error.without_url().to_string(),
        })?;
    let url = config.url.expose().clone();
    Ok(match calls {
        Some(calls) => RpcClient::builder()
            .layer(Counting(calls))
            .http_with_client(client, url),
        None => RpcClient::builder().http_with_client(client, url),
    })
}

#[cfg(test)]
mod tests;
