//! What every verb of a tenant shares: which market, whose key, where things are kept, and the market's book as the chain tells it now.
//! Decides nothing about orders or leases.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, B256},
    sol_types::Eip712Domain,
};
use clap::Args;
use serde::Serialize;
use thiserror::Error;

use super::{
    output::Format,
    value,
    wallet_file::{self, KeyFileError},
};
use crate::{
    act::journal::{JournaledKey, SendError, Sent},
    chain_io::{
        contracts::{Contracts, ContractsError, ListedToken},
        endpoint::Endpoints,
        errors::RpcFailure,
        follower::{Follower, FollowerConfig},
        sequence::{self, SequenceError},
        signer::{LocalKey, WalletSigner},
    },
    core::{
        book::{Book, LeaseState, OrderState, TokenIndex},
        documents::signing,
        ids::{ChainId, LeaseId, OrderHash},
        time::ChainSeconds,
        view::ChainView,
    },
    outbound::{GatewayError, Outbound, Reach},
};

/// How long the first reading of a market's logs may take without any progress of the chain.
const READ_PATIENCE: Duration = Duration::from_secs(300);
/// How long an endpoint that answered before may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// Why a tenant's verb failed. Each text says what to do next.
#[derive(Debug, Error)]
pub enum TenantError {
    /// The command line is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// What is asked for cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
    /// No endpoint, or another chain's.
    #[error("--rpc: {0}")]
    Connect(Box<SequenceError>),
    /// No market.
    #[error("--directory: {0}")]
    Contracts(Box<ContractsError>),
    /// The chain did not answer.
    #[error("{0}; check --rpc and run the verb again")]
    Rpc(Box<RpcFailure>),
    /// The market's logs could not be read.
    #[error("the market cannot be read: {0}")]
    Follow(String),
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A transaction failed.
    #[error(transparent)]
    Send(Box<SendError>),
    /// The provider's gateway.
    #[error("the provider's gateway: {0}")]
    Gateway(Box<GatewayError>),
    /// A file, or a stream of this process.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file, by name.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The causes are large, and most results are not errors.
macro_rules! boxed {
    ($($variant:ident($cause:ty)),+ $(,)?) => {$(
        impl From<$cause> for TenantError {
            fn from(cause: $cause) -> Self {
                Self::$variant(Box::new(cause))
            }
        }
    )+};
}

boxed!(
    Connect(SequenceError),
    Contracts(ContractsError),
    Rpc(RpcFailure),
    Send(SendError),
    Gateway(GatewayError),
);

impl TenantError {
    /// 2 for a command line that is wrong, 1 for all else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Refused(_)
            | Self::Connect(_)
            | Self::Contracts(_)
            | Self::Rpc(_)
            | Self::Follow(_)
            | Self::Key(_)
            | Self::Send(_)
            | Self::Gateway(_)
            | Self::Io(_)
            | Self::File { .. } => 1,
        }
    }
}

/// Which market, whose key, which form of answer.
#[derive(Debug, Clone, Args)]
pub struct TenantArgs {
    /// HTTP endpoint of the market's chain.
    #[arg(long, value_name = "URL", env = "LEASEPORT_RPC_URL", hide_env_values = true)]
    pub rpc: String,
    /// Refuse an endpoint that serves another chain.
    #[arg(long, value_name = "ID", env = "LEASEPORT_CHAIN_ID", value_parser = value::number::<u64>)]
    pub chain_id: Option<u64>,
    /// Address of the market's Directory.
    #[arg(
        long,
        alias = "market-directory",
        value_name = "ADDRESS",
        env = "LEASEPORT_DIRECTORY",
        value_parser = value::address
    )]
    pub directory: Address,
    /// File with the tenant's private key: 64 hexadecimal digits. A key is never given on the command line.
    #[arg(long, value_name = "FILE", env = "LEASEPORT_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: Format,
    /// The market is on this machine or a private network: gateways may have loopback and private addresses.
    #[arg(long, env = "LEASEPORT_LOCAL")]
    pub local: bool,
    /// Where orders, manifests and the journal of transactions are kept; ~/.leaseport when left out.
    #[arg(long, value_name = "DIR", env = "LEASEPORT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

impl TenantArgs {
    /// The tenant's key.
    ///
    /// # Errors
    /// None was named, or it cannot be read.
    pub fn key(&self) -> Result<Arc<LocalKey>, TenantError> {
        let path = self.key_file.as_deref().ok_or_else(|| {
            TenantError::Usage(
                "--key-file is missing: name the file with the tenant's private key, or set LEASEPORT_KEY_FILE"
                    .to_owned(),
            )
        })?;
        Ok(wallet_file::read(path)?)
    }

    /// Connects and reads the market's contracts.
    ///
    /// # Errors
    /// The endpoint, the chain or the Directory is not as it must be.
    pub async fn market(&self) -> Result<Market, TenantError> {
        let endpoints = sequence::connect(&self.rpc, self.chain_id.map(ChainId)).await?;
        let contracts = Contracts::read(&endpoints, self.directory).await?;
        let home = match &self.state_dir {
            Some(dir) => dir.clone(),
            None => std::env::home_dir()
                .ok_or_else(|| TenantError::Usage("no home directory: pass --state-dir".to_owned()))?
                .join(".leaseport"),
        };
        let reach = if self.local {
            Reach::LocalMarket
        } else {
            Reach::PublicOnly
        };
        Ok(Market {
            state_dir: home.join(contracts.chain.0.to_string()),
            outbound: Outbound::new(reach, Vec::new()),
            endpoints,
            contracts,
        })
    }
}

/// A market that can be read and sent to.
#[derive(Debug)]
pub struct Market {
    /// Its chain.
    pub endpoints: Arc<Endpoints>,
    /// Its contracts.
    pub contracts: Contracts,
    /// Where this chain's files are kept.
    pub state_dir: PathBuf,
    /// The client for gateways.
    pub outbound: Outbound,
}

impl Market {
    /// The EIP-712 domain of its LeaseBook.
    #[must_use]
    pub fn domain(&self) -> Eip712Domain {
        signing::domain(self.contracts.chain, self.contracts.lease_book.address)
    }

    /// A listed token by its index.
    #[must_use]
    pub fn token(&self, index: TokenIndex) -> Option<&ListedToken> {
        self.contracts.tokens.iter().find(|token| token.index == index)
    }

    /// What a token calls itself, or its index where it calls itself nothing.
    #[must_use]
    pub fn currency(&self, index: TokenIndex) -> String {
        match self.token(index) {
            Some(token) if !token.symbol.is_empty() => token.symbol.clone(),
            Some(_) | None => format!("token {index}"),
        }
    }

    /// A key that sends transactions and writes its journal here.
    ///
    /// # Errors
    /// There is no endpoint.
    pub fn sender(&self, key: &Arc<LocalKey>) -> Result<JournaledKey, TenantError> {
        let file = format!("{}.journal", key.address().to_checksum(None));
        let signer: Arc<dyn WalletSigner> = Arc::<LocalKey>::clone(key);
        Ok(JournaledKey::new(
            Arc::clone(&self.endpoints),
            signer,
            &self.state_dir.join(file),
        )?)
    }

    /// Begins to follow the market's logs.
    #[must_use]
    pub fn follow(&self) -> Following {
        let config = FollowerConfig {
            poll_interval: Some(Duration::from_millis(500)),
            ..FollowerConfig::of(&self.contracts)
        };
        Following {
            follower: Follower::spawn(Arc::clone(&self.endpoints), config),
        }
    }

    /// The file of an order.
    #[must_use]
    pub fn order_file(&self, order: OrderHash) -> PathBuf {
        self.state_dir.join(format!("{}.json", order.0))
    }
}

/// The market's book, kept up to date until dropped.
#[derive(Debug)]
pub struct Following {
    follower: Follower,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.follower.task.abort();
    }
}

impl Following {
    /// The book at the newest block.
    ///
    /// # Errors
    /// The endpoint fails, with its last words.
    pub async fn view(&mut self) -> Result<Arc<ChainView>, TenantError> {
        self.until(0).await
    }

    /// The book at a block or later: what a transaction mined there did is in it.
    ///
    /// # Errors
    /// The endpoint fails, with its last words.
    pub async fn until(&mut self, block: u64) -> Result<Arc<ChainView>, TenantError> {
        let began = Instant::now();
        loop {
            let found = self.follower.view.borrow_and_update().clone();
            if let Some(view) = found
                && view.head.block.number >= block
            {
                return Ok(view);
            }
            let failing = self.follower.health.borrow().error.clone();
            if let Some(error) = failing
                && began.elapsed() > SILENCE
            {
                return Err(TenantError::Follow(format!("{error}; check --rpc")));
            }
            if began.elapsed() > READ_PATIENCE {
                return Err(TenantError::Follow(format!(
                    "block {block} did not come within {} s; check --rpc",
                    READ_PATIENCE.as_secs()
                )));
            }
            let changed = self.follower.view.changed();
            match tokio::time::timeout(Duration::from_millis(500), changed).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => return Err(TenantError::Follow("the follower ended".to_owned())),
            }
        }
    }
}

/// The later of the head's time and this machine's: a chain without new blocks stands still, deadlines do not.
#[must_use]
pub fn chain_now(view: &ChainView) -> ChainSeconds {
    ChainSeconds(view.head.block.time.0.max(unix_now()))
}

/// Seconds since the Unix epoch by this machine's clock.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// An order of the book by its hash.
///
/// # Errors
/// The market has none, or no longer.
pub fn find_order(book: &Book, order: OrderHash) -> Result<&Arc<OrderState>, TenantError> {
    book.orders().get(&order).ok_or_else(|| {
        TenantError::Refused(format!(
            "order {}: not in this market (orders are forgotten a day after their expiry); check the hash, --rpc and --directory",
            order.0
        ))
    })
}

/// A lease of the book by its id.
///
/// # Errors
/// The market has none, or no longer.
pub fn find_lease(book: &Book, id: LeaseId) -> Result<&Arc<LeaseState>, TenantError> {
    let lane = book
        .provider(id.provider)
        .and_then(|state| state.lanes.get(&id.lane));
    lane.and_then(|lane| lane.leases.get(&id.generation))
        .ok_or_else(|| {
            TenantError::Refused(format!(
                "lease {id}: not in this market; `leaseport lease ls` shows yours, check --rpc and --directory"
            ))
        })
}

/// Reads an order's hash from the command line.
///
/// # Errors
/// Not 64 hexadecimal digits.
pub fn order_hash(text: &str) -> Result<OrderHash, String> {
    text.trim().parse::<B256>().map(OrderHash).map_err(|_| {
        "give the order's hash: 0x and 64 hexadecimal digits, as `leaseport request` prints it".to_owned()
    })
}

/// A transaction as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Which step.
    pub what: String,
    /// Its hash.
    pub hash: B256,
    /// Its block.
    pub block: u64,
    /// What it used.
    pub gas_used: u64,
    /// What it cost in wei, data fee included, as decimal text.
    pub cost_wei: String,
}

impl From<&Sent> for Transaction {
    fn from(sent: &Sent) -> Self {
        let mined = &sent.mined;
        let cost = u128::from(mined.gas_used)
            .saturating_mul(mined.effective_gas_price)
            .saturating_add(mined.data_fee);
        Self {
            what: sent.what.clone(),
            hash: mined.hash,
            block: mined.block_number,
            gas_used: mined.gas_used,
            cost_wei: cost.to_string(),
        }
    }
}

impl Transaction {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}: {} in block {}, gas {}",
            self.what, self.hash, self.block, self.gas_used
        )
    }
}

/// Reads a text file, or standard input for `-`.
///
/// # Errors
/// It cannot be read.
pub fn read_text(path: &Path) -> Result<String, TenantError> {
    if path == Path::new("-") {
        return Ok(io::read_to_string(io::stdin())?);
    }
    std::fs::read_to_string(path).map_err(|source| TenantError::File {
        path: path.to_owned(),
        source,
    })
}

/// Reads `30s`, `2m`, `1h30m` from the command line.
///
/// # Errors
/// Not a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    crate::api::duration::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_exits_2_and_a_failure_exits_1() {
        assert_eq!(TenantError::Usage(String::new()).exit_code(), 2);
        assert_eq!(TenantError::Refused(String::new()).exit_code(), 1);
    }

    #[test]
    fn an_order_is_named_by_its_whole_hash() {
        assert!(order_hash(&format!("0x{}", "ab".repeat(32))).is_ok());
        assert!(order_hash("0xab").is_err_and(|why| why.contains("64 hexadecimal")));
    }
}
