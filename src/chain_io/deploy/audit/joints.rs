//! Whether each contract names the others as it should, and only the timelock decides. One line a joint; it judges none.

use alloy::primitives::{Address, B256, U256};

use super::{
    Check,
    answers::{ask, said, words},
};
use crate::{
    chain_io::{
        bindings::{Directory, DisputeCourt, LeaseBook, Params, StakeVault},
        contracts::Contracts,
        deploy::founding::timelock_role,
        endpoint::Endpoints,
        errors::RpcFailure,
        governance::{FeeRouter, PortGovernor, TimelockController},
        windows::{ChainKind, chain_kind},
    },
    core::ids::ChainId,
};

const HOUR: u64 = 3_600;

/// The contracts beside the four an operator reads.
pub(super) struct Joints {
    pub(super) access: Address,
    pub(super) timelock: Address,
    pub(super) governor: Address,
    pub(super) port: Address,
    pub(super) router: Address,
    pub(super) court: Address,
}

impl Joints {
    /// What holds money names what it should.
    pub(super) async fn custody(
        &self,
        endpoints: &Endpoints,
        market: &Contracts,
        checks: &mut Vec<Check>,
    ) -> Result<(), RpcFailure> {
        let (book, vault) = (market.lease_book.address, market.stake_vault.address);
        let params = market.params.address;
        let (f, w) = (market.windows.final_reports, market.windows.vest_epoch);
        let unbond = u64::from(f) + 2 * u64::from(w) + 48 * HOUR;
        for (what, found, expected) in [
            (
                "LeaseBook.stakeVault",
                ask!(endpoints, LeaseBook at book, stakeVault()),
                vault.to_string(),
            ),
            (
                "LeaseBook.params",
                ask!(endpoints, LeaseBook at book, params()),
                params.to_string(),
            ),
            (
                "LeaseBook.finalReports",
                ask!(endpoints, LeaseBook at book, finalReports()),
                f.to_string(),
            ),
            (
                "LeaseBook.vestEpoch",
                ask!(endpoints, LeaseBook at book, vestEpoch()),
                w.to_string(),
            ),
            (
                "StakeVault.leaseBook",
                ask!(endpoints, StakeVault at vault, leaseBook()),
                book.to_string(),
            ),
            (
                "StakeVault.params",
                ask!(endpoints, StakeVault at vault, params()),
                params.to_string(),
            ),
            (
                "StakeVault.unbondTime",
                ask!(endpoints, StakeVault at vault, unbondTime()),
                unbond.to_string(),
            ),
            (
                "DisputeCourt.leaseBook",
                ask!(endpoints, DisputeCourt at self.court, leaseBook()),
                book.to_string(),
            ),
            (
                "DisputeCourt.stakeVault",
                ask!(endpoints, DisputeCourt at self.court, stakeVault()),
                vault.to_string(),
            ),
            (
                "DisputeCourt.params",
                ask!(endpoints, DisputeCourt at self.court, params()),
                params.to_string(),
            ),
        ] {
            checks.push(Check {
                what,
                found,
                expected,
            });
        }
        Ok(())
    }

    /// Who decides.
    pub(super) async fn policy(
        &self,
        endpoints: &Endpoints,
        market: &Contracts,
        checks: &mut Vec<Check>,
    ) -> Result<(), RpcFailure> {
        let params = market.params.address;
        let (access, timelock, governor) = (self.access, self.timelock, self.governor);
        let is = |value: bool| value.to_string();
        for (what, found, expected) in [
            (
                "Params.owner",
                ask!(endpoints, Params at params, owner()),
                access.to_string(),
            ),
            (
                "Params.pendingOwner",
                ask!(endpoints, Params at params, pendingOwner()),
                Address::ZERO.to_string(),
            ),
            (
                "Params.guardian",
                ask!(endpoints, Params at params, guardian()),
                access.to_string(),
            ),
            (
                "Params.feeReceiver",
                ask!(endpoints, Params at params, feeReceiver()),
                self.router.to_string(),
            ),
            (
                "Params.court",
                ask!(endpoints, Params at params, court()),
                self.court.to_string(),
            ),
            (
                "Directory.owner",
                ask!(endpoints, Directory at market.directory, owner()),
                access.to_string(),
            ),
            (
                "Directory.pendingOwner",
                ask!(endpoints, Directory at market.directory, pendingOwner()),
                Address::ZERO.to_string(),
            ),
            (
                "DisputeCourt.authority",
                ask!(endpoints, DisputeCourt at self.court, authority()),
                access.to_string(),
            ),
            (
                "FeeRouter.authority",
                ask!(endpoints, FeeRouter at self.router, authority()),
                access.to_string(),
            ),
            (
                "FeeRouter.port",
                ask!(endpoints, FeeRouter at self.router, port()),
                self.port.to_string(),
            ),
            (
                "Governor.token",
                ask!(endpoints, PortGovernor at governor, token()),
                self.port.to_string(),
            ),
            (
                "Governor.timelock",
                ask!(endpoints, PortGovernor at governor, timelock()),
                timelock.to_string(),
            ),
            (
                "Timelock: the Governor proposes",
                ask!(endpoints, TimelockController at timelock, hasRole(timelock_role("PROPOSER_ROLE"), governor)),
                is(true),
            ),
            (
                "Timelock: the AccessManager administers",
                ask!(endpoints, TimelockController at timelock, hasRole(B256::ZERO, access)),
                is(false),
            ),
            (
                "Timelock: administers itself",
                ask!(endpoints, TimelockController at timelock, hasRole(B256::ZERO, timelock)),
                is(true),
            ),
        ] {
            checks.push(Check {
                what,
                found,
                expected,
            });
        }
        if chain_kind(market.chain) != ChainKind::Local {
            let delay = said(endpoints, |provider| async move {
                TimelockController::new(timelock, provider)
                    .getMinDelay()
                    .call()
                    .await
            })
            .await?
            .unwrap_or_default();
            checks.push(Check {
                what: "Timelock: waits two days or longer",
                found: is(delay >= U256::from(48 * HOUR)),
                expected: is(true),
            });
        }
        Ok(())
    }
}

pub(super) fn windows(chain: ChainId, market: &Contracts, checks: &mut Vec<Check>) {
    if let ChainKind::Public { least } = chain_kind(chain) {
        for (what, seconds) in [
            (
                "F is not shorter than the chain allows",
                market.windows.final_reports,
            ),
            (
                "W is not shorter than the chain allows",
                market.windows.vest_epoch,
            ),
        ] {
            checks.push(Check {
                what,
                found: seconds.max(least).to_string(),
                expected: seconds.to_string(),
            });
        }
    }
}
