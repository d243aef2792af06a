//! An endpoint as configured, and why it cannot be used. Holds the URL, which may carry an API key, and shows only the name.

use std::fmt;

use thiserror::Error;
use url::Url;

/// A URL that may hold an API key: shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Wraps a URL.
    #[must_use]
    pub const fn new(url: Url) -> Self {
        Self(url)
    }

    pub(in crate::chain_io) const fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointRole {
    /// HTTP: read from and sent to.
    Full,
    /// WebSocket: says that a block came; nothing it says is believed.
    HintOnly,
}

/// One endpoint as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Shown instead of the URL, everywhere.
    pub name: String,
    /// Where.
    pub url: SecretUrl,
}

/// Why endpoints cannot be used as configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The text is no URL.
    #[error("endpoint {name}: url is none ({reason}): write http://, https://, ws:// or wss:// and a host")]
    NotAUrl {
        /// Which.
        name: String,
        /// Why, without the URL.
        reason: String,
    },
    /// A scheme that is not spoken.
    #[error("endpoint {name}: url has scheme {scheme:?}: use http, https, ws or wss")]
    Scheme {
        /// Which.
        name: String,
        /// What it says.
        scheme: String,
    },
    /// Nothing to read from.
    #[error("endpoints: none has an http or https url: blocks and logs are read over HTTP; add one")]
    NothingToRead,
    /// The HTTP client cannot be built.
    #[error("endpoint {name}: no HTTP client: {reason}")]
    Client {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// None answered with the right chain id.
    #[error("no endpoint is usable: {0}")]
    NoneUsable(String),
}

impl EndpointConfig {
    /// Reads an endpoint.
    ///
    /// # Errors
    /// [`EndpointError::NotAUrl`] or [`EndpointError::Scheme`]; neither repeats the URL.
    pub fn parse(name: &str, url: &str) -> Result<Self, EndpointError> {
        let url: Url = url
            .trim()
            .parse()
            .map_err(|error: url::ParseError| EndpointError::NotAUrl {
                name: name.to_owned(),
                reason: error.to_string(),
            })?;
        let config = Self {
            name: name.to_owned(),
            url: SecretUrl(url),
        };
        config.role().map(|_| config)
    }

    /// What its scheme makes it.
    ///
    /// # Errors
    /// [`EndpointError::Scheme`].
    pub fn role(&self) -> Result<EndpointRole, EndpointError> {
        match self.url.expose().scheme() {
            "http" | "https" => Ok(EndpointRole::Full),
            "ws" | "wss" => Ok(EndpointRole::HintOnly),
            other => Err(EndpointError::Scheme {
                name: self.name.clone(),
                scheme: other.to_owned(),
            }),
        }
    }
}
