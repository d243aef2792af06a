//! What a tenant must not lose between the order and the manifest's delivery: the order and the manifest that was hashed into it. One file
//! an order, readable by its owner alone; secret values are not in it, only where they are read.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
};

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};

use super::{
    needs_file::{SecretSource, Wish},
    tenant::TenantError,
};
use crate::core::{
    documents::{exchange::Parcel, order::Order},
    ids::OrderHash,
    money::MicroUnits,
};

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// `leaseport.dev/v1alpha1`.
    pub api_version: String,
    /// Which chain.
    pub chain_id: u64,
    /// Which market.
    pub directory: Address,
    /// Which order.
    pub order_hash: OrderHash,
    /// Whose.
    pub tenant: Address,
    /// For people: the rest of the order is on chain.
    pub deposit: MicroUnits,
    /// For people: Unix seconds.
    pub expires_at: u64,
    /// The manifest's canonical bytes, as they were hashed.
    pub manifest: String,
    /// Where the values of its secrets are read when it is sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The order itself, ABI-encoded: markets forget an order a day after its expiry, and its deposit may still be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Bytes>,
    /// Its end, if it was cancelled from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancellation>,
}

/// A cancelled order's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cancellation {
    /// The transaction.
    pub transaction: B256,
    /// What came back.
    pub refund: MicroUnits,
}

impl Kept {
    /// What to keep of a wish that becomes this order; files of secrets are named relative to `base`.
    ///
    /// # Errors
    /// The manifest's bytes are no text, which canonical ones are.
    pub fn of(
        wish: &Wish,
        order: &Order,
        chain_id: u64,
        directory: Address,
        base: &Path,
    ) -> Result<Self, TenantError> {
        let manifest = String::from_utf8(wish.manifest_bytes.clone())
            .map_err(|error| TenantError::Refused(format!("the manifest is no text: {error}")))?;
        // `absolute` refuses the empty folder of a bare file name.
        let base = std::env::current_dir()?.join(base);
        let secrets = wish.secrets.iter().map(|(name, source)| {
            let source = match source {
                SecretSource::File(path) => SecretSource::File(base.join(path)),
                SecretSource::Env(variable) => SecretSource::Env(variable.clone()),
            };
            (name.clone(), source)
        });
        Ok(Self {
            api_version: "leaseport.dev/v1alpha1".to_owned(),
            chain_id,
            directory,
            order_hash: order.id(),
            tenant: order.tenant,
            deposit: MicroUnits(order.deposit),
            expires_at: u64::from(order.expiry),
            manifest,
            secrets: secrets.collect(),
            order: Some(order.abi_encode().into()),
            cancelled: None,
        })
    }

    /// The order, where the file has it and it is the one that the file is named after.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        let order = Order::abi_decode(self.order.as_ref()?).ok()?;
        (order.id() == self.order_hash).then_some(order)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), TenantError> {
        write_private(self, path)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn read(path: &Path) -> Result<Self, TenantError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TenantError::Refused(format!(
                "{}: not there, and with it the manifest: use the machine (or the --state-dir) that posted the order, or name the file with --state-file",
                path.display()
            )),
            _ => TenantError::File {
                path: path.to_owned(),
                source,
            },
        })?;
        serde_json::from_str(&text).map_err(|error| {
            TenantError::Refused(format!("{}: not an order's file: {error}", path.display()))
        })
    }

    /// The manifest and its secret values, to be sent; refused here already when the order on chain names another.
    ///
    /// # Errors
    /// Another manifest, or a secret's value is not where it should be.
    pub fn parcel(&self, wanted: B256) -> Result<Parcel, TenantError> {
        let found = keccak256(self.manifest.as_bytes());
        if found != wanted {
            return Err(TenantError::Refused(format!(
                "the kept manifest's hash is {found}, the order names {wanted}: this file is another order's, or was changed"
            )));
        }
        let mut values = BTreeMap::new();
        for (name, source) in &self.secrets {
            values.insert(name.clone(), value(name, source)?);
        }
        Ok(Parcel::new(self.manifest.as_bytes(), values))
    }
}

fn value(name: &str, source: &SecretSource) -> Result<String, TenantError> {
    match source {
        SecretSource::File(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                TenantError::Refused(format!("secrets.{name}.file {}: {error}", path.display()))
            })?;
            Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        }
        SecretSource::Env(variable) => std::env::var(variable).map_err(|_| {
            TenantError::Refused(format!(
                "secrets.{name}.env: the environment has no {variable}; set it and run `leaseport manifest push`"
            ))
        }),
    }
}

/// Writes a file that its owner alone can read, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_private<T: Serialize>(value: &T, path: &Path) -> Result<(), TenantError> {
    let written = || -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let half = path.with_extension("part");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&half)?;
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&half, path)
    };
    written().map_err(|source| TenantError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept(secrets: BTreeMap<String, SecretSource>) -> Kept {
        Kept {
            api_version: "leaseport.dev/v1alpha1".into(),
            chain_id: 31_337,
            directory: Address::ZERO,
            order_hash: OrderHash(B256::repeat_byte(1)),
            tenant: Address::ZERO,
            deposit: MicroUnits(5_000_000),
            expires_at: 9,
            manifest: "{}".into(),
            secrets,
            order: None,
            cancelled: None,
        }
    }

    #[test]
    fn a_kept_order_reads_back_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("31337").join("0x01.json");
        let kept = kept(BTreeMap::new());
        kept.write(&path).unwrap();
        assert_eq!(Kept::read(&path).unwrap(), kept);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_kept_order_can_be_cancelled_after_the_market_forgot_it_and_a_changed_one_cannot() {
        let order = crate::core::book::fixtures::order(3_000);
        let mut kept = kept(BTreeMap::new());
        assert_eq!(kept.order(), None);
        kept.order = Some(order.abi_encode().into());
        assert_eq!(kept.order(), None, "the file is another order's");
        kept.order_hash = order.id();
        assert_eq!(kept.order(), Some(order));
    }

    #[test]
    fn a_manifest_the_order_does_not_name_is_not_sent() {
        let kept = kept(BTreeMap::new());
        assert!(kept.parcel(keccak256(b"{}")).is_ok());
        let error = kept.parcel(B256::ZERO).unwrap_err().to_string();
        assert!(error.contains("another order's"), "{error}");
    }

    #[test]
    fn secret_values_are_read_when_sent_and_never_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "hunter2\n").unwrap();
        let kept = kept([("token".to_owned(), SecretSource::File(file))].into());
        assert!(!serde_json::to_string(&kept).unwrap().contains("hunter2"));
        let parcel = serde_json::to_string(&kept.parcel(keccak256(b"{}")).unwrap()).unwrap();
        assert!(parcel.contains(r#""token":"hunter2""#), "{parcel}");
    }
}
