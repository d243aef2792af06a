//! A stranger's URL with the public keys it may answer with: `https://host:port#spki-sha256=<base64url>[,<base64url>]`.
//!
//! The fragment is never sent, so one text carries address and pins wherever a provider publishes it. Two pins stand there while a
//! key rotates. Parsing alone: nothing is resolved or called.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use url::{Host, Url};

/// The fragment's key.
const PIN: &str = "spki-sha256=";
/// The most pins one URL may carry.
const MOST_PINS: usize = 4;
/// The longest URL, in bytes.
const LONGEST: usize = 512;

/// Why a text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Too long.
    #[error("the URL has {0} bytes, at most {LONGEST}")]
    TooLong(usize),
    /// Not a URL.
    #[error("{url:?} is no URL: {why}; write https://host[:port]")]
    NotAUrl {
        /// As given, shortened.
        url: String,
        /// The parser's words.
        why: String,
    },
    /// Not https.
    #[error("the URL's scheme is {0:?}: only https is called")]
    NotHttps(String),
    /// `user:password@`.
    #[error("the URL holds a user or password: remove it, requests are signed")]
    Credentials,
    /// A query in a base address.
    #[error("the URL holds a query: write https://host[:port][/prefix]")]
    Query,
    /// A fragment that is no list of pins.
    #[error(
        "the URL's fragment {0:?} is no pin: write #spki-sha256=<43 characters base64url>, two at most while a key rotates"
    )]
    BadPin(String),
}

/// An https address and the SPKI hashes that prove it; without pins a public certificate must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedUrl {
    url: Url,
    pins: Vec<[u8; 32]>,
}

impl PinnedUrl {
    /// The address without its fragment.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// SHA-256 hashes of the SPKI (RFC 7469's `pin-sha256`), none for a public certificate.
    #[must_use]
    pub fn pins(&self) -> &[[u8; 32]] {
        &self.pins
    }

    /// Host and port as `@authority` has them: lower case, without `:443`.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The host, as name or address.
    #[must_use]
    pub fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }

    /// The same address with one pin.
    #[must_use]
    pub fn with_pin(mut self, pin: [u8; 32]) -> Self {
        self.pins = vec![pin];
        self
    }
}

impl FromStr for PinnedUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > LONGEST {
            return Err(AddressError::TooLong(text.len()));
        }
        let not_a_url = |why: String| AddressError::NotAUrl {
            url: text.chars().take(80).collect(),
            why,
        };
        let mut url = Url::parse(text).map_err(|e| not_a_url(e.to_string()))?;
        if url.scheme() != "https" {
            return Err(AddressError::NotHttps(url.scheme().chars().take(16).collect()));
        }
        if url.host().is_none() {
            return Err(not_a_url("no host".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.query().is_some() {
            return Err(AddressError::Query);
        }
        let pins = url.fragment().map_or(Ok(Vec::new()), pins)?;
        url.set_fragment(None);
        Ok(Self { url, pins })
    }
}

fn pins(fragment: &str) -> Result<Vec<[u8; 32]>, AddressError> {
    let bad = || AddressError::BadPin(fragment.chars().take(120).collect());
    let list = fragment.strip_prefix(PIN).ok_or_else(bad)?;
    let mut pins = Vec::new();
    for text in list.split(',') {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        pins.push(bytes.try_into().map_err(|_| bad())?);
    }
    if pins.len() > MOST_PINS {
        Err(bad())
    } else {
        Ok(pins)
    }
}

impl fmt::Display for PinnedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))?;
        for (at, pin) in self.pins.iter().enumerate() {
            let before = if at == 0 { "#spki-sha256=" } else { "," };
            write!(f, "{before}{}", URL_SAFE_NO_PAD.encode(pin))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn a_pinned_url_survives_its_text() {
        let plain: PinnedUrl = "https://GPU.example.org:8443/".parse().unwrap();
        assert_eq!(plain.authority(), "gpu.example.org:8443");
        let pinned = plain.with_pin([7; 32]);
        assert_eq!(pinned.to_string().parse::<PinnedUrl>().unwrap(), pinned);
        let two = format!("{pinned},{}", URL_SAFE_NO_PAD.encode([8; 32]));
        assert_eq!(two.parse::<PinnedUrl>().unwrap().pins(), &[[7; 32], [8; 32]]);
        assert_eq!(
            "https://gpu.example.org:443"
                .parse::<PinnedUrl>()
                .unwrap()
                .authority(),
            "gpu.example.org"
        );
    }

    #[rstest]
    #[case::plain("http://gpu.example.org", AddressError::NotHttps("http".into()))]
    #[case::file("file:///etc/passwd", AddressError::NotHttps("file".into()))]
    #[case::user("https://user:pw@gpu.example.org", AddressError::Credentials)]
    #[case::query("https://gpu.example.org/?x=1", AddressError::Query)]
    #[case::fragment("https://gpu.example.org/#top", AddressError::BadPin("top".into()))]
    #[case::short_pin("https://gpu.example.org/#spki-sha256=AAAA", AddressError::BadPin("spki-sha256=AAAA".into()))]
    fn what_is_no_https_base_address_is_refused(#[case] text: &str, #[case] why: AddressError) {
        assert_eq!(text.parse::<PinnedUrl>(), Err(why));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(https://)?[ -~]{0,80}(#spki-sha256=[ -~]{0,50})?") {
            if let Ok(url) = text.parse::<PinnedUrl>() {
                prop_assert_eq!(url.url().scheme(), "https");
            }
        }
    }
}
