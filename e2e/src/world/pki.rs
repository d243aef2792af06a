//! The certificates and kubeconfigs of an own control plane: one authority, one identity a component, each with the
//! name that Kubernetes' built-in roles know it by. (<https://kubernetes.io/docs/setup/best-practices/certificates/>)

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use super::Error;

/// The authority of one world.
pub(super) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Whom a certificate is for.
pub(super) struct Identity<'a> {
    /// The name of its files.
    pub(super) file: &'a str,
    /// The common name: a user's name.
    pub(super) user: &'a str,
    /// The organization: a group of users.
    pub(super) group: Option<&'a str>,
    /// The addresses and names it serves under.
    pub(super) serves: &'a [&'a str],
}

impl Authority {
    /// Makes a new authority, and the key that signs service account tokens (`sa.key`, `sa.pub`).
    pub(super) fn found(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(super::file(folder))?;
        let mut parameters = CertificateParams::new(Vec::<String>::new())?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, "leaseport-world");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?;
        write(&folder.join("ca.crt"), &certificate.pem())?;
        write(&folder.join("ca.key"), &key.serialize_pem())?;
        let tokens = KeyPair::generate()?;
        write(&folder.join("sa.key"), &tokens.serialize_pem())?;
        write(&folder.join("sa.pub"), &tokens.public_key_pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(parameters, key),
        })
    }

    /// Issues `<file>.crt` and `<file>.key`, for both ends of TLS.
    pub(super) fn issue(&self, identity: &Identity<'_>) -> Result<(), Error> {
        let names: Vec<String> = identity.serves.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names)?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, identity.user);
        if let Some(group) = identity.group {
            parameters
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        write(
            &self.folder.join(format!("{}.crt", identity.file)),
            &certificate.pem(),
        )?;
        write(
            &self.folder.join(format!("{}.key", identity.file)),
            &key.serialize_pem(),
        )
    }
}

/// Who a kubeconfig speaks as.
pub(super) enum Credential<'a> {
    /// The certificate and key of that name in the pki folder.
    Certificate(&'a str),
    /// A bearer token.
    Token(&'a str),
}

/// Writes a kubeconfig; it names files of the pki folder and so lives as long as the world.
pub(super) fn kubeconfig(
    path: &Path,
    pki: &Path,
    server: &str,
    namespace: &str,
    credential: &Credential<'_>,
) -> Result<(), Error> {
    let user = match credential {
        Credential::Certificate(name) => json!({
            "client-certificate": pki.join(format!("{name}.crt")),
            "client-key": pki.join(format!("{name}.key")),
        }),
        Credential::Token(token) => json!({ "token": token }),
    };
    // kubectl and every client library read JSON where they read YAML.
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "leaseport",
            "cluster": { "server": server, "certificate-authority": pki.join("ca.crt") },
        }],
        "users": [{ "name": "leaseport", "user": user }],
        "contexts": [{
            "name": "leaseport",
            "context": { "cluster": "leaseport", "user": "leaseport", "namespace": namespace },
        }],
        "current-context": "leaseport",
    });
    write(path, &format!("{content:#}\n"))
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(super::file(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(super::file(path))
}
