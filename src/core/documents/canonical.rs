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
