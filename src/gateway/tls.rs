//! The gateway's serving key: given as files, or self-signed and kept in a folder so that its pin survives restarts. No CA of ours:
//! clients know the key by the hash of its SPKI, published beside the URL.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// File names in a self-signed folder, as in a Secret of type kubernetes.io/tls.
const CERT_FILE: &str = "tls.crt";
const KEY_FILE: &str = "tls.key";

/// Why there is no serving key.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM of what it should be.
    #[error("{path}: {why}; PEM is needed: the certificate chain, leaf first, and its private key", path = .path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key could not be made.
    #[error("no self-signed certificate can be made: {0}")]
    Generate(#[from] rcgen::Error),
    /// Key and certificate do not fit, or the leaf is no X.509.
    #[error("the certificate cannot be served: {0}")]
    Unfit(#[from] rustls::Error),
}

/// A key, its certificate and its pin.
pub struct ServingKey {
    config: Arc<ServerConfig>,
    spki_sha256: [u8; 32],
}

impl ServingKey {
    /// From PEM files: the chain, leaf first, and the key.
    ///
    /// # Errors
    /// Unreadable, not PEM, or not fitting each other.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::File {
                path: path.to_owned(),
                source,
            })
        };
        let pem = |path: &Path, why: String| TlsError::Pem {
            path: path.to_owned(),
            why,
        };
        let chain = CertificateDer::pem_slice_iter(&read(cert)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| pem(cert, error.to_string()))?;
        let private =
            PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| pem(key, error.to_string()))?;
        let leaf = chain
            .first()
            .ok_or_else(|| pem(cert, "no certificate in it".to_owned()))?;
        let spki_sha256 = Sha256::digest(
            ParsedCertificate::try_from(leaf)?
                .subject_public_key_info()
                .as_ref(),
        )
        .into();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            spki_sha256,
        })
    }

    /// From a folder with `tls.crt` and `tls.key`; both are made, self-signed for these names, if neither is there.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn self_signed(folder: &Path, names: Vec<String>) -> Result<Self, TlsError> {
        let (cert, key) = (folder.join(CERT_FILE), folder.join(KEY_FILE));
        if !cert.exists() && !key.exists() {
            let file = |path: &Path| {
                let path = path.to_owned();
                move |source| TlsError::File { path, source }
            };
            let made = rcgen::generate_simple_self_signed(names)?;
            fs::create_dir_all(folder).map_err(file(folder))?;
            write_secret(&key, made.signing_key.serialize_pem().as_bytes()).map_err(file(&key))?;
            fs::write(&cert, made.cert.pem()).map_err(file(&cert))?;
        }
        Self::from_files(&cert, &key)
    }

    /// SHA-256 of the SubjectPublicKeyInfo in base64url: what stands after `#spki-sha256=` in the provider's URL.
    #[must_use]
    pub fn pin(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.spki_sha256)
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub const fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    /// The server side of TLS.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Key material stays out of logs.
impl std::fmt::Debug for ServingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingKey")
            .field("pin", &self.pin())
            .finish_non_exhaustive()
    }
}

/// For our eyes alone from the first byte on; never over a file that is there.
fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_self_signed_key_keeps_its_pin_and_its_secrecy_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let first = ServingKey::self_signed(folder.path(), vec!["gpu.example.org".into()]).unwrap();
        let second = ServingKey::self_signed(folder.path(), vec!["other.example.org".into()]).unwrap();
        assert_eq!(first.pin(), second.pin());
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_does_not_fit_its_certificate_is_not_served() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        ServingKey::self_signed(a.path(), vec!["a".into()]).unwrap();
        ServingKey::self_signed(b.path(), vec!["b".into()]).unwrap();
        let mixed = ServingKey::from_files(&a.path().join(CERT_FILE), &b.path().join(KEY_FILE));
        assert!(matches!(mixed, Err(TlsError::Unfit(_))), "{mixed:?}");
    }

    #[test]
    fn half_a_folder_is_an_error_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY_FILE), "mine").unwrap();
        assert!(matches!(
            ServingKey::self_signed(folder.path(), vec!["a".into()]),
            Err(TlsError::File { .. })
        ));
        assert_eq!(fs::read_to_string(folder.path().join(KEY_FILE)).unwrap(), "mine");
    }
}
