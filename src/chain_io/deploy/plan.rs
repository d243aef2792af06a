//! What a market consists of, and where each contract will be: a pure function of who deploys, of what is wanted and of this binary's
//! code. The same plan on every chain and in every run, so that a deployment that stopped anywhere can go on. Asks no chain.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolConstructor, SolValue},
};

use super::{Wanted, factory};
use crate::{
    chain_io::{
        bindings::{Directory, DisputeCourt, LeaseBook, Lens, Params, StakeVault, TestDollar},
        governance::{AccessManager, FeeRouter, Port, PortGovernor, Slipway, TimelockController},
        windows::{ChainKind, chain_kind},
    },
    core::ids::ChainId,
};

/// How a piece is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By CREATE2: the address proves the code.
    Factory(B256),
    /// By the slipway, for the one that must be named before it is known.
    Slipway(Address),
}

/// One contract to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its contract's name.
    pub name: &'static str,
    /// Where it will be.
    pub address: Address,
    /// Creation code with its arguments.
    pub creation: Bytes,
    /// How it is made.
    pub via: Via,
    /// Pieces of a wave need only pieces of earlier ones.
    pub wave: u8,
}

impl Piece {
    /// Whom to send what to make it.
    #[must_use]
    pub fn transaction(&self) -> (Address, Bytes) {
        match self.via {
            Via::Factory(salt) => (factory::FACTORY, factory::order(salt, &self.creation)),
            Via::Slipway(slipway) => {
                let launch = Slipway::launchCall {
                    creation: self.creation.clone(),
                };
                (slipway, launch.abi_encode().into())
            }
        }
    }
}

/// Where all contracts of a market are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Who may what.
    pub access: Address,
    /// The delay all policy goes through.
    pub timelock: Address,
    /// Votes.
    pub port: Address,
    /// Counts them.
    pub governor: Address,
    /// Fees in transit.
    pub router: Address,
    /// Tokens and fees.
    pub params: Address,
    /// From which all others are read.
    pub directory: Address,
    /// Pages of state.
    pub lens: Address,
    /// Stake.
    pub vault: Address,
    /// Orders, leases, money.
    pub book: Address,
    /// Disputes.
    pub court: Address,
}

impl Addresses {
    /// The entries of the Directory, in their order.
    #[must_use]
    pub const fn entries(&self) -> [(&'static str, Address); 10] {
        [
            ("LeaseBook", self.book),
            ("StakeVault", self.vault),
            ("Params", self.params),
            ("Lens", self.lens),
            ("DisputeCourt", self.court),
            ("FeeRouter", self.router),
            ("AccessManager", self.access),
            ("Timelock", self.timelock),
            ("Governor", self.governor),
            ("Port", self.port),
        ]
    }
}

/// A market to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything to be made, in the order of its waves.
    pub pieces: Vec<Piece>,
    /// Where.
    pub at: Addresses,
    /// Tokens to list, in this order.
    pub dollars: Vec<Address>,
}

/// Seconds and shares that this version founds markets with. Public values are the design's; on a local chain all are short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// From scheduling an act of the timelock to it.
    pub timelock: u32,
    /// From a proposal to its vote.
    pub voting_delay: u64,
    /// Of a vote.
    pub voting_period: u32,
    /// A vote lasts at least so long after its quorum was reached.
    pub late_quorum: u64,
    /// To answer a contest.
    pub answer: u32,
    /// To rule after the answer.
    pub ruling: u32,
    /// In which a ruling may be vetoed.
    pub veto: u32,
    /// From scheduling a listing to it.
    pub lister: u32,
}

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

impl Delays {
    /// For a chain.
    #[must_use]
    pub const fn of(chain: ChainId, final_reports: u32) -> Self {
        match chain_kind(chain) {
            ChainKind::Local => Self {
                timelock: 10,
                voting_delay: 1,
                voting_period: 60,
                late_quorum: 10,
                answer: 30,
                ruling: 60,
                veto: 20,
                lister: 0,
            },
            ChainKind::Public { .. } | ChainKind::Unknown => Self {
                timelock: 2 * DAY,
                voting_delay: 86_400,
                voting_period: 5 * DAY,
                late_quorum: 86_400,
                // F is longer than the forced-inclusion delay; 4 days are the most the design allows.
                answer: if final_reports > 2 * DAY {
                    4 * DAY
                } else {
                    2 * DAY + final_reports
                },
                ruling: 10 * DAY,
                veto: 5 * DAY,
                lister: DAY,
            },
        }
    }
}

/// Votes needed to propose: 10^6 PORT, a thousandth of what will ever be.
fn threshold() -> U256 {
    U256::from(1_000_000u64) * U256::from(1_000_000_000_000_000_000u64)
}
const QUORUM_PERCENT: u64 = 4;
/// Of 10,000: to the treasury; the rest is burned.
pub(super) const TREASURY_SHARE: u16 = 5_000;

fn creation<C: SolConstructor>(code: &Bytes, arguments: &C) -> Bytes {
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

/// Collects pieces and their addresses.
struct Pieces {
    salt: B256,
    pieces: Vec<Piece>,
}

impl Pieces {
    fn add(&mut self, wave: u8, name: &'static str, creation: Bytes) -> Address {
        let address = factory::address_of(self.salt, &creation);
        self.pieces.push(Piece {
            name,
            address,
            creation,
            via: Via::Factory(self.salt),
            wave,
        });
        address
    }
}

impl Plan {
    /// Of a market on a chain.
    #[must_use]
    pub fn of(chain: ChainId, deployer: Address, wanted: &Wanted) -> Self {
        let delays = Delays::of(chain, wanted.windows.final_reports);
        let salt = keccak256(wanted.salt.as_bytes());
        let mut pieces = Pieces {
            salt,
            pieces: Vec::new(),
        };
        let access = pieces.add(
            1,
            "AccessManager",
            creation(
                &AccessManager::BYTECODE,
                &AccessManager::constructorCall {
                    initialAdmin: deployer,
                },
            ),
        );
        let timelock = pieces.add(
            1,
            "TimelockController",
            creation(
                &TimelockController::BYTECODE,
                &TimelockController::constructorCall {
                    minDelay: U256::from(delays.timelock),
                    proposers: Vec::new(),
                    // Whoever pays the gas may execute what has waited.
                    executors: vec![Address::ZERO],
                    // Until the founding ends.
                    admin: access,
                },
            ),
        );
        let treasury = wanted.treasury.unwrap_or(timelock);
        let port = pieces.add(
            1,
            "Port",
            creation(
                &Port::BYTECODE,
                &Port::constructorCall {
                    holders: [treasury; 5],
                },
            ),
        );
        let router = pieces.add(
            1,
            "FeeRouter",
            creation(
                &FeeRouter::BYTECODE,
                &FeeRouter::constructorCall {
                    authority: access,
                    port_: port,
                    treasury_: treasury,
                    treasuryShare_: TREASURY_SHARE,
                    burnShare_: 10_000 - TREASURY_SHARE,
                },
            ),
        );
        let params = pieces.add(
            1,
            "Params",
            creation(
                &Params::BYTECODE,
                &Params::constructorCall {
                    owner: access,
                    feeReceiver_: router,
                    guardian_: access,
                    feeSteps: wanted.fee_steps,
                },
            ),
        );
        let mut dollars = wanted.dollars.clone();
        if dollars.is_empty() && chain_kind(chain) == ChainKind::Local {
            dollars.push(pieces.add(1, "TestDollar", TestDollar::BYTECODE.clone()));
        }
        let directory = pieces.add(
            1,
            "Directory",
            creation(
                &Directory::BYTECODE,
                &Directory::constructorCall {
                    owner: access,
                    finalReports_: wanted.windows.final_reports,
                    vestEpoch_: wanted.windows.vest_epoch,
                },
            ),
        );
        let lens = pieces.add(1, "Lens", Lens::BYTECODE.clone());

        // The book and its vault name each other. A slipway fixes the vault's address by who launches, and by all that is known
        // of both before, so another book's vault never lies there.
        let known = (
            salt,
            params,
            wanted.windows.final_reports,
            wanted.windows.vest_epoch,
            keccak256(&LeaseBook::BYTECODE),
            keccak256(&StakeVault::BYTECODE),
        );
        pieces.salt = keccak256(known.abi_encode());
        let slipway = pieces.add(
            1,
            "Slipway",
            creation(
                &Slipway::BYTECODE,
                &Slipway::constructorCall { builder_: deployer },
            ),
        );
        pieces.salt = salt;
        let vault = slipway.create(1);
        let book = pieces.add(
            3,
            "LeaseBook",
            creation(
                &LeaseBook::BYTECODE,
                &LeaseBook::constructorCall {
                    params_: params,
                    stakeVault_: vault,
                    finalReports_: wanted.windows.final_reports,
                    vestEpoch_: wanted.windows.vest_epoch,
                },
            ),
        );
        pieces.pieces.push(Piece {
            name: "StakeVault",
            address: vault,
            creation: creation(
                &StakeVault::BYTECODE,
                &StakeVault::constructorCall {
                    leaseBook_: book,
                    params_: params,
                    finalReports: wanted.windows.final_reports,
                    vestEpoch: wanted.windows.vest_epoch,
                },
            ),
            via: Via::Slipway(slipway),
            wave: 2,
        });
        let court = pieces.add(
            1,
            "DisputeCourt",
            creation(
                &DisputeCourt::BYTECODE,
                &DisputeCourt::constructorCall {
                    authority: access,
                    leaseBook_: book,
                    stakeVault_: vault,
                    params_: params,
                    vestEpoch_: wanted.windows.vest_epoch,
                    answerTime_: delays.answer,
                    rulingTime_: delays.ruling,
                    vetoTime_: delays.veto,
                },
            ),
        );
        // Asks the token for its clock.
        let governor = pieces.add(
            2,
            "PortGovernor",
            creation(
                &PortGovernor::BYTECODE,
                &PortGovernor::constructorCall {
                    port,
                    timelock,
                    votingDelay_: alloy::primitives::Uint::from(delays.voting_delay),
                    votingPeriod_: delays.voting_period,
                    threshold: threshold(),
                    quorumPercent: U256::from(QUORUM_PERCENT),
                    lateExtension: alloy::primitives::Uint::from(delays.late_quorum),
                },
            ),
        );
        let mut pieces = pieces.pieces;
        pieces.sort_by_key(|piece| piece.wave);
        Self {
            pieces,
            at: Addresses {
                access,
                timelock,
                port,
                governor,
                router,
                params,
                directory,
                lens,
                vault,
                book,
                court,
            },
            dollars,
        }
    }
}
