//! A person's key in a file: read once, its permissions judged. A key never comes from the command line, where every user of the machine
//! sees it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use crate::chain_io::signer::{LocalKey, SignerError};

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("--key-file {path}: {source}; name a file that holds the key as 64 hexadecimal digits", path = .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no key.
    #[error(transparent)]
    Key(#[from] SignerError),
}

/// Reads the key; a file that others may read is told on standard error.
///
/// # Errors
/// Each [`KeyFileError`].
pub fn read(path: &Path) -> Result<Arc<LocalKey>, KeyFileError> {
    let trouble = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(trouble)?;
    let mode = permissions(&fs::metadata(path).map_err(trouble)?);
    if open_to_others(mode) {
        tracing::warn!(
            "--key-file {} may be read by others (mode {:o}): chmod 600 it",
            path.display(),
            mode & 0o777
        );
    }
    let key = LocalKey::from_secret(bytes, &format!("--key-file {}", path.display()))?;
    Ok(Arc::new(key))
}

#[cfg(unix)]
fn permissions(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode()
}

#[cfg(not(unix))]
fn permissions(_: &fs::Metadata) -> u32 {
    0o600
}

const fn open_to_others(mode: u32) -> bool {
    mode & 0o077 != 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain_io::signer::WalletSigner;

    #[test]
    fn a_missing_file_and_one_without_a_key_are_named_and_show_nothing_of_it() {
        let gone = read(Path::new("/nonexistent/key")).unwrap_err().to_string();
        assert!(gone.starts_with("--key-file /nonexistent/key"), "{gone}");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "hunter2").unwrap();
        let bad = read(file.path()).unwrap_err().to_string();
        assert!(bad.contains("--key-file") && !bad.contains("hunter2"), "{bad}");
    }

    #[test]
    fn a_key_is_read_and_only_modes_open_to_others_are_warned_of() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("0x{}\n", "01".repeat(32))).unwrap();
        assert!(!read(file.path()).unwrap().address().is_zero());
        assert!(open_to_others(0o100_644) && open_to_others(0o100_660));
        assert!(!open_to_others(0o100_600) && !open_to_others(0o100_400));
    }
}
