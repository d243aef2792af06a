//! HTTP message signatures (RFC 9421) with ed25519, over the one set of components the gateway asks for.
//!
//! Covered are `@method`, `@path`, `@query` if there is one, `@authority` as the provider configured it (an ingress rewrites Host),
//! the session header and, where there is a body, `content-digest` (RFC 9530, sha-256). May not decide who may do what.

use alloy::primitives::B256;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use http::{HeaderMap, HeaderValue};
use sfv::{BareItem, Dictionary, InnerList, KeyRef, ListEntry, Parser, StringRef};
use sha2::{Digest, Sha256};

use super::{Denial, SESSION_HEADER};

/// The dictionary key of our signature; a proxy may add its own beside it.
pub const LABEL: &str = "leaseport";
/// RFC 9421, section 4.1.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// RFC 9421, section 4.2.
pub const SIGNATURE: &str = "signature";
/// RFC 9530, section 2.
pub const CONTENT_DIGEST: &str = "content-digest";
/// The longest of the signature headers, in bytes.
const LONGEST_HEADER: usize = 2048;

/// The parts of a request that its signature covers, as the client sends them.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// GET, PUT, …
    pub method: &'a str,
    /// The path as it stands in the request, percent-encoded.
    pub path: &'a str,
    /// What stands after `?`, none where there is no `?`.
    pub query: Option<&'a str>,
    /// Host and port that clients call, lower case, without `:443`.
    pub authority: &'a str,
}

/// The headers a client adds to a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
    /// `Content-Digest`, where there is a body.
    pub content_digest: Option<String>,
}

/// The value of `Content-Digest` for a body.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Signs a request with the session's key; good from `now` (Unix seconds) for the longest time the gateway takes.
#[must_use]
pub fn sign_request(
    key: &SigningKey,
    parts: RequestParts<'_>,
    session_header: &str,
    body: Option<&[u8]>,
    now: i64,
) -> SignedHeaders {
    let digest = body.map(content_digest);
    let covered = required(parts.query, digest.as_deref());
    let names: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
    let params = format!(
        "({});created={now};expires={};keyid=\"{}\";alg=\"ed25519\"",
        names.join(" "),
        now.saturating_add(super::LONGEST_REQUEST),
        B256::from(key.verifying_key().to_bytes()),
    );
    let base = base(
        covered.iter().map(|name| {
            let value = match *name {
                SESSION_HEADER => session_header.to_owned(),
                CONTENT_DIGEST => digest.clone().unwrap_or_default(),
                derived => derived_value(derived, parts).unwrap_or_default(),
            };
            (*name, value)
        }),
        &params,
    );
    SignedHeaders {
        signature_input: format!("{LABEL}={params}"),
        signature: format!(
            "{LABEL}=:{}:",
            STANDARD.encode(key.sign(base.as_bytes()).to_bytes())
        ),
        content_digest: digest,
    }
}

/// A request's signature as it arrived: parsed, bounded, not yet verified.
#[derive(Debug, Clone)]
pub(super) struct Presented {
    covered: Vec<String>,
    params: String,
    signature: [u8; 64],
    /// Unix seconds.
    pub(super) created: i64,
    /// Unix seconds.
    pub(super) expires: i64,
    /// The ed25519 key it names.
    pub(super) key: B256,
}

impl Presented {
    /// Reads `Signature-Input` and `Signature`.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Denial> {
        let input = dictionary(headers, SIGNATURE_INPUT)?;
        let bad = |why: &str| Denial::BadEncoding {
            what: SIGNATURE_INPUT,
            why: why.to_owned(),
        };
        let Some(ListEntry::InnerList(list)) = input.get(LABEL) else {
            return Err(bad("no list of components under the key leaseport"));
        };
        let covered = components(list)?;
        let integer = |name: &'static str| match list.params.get(name) {
            Some(BareItem::Integer(value)) => Ok(i64::from(*value)),
            Some(_) | None => Err(bad(&format!(
                "parameter {name} is missing or not whole seconds of Unix time"
            ))),
        };
        let text = |name: &str| match list.params.get(name) {
            Some(BareItem::String(value)) => Some(value.as_str()),
            Some(_) | None => None,
        };
        if list.params.contains_key("alg") && text("alg") != Some("ed25519") {
            return Err(bad("alg is not ed25519"));
        }
        let key = text("keyid")
            .filter(|text| text.len() == 66)
            .and_then(|text| text.parse::<B256>().ok())
            .ok_or_else(|| bad("keyid is not the session's ed25519 key as 0x and 64 hex digits"))?;
        let signatures = dictionary(headers, SIGNATURE)?;
        let signature = match signatures.get(LABEL) {
            Some(ListEntry::Item(item)) => item
                .bare_item
                .as_byte_sequence()
                .and_then(|bytes| bytes.try_into().ok()),
            Some(ListEntry::InnerList(_)) | None => None,
        }
        .ok_or_else(|| Denial::BadEncoding {
            what: SIGNATURE,
            why: "no 64 bytes under the key leaseport".to_owned(),
        })?;
        Ok(Self {
            covered,
            params: parameters(list)?,
            signature,
            created: integer("created")?,
            expires: integer("expires")?,
            key,
        })
    }

    /// Whether exactly the required components are covered, in any order.
    pub(super) fn covers(&self, query: Option<&str>, digest: Option<&[u8; 32]>) -> Result<(), Denial> {
        let required = required(query, digest);
        if let Some(name) = required
            .iter()
            .find(|name| !self.covered.iter().any(|c| c == *name))
        {
            return Err(Denial::UncoveredComponent { name });
        }
        match self.covered.iter().find(|c| !required.contains(&c.as_str())) {
            Some(name) => Err(Denial::UnexpectedComponent {
                name: name.chars().take(64).collect(),
            }),
            None => Ok(()),
        }
    }

    /// Whether the signature is that of the key it names, over this request at this authority.
    pub(super) fn is_by_its_key(&self, parts: RequestParts<'_>, headers: &HeaderMap) -> bool {
        let mut lines = Vec::with_capacity(self.covered.len());
        for name in &self.covered {
            let value = match derived_value(name, parts) {
                Some(value) => value,
                None => match single(headers, name).ok().flatten().map(HeaderValue::to_str) {
                    Some(Ok(value)) => value.trim().to_owned(),
                    Some(Err(_)) | None => return false,
                },
            };
            lines.push((name.as_str(), value));
        }
        verify_base(&self.key, &base(lines.into_iter(), &self.params), &self.signature)
    }
}

/// The sha-256 that `Content-Digest` names, none where the header is absent.
pub(super) fn presented_digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Denial> {
    if single(headers, CONTENT_DIGEST)?.is_none() {
        return Ok(None);
    }
    match dictionary(headers, CONTENT_DIGEST)?.get("sha-256") {
        Some(ListEntry::Item(item)) => item
            .bare_item
            .as_byte_sequence()
            .and_then(|bytes| bytes.try_into().ok()),
        Some(ListEntry::InnerList(_)) | None => None,
    }
    .map(Some)
    .ok_or_else(|| Denial::BadEncoding {
        what: CONTENT_DIGEST,
        why: "no 32 bytes under the key sha-256 (RFC 9530)".to_owned(),
    })
}

/// A header that may stand at most once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(Denial::BadEncoding {
            what: "headers",
            why: format!(
                "{} stands more than once",
                name.chars().take(64).collect::<String>()
            ),
        }),
    }
}

fn dictionary(headers: &HeaderMap, name: &'static str) -> Result<Dictionary, Denial> {
    let value = single(headers, name)?.ok_or(Denial::MissingHeader { name })?;
    if value.len() > LONGEST_HEADER {
        return Err(Denial::BadEncoding {
            what: name,
            why: format!("{} bytes, at most {LONGEST_HEADER}", value.len()),
        });
    }
    Parser::new(value.as_bytes())
        .parse()
        .map_err(|error| Denial::BadEncoding {
            what: name,
            why: error.to_string(),
        })
}

fn components(list: &InnerList) -> Result<Vec<String>, Denial> {
    let mut names: Vec<String> = Vec::with_capacity(list.items.len());
    for item in &list.items {
        match item.bare_item.as_string() {
            Some(name) if item.params.is_empty() && !names.iter().any(|n| n == name.as_str()) => {
                names.push(name.as_str().to_owned());
            }
            Some(_) | None => {
                return Err(Denial::BadEncoding {
                    what: SIGNATURE_INPUT,
                    why: "a component is no string, stands twice or has parameters".to_owned(),
                });
            }
        }
    }
    Ok(names)
}

/// The inner list as RFC 8941 serializes it: what `@signature-params` says in the base.
fn parameters(list: &InnerList) -> Result<String, Denial> {
    let bad = || Denial::BadEncoding {
        what: SIGNATURE_INPUT,
        why: "the list of components cannot be written again".to_owned(),
    };
    let mut out = sfv::ListSerializer::new();
    {
        let mut inner = out.inner_list();
        for item in &list.items {
            let name = item.bare_item.as_string().ok_or_else(bad)?;
            inner.bare_item(StringRef::from_str(name.as_str()).map_err(|_| bad())?);
        }
        let mut params = inner.finish();
        for (name, value) in &list.params {
            params = params.parameter(KeyRef::from_str(name.as_str()).map_err(|_| bad())?, value);
        }
        let _ = params.finish();
    }
    out.finish().ok_or_else(bad)
}

/// What must be covered, given whether there is a query and a body's digest.
fn required<D: ?Sized>(query: Option<&str>, digest: Option<&D>) -> Vec<&'static str> {
    let mut names = vec!["@method", "@path"];
    if query.is_some() {
        names.push("@query");
    }
    names.push("@authority");
    names.push(SESSION_HEADER);
    if digest.is_some() {
        names.push(CONTENT_DIGEST);
    }
    names
}

/// RFC 9421, section 2.2: the components that are no header.
fn derived_value(name: &str, parts: RequestParts<'_>) -> Option<String> {
    match name {
        "@method" => Some(parts.method.to_owned()),
        "@path" => Some(if parts.path.is_empty() { "/" } else { parts.path }.to_owned()),
        "@query" => Some(format!("?{}", parts.query.unwrap_or_default())),
        "@authority" => Some(parts.authority.to_owned()),
        _ => None,
    }
}

/// RFC 9421, section 2.5.
fn base<'a>(lines: impl Iterator<Item = (&'a str, String)>, params: &str) -> String {
    let mut base = String::new();
    for (name, value) in lines {
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    base
}

fn verify_base(key: &B256, base: &str, signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| {
        key.verify_strict(base.as_bytes(), &Signature::from_bytes(signature))
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// RFC 9421, appendix B.1.4 (key) and B.2.6 (signature).
    #[test]
    fn the_base_and_the_signature_are_those_of_rfc_9421_b_2_6() {
        let key: B256 = {
            let spki = STANDARD
                .decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
                .unwrap();
            B256::from_slice(&spki[12..])
        };
        let input = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
                     ;created=1618884473;keyid=\"test-key-ed25519\"";
        let base = base(
            [
                ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("@method", "POST"),
                ("@path", "/foo"),
                ("@authority", "example.com"),
                ("content-type", "application/json"),
                ("content-length", "18"),
            ]
            .into_iter()
            .map(|(name, value)| (name, value.to_owned())),
            input,
        );
        let signature: [u8; 64] = STANDARD
            .decode(
                "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
            )
            .unwrap()
            .try_into()
            .unwrap();
        assert!(verify_base(&key, &base, &signature));
        assert!(!verify_base(&key, &base.replace("POST", "GET"), &signature));
    }

    /// The list as it was sent is the list as it is verified: parsing and writing change nothing.
    #[test]
    fn the_parameters_are_written_again_as_they_were_sent() {
        let sent = "(\"@method\" \"@path\");created=1;expires=2;keyid=\"k\\\"q\";alg=\"ed25519\";tag=\"t\"";
        let text = format!("leaseport={sent}");
        let parsed: Dictionary = Parser::new(&text).parse().unwrap();
        let Some(ListEntry::InnerList(list)) = parsed.get(LABEL) else {
            panic!("no list")
        };
        assert_eq!(parameters(list).unwrap(), sent);
    }

    #[test]
    fn a_content_digest_is_the_one_of_rfc_9530() {
        assert_eq!(
            content_digest(b"{\"hello\": \"world\"}\n"),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
        );
    }

    proptest! {
        #[test]
        fn no_header_bytes_make_the_reader_panic(
            input in proptest::collection::vec(any::<u8>(), 0..200),
            signature in proptest::collection::vec(any::<u8>(), 0..120),
            digest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut headers = HeaderMap::new();
            for (name, bytes) in [(SIGNATURE_INPUT, input), (SIGNATURE, signature), (CONTENT_DIGEST, digest)] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.insert(name, value);
                }
            }
            prop_assert!(Presented::read(&headers).is_err());
            prop_assert!(presented_digest(&headers).is_ok() || presented_digest(&headers).is_err());
        }

        #[test]
        fn no_structured_field_makes_the_reader_panic(
            list in "leaseport=\\((\"[a-z@;-]{0,8}\"(;[a-z]=[0-9]{1,15})? ?){0,5}\\)(;(created|expires|keyid|alg|x)=(-?[0-9]{1,15}|\"[ -~&&[^\"\\\\]]{0,70}\"|:YWE=:|\\?1)){0,6}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(SIGNATURE_INPUT, HeaderValue::from_str(&list).unwrap());
            headers.insert(SIGNATURE, HeaderValue::from_static("leaseport=:YWE=:"));
            prop_assert!(Presented::read(&headers).is_err());
        }
    }
}
