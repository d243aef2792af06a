//! A market's manifest: what a chain's file in `deploy/markets/` holds, so that anybody can compare a market with what was published.
//! Written by `market deploy --manifest`, read by `market verify --manifest`; its shape is `deploy/markets/schema.json`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MarketError, OutputFormat, VerifyArgs};
use crate::chain_io::{
    contracts::Contracts,
    deploy::audit::{Audit, Check},
};

/// The shape this program writes and reads.
const FORMAT: u32 = 1;

/// What was published of a market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    chain_id: u64,
    directory: Address,
    from_block: u64,
    final_reports_seconds: u32,
    vest_epoch_seconds: u32,
    contracts: BTreeMap<String, Published>,
    tokens: Vec<Address>,
    roles: BTreeMap<String, Vec<Address>>,
}

/// One contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Published {
    address: Address,
    version: u32,
    code_hash: B256,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file.
    #[error("--manifest {path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it.
    #[error(
        "--manifest {path}: {source}; its shape is deploy/markets/schema.json", path = .path.display()
    )]
    Shape {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A later shape.
    #[error("--manifest {path}: format {found}, this program reads {FORMAT}: use another release of leaseport", path = .path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// Another market, or changed code.
    #[error("--manifest {path}: {what} is {found} on the chain, {published} in the file: do not use this market before you know why", path = .path.display())]
    Differs {
        /// Which.
        path: PathBuf,
        /// What.
        what: String,
        /// On the chain.
        found: String,
        /// In the file.
        published: String,
    },
}

impl Manifest {
    pub(super) fn of(contracts: &Contracts, audit: &Audit) -> Self {
        Self {
            format: FORMAT,
            chain_id: contracts.chain.0,
            directory: contracts.directory,
            from_block: contracts.from_block,
            final_reports_seconds: contracts.windows.final_reports,
            vest_epoch_seconds: contracts.windows.vest_epoch,
            contracts: audit
                .contracts
                .iter()
                .map(|named| {
                    let published = Published {
                        address: named.address,
                        version: named.version,
                        code_hash: named.code_hash,
                    };
                    (named.name.clone(), published)
                })
                .collect(),
            tokens: contracts.tokens.iter().map(|token| token.asset).collect(),
            roles: audit
                .roles
                .iter()
                .map(|(role, holders)| ((*role).to_owned(), holders.clone()))
                .collect(),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), MarketError> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text + "\n").map_err(|source| ManifestError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(())
    }

    fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::File {
            path: path.to_owned(),
            source,
        })?;
        let shape = |source| ManifestError::Shape {
            path: path.to_owned(),
            source,
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_str(&text).map_err(shape)?;
        if head.format != FORMAT {
            return Err(ManifestError::Format {
                path: path.to_owned(),
                found: head.format,
            });
        }
        serde_json::from_str(&text).map_err(shape)
    }

    /// What never changes without a word must be as published. Roles, tokens and new versions may.
    fn compare(&self, published: &Self, path: &Path) -> Result<(), ManifestError> {
        let same = |what: String, found: String, published: String| {
            if found == published {
                Ok(())
            } else {
                Err(ManifestError::Differs {
                    path: path.to_owned(),
                    what,
                    found,
                    published,
                })
            }
        };
        same(
            "chainId".into(),
            self.chain_id.to_string(),
            published.chain_id.to_string(),
        )?;
        same(
            "directory".into(),
            self.directory.to_string(),
            published.directory.to_string(),
        )?;
        same(
            "fromBlock".into(),
            self.from_block.to_string(),
            published.from_block.to_string(),
        )?;
        let words = |one: Option<&Published>| {
            one.map_or_else(
                || "missing".to_owned(),
                |one| format!("{} version {} code {}", one.address, one.version, one.code_hash),
            )
        };
        for (name, wanted) in &published.contracts {
            same(name.clone(), words(self.contracts.get(name)), words(Some(wanted)))?;
        }
        Ok(())
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for (name, contract) in &self.contracts {
            writeln!(out, "  {name:<16} {}", contract.address)?;
        }
        for (role, holders) in &self.roles {
            for holder in holders {
                writeln!(out, "  {role:<16} {holder}")?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckAnswer<'a> {
    what: &'static str,
    found: &'a str,
    expected: &'a str,
    holds: bool,
}

/// Checks a market and tells all; fails when it is not whole, or not what the manifest says.
pub(super) async fn run_verify(args: VerifyArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    let (endpoints, contracts) = args.market.read().await?;
    let audit = Audit::read(&endpoints, &contracts).await?;
    let manifest = Manifest::of(&contracts, &audit);
    match args.market.output.format() {
        OutputFormat::Json => {
            let checks: Vec<CheckAnswer<'_>> = audit.checks.iter().map(answer).collect();
            let told = serde_json::json!({ "manifest": manifest, "checks": checks });
            writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
        }
        OutputFormat::Text => {
            for check in &audit.checks {
                let mark = if check.holds() { "ok  " } else { "FAIL" };
                writeln!(out, "{mark} {:<40} {}", check.what, check.found)?;
                if !check.holds() {
                    writeln!(out, "     {:<40} {}", "must be", check.expected)?;
                }
            }
            manifest.print(out)?;
        }
    }
    audit.whole()?;
    if let Some(path) = &args.manifest {
        manifest.compare(&Manifest::read(path)?, path)?;
    }
    Ok(())
}

fn answer(check: &Check) -> CheckAnswer<'_> {
    CheckAnswer {
        what: check.what,
        found: &check.found,
        expected: &check.expected,
        holds: check.holds(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn manifest() -> Manifest {
        let book = Published {
            address: Address::repeat_byte(1),
            version: 1,
            code_hash: B256::repeat_byte(2),
        };
        Manifest {
            format: FORMAT,
            chain_id: 31_337,
            directory: Address::repeat_byte(3),
            from_block: 7,
            final_reports_seconds: 10,
            vest_epoch_seconds: 20,
            contracts: [("LeaseBook".to_owned(), book)].into(),
            tokens: vec![Address::repeat_byte(4)],
            roles: [("ADMIN".to_owned(), vec![Address::repeat_byte(5)])].into(),
        }
    }

    #[test]
    fn a_manifest_reads_back_and_matches_the_committed_schema() {
        let file = tempfile::NamedTempFile::new().unwrap();
        manifest().write(file.path()).unwrap();
        let read = Manifest::read(file.path()).unwrap();
        assert_eq!(read, manifest());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/markets/schema.json");
        let schema: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let written: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mut required: Vec<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect();
        required.sort_unstable();
        let mut written_names = names(&written);
        written_names.sort_unstable();
        assert_eq!(written_names, required, "every field is required");
        let mut known = names(&schema["properties"]);
        known.sort_unstable();
        assert_eq!(known, required, "and no other is known");
    }

    #[test]
    fn other_code_or_another_chain_is_told_and_a_new_role_holder_is_not() {
        let path = Path::new("31337.json");
        let mut chain = manifest();
        chain.roles.clear();
        chain.tokens.clear();
        assert!(chain.compare(&manifest(), path).is_ok());
        chain.contracts.get_mut("LeaseBook").unwrap().code_hash = B256::ZERO;
        let told = chain.compare(&manifest(), path).unwrap_err().to_string();
        assert!(
            told.contains("LeaseBook") && told.contains("do not use this market"),
            "{told}"
        );
        let mut other = manifest();
        other.chain_id = 1;
        assert!(other.compare(&manifest(), path).is_err());
    }

    #[test]
    fn a_later_format_and_an_unknown_field_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{\"format\": 2}").unwrap();
        assert!(matches!(
            Manifest::read(file.path()),
            Err(ManifestError::Format { found: 2, .. })
        ));
        fs::write(file.path(), "{\"format\": 1, \"more\": 1}").unwrap();
        assert!(matches!(
            Manifest::read(file.path()),
            Err(ManifestError::Shape { .. })
        ));
    }
}
