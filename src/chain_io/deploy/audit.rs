//! Whether a market is whole: every contract of its Directory is there with the code the Directory names, each names the others as it
//! should, and only the timelock decides. Reads, never sends; trusts no earlier run. What it finds is data, told in full.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    providers::{DynProvider, Provider},
    rpc::types::Filter,
    sol_types::SolEvent,
    transports::{TransportError, TransportErrorKind},
};
use thiserror::Error;

use super::founding::{ADMIN, ARBITER, GUARDIAN, LISTER, timelock_role};
use crate::{
    chain_io::{
        bindings::{Directory, DisputeCourt, LeaseBook, Params, StakeVault},
        contracts::Contracts,
        endpoint::Endpoints,
        errors::{RpcErrorClass, RpcFailure},
        governance::{AccessManager, FeeRouter, PortGovernor, TimelockController},
        windows::{ChainKind, chain_kind},
    },
    core::ids::ChainId,
};

/// Blocks asked for at once when events are looked up; what common endpoints allow.
const LOG_SPAN: u64 = 10_000;
const HOUR: u64 = 3_600;

/// One contract, as the Directory names it and the chain has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name in the Directory.
    pub name: String,
    /// Where.
    pub address: Address,
    /// Which version the Directory names.
    pub version: u32,
    /// Hash of the code there.
    pub code_hash: B256,
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub what: &'static str,
    /// What the chain says.
    pub found: String,
    /// What it must say.
    pub expected: String,
}

impl Check {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found == self.expected
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Everything the Directory names.
    pub contracts: Vec<Named>,
    /// Everything that must hold.
    pub checks: Vec<Check>,
    /// Who holds each role now, by the role's name.
    pub roles: BTreeMap<&'static str, Vec<Address>>,
}

/// A market that must not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditError {
    /// Something does not hold.
    #[error(
        "the market is not whole ({failed} of {checks} checks fail); first: {what} is {found}, must be {expected}: do not use it; `leaseport market verify` lists all"
    )]
    NotWhole {
        /// How many fail.
        failed: usize,
        /// Of how many.
        checks: usize,
        /// The first.
        what: &'static str,
        /// What the chain says.
        found: String,
        /// What it must say.
        expected: String,
    },
}

/// A call's trouble as the transport's; an answer that does not decode is trouble too.
pub(crate) fn transport(error: alloy::contract::Error) -> TransportError {
    match error {
        alloy::contract::Error::TransportError(error) => error,
        other => TransportErrorKind::custom_str(&other.to_string()),
    }
}

/// What a contract answers, in words; what answers otherwise is said so, and no trouble of the chain.
pub(crate) async fn said<T, F>(
    endpoints: &Endpoints,
    call: impl Fn(DynProvider) -> F,
) -> Result<Option<T>, RpcFailure>
where
    F: Future<Output = alloy::contract::Result<T>>,
{
    let answer = endpoints
        .ask("eth_call", |provider| {
            let call = call(provider);
            async move {
                match call.await {
                    Ok(value) => Ok(Some(value)),
                    Err(alloy::contract::Error::TransportError(error)) => Err(error),
                    Err(_) => Ok(None),
                }
            }
        })
        .await;
    match answer {
        Err(failure) if failure.class == RpcErrorClass::Execution => Ok(None),
        other => other,
    }
}

fn words<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "no answer".to_owned(), |value| value.to_string())
}

/// Calls one function of a contract and gives its words.
macro_rules! ask {
    ($endpoints:expr, $contract:ident at $address:expr, $function:ident($($argument:expr),*)) => {{
        let address = $address;
        words(
            said($endpoints, |provider| async move {
                $contract::new(address, provider).$function($($argument),*).call().await
            })
            .await?,
        )
    }};
}

impl Audit {
    /// Reads a market.
    ///
    /// # Errors
    /// The chain's trouble only; what is wrong with the market is in `checks`.
    pub async fn read(endpoints: &Endpoints, market: &Contracts) -> Result<Self, RpcFailure> {
        let directory = market.directory;
        let entries = said(endpoints, |provider| async move {
            Directory::new(directory, provider).entries().call().await
        })
        .await?
        .unwrap_or_default();
        let mut checks = Vec::new();
        let mut contracts = Vec::new();
        for entry in &entries {
            let name: String = entry
                .name
                .iter()
                .take_while(|byte| **byte != 0)
                .filter(|byte| byte.is_ascii_alphanumeric())
                .map(|byte| char::from(*byte))
                .collect();
            let target = entry.target;
            let code = endpoints
                .ask("eth_getCode", |provider| async move {
                    provider.get_code_at(target).await
                })
                .await?;
            let code_hash = keccak256(&code);
            checks.push(Check {
                what: "code of an entry of the Directory",
                found: format!("{name} {code_hash}"),
                expected: format!("{name} {}", entry.codeHash),
            });
            contracts.push(Named {
                name,
                address: target,
                version: entry.version,
                code_hash,
            });
        }
        let at = |name: &str| {
            contracts
                .iter()
                .find(|entry| entry.name == name)
                .map_or(Address::ZERO, |entry| entry.address)
        };
        let joints = Joints {
            access: at("AccessManager"),
            timelock: at("Timelock"),
            governor: at("Governor"),
            port: at("Port"),
            router: at("FeeRouter"),
            court: at("DisputeCourt"),
        };
        for (what, address) in [
            ("Directory entry AccessManager", joints.access),
            ("Directory entry Timelock", joints.timelock),
            ("Directory entry Governor", joints.governor),
            ("Directory entry Port", joints.port),
            ("Directory entry FeeRouter", joints.router),
            ("Directory entry DisputeCourt", joints.court),
        ] {
            checks.push(Check {
                what,
                found: if address == Address::ZERO {
                    "missing"
                } else {
                    "present"
                }
                .to_owned(),
                expected: "present".to_owned(),
            });
        }
        joints.custody(endpoints, market, &mut checks).await?;
        joints.policy(endpoints, market, &mut checks).await?;
        let roles = roles(endpoints, joints.access, market.from_block).await?;
        checks.push(Check {
            what: "holders of ADMIN",
            found: list(roles.get("ADMIN").map_or(&[], Vec::as_slice)),
            expected: list(&[joints.timelock]),
        });
        windows(market.chain, market, &mut checks);
        Ok(Self {
            contracts,
            checks,
            roles,
        })
    }

    /// Refuses a market that is not whole.
    ///
    /// # Errors
    /// [`AuditError::NotWhole`] with the first check that fails.
    pub fn whole(&self) -> Result<(), AuditError> {
        let mut failed = self.checks.iter().filter(|check| !check.holds());
        match failed.next() {
            None => Ok(()),
            Some(first) => Err(AuditError::NotWhole {
                failed: failed.count() + 1,
                checks: self.checks.len(),
                what: first.what,
                found: first.found.clone(),
                expected: first.expected.clone(),
            }),
        }
    }
}

/// The contracts beside the four an operator reads.
struct Joints {
    access: Address,
    timelock: Address,
    governor: Address,
    port: Address,
    router: Address,
    court: Address,
}

impl Joints {
    /// What holds money names what it should.
    async fn custody(
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
    async fn policy(
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

fn windows(chain: ChainId, market: &Contracts, checks: &mut Vec<Check>) {
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

fn list(accounts: &[Address]) -> String {
    let all: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    all.join(" ")
}

/// Who holds each role: all that ever got one, if they still have it. The manager keeps no list.
async fn roles(
    endpoints: &Endpoints,
    access: Address,
    from_block: u64,
) -> Result<BTreeMap<&'static str, Vec<Address>>, RpcFailure> {
    let latest = endpoints
        .ask("eth_blockNumber", |provider| async move {
            provider.get_block_number().await
        })
        .await?;
    let mut granted: BTreeSet<(u64, Address)> = BTreeSet::new();
    let mut first = from_block;
    while first <= latest {
        let last = first.saturating_add(LOG_SPAN - 1).min(latest);
        let filter = Filter::new()
            .address(access)
            .event_signature(AccessManager::RoleGranted::SIGNATURE_HASH)
            .from_block(first)
            .to_block(last);
        let logs = endpoints
            .ask("eth_getLogs", |provider| {
                let filter = filter.clone();
                async move { provider.get_logs(&filter).await }
            })
            .await?;
        for log in logs {
            if let Ok(event) = AccessManager::RoleGranted::decode_log(&log.inner) {
                granted.insert((event.roleId, event.account));
            }
        }
        first = last.saturating_add(1);
    }
    let mut roles = BTreeMap::new();
    for (name, role) in [
        ("ADMIN", ADMIN),
        ("GUARDIAN", GUARDIAN),
        ("LISTER", LISTER),
        ("ARBITER", ARBITER),
    ] {
        let mut holders = Vec::new();
        for (_, account) in granted.iter().filter(|(held, _)| *held == role) {
            let account = *account;
            let held = said(endpoints, |provider| async move {
                AccessManager::new(access, provider)
                    .hasRole(role, account)
                    .call()
                    .await
            })
            .await?;
            if held.is_some_and(|held| held.isMember) {
                holders.push(account);
            }
        }
        roles.insert(name, holders);
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(found: &str, expected: &str) -> Check {
        Check {
            what: "something",
            found: found.into(),
            expected: expected.into(),
        }
    }

    #[test]
    fn one_check_that_fails_makes_a_market_unusable_and_is_named() {
        let audit = Audit {
            contracts: Vec::new(),
            checks: vec![check("a", "a"), check("b", "c"), check("d", "e")],
            roles: BTreeMap::new(),
        };
        let told = audit.whole().unwrap_err().to_string();
        assert!(
            told.starts_with(
                "the market is not whole (2 of 3 checks fail); first: something is b, must be c"
            ),
            "{told}"
        );
        let whole = Audit {
            checks: vec![check("a", "a")],
            ..audit
        };
        assert_eq!(whole.whole(), Ok(()));
    }
}
