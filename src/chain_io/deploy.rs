//! Puts a market on a chain from this binary alone: the contracts' creation code is in `contracts/abi`, which the contracts' own check
//! proves equal to their sources. Three waves, each waited for, in an order that never changes, so the same key at the same nonce gives
//! the same addresses. Ends by reading the market back as an operator would.

use alloy::{
    primitives::{Address, B256, Bytes, TxKind},
    providers::Provider,
    sol_types::{SolCall, SolConstructor},
};
use thiserror::Error;

use super::{
    bindings::{Directory, LeaseBook, Lens, Params, StakeVault, TestDollar},
    contracts::{Contracts, ContractsError},
    sequence::{Done, Sequence, SequenceError},
    windows::{ChainKind, chain_kind},
};
use crate::core::book::Windows;

/// What a deployment decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// F and W; cannot change later.
    pub windows: Windows,
    /// Who will own Params and Directory; accepts by `acceptOwnership` where it is not the deployer. None: the deployer.
    pub owner: Option<Address>,
    /// Where fees are pushed to. None: the deployer.
    pub fee_receiver: Option<Address>,
    /// Who may pause posting and opening. None: the deployer.
    pub guardian: Option<Address>,
    /// Fee of leases, in steps of 10 bps, at most 100.
    pub fee_steps: u8,
    /// Dollar tokens to list, in this order. Empty on a local chain: a test dollar is made and listed.
    pub dollars: Vec<Address>,
}

/// What was deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The market as an operator reads it.
    pub contracts: Contracts,
    /// Every transaction, in the order of its nonce.
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
    /// A contract got another address than its nonce says.
    #[error(
        "{what} was made at {found}, expected {expected}: another program uses the same key; run again with a key nobody else uses"
    )]
    Address {
        /// Which.
        what: String,
        /// Where it is.
        found: Address,
        /// Where it had to be.
        expected: Address,
    },
    /// What was deployed does not read back.
    #[error("the market was deployed, but does not read back: {0}")]
    ReadBack(#[source] Box<ContractsError>),
}

impl From<SequenceError> for DeployError {
    fn from(error: SequenceError) -> Self {
        Self::Sequence(Box::new(error))
    }
}

impl From<ContractsError> for DeployError {
    fn from(error: ContractsError) -> Self {
        Self::ReadBack(Box::new(error))
    }
}

fn creation<C: SolConstructor>(code: &Bytes, arguments: &C) -> Bytes {
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

fn named(name: &str) -> B256 {
    B256::right_padding_from(name.as_bytes())
}

/// Deploys a market. `progress` is told each transaction when it is mined.
///
/// # Errors
/// The first thing that went wrong; what was mined before stays and is of no use (run again for a new market).
pub async fn deploy(
    sequence: &mut Sequence,
    wanted: &Wanted,
    progress: &mut (dyn FnMut(&Done) + Send),
) -> Result<Deployment, DeployError> {
    let chain = sequence.endpoints().chain();
    let deployer = sequence.address();
    let local = chain_kind(chain) == ChainKind::Local;
    if wanted.dollars.is_empty() && !local {
        return Err(DeployError::NoToken { chain: chain.0 });
    }
    let from_block = sequence
        .endpoints()
        .ask("eth_blockNumber", |provider| async move {
            provider.get_block_number().await
        })
        .await
        .map_err(SequenceError::from)?;
    let mut wave = Wave::new(progress);

    // First wave: what needs nothing but addresses.
    let params = wave
        .create(
            sequence,
            "create Params",
            creation(
                &Params::BYTECODE,
                &Params::constructorCall {
                    owner: deployer,
                    feeReceiver_: wanted.fee_receiver.unwrap_or(deployer),
                    guardian_: wanted.guardian.unwrap_or(deployer),
                    feeSteps: wanted.fee_steps,
                },
            ),
        )
        .await?;
    let mut dollars = wanted.dollars.clone();
    if dollars.is_empty() {
        dollars.push(
            wave.create(sequence, "create TestDollar", TestDollar::BYTECODE.clone())
                .await?,
        );
    }
    let directory = wave
        .create(
            sequence,
            "create Directory",
            creation(
                &Directory::BYTECODE,
                &Directory::constructorCall {
                    owner: deployer,
                    fromBlock_: from_block,
                    finalReports_: wanted.windows.final_reports,
                    vestEpoch_: wanted.windows.vest_epoch,
                },
            ),
        )
        .await?;
    let lens = wave
        .create(sequence, "create Lens", Lens::BYTECODE.clone())
        .await?;
    // The book is the transaction after this one; it refuses a vault that names another.
    let book = sequence.creates(1);
    let vault = wave
        .create(
            sequence,
            "create StakeVault",
            creation(
                &StakeVault::BYTECODE,
                &StakeVault::constructorCall {
                    leaseBook_: book,
                    params_: params,
                    finalReports: wanted.windows.final_reports,
                    vestEpoch: wanted.windows.vest_epoch,
                },
            ),
        )
        .await?;
    wave.settle(sequence).await?;

    // Second wave: the book asks its vault; Params asks each token for its decimals.
    wave.create(
        sequence,
        "create LeaseBook",
        creation(
            &LeaseBook::BYTECODE,
            &LeaseBook::constructorCall {
                params_: params,
                stakeVault_: vault,
                finalReports_: wanted.windows.final_reports,
                vestEpoch_: wanted.windows.vest_epoch,
            },
        ),
    )
    .await?;
    for asset in dollars {
        let list = Params::listTokenCall { asset, dollar: true };
        wave.call(sequence, "list token", params, list.abi_encode().into())
            .await?;
    }
    wave.settle(sequence).await?;

    // Third wave: the Directory records code, so the code must be there.
    for (name, target) in [
        ("LeaseBook", book),
        ("StakeVault", vault),
        ("Params", params),
        ("Lens", lens),
    ] {
        let set = Directory::setCall {
            name: named(name),
            target,
            version: 1,
        };
        wave.call(
            sequence,
            &format!("name {name} in the Directory"),
            directory,
            set.abi_encode().into(),
        )
        .await?;
    }
    if let Some(owner) = wanted.owner.filter(|owner| *owner != deployer) {
        for (what, target) in [("Params", params), ("Directory", directory)] {
            let transfer = Params::transferOwnershipCall { newOwner: owner };
            wave.call(
                sequence,
                &format!("offer {what} to its owner"),
                target,
                transfer.abi_encode().into(),
            )
            .await?;
        }
    }
    wave.settle(sequence).await?;

    let transactions = wave.done;
    let contracts = Contracts::read(sequence.endpoints(), directory).await?;
    Ok(Deployment {
        contracts,
        transactions,
    })
}

/// Transactions sent together and then waited for together.
struct Wave<'a> {
    sent: Vec<(super::sequence::Sent, Option<Address>)>,
    done: Vec<Done>,
    progress: &'a mut (dyn FnMut(&Done) + Send),
}

impl<'a> Wave<'a> {
    fn new(progress: &'a mut (dyn FnMut(&Done) + Send)) -> Self {
        Self {
            sent: Vec::new(),
            done: Vec::new(),
            progress,
        }
    }

    async fn create(
        &mut self,
        sequence: &mut Sequence,
        what: &str,
        code: Bytes,
    ) -> Result<Address, SequenceError> {
        let address = sequence.creates(0);
        let sent = sequence.send(what, TxKind::Create, code).await?;
        self.sent.push((sent, Some(address)));
        Ok(address)
    }

    async fn call(
        &mut self,
        sequence: &mut Sequence,
        what: &str,
        to: Address,
        data: Bytes,
    ) -> Result<(), SequenceError> {
        let sent = sequence.send(what, TxKind::Call(to), data).await?;
        self.sent.push((sent, None));
        Ok(())
    }

    async fn settle(&mut self, sequence: &Sequence) -> Result<(), DeployError> {
        for (sent, expected) in self.sent.drain(..) {
            let done = sequence.wait(sent).await?;
            if let Some(expected) = expected
                && done.created != Some(expected)
            {
                return Err(DeployError::Address {
                    what: done.what,
                    found: done.created.unwrap_or_default(),
                    expected,
                });
            }
            (self.progress)(&done);
            self.done.push(done);
        }
        Ok(())
    }
}
