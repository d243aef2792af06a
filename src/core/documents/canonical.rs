//! One byte form for every document that is hashed: RFC 8785 (JSON Canonicalization Scheme), narrowed to integers, so that tenant, provider
//! and contract hash the same bytes. Strangers write what is read here: it never trusts a length, a depth or a number, and never panics.
//! It may not know any document's fields.

use std::fmt;

use alloy::primitives::{B256, keccak256};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use thiserror::Error;

/// How deep objects and arrays may nest; the outermost is depth 1.
pub const MAX_DEPTH: usize = 8;

/// The largest integer a document may hold, 2^53 - 1: above it JavaScript readers disagree (RFC 8785 section 3.2.2.3, RFC 7493).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why bytes are not the canonical form of a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// Longer than this kind of document may be.
    #[error("{document} has {size} bytes, more than {limit}: shorten it")]
    TooLarge {
        /// Which document.
        document: &'static str,
        /// Bytes received.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not JSON, or a key twice, nested too deep, or a number that is no integer below 2^53; the text says which and where.
    #[error("{document} is not acceptable JSON: {reason}")]
    Json {
        /// Which document.
        document: &'static str,
        /// What and where.
        reason: String,
    },
    /// Written for another version of this program.
    #[error("{document} has version {found}, this program reads version {known}: write \"version\":{known}")]
    Version {
        /// Which document.
        document: &'static str,
        /// What the document says.
        found: String,
        /// What is read here.
        known: u8,
    },
    /// A field is missing, unknown or of another type.
    #[error("{document}: {reason}")]
    Shape {
        /// Which document.
        document: &'static str,
        /// The field and what is wrong with it.
        reason: String,
    },
    /// The same document has another, canonical spelling.
    #[error(
        "{document} is not in canonical form from byte {at}: sort keys, leave out spaces, null and fields that hold their default (RFC 8785)"
    )]
    NotCanonical {
        /// Which document.
        document: &'static str,
        /// The first byte that differs, counted from 0.
        at: usize,
    },
}

/// A document with one canonical byte form.
pub trait Document: Serialize + DeserializeOwned {
    /// What people call it, for messages.
    const NAME: &'static str;
    /// The largest canonical form, in bytes.
    const LIMIT: usize;
    /// The value its field `version` must have.
    const VERSION: u8;

    /// The canonical bytes.
    ///
    /// # Errors
    /// The document holds a number or a depth that has no canonical form, or is larger than [`Document::LIMIT`].
    fn to_canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        let loose = serde_json::to_vec(self).map_err(|error| CanonicalError::Json {
            document: Self::NAME,
            reason: error.to_string(),
        })?;
        let bytes = read(Self::NAME, &loose)?.to_bytes();
        within::<Self>(&bytes)?;
        Ok(bytes)
    }

    /// Reads canonical bytes, and only those.
    ///
    /// # Errors
    /// Each variant of [`CanonicalError`]; the first that applies.
    fn from_canonical(bytes: &[u8]) -> Result<Self, CanonicalError> {
        within::<Self>(bytes)?;
        let node = read(Self::NAME, bytes)?;
        node.check_version(Self::NAME, Self::VERSION)?;
        let shape = |error: serde_json::Error| CanonicalError::Shape {
            document: Self::NAME,
            reason: error.to_string(),
        };
        let document: Self = serde_json::from_slice(bytes).map_err(shape)?;
        let canonical = document.to_canonical()?;
        if let Some(at) = first_difference(bytes, &canonical) {
            return Err(CanonicalError::NotCanonical {
                document: Self::NAME,
                at,
            });
        }
        Ok(document)
    }

    /// keccak-256 of the canonical bytes, as an order names it.
    ///
    /// # Errors
    /// As [`Document::to_canonical`].
    fn hash(&self) -> Result<B256, CanonicalError> {
        self.to_canonical().map(keccak256)
    }
}

fn within<D: Document>(bytes: &[u8]) -> Result<(), CanonicalError> {
    if bytes.len() > D::LIMIT {
        return Err(CanonicalError::TooLarge {
            document: D::NAME,
            size: bytes.len(),
            limit: D::LIMIT,
        });
    }
    Ok(())
}

fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    Some(same)
}

fn read(document: &'static str, bytes: &[u8]) -> Result<Node, CanonicalError> {
    let json = |error: serde_json::Error| CanonicalError::Json {
        document,
        reason: error.to_string(),
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let node = AtDepth(1).deserialize(&mut reader).map_err(json)?;
    reader.end().map_err(json)?;
    Ok(node)
}

/// JSON as these documents may hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Node>),
    /// In the order of RFC 8785 section 3.2.3, each key once.
    Object(Vec<(String, Node)>),
}

impl Node {
    fn check_version(&self, document: &'static str, known: u8) -> Result<(), CanonicalError> {
        let found = match self {
            Self::Object(fields) => fields
                .iter()
                .find(|(key, _)| key == "version")
                .map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Text(_) | Self::List(_) => None,
        };
        match found {
            Some(Self::Integer(version)) if *version == i64::from(known) => Ok(()),
            Some(other) => Err(CanonicalError::Version {
                document,
                found: String::from_utf8_lossy(&other.to_bytes())
                    .chars()
                    .take(32)
                    .collect(),
                known,
            }),
            None => Err(CanonicalError::Version {
                document,
                found: "none".into(),
                known,
            }),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write(&mut out);
        out.into_bytes()
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// RFC 8785 section 3.2.2.2: the two-letter escapes where there are some, `\u00xx` for other controls, all else as it is.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{9}' => out.push_str("\\t"),
            '\u{a}' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\u{d}' => out.push_str("\\r"),
            control if control < '\u{20}' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Reads a [`Node`] whose own depth is given, so that depth is refused while reading and not after.
#[derive(Clone, Copy)]
struct AtDepth(usize);

impl AtDepth {
    fn enter<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.0 > MAX_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_DEPTH}: flatten it"
            )));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for AtDepth {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn no_integer<E: serde::de::Error>(shown: impl fmt::Display) -> E {
    E::custom(format_args!(
        "number {shown} is no integer of at most {MAX_INTEGER}: write larger or fractional numbers as strings"
    ))
}

impl<'de> Visitor<'de> for AtDepth {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a bool, an integer, a string, an array or an object")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        if value.unsigned_abs() > MAX_INTEGER {
            return Err(no_integer(value));
        }
        Ok(Node::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        match i64::try_from(value) {
            Ok(number) if value <= MAX_INTEGER => Ok(Node::Integer(number)),
            Ok(_) | Err(_) => Err(no_integer(value)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Err(no_integer(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let inner = self.enter()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let inner = self.enter()?;
        let mut fields: Vec<(String, Node)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            fields.push((key, map.next_value_seed(inner)?));
        }
        // RFC 8785 sorts by UTF-16 code units, which differs from bytes where surrogates meet U+E000..U+FFFF.
        fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        let twice = fields
            .iter()
            .zip(fields.iter().skip(1))
            .find(|((a, _), (b, _))| a == b);
        if let Some(((key, _), _)) = twice {
            let shown: String = key.chars().take(64).collect();
            return Err(A::Error::custom(format_args!(
                "key {shown:?} appears twice: keep one"
            )));
        }
        Ok(Node::Object(fields))
    }
}

/// For serde's `skip_serializing_if`: a field that holds its default has no place in the canonical form.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A field that must be there, even where its type is an option of something else: `null` is not a spelling of absence.
pub(super) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Letter {
        version: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        body: serde_json::Value,
    }

    impl Document for Letter {
        const NAME: &'static str = "letter";
        const LIMIT: usize = 4096;
        const VERSION: u8 = 1;
    }

    fn reason(text: &str) -> String {
        Letter::from_canonical(text.as_bytes()).unwrap_err().to_string()
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-(1i64 << 53) + 1..1i64 << 53).prop_map(Value::from),
            "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same_and_only_from_those_bytes(body in value()) {
            let letter = Letter { version: 1, body };
            if let Ok(bytes) = letter.to_canonical() {
                prop_assert_eq!(&Letter::from_canonical(&bytes).unwrap(), &letter);
                prop_assert_eq!(Letter::from_canonical(&bytes).unwrap().to_canonical().unwrap(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Letter::from_canonical(&bytes).is_err());
        }

        #[test]
        fn damaged_documents_are_refused_or_canonical(body in value(), at: prop::sample::Index, byte: u8) {
            if let Ok(mut bytes) = (Letter { version: 1, body }).to_canonical() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                if let Ok(read) = Letter::from_canonical(&bytes) {
                    prop_assert_eq!(read.to_canonical().unwrap(), bytes);
                }
            }
        }
    }

    #[test]
    fn the_example_of_the_rfc_without_its_fractions_comes_out_as_printed() {
        // RFC 8785 section 3.2.2 to 3.2.4: the strings and literals of its sample, and the key order of its sorting example.
        let body = serde_json::json!({
            "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"\u{002f}",
            "literals": [null, true, false],
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let bytes = Letter { version: 1, body }.to_canonical().unwrap();
        let expected = concat!(
            "{\"body\":{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"literals\":[null,true,false],",
            "\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\",\"\u{80}\":\"Control\",",
            "\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",",
            "\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"},\"version\":1}"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_key_that_appears_twice_is_refused_by_name() {
        assert!(reason(r#"{"body":1,"body":2,"version":1}"#).contains(r#"key "body" appears twice"#));
        assert!(reason(r#"{"body":{"a":1,"a":1},"version":1}"#).contains(r#"key "a" appears twice"#));
        // An escape is the same key.
        assert!(reason("{\"body\":{\"a\":1,\"\\u0061\":1},\"version\":1}").contains("appears twice"));
    }

    #[test]
    fn depth_eight_is_read_and_nine_is_not() {
        let nested = |lists: usize| {
            format!(
                "{{\"body\":{}1{},\"version\":1}}",
                "[".repeat(lists),
                "]".repeat(lists)
            )
        };
        assert!(Letter::from_canonical(nested(7).as_bytes()).is_ok());
        assert!(reason(&nested(8)).contains("nested deeper than 8"));
        // Far below the limit of size and far above that of any stack.
        assert!(reason(&nested(2000)).contains("nested deeper than 8"));
    }

    #[test]
    fn only_integers_below_two_to_the_53_are_numbers() {
        assert!(Letter::from_canonical(br#"{"body":9007199254740991,"version":1}"#).is_ok());
        assert!(Letter::from_canonical(br#"{"body":-9007199254740991,"version":1}"#).is_ok());
        for number in [
            "9007199254740992",
            "-9007199254740992",
            "1.0",
            "1e2",
            "1.5",
            "-0",
            "1e400",
            "99999999999999999999",
        ] {
            let text = format!("{{\"body\":{number},\"version\":1}}");
            assert!(Letter::from_canonical(text.as_bytes()).is_err(), "{number}");
        }
        assert!(
            reason(r#"{"body":1.5,"version":1}"#).contains("write larger or fractional numbers as strings")
        );
    }

    #[test]
    fn another_version_is_named_before_its_fields_are_judged() {
        assert!(
            reason(r#"{"shape":"new","version":2}"#).contains("has version 2, this program reads version 1")
        );
        assert!(reason(r#"{"body":1}"#).contains("has version none"));
        assert!(reason(r#"{"version":"1"}"#).contains("has version \"1\""));
        assert!(reason("[]").contains("has version none"));
    }

    #[test]
    fn another_spelling_of_the_same_document_is_refused_at_its_byte() {
        for (text, at) in [
            (r#"{"version":1,"body":1}"#, 2),
            (r#"{ "version":1}"#, 1),
            (r#"{"version":1} "#, 13),
            (r#"{"body":null,"version":1}"#, 2),
            ("{\"body\":\"\\u0041\",\"version\":1}", 9),
            ("{\"body\":\"\\/\",\"version\":1}", 9),
        ] {
            let expected = CanonicalError::NotCanonical {
                document: "letter",
                at,
            };
            assert_eq!(Letter::from_canonical(text.as_bytes()), Err(expected), "{text}");
        }
    }

    #[test]
    fn unknown_fields_trailing_bytes_and_size_are_refused() {
        assert!(reason(r#"{"extra":1,"version":1}"#).contains("unknown field `extra`"));
        assert!(reason(r#"{"version":1}{}"#).contains("trailing characters"));
        let long = format!("{{\"body\":\"{}\",\"version\":1}}", "a".repeat(4096));
        assert!(reason(&long).contains("more than 4096"));
    }
}
