//! The gateway's serving key: given as files, or self-signed and kept in a folder so that its pin survives restarts. No CA of ours:
//! clients know the key by the hash of its SPKI, published beside the URL. Reads a pair whole or not at all; when to read again is
//! [`super::renewal`]'s.

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
use x509_parser::{certificate::X509CertificateParser, nom::Parser};

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
    #[error(
        "{cert} and {key} cannot be served together: {source}; the key must be that of the first certificate",
        cert = .cert.display(), key = .key.display()
    )]
    Unfit {
        /// The certificate chain.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Where a pair lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The certificate chain in PEM, leaf first.
    pub cert: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// A key, its certificate and its pin, as they were read from files.
pub struct ServingKey {
    files: KeyFiles,
    /// Hash of what both files held.
    contents: [u8; 32],
    config: Arc<ServerConfig>,
    spki_sha256: [u8; 32],
    not_after: Option<i64>,
}

impl ServingKey {
    /// From PEM files: the chain, leaf first, and the key.
    ///
    /// # Errors
    /// Unreadable, not PEM, or not fitting each other.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = KeyFiles {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        let (chain, private) = files.read()?;
        Self::from_pem(files, &chain, &private)
    }

    /// What its files hold now; none while that is this very pair. The kubelet swaps a mounted Secret by a link and dates say nothing, so
    /// it is the contents that are compared.
    ///
    /// # Errors
    /// As [`Self::from_files`].
    pub fn again(&self) -> Result<Option<Self>, TlsError> {
        let (chain, private) = self.files.read()?;
        if hash(&chain, &private) == self.contents {
            return Ok(None);
        }
        Self::from_pem(self.files.clone(), &chain, &private).map(Some)
    }

    fn from_pem(files: KeyFiles, chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let pem = |path: &Path, why: String| TlsError::Pem {
            path: path.to_owned(),
            why,
        };
        let chain = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| pem(&files.cert, error.to_string()))?;
        let private =
            PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| pem(&files.key, error.to_string()))?;
        let leaf = chain
            .first()
            .ok_or_else(|| pem(&files.cert, "no certificate in it".to_owned()))?;
        let unfit = |source| TlsError::Unfit {
            cert: files.cert.clone(),
            key: files.key.clone(),
            source,
        };
        let not_after = not_after(leaf);
        let spki = ParsedCertificate::try_from(leaf)
            .map_err(unfit)?
            .subject_public_key_info();
        let config = config(chain, private).map_err(unfit)?;
        Ok(Self {
            contents: hash(chain_pem, key_pem),
            files,
            config: Arc::new(config),
            spki_sha256: Sha256::digest(spki.as_ref()).into(),
            not_after,
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

    /// When the certificate ends, in seconds since 1970; none where its dates cannot be read, which who goes by the pin never asks.
    #[must_use]
    pub const fn not_after(&self) -> Option<i64> {
        self.not_after
    }

    /// Where it was read.
    #[must_use]
    pub const fn files(&self) -> &KeyFiles {
        &self.files
    }

    /// The server side of TLS. Its memory of sessions is its own: nobody takes up under another pair what began under this one.
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

impl KeyFiles {
    /// Both, as bytes. They are read one after the other, so a pair that is being replaced may come mixed.
    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::File {
                path: path.to_owned(),
                source,
            })
        };
        Ok((read(&self.cert)?, read(&self.key)?))
    }
}

fn hash(chain_pem: &[u8], key_pem: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(Sha256::digest(chain_pem))
        .chain_update(Sha256::digest(key_pem))
        .finalize()
        .into()
}

/// The pair ready to serve; an error where key and leaf are no pair.
fn config(
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn not_after(leaf: &CertificateDer<'_>) -> Option<i64> {
    // Its extensions are none of our business.
    let (_, read) = X509CertificateParser::new()
        .with_deep_parse_extensions(false)
        .parse(leaf)
        .ok()?;
    Some(read.validity().not_after.timestamp())
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::float_arithmetic)]
    use proptest::prelude::*;

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
        assert!(matches!(mixed, Err(TlsError::Unfit { .. })), "{mixed:?}");
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

    #[test]
    fn a_pair_is_another_one_only_when_its_contents_are() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = ServingKey::self_signed(here.path(), vec!["a".into()]).unwrap();
        let other = ServingKey::self_signed(there.path(), vec!["a".into()]).unwrap();
        let cert = fs::read(here.path().join(CERT_FILE)).unwrap();
        fs::write(here.path().join(CERT_FILE), cert).unwrap();
        assert!(key.again().unwrap().is_none(), "written anew, as it was");
        for name in [CERT_FILE, KEY_FILE] {
            fs::copy(there.path().join(name), here.path().join(name)).unwrap();
        }
        assert_eq!(key.again().unwrap().unwrap().pin(), other.pin());
    }

    #[test]
    fn what_cannot_be_served_names_its_file_and_the_remedy() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = ServingKey::self_signed(a.path(), vec!["a".into()]).unwrap();
        ServingKey::self_signed(b.path(), vec!["b".into()]).unwrap();
        let (cert, private) = (a.path().join(CERT_FILE), a.path().join(KEY_FILE));
        let words = || key.again().unwrap_err().to_string();
        fs::copy(b.path().join(KEY_FILE), &private).unwrap();
        let said = words();
        for part in [
            cert.display().to_string(),
            private.display().to_string(),
            "KeyMismatch".to_owned(),
            "must be that of the first certificate".to_owned(),
        ] {
            assert!(said.contains(&part), "{part} is not in: {said}");
        }
        fs::write(&private, "no key").unwrap();
        let said = words();
        assert!(
            said.contains(&private.display().to_string()) && said.contains("PEM is needed"),
            "{said}"
        );
        fs::remove_file(&cert).unwrap();
        let said = words();
        assert!(
            said.contains(&cert.display().to_string()) && said.contains("No such file"),
            "{said}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_in_the_files_make_the_reader_panic_and_a_cut_pair_is_never_served(
            cut in 0.0..1.0_f64, at in 0.0..1.0_f64, byte: u8, junk in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
            let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
            let files = KeyFiles { cert: "tls.crt".into(), key: "tls.key".into() };
            let read = |cert: &[u8], key: &[u8]| ServingKey::from_pem(files.clone(), cert, key);
            prop_assert!(read(cert.as_bytes(), key.as_bytes()).is_ok());
            // Cut before its last line, which says that it is whole.
            let upto = |text: &str| (cut * (text.trim_end().len() - 1) as f64) as usize;
            prop_assert!(read(&cert.as_bytes()[..upto(&cert)], key.as_bytes()).is_err());
            prop_assert!(read(cert.as_bytes(), &key.as_bytes()[..upto(&key)]).is_err());
            prop_assert!(read(&junk, key.as_bytes()).is_err());
            prop_assert!(read(cert.as_bytes(), &junk).is_err());
            // One byte of the certificate is another: whatever it is, it is read to an end.
            let mut der = made.cert.der().to_vec();
            let place = (at * der.len() as f64) as usize;
            der[place] = byte;
            let changed = CertificateDer::from(der);
            let _ = not_after(&changed);
            let _ = ParsedCertificate::try_from(&changed);
        }
    }
}
