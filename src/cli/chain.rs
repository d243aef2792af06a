//! Flags and output that every verb shares which sends a person's own transactions: endpoint, key file, market, form of the answer. A key is read
//! from a file only, never from the command line, where other users of the machine could see it.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use clap::{Args, ValueEnum};
use serde::Serialize;
use thiserror::Error;

use super::value;
use crate::{
    chain_io::{
        contracts::{Contracts, ContractsError},
        sequence::{self, Done, Sequence, SequenceError},
        signer::{LocalKey, SignerError},
    },
    core::{
        ids::ChainId,
        money::{MicroUnits, MoneyError},
    },
};

/// Which chain, and with whose key.
#[derive(Debug, Clone, Args)]
pub struct ChainArgs {
    /// HTTP endpoint of the chain.
    #[arg(long, value_name = "URL", env = "LEASEPORT_RPC_URL", hide_env_values = true)]
    pub rpc: String,
    /// Refuse an endpoint that serves another chain.
    #[arg(long, value_name = "ID", env = "LEASEPORT_CHAIN_ID", value_parser = value::number::<u64>)]
    pub chain_id: Option<u64>,
    /// File with the private key that sends and pays: 64 hexadecimal digits.
    #[arg(long, value_name = "FILE", env = "LEASEPORT_KEY_FILE")]
    pub key_file: PathBuf,
}

/// An act on a market: which chain, with whose key, which market, and how it is told.
#[derive(Debug, Clone, Args)]
pub struct ActArgs {
    /// Which chain, and with whose key.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Address of the market's Directory.
    #[arg(
        long,
        alias = "market-directory",
        value_name = "ADDRESS",
        env = "LEASEPORT_DIRECTORY",
        value_parser = value::address
    )]
    pub directory: Address,
    /// Form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ActArgs {
    /// Reads the key, connects, and reads the market's contracts.
    ///
    /// # Errors
    /// As [`ChainArgs::begin`], or the Directory is none of a market we know.
    pub async fn begin(&self) -> Result<(Sequence, Contracts), ChainArgsError> {
        let sequence = self.chain.begin().await?;
        let contracts = Contracts::read(sequence.endpoints(), self.directory).await?;
        Ok((sequence, contracts))
    }
}

/// Reads an amount given on the command line.
pub(super) fn amount(text: &str) -> Result<MicroUnits, MoneyError> {
    text.parse()
}

/// A transaction, as printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionAnswer {
    what: String,
    hash: B256,
    block: u64,
    pub(super) gas_used: u64,
}

impl From<&Done> for TransactionAnswer {
    fn from(done: &Done) -> Self {
        Self {
            what: done.what.clone(),
            hash: done.hash,
            block: done.block,
            gas_used: done.gas_used,
        }
    }
}

/// Prints an answer: the value itself for programs, a line for people.
///
/// # Errors
/// It cannot be written.
pub(super) fn say<T: Serialize>(
    out: &mut impl Write,
    format: OutputFormat,
    answer: &T,
    said: &str,
) -> io::Result<()> {
    match format {
        OutputFormat::Json => writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(answer).map_err(io::Error::from)?
        ),
        OutputFormat::Text => writeln!(out, "{said}"),
    }
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people; progress goes to standard error.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct OutputArgs {
    /// How the answer is printed.
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: OutputFormat,
    /// The same as --output json.
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

impl OutputArgs {
    /// Text or JSON.
    #[must_use]
    pub const fn format(self) -> OutputFormat {
        if self.json {
            OutputFormat::Json
        } else {
            self.output
        }
    }
}

/// Why no transaction could be prepared.
#[derive(Debug, Error)]
pub enum ChainArgsError {
    /// No key file.
    #[error("--key-file {path}: {source}; name a file that holds the key", path = .path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No key in it.
    #[error(transparent)]
    Key(#[from] SignerError),
    /// No chain.
    #[error("--rpc: {0}")]
    Chain(#[source] Box<SequenceError>),
    /// The market cannot be read.
    #[error("--directory: {0}")]
    Contracts(#[source] Box<ContractsError>),
}

impl From<ContractsError> for ChainArgsError {
    fn from(error: ContractsError) -> Self {
        Self::Contracts(Box::new(error))
    }
}

impl From<SequenceError> for ChainArgsError {
    fn from(error: SequenceError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl ChainArgs {
    /// Reads the key, connects, and adopts the key's nonce.
    ///
    /// # Errors
    /// The file, the key, the endpoint or the chain is not as it must be.
    pub async fn begin(&self) -> Result<Sequence, ChainArgsError> {
        let path = &self.key_file;
        let bytes = fs::read(path).map_err(|source| ChainArgsError::KeyFile {
            path: path.clone(),
            source,
        })?;
        let key = LocalKey::from_secret(bytes, &format!("--key-file {}", path.display()))?;
        let endpoints = sequence::connect(&self.rpc, self.chain_id.map(ChainId)).await?;
        Ok(Sequence::begin(endpoints, Arc::new(key)).await?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn args(rpc: &str, key_file: PathBuf) -> ChainArgs {
        ChainArgs {
            rpc: rpc.into(),
            chain_id: None,
            key_file,
        }
    }

    #[tokio::test]
    async fn a_missing_key_file_a_file_without_a_key_a_bad_url_and_a_dead_endpoint_are_named() {
        let gone = args("http://127.0.0.1:1", "/nonexistent/key".into())
            .begin()
            .await
            .unwrap_err();
        assert!(
            gone.to_string().starts_with("--key-file /nonexistent/key:"),
            "{gone}"
        );

        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "hunter2").unwrap();
        let no_key = args("http://127.0.0.1:1", file.path().into())
            .begin()
            .await
            .unwrap_err();
        assert!(
            no_key.to_string().contains("--key-file") && !no_key.to_string().contains("hunter2"),
            "{no_key}"
        );

        fs::write(
            file.path(),
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n",
        )
        .unwrap();
        let no_url = args("127.0.0.1:1", file.path().into()).begin().await.unwrap_err();
        assert!(
            no_url.to_string().starts_with("--rpc: endpoint --rpc: url"),
            "{no_url}"
        );

        let dead = args("http://127.0.0.1:1", file.path().into())
            .begin()
            .await
            .unwrap_err();
        assert!(dead.to_string().contains("cannot connect"), "{dead}");
    }
}
