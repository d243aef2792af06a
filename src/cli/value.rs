//! Values of flags that several verbs share: each is read once, and a refusal says what to write instead. Asks nobody.

use std::net::SocketAddr;

use alloy::primitives::Address;
use ipnet::IpNet;

/// Longest name of an object in Kubernetes (RFC 1123 subdomain), in bytes.
const LONGEST_NAME: usize = 253;
/// Longest name of a namespace (RFC 1123 label), in bytes.
const LONGEST_LABEL: usize = 63;

/// Reads an address on chain.
///
/// # Errors
/// Not 0x and 40 hexadecimal digits; or mixed case that is no EIP-55 checksum, which is how a mistyped address shows.
pub fn address(text: &str) -> Result<Address, String> {
    let read: Address = text
        .parse()
        .map_err(|_| "write an address as 0x and 40 hexadecimal digits".to_owned())?;
    let digits = text.trim_start_matches("0x");
    let mixed =
        digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed && read.to_checksum(None).trim_start_matches("0x") != digits {
        return Err(
            "its capital letters are not its checksum (EIP-55), so a digit is wrong: copy the address anew"
                .to_owned(),
        );
    }
    Ok(read)
}

/// Reads a number that a program printed before.
///
/// # Errors
/// Not a whole number that fits.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "write a whole number in decimal digits".to_owned())
}

/// Another program's words on one line, so that an error stays one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads where to listen.
///
/// # Errors
/// Not an IP address and a port.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, for example 0.0.0.0:9090 or [::1]:9090".to_owned())
}

/// Reads a block of addresses.
///
/// # Errors
/// Not an address and a prefix length.
pub fn block(text: &str) -> Result<IpNet, String> {
    text.parse()
        .map_err(|_| "write a block of addresses, for example 203.0.113.0/24 or 2001:db8::/32".to_owned())
}

/// Reads an object's name.
///
/// # Errors
/// Not an RFC 1123 subdomain.
pub fn name(text: &str) -> Result<String, String> {
    let good = text.len() <= LONGEST_NAME && text.split('.').all(is_label);
    good.then(|| text.to_owned()).ok_or_else(|| {
        "write a Kubernetes name: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
            .to_owned()
    })
}

/// Reads an object's name, or nothing at all.
///
/// # Errors
/// As [`name`].
pub fn name_or_none(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Ok(String::new())
    } else {
        name(text)
    }
}

/// Reads a namespace.
///
/// # Errors
/// Not an RFC 1123 label.
pub fn namespace(text: &str) -> Result<String, String> {
    let good = text.len() <= LONGEST_LABEL && is_label(text);
    good.then(|| text.to_owned()).ok_or_else(|| {
        "write a namespace: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
            .to_owned()
    })
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Reads an image reference; what it means is the kubelet's.
///
/// # Errors
/// Empty, or with white space.
pub fn image(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && !text.chars().any(char::is_whitespace);
    good.then(|| text.to_owned())
        .ok_or_else(|| "write an image reference, for example registry.k8s.io/pause:3.10".to_owned())
}

/// Reads the host and port that clients call.
///
/// # Errors
/// A URL, or a host that cannot be.
pub fn authority(text: &str) -> Result<String, String> {
    let wrong = || {
        "write host and port without scheme or path, for example gpu.example.org:8443; leave the port out where it is 443"
            .to_owned()
    };
    let read: http::uri::Authority = text.parse().map_err(|_| wrong())?;
    if text.contains('@') || read.host().is_empty() {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_with_a_wrong_digit_shows_in_its_checksum() {
        let right = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert!(address(right).is_ok());
        assert!(address(&right.to_lowercase()).is_ok());
        assert!(address(&right.replace("92266", "92267")).is_err_and(|why| why.contains("EIP-55")));
        for text in ["", "0x12", "banana"] {
            assert!(
                address(text).is_err_and(|why| why.contains("40 hexadecimal")),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_those_kubernetes_takes() {
        assert!(name("wallet-1.example").is_ok() && namespace("gpu-provider").is_ok());
        for text in ["", "Bad", "a b", "-a", "a-", "a..b"] {
            assert!(name(text).is_err() && namespace(text).is_err(), "{text}");
        }
        assert!(namespace("a.b").is_err());
        assert!(namespace(&"a".repeat(64)).is_err());
        assert_eq!(name_or_none("").unwrap(), "");
    }

    #[test]
    fn an_authority_is_no_url() {
        assert!(authority("gpu.example.org:8443").is_ok() && authority("[::1]:8443").is_ok());
        for text in ["https://gpu.example.org", "a b", "me@gpu.example.org", ""] {
            assert!(authority(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_has_digits_and_fits() {
        assert_eq!(number::<u32>("7"), Ok(7));
        for text in ["x", "-1", "", "4294967296"] {
            assert!(
                number::<u32>(text).is_err_and(|why| why.contains("decimal")),
                "{text}"
            );
        }
        assert_eq!(one_line("a\n |  b\n"), "a | b");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic_and_what_is_read_stays_as_written(text in "\\PC{0,80}") {
            let _ = (socket(&text), block(&text), number::<u64>(&text));
            // The macro makes a format string of its condition, so no braces inside it.
            let digits = format!("0x{}", text.trim_start_matches("0x"));
            prop_assert!(address(&text).ok().is_none_or(|read| read.to_string().eq_ignore_ascii_case(&digits)));
            prop_assert!(authority(&text).ok().is_none_or(|same| same == text));
            prop_assert!(name(&text).ok().is_none_or(|same| same == text));
        }
    }
}
