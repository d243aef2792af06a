//! The one transaction that joins a market's contracts and ends the deployer's power: roles, tokens, court, names in the Directory,
//! and the hand-over to the timelock, all or nothing. So there is no half-wired market, only one that is not founded yet. Pure: from a
//! plan to calldata.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, keccak256},
    sol_types::SolCall,
};

use super::{
    Wanted,
    plan::{Addresses, Delays, Plan},
};
use crate::chain_io::{
    bindings::{Directory, DisputeCourt, Params},
    governance::{AccessManager, TimelockController},
};

/// The role that may do everything else; the timelock's alone.
pub const ADMIN: u64 = 0;
/// May pause posting and opening.
pub const GUARDIAN: u64 = 1;
/// May list tokens and open or close them for new orders.
pub const LISTER: u64 = 2;
/// May rule in the court.
pub const ARBITER: u64 = 3;

/// A left-aligned name.
#[must_use]
pub fn named(name: &str) -> B256 {
    B256::right_padding_from(name.as_bytes())
}

/// The timelock's role of that name, as OpenZeppelin hashes it.
#[must_use]
pub fn timelock_role(name: &str) -> B256 {
    keccak256(name.as_bytes())
}

/// Who gets the narrower roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holders {
    /// May propose to the timelock and cancel in it, beside the Governor.
    pub council: Address,
    /// Pause.
    pub guardian: Address,
    /// Tokens.
    pub lister: Address,
    /// Rulings.
    pub arbiter: Address,
}

impl Holders {
    /// The council is the deployer unless another is wanted; the narrower roles are the council's.
    #[must_use]
    pub fn of(deployer: Address, wanted: &Wanted) -> Self {
        let council = wanted.council.unwrap_or(deployer);
        Self {
            council,
            guardian: wanted.guardian.unwrap_or(council),
            lister: wanted.lister.unwrap_or(council),
            arbiter: wanted.arbiter.unwrap_or(council),
        }
    }
}

struct Acts {
    at: Addresses,
    calls: Vec<Bytes>,
}

impl Acts {
    fn own(&mut self, call: &impl SolCall) {
        self.calls.push(call.abi_encode().into());
    }

    fn on(&mut self, target: Address, call: &impl SolCall) {
        let execute = AccessManager::executeCall {
            target,
            data: call.abi_encode().into(),
        };
        self.own(&execute);
    }

    fn role(
        &mut self,
        role: u64,
        label: &str,
        target: Address,
        selectors: &[[u8; 4]],
        holder: Address,
        delay: u32,
    ) {
        self.own(&AccessManager::labelRoleCall {
            roleId: role,
            label: label.to_owned(),
        });
        self.own(&AccessManager::setTargetFunctionRoleCall {
            target,
            selectors: selectors.iter().copied().map(FixedBytes).collect(),
            roleId: role,
        });
        self.own(&AccessManager::grantRoleCall {
            roleId: role,
            account: holder,
            executionDelay: delay,
        });
    }

    fn timelock_role(&mut self, role: &str, account: Address) {
        let grant = TimelockController::grantRoleCall {
            role: timelock_role(role),
            account,
        };
        self.on(self.at.timelock, &grant);
    }
}

/// Calldata of the founding, for the AccessManager.
#[must_use]
pub fn calldata(plan: &Plan, deployer: Address, wanted: &Wanted, delays: Delays, from_block: u64) -> Bytes {
    let at = plan.at;
    let holders = Holders::of(deployer, wanted);
    let mut acts = Acts {
        at,
        calls: Vec::new(),
    };
    // Tokens before their role is given away.
    for (index, asset) in (0u8..).zip(&plan.dollars) {
        acts.on(
            at.params,
            &Params::listTokenCall {
                asset: *asset,
                dollar: true,
            },
        );
        if wanted.court_fee != 0 {
            acts.on(
                at.params,
                &Params::setCourtFeeCall {
                    token: index,
                    fee: wanted.court_fee,
                },
            );
        }
    }
    acts.on(
        at.params,
        &Params::setSlasherCall {
            slot: 0,
            slasher: at.court,
        },
    );
    acts.on(
        at.directory,
        &Directory::foundCall {
            fromBlock_: from_block,
        },
    );
    for (name, target) in at.entries() {
        let set = Directory::setCall {
            name: named(name),
            target,
            version: 1,
        };
        acts.on(at.directory, &set);
    }
    for proposer in [at.governor, holders.council] {
        acts.timelock_role("PROPOSER_ROLE", proposer);
        acts.timelock_role("CANCELLER_ROLE", proposer);
    }
    acts.on(
        at.timelock,
        &TimelockController::renounceRoleCall {
            role: B256::ZERO,
            callerConfirmation: at.access,
        },
    );
    acts.role(
        GUARDIAN,
        "GUARDIAN",
        at.params,
        &[Params::pauseCall::SELECTOR, Params::unpauseCall::SELECTOR],
        holders.guardian,
        0,
    );
    acts.role(
        LISTER,
        "LISTER",
        at.params,
        &[
            Params::listTokenCall::SELECTOR,
            Params::setTokenOpenCall::SELECTOR,
        ],
        holders.lister,
        delays.lister,
    );
    acts.role(
        ARBITER,
        "ARBITER",
        at.court,
        &[DisputeCourt::ruleCall::SELECTOR],
        holders.arbiter,
        0,
    );
    // Last: from here on only the timelock decides.
    acts.own(&AccessManager::grantRoleCall {
        roleId: ADMIN,
        account: at.timelock,
        executionDelay: 0,
    });
    acts.own(&AccessManager::renounceRoleCall {
        roleId: ADMIN,
        callerConfirmation: deployer,
    });
    AccessManager::multicallCall { data: acts.calls }
        .abi_encode()
        .into()
}
