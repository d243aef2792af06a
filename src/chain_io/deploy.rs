//! Puts a market on a chain from this binary alone: the contracts' creation code is in `contracts/abi`, which the contracts' own check
//! proves equal to their sources. Every address is known beforehand (`plan`); each wave looks what is there already and sends only
//! what is not; the last transaction joins all of it and hands it to the timelock (`founding`). A run that stopped anywhere is
//! continued by running it again with the same flags and key. Ends by reading the market back (`audit`).

pub mod audit;
pub mod factory;
pub mod founding;
pub mod plan;

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, TxKind, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
};
use thiserror::Error;

use self::{
    audit::{Audit, AuditError},
    plan::{Delays, Piece, Plan, Via},
};
use super::{
    contracts::{Contracts, ContractsError},
    governance::AccessManager,
    sequence::{Done, Sent, Sequence, SequenceError},
    windows::{ChainKind, chain_kind},
};
use crate::core::book::Windows;

/// What a deployment decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// F and W; cannot change later.
    pub windows: Windows,
    /// Any text; another text is another market.
    pub salt: String,
    /// Who may propose to the timelock and cancel in it, beside the Governor. None: the deployer.
    pub council: Option<Address>,
    /// Who may pause posting and opening. None: the council.
    pub guardian: Option<Address>,
    /// Who may list tokens. None: the council.
    pub lister: Option<Address>,
    /// Who rules in the court. None: the council.
    pub arbiter: Option<Address>,
    /// Gets the treasury's share of fees, and PORT as it vests. None: the timelock.
    pub treasury: Option<Address>,
    /// Fee of leases, in steps of 10 bps, at most 100.
    pub fee_steps: u8,
    /// What a dispute costs its loser in each of `dollars`, in micro-units.
    pub court_fee: u64,
    /// Dollar tokens to list, in this order. Empty on a local chain: a test dollar is made and listed.
    pub dollars: Vec<Address>,
}

/// What was deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The market as an operator reads it.
    pub contracts: Contracts,
    /// All of its contracts and how they are joined, as found on the chain.
    pub audit: Audit,
    /// Every transaction of this run, in the order of its nonce; none when all was there.
    pub transactions: Vec<Done>,
}

/// Why a deployment stopped.
#[derive(Debug, Error)]
pub enum DeployError {
    /// A transaction did not do what it should.
    #[error(transparent)]
    Sequence(Box<SequenceError>),
    /// No token.
    #[error(
        "no token is named: on chain {chain} pass --token with the address of a dollar token (a test dollar exists on local chains only)"
    )]
    NoToken {
        /// The chain.
        chain: u64,
    },
    /// More tokens than Params lists.
    #[error("{count} tokens: a market lists at most 64; pass fewer --token")]
    Tokens {
        /// How many.
        count: usize,
    },
    /// The factory is missing.
    #[error(
        "chain {chain} has no deterministic-deployment factory at {address}: ask the chain's operators for it, or send the factory's own transaction, then run the verb again", address = factory::FACTORY
    )]
    NoFactory {
        /// The chain.
        chain: u64,
    },
    /// Something else is at its address.
    #[error("chain {chain} has other code at {address} than the deterministic-deployment factory: this chain cannot be used", address = factory::FACTORY)]
    OtherFactory {
        /// The chain.
        chain: u64,
    },
    /// The code is not what this binary would have put there.
    #[error(
        "{name} {address}: its code is not this program's (found {found}, expected {expected}): it was made by another release; finish with that one, or pass another --salt"
    )]
    OtherCode {
        /// Which.
        name: &'static str,
        /// Where.
        address: Address,
        /// Hash of the code found.
        found: B256,
        /// Hash of the code expected.
        expected: B256,
    },
    /// A transaction was mined and nothing is where it should be.
    #[error("{name} was not made at {address}, although its transaction was mined: run the verb again")]
    Missing {
        /// Which.
        name: &'static str,
        /// Where.
        address: Address,
    },
    /// Somebody else founds.
    #[error(
        "AccessManager {access} is not {deployer}'s and the market is not founded: run the verb with the key that began, or pass another --salt"
    )]
    NotFounder {
        /// Which.
        access: Address,
        /// Who asks.
        deployer: Address,
    },
    /// What was deployed does not read back.
    #[error("the market was deployed, but does not read back: {0}")]
    ReadBack(#[source] Box<ContractsError>),
    /// What was deployed is not joined as it should be.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl From<SequenceError> for DeployError {
    fn from(error: SequenceError) -> Self {
        Self::Sequence(Box::new(error))
    }
}

impl From<super::errors::RpcFailure> for DeployError {
    fn from(error: super::errors::RpcFailure) -> Self {
        SequenceError::from(error).into()
    }
}

impl From<ContractsError> for DeployError {
    fn from(error: ContractsError) -> Self {
        Self::ReadBack(Box::new(error))
    }
}

/// Deploys a market, or goes on with one. `progress` is told each transaction when it is mined.
///
/// # Errors
/// The first thing that went wrong; what was mined before stays, and the same call goes on from there.
pub async fn deploy(
    sequence: &mut Sequence,
    wanted: &Wanted,
    progress: &mut (dyn FnMut(&Done) + Send),
) -> Result<Deployment, DeployError> {
    let chain = sequence.endpoints().chain();
    let deployer = sequence.address();
    if wanted.dollars.is_empty() && chain_kind(chain) != ChainKind::Local {
        return Err(DeployError::NoToken { chain: chain.0 });
    }
    if wanted.dollars.len() > 64 {
        return Err(DeployError::Tokens {
            count: wanted.dollars.len(),
        });
    }
    let plan = Plan::of(chain, deployer, wanted);
    let mut transactions = factory::ensure(sequence).await?;
    transactions.iter().for_each(&mut *progress);
    for wave in 1..=3 {
        let pieces: Vec<&Piece> = plan.pieces.iter().filter(|piece| piece.wave == wave).collect();
        raise(sequence, &pieces, &mut transactions, progress).await?;
    }
    if is_admin(sequence, plan.at.access, deployer).await? {
        let delays = Delays::of(chain, wanted.windows.final_reports);
        let from_block = began(sequence, plan.at.access, deployer).await?;
        let data = founding::calldata(&plan, deployer, wanted, delays, from_block);
        let done = sequence
            .run("found the market", TxKind::Call(plan.at.access), data)
            .await?;
        progress(&done);
        transactions.push(done);
    } else if !is_admin(sequence, plan.at.access, plan.at.timelock).await? {
        return Err(DeployError::NotFounder {
            access: plan.at.access,
            deployer,
        });
    }
    let contracts = Contracts::read(sequence.endpoints(), plan.at.directory).await?;
    let audit = Audit::read(sequence.endpoints(), &contracts).await?;
    audit.whole()?;
    Ok(Deployment {
        contracts,
        audit,
        transactions,
    })
}

/// Makes the pieces of one wave that are not there yet, together, and looks that all are.
async fn raise(
    sequence: &mut Sequence,
    pieces: &[&Piece],
    transactions: &mut Vec<Done>,
    progress: &mut (dyn FnMut(&Done) + Send),
) -> Result<(), DeployError> {
    let mut sent: Vec<Sent> = Vec::new();
    for piece in pieces {
        if stands(sequence, piece).await? {
            continue;
        }
        let (to, data) = piece.transaction();
        let what = format!("create {}", piece.name);
        sent.push(sequence.send(&what, TxKind::Call(to), data).await?);
    }
    for one in sent {
        let done = sequence.wait(one).await?;
        progress(&done);
        transactions.push(done);
    }
    for piece in pieces {
        if !stands(sequence, piece).await? {
            return Err(DeployError::Missing {
                name: piece.name,
                address: piece.address,
            });
        }
    }
    Ok(())
}

/// Whether a piece is there, and is what this binary makes: by CREATE2 the address says so; what a slipway launched is compared.
async fn stands(sequence: &Sequence, piece: &Piece) -> Result<bool, DeployError> {
    let address = piece.address;
    let code = sequence
        .endpoints()
        .ask("eth_getCode", |provider| async move {
            provider.get_code_at(address).await
        })
        .await?;
    if code.is_empty() {
        return Ok(false);
    }
    if matches!(piece.via, Via::Slipway(_)) {
        let expected = keccak256(simulated(sequence, &piece.creation).await?);
        let found = keccak256(&code);
        if found != expected {
            return Err(DeployError::OtherCode {
                name: piece.name,
                address,
                found,
                expected,
            });
        }
    }
    Ok(true)
}

/// The code a creation leaves behind. Only for code that does not hold its own address.
async fn simulated(sequence: &Sequence, creation: &Bytes) -> Result<Bytes, DeployError> {
    let mut request = TransactionRequest::default().with_input(creation.clone());
    request.to = Some(TxKind::Create);
    Ok(sequence
        .endpoints()
        .ask("eth_call", |provider| {
            let request = request.clone();
            async move { provider.call(request).await }
        })
        .await?)
}

async fn is_admin(sequence: &Sequence, access: Address, account: Address) -> Result<bool, DeployError> {
    Ok(admin_since(sequence, access, account).await? != 0)
}

/// Since when an account is ADMIN, as a timestamp; 0: it is not.
async fn admin_since(sequence: &Sequence, access: Address, account: Address) -> Result<u64, DeployError> {
    let held = sequence
        .endpoints()
        .ask("eth_call", |provider| async move {
            AccessManager::new(access, provider)
                .getAccess(founding::ADMIN, account)
                .call()
                .await
                .map_err(audit::transport)
        })
        .await?;
    Ok(held.since.to::<u64>())
}

/// A block before the market's first contract. The AccessManager is the first; it says when its first admin became one, and
/// headers are always there, so no state of the past is asked for.
async fn began(sequence: &Sequence, access: Address, deployer: Address) -> Result<u64, DeployError> {
    let since = admin_since(sequence, access, deployer).await?;
    let latest = sequence
        .endpoints()
        .ask("eth_blockNumber", |provider| async move {
            provider.get_block_number().await
        })
        .await?;
    // The first block at or after `since` lies in (low, high].
    let (mut low, mut high) = (0u64, latest);
    while low < high {
        let middle = low + (high - low) / 2;
        let header = sequence
            .endpoints()
            .ask("eth_getBlockByNumber", |provider| async move {
                provider
                    .get_block_by_number(BlockNumberOrTag::Number(middle))
                    .await
            })
            .await?;
        // A block the endpoint does not have any more is older than any it has.
        if header.is_some_and(|block| block.header.timestamp >= since) {
            high = middle;
        } else {
            low = middle.saturating_add(1);
        }
    }
    Ok(high.saturating_sub(1))
}
