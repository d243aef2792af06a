//! The grammars of names that strangers write into documents. May not know which field a name stands in.

/// A Kubernetes label value (apimachinery `IsValidLabelValue`), here never empty.
pub(super) fn is_label_value(text: &str) -> bool {
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}

/// An RFC 1123 label: what names a container.
pub(super) fn is_dns_label(text: &str) -> bool {
    is_label_value(text)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// An IANA service name (RFC 6335 section 5.1), in lower case as Kubernetes wants it.
pub(super) fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_dns_label(text)
        && !text.contains("--")
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// A name of an environment variable (POSIX.1-2017, section 8.1).
pub(super) fn is_variable(text: &str) -> bool {
    text.len() <= 256
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An image reference: `[host[:port]/]path[:tag][@digest]` by the grammar of distribution's `reference` package, the digest sha256 or sha512.
pub(super) fn is_image(text: &str) -> bool {
    if text.len() > 512 || !text.is_ascii() {
        return false;
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon after the last slash begins the tag; before it, it belongs to the host's port.
    let tail = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest.get(tail..).and_then(|last| last.find(':')) {
        Some(colon) => (rest.get(..tail + colon), rest.get(tail + colon + 1..)),
        None => (Some(rest), None),
    };
    name.is_some_and(is_image_name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

fn is_image_name(name: &str) -> bool {
    let path = match name.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => {
            if !is_host(first) {
                return false;
            }
            rest
        }
        Some(_) | None => name,
    };
    name.len() <= 255 && path.split('/').all(is_path_component)
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(word) && text.bytes().next_back().is_some_and(word);
    let separator = |gap: &str| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-');
    ends && text
        .split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .all(separator)
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", hex)) => Some((hex, 64)),
        Some(("sha512", hex)) => Some((hex, 128)),
        Some(_) | None => None,
    };
    length.is_some_and(|(hex, length)| {
        hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_what_a_registry_client_would_pull() {
        let digest = format!("busybox@sha256:{}", "a".repeat(64));
        for good in [
            "busybox",
            "busybox:1.36",
            "docker.io/library/busybox:latest",
            "localhost:5000/a/b_c/d--e:T.g-1",
            "nvcr.io/nvidia/pytorch:25.01-py3",
            "registry.example:443/x",
            &digest,
        ] {
            assert!(is_image(good), "{good}");
        }
        for bad in [
            "",
            "Busybox",
            "a b",
            "a:",
            "a:b:c",
            "/a",
            "a/",
            "a//b",
            "host.example:0/a",
            "host.example:70000/a",
            "a@sha256:12",
            "a..b",
            "-a",
            "a;rm",
            "a\n",
            "ä",
        ] {
            assert!(!is_image(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_follow_their_standards() {
        assert!(is_dns_label("a-1") && !is_dns_label("-a") && !is_dns_label("A") && !is_dns_label(""));
        assert!(!is_dns_label(&"a".repeat(64)) && is_dns_label(&"a".repeat(63)));
        assert!(
            is_port_name("http")
                && !is_port_name("80")
                && !is_port_name("a--b")
                && !is_port_name("a234567890123456")
        );
        assert!(is_variable("_A1") && !is_variable("1A") && !is_variable("A-B") && !is_variable(""));
    }
}
