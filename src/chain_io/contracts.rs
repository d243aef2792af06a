//! From a Directory's address to a market's contracts, each with its version and proven to be the code the Directory names.
//! One error that says which field to correct; never half a market.

use alloy::{
    primitives::{Address, B256, keccak256},
    providers::{DynProvider, Provider},
    transports::TransportError,
};
use thiserror::Error;

use super::{
    bindings::{Directory, Erc20, IDirectory::Entry, Params},
    decode::Emitters,
    endpoint::Endpoints,
    errors::{RpcErrorClass, RpcFailure},
};
use crate::core::{
    book::{TokenIndex, Windows},
    ids::ChainId,
};

/// Versions of each contract that this program speaks.
const SPOKEN: u32 = 1;

/// One contract of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// Where.
    pub address: Address,
    /// Which version the Directory names.
    pub version: u32,
}

/// A token that Params lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken {
    /// Its place in the list; what orders and leases name.
    pub index: TokenIndex,
    /// ERC-20.
    pub asset: Address,
    /// What it calls itself; empty when it does not say. A stranger may have chosen it.
    pub symbol: String,
    /// Units of the asset in one micro-unit: 10^(decimals - 6).
    pub scale: u64,
    /// Whether it counts as dollars.
    pub dollar: bool,
}

/// The contracts of one market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contracts {
    /// Which chain.
    pub chain: ChainId,
    /// Where all others were read from.
    pub directory: Address,
    /// Orders, leases, money.
    pub lease_book: Contract,
    /// Stake.
    pub stake_vault: Contract,
    /// Tokens and fees.
    pub params: Contract,
    /// Pages of state; not every market has one.
    pub lens: Option<Contract>,
    /// Disputes; not every market has a court.
    pub court: Option<Contract>,
    /// Tokens, in the order of their index.
    pub tokens: Vec<ListedToken>,
    /// A block before the first contract was deployed: where following begins.
    pub from_block: u64,
    /// F and W.
    pub windows: Windows,
}

impl Contracts {
    /// Whose logs are followed.
    #[must_use]
    pub fn emitters(&self) -> Emitters {
        Emitters {
            lease_book: self.lease_book.address,
            stake_vault: self.stake_vault.address,
            court: self.court.map(|court| court.address),
        }
    }
}

/// Why a market's contracts cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContractsError {
    /// The chain did not answer, or is another one.
    #[error(transparent)]
    Rpc(#[from] RpcFailure),
    /// Nothing lives at the address given.
    #[error(
        "directory {directory}: no contract on chain {chain}: correct the market's directory, or its chainId and endpoints"
    )]
    NoDirectory {
        /// The address given.
        directory: Address,
        /// The chain asked.
        chain: u64,
    },
    /// Something lives there that is no Directory.
    #[error(
        "directory {directory}: answers {function} not as a Leaseport Directory does: correct the market's directory"
    )]
    NotADirectory {
        /// The address given.
        directory: Address,
        /// Which call.
        function: &'static str,
    },
    /// The Directory lacks a contract.
    #[error(
        "directory {directory}: has no entry {name}: the market is not fully deployed; run `leaseport market deploy` to its end"
    )]
    NoEntry {
        /// The address given.
        directory: Address,
        /// Which.
        name: &'static str,
    },
    /// An entry's code is not what the Directory named.
    #[error(
        "{name} {address}: its code is not the one the Directory names (found {found}, named {named}): do not use this market"
    )]
    OtherCode {
        /// Which.
        name: &'static str,
        /// Where.
        address: Address,
        /// keccak-256 of the code there; of nothing when there is none.
        found: B256,
        /// What the Directory names.
        named: B256,
    },
    /// A version this program does not speak.
    #[error("{name} has version {version}, this program speaks {spoken}: use another release of leaseport")]
    Version {
        /// Which.
        name: &'static str,
        /// What the Directory names.
        version: u32,
        /// What is spoken.
        spoken: u32,
    },
}

impl ContractsError {
    /// For conditions.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Rpc(failure) => failure.class.label(),
            Self::NoDirectory { .. } => "NoDirectory",
            Self::NotADirectory { .. } => "NotADirectory",
            Self::NoEntry { .. } => "EntryMissing",
            Self::OtherCode { .. } => "OtherCode",
            Self::Version { .. } => "VersionUnknown",
        }
    }
}

/// What a contract call came to.
enum Answered<T> {
    With(T),
    /// The address answered, but not as this contract does.
    Otherwise,
}

/// A call's transport trouble stays trouble; an answer that does not decode is the contract's.
fn answered<T>(result: alloy::contract::Result<T>) -> Result<Answered<T>, TransportError> {
    match result {
        Ok(value) => Ok(Answered::With(value)),
        Err(alloy::contract::Error::TransportError(error)) => Err(error),
        Err(_) => Ok(Answered::Otherwise),
    }
}

impl Contracts {
    /// Reads and verifies the contracts of a market.
    ///
    /// # Errors
    /// Each [`ContractsError`]; the first that applies.
    pub async fn read(endpoints: &Endpoints, directory: Address) -> Result<Self, ContractsError> {
        let chain = endpoints.chain();
        let code = code_at(endpoints, directory).await?;
        if code.is_none() {
            return Err(ContractsError::NoDirectory {
                directory,
                chain: chain.0,
            });
        }
        let entries = of_directory(endpoints, directory, "entries", |provider| async move {
            answered(Directory::new(directory, provider).entries().call().await)
        })
        .await?;
        let entry = |name: &'static str| find(&entries, directory, name);
        let lease_book = verified(endpoints, "LeaseBook", entry("LeaseBook")?).await?;
        let stake_vault = verified(endpoints, "StakeVault", entry("StakeVault")?).await?;
        let params = verified(endpoints, "Params", entry("Params")?).await?;
        let lens = match entry("Lens") {
            Ok(entry) => Some(verified(endpoints, "Lens", entry).await?),
            Err(_) => None,
        };
        let court = match entry("DisputeCourt") {
            Ok(entry) => Some(verified(endpoints, "DisputeCourt", entry).await?),
            Err(_) => None,
        };
        let from_block = of_directory(endpoints, directory, "fromBlock", |provider| async move {
            answered(Directory::new(directory, provider).fromBlock().call().await)
        })
        .await?;
        let final_reports = of_directory(endpoints, directory, "finalReports", |provider| async move {
            answered(Directory::new(directory, provider).finalReports().call().await)
        })
        .await?;
        let vest_epoch = of_directory(endpoints, directory, "vestEpoch", |provider| async move {
            answered(Directory::new(directory, provider).vestEpoch().call().await)
        })
        .await?;
        Ok(Self {
            chain,
            directory,
            lease_book,
            stake_vault,
            params,
            lens,
            court,
            tokens: tokens(endpoints, directory, params.address).await?,
            from_block,
            windows: Windows {
                final_reports,
                vest_epoch,
            },
        })
    }
}

fn find<'a>(
    entries: &'a [Entry],
    directory: Address,
    name: &'static str,
) -> Result<&'a Entry, ContractsError> {
    let wanted = B256::right_padding_from(name.as_bytes());
    entries
        .iter()
        .find(|entry| entry.name == wanted)
        .ok_or(ContractsError::NoEntry { directory, name })
}

async fn code_at(endpoints: &Endpoints, address: Address) -> Result<Option<B256>, RpcFailure> {
    let code = endpoints
        .ask("eth_getCode", |provider| async move {
            provider.get_code_at(address).await
        })
        .await?;
    Ok((!code.is_empty()).then(|| keccak256(&code)))
}

async fn verified(
    endpoints: &Endpoints,
    name: &'static str,
    entry: &Entry,
) -> Result<Contract, ContractsError> {
    if entry.version != SPOKEN {
        return Err(ContractsError::Version {
            name,
            version: entry.version,
            spoken: SPOKEN,
        });
    }
    let found = code_at(endpoints, entry.target).await?.unwrap_or(keccak256([]));
    if found != entry.codeHash {
        return Err(ContractsError::OtherCode {
            name,
            address: entry.target,
            found,
            named: entry.codeHash,
        });
    }
    Ok(Contract {
        address: entry.target,
        version: entry.version,
    })
}

async fn of_directory<T, F>(
    endpoints: &Endpoints,
    directory: Address,
    function: &'static str,
    call: impl Fn(DynProvider) -> F,
) -> Result<T, ContractsError>
where
    F: Future<Output = Result<Answered<T>, TransportError>>,
{
    match endpoints.ask("eth_call", call).await {
        Ok(Answered::With(value)) => Ok(value),
        Ok(Answered::Otherwise) => Err(ContractsError::NotADirectory { directory, function }),
        Err(failure) if failure.class == RpcErrorClass::Execution => {
            Err(ContractsError::NotADirectory { directory, function })
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn tokens(
    endpoints: &Endpoints,
    directory: Address,
    params: Address,
) -> Result<Vec<ListedToken>, ContractsError> {
    let count = of_directory(
        endpoints,
        directory,
        "tokenCount of Params",
        |provider| async move { answered(Params::new(params, provider).tokenCount().call().await) },
    )
    .await?;
    let mut tokens = Vec::new();
    for index in 0..count {
        let info = of_directory(
            endpoints,
            directory,
            "tokenInfo of Params",
            |provider| async move { answered(Params::new(params, provider).tokenInfo(index).call().await) },
        )
        .await?;
        let asset = info.asset;
        let symbol = endpoints
            .ask("eth_call", |provider| async move {
                answered(Erc20::new(asset, provider).symbol().call().await)
            })
            .await;
        let symbol = match symbol {
            Ok(Answered::With(symbol)) => symbol,
            Ok(Answered::Otherwise) => String::new(),
            Err(failure) if failure.class == RpcErrorClass::Execution => String::new(),
            Err(failure) => return Err(failure.into()),
        };
        tokens.push(ListedToken {
            index,
            asset,
            symbol: symbol
                .chars()
                .filter(|letter| letter.is_ascii_graphic())
                .take(16)
                .collect(),
            scale: info.scale,
            dollar: info.dollar,
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use alloy::{
        primitives::{Bytes, U64},
        providers::mock::Asserter,
        rpc::client::RpcClient,
        sol_types::SolCall,
    };

    use super::*;

    const DIRECTORY: Address = Address::repeat_byte(0xd1);

    fn mocked() -> (std::sync::Arc<Endpoints>, Asserter) {
        let asserter = Asserter::new();
        let client = RpcClient::mocked(asserter.clone());
        asserter.push_success(&U64::from(5));
        (
            Endpoints::over(ChainId(5), vec![("a", client)], Duration::from_secs(1)),
            asserter,
        )
    }

    fn entry(name: &str, version: u32, code: &[u8]) -> Entry {
        Entry {
            name: B256::right_padding_from(name.as_bytes()),
            target: Address::repeat_byte(7),
            version,
            codeHash: keccak256(code),
        }
    }

    fn returns(asserter: &Asserter, entries: &[Entry]) {
        asserter.push_success(&Bytes::from_static(b"code"));
        asserter.push_success(&Bytes::from(Directory::entriesCall::abi_encode_returns(
            &entries.to_vec(),
        )));
    }

    #[tokio::test]
    async fn an_address_without_code_names_the_field_the_value_and_the_remedy() {
        let (endpoints, asserter) = mocked();
        asserter.push_success(&Bytes::new());
        let error = Contracts::read(&endpoints, DIRECTORY).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "directory {DIRECTORY}: no contract on chain 5: correct the market's directory, or its chainId and endpoints"
            )
        );
    }

    #[tokio::test]
    async fn another_contract_at_the_address_is_no_directory() {
        let (endpoints, asserter) = mocked();
        asserter.push_success(&Bytes::from_static(b"code"));
        asserter.push_success(&Bytes::new());
        let error = Contracts::read(&endpoints, DIRECTORY).await.unwrap_err();
        assert!(matches!(
            error,
            ContractsError::NotADirectory {
                function: "entries",
                ..
            }
        ));
    }

    #[tokio::test]
    async fn a_missing_entry_an_unknown_version_and_other_code_are_told_apart() {
        let (endpoints, asserter) = mocked();
        returns(&asserter, &[entry("StakeVault", 1, b"x")]);
        let error = Contracts::read(&endpoints, DIRECTORY).await.unwrap_err();
        assert!(matches!(
            error,
            ContractsError::NoEntry {
                name: "LeaseBook",
                ..
            }
        ));

        returns(&asserter, &[entry("LeaseBook", 2, b"x")]);
        let error = Contracts::read(&endpoints, DIRECTORY).await.unwrap_err();
        assert!(matches!(error, ContractsError::Version { version: 2, .. }));

        returns(&asserter, &[entry("LeaseBook", 1, b"x")]);
        asserter.push_success(&Bytes::from_static(b"y"));
        let error = Contracts::read(&endpoints, DIRECTORY).await.unwrap_err();
        assert!(matches!(
            error,
            ContractsError::OtherCode {
                name: "LeaseBook",
                ..
            }
        ));
    }
}
