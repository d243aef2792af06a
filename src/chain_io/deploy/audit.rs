//! Whether a market is whole: every contract of its Directory is there with the code the Directory names, each names the others as it
//! should, and only the timelock decides. Reads, never sends; trusts no earlier run. What it finds is data, told in full.

mod answers;
mod joints;
mod roles;

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, keccak256},
    providers::Provider,
};
use thiserror::Error;

pub(crate) use self::answers::{said, transport};
use self::{
    joints::{Joints, windows},
    roles::{list, roles},
};
use crate::chain_io::{bindings::Directory, contracts::Contracts, endpoint::Endpoints, errors::RpcFailure};

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
