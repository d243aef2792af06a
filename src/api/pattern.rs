//! What the texts of our kinds look like, as the regular expressions that the schema carries. May not parse: `core` does.
//!
//! Each pattern is anchored, so that the API server (which searches) and a reader agree on what it admits.

/// An EVM address, 20 bytes in hex; the case carries no meaning here.
pub const ADDRESS: &str = "^0x[0-9a-fA-F]{40}$";
/// 32 bytes in lower-case hex: hashes of orders, terms, blocks, transactions.
pub const HASH: &str = "^0x[0-9a-f]{64}$";
/// Bytes in lower-case hex, possibly none.
pub const BYTES: &str = "^0x([0-9a-f]{2})*$";
/// A secp256k1 signature: 65 bytes r, s, v in lower-case hex.
pub const SIGNATURE: &str = "^0x[0-9a-f]{130}$";
/// An amount of a token: decimal, at most six decimals; a contract holds at most 2^64 - 1 micro-units.
pub const MONEY: &str = r"^(0|[1-9][0-9]{0,13})(\.[0-9]{1,6})?$";
/// Longest text of [`MONEY`].
pub const MONEY_LENGTH: usize = 21;
/// An amount of the chain's native coin: decimal, at most 18 decimals.
pub const COIN: &str = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,18})?$";
/// Longest text of [`COIN`].
pub const COIN_LENGTH: usize = 28;
/// A gas price with its unit: `5gwei`, `0.01gwei`, `1000000wei`.
pub const GAS_PRICE: &str = r"^((0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?gwei|(0|[1-9][0-9]{0,17})wei)$";
/// Longest text of [`GAS_PRICE`].
pub const GAS_PRICE_LENGTH: usize = 23;
/// An amount of wei as a plain integer below 10^30.
pub const WEI: &str = "^(0|[1-9][0-9]{0,29})$";
/// Longest text of [`WEI`].
pub const WEI_LENGTH: usize = 30;
/// A duration of whole seconds as Go writes it: `30s`, `10m`, `1h30m`.
pub const DURATION: &str = "^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$";
/// A duration that may be shorter than a second: `500ms`, `2s`.
pub const FINE_DURATION: &str = "^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$";
/// Longest text of [`DURATION`] and [`FINE_DURATION`].
pub const DURATION_LENGTH: usize = 32;
/// [`DURATION`] or the word `never`.
pub const DURATION_OR_NEVER: &str = "^(never|([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?)$";
/// A share between 0 and 1 with at most four decimals.
pub const SHARE: &str = r"^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$";
/// Longest text of [`SHARE`].
pub const SHARE_LENGTH: usize = 6;
/// Name of a namespaced object: a DNS-1123 subdomain (RFC 1123).
pub const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Longest text of [`NAME`].
pub const NAME_LENGTH: usize = 253;
/// Name of a namespace, an endpoint or a region: a DNS-1123 label.
pub const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Longest text of [`LABEL`].
pub const LABEL_LENGTH: usize = 63;
/// Key inside a Secret.
pub const SECRET_KEY: &str = r"^[-._a-zA-Z0-9]+$";
/// URL of an RPC endpoint, without white space, quotes or control characters.
pub const RPC_URL: &str = r"^(https?|wss?)://[!#-&(-;=?-\[\]_a-z~]+$";
/// URL of a gateway.
pub const HTTPS_URL: &str = r"^https://[a-zA-Z0-9.:\[\]-]+(/[a-zA-Z0-9._~/-]*)?(#spki-sha256=[A-Za-z0-9_-]{43}(,[A-Za-z0-9_-]{43})?)?$";
/// Longest URL.
pub const URL_LENGTH: usize = 512;
/// A token's symbol, in lower case.
pub const CURRENCY: &str = "^[a-z0-9][a-z0-9.-]{0,15}$";
/// A lease id as people write it: provider, lane, generation in decimal.
pub const LEASE_ID: &str = "^[0-9]{1,10}-[0-9]{1,10}-[0-9]{1,8}$";
/// Name of an extended resource: `nvidia.com/gpu`.
pub const EXTENDED_RESOURCE: &str =
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
