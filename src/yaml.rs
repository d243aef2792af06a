//! YAML in and out: the only user of serde_yaml, so that another library is one file away. May not know a kind.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Why a text is not the YAML that was wanted, or a value has no YAML form.
#[derive(Debug, Error)]
pub enum YamlError {
    /// A document of the text could not be read.
    #[error("document {document} of the YAML{place}: {message}")]
    Read {
        /// Which document, counted from 1.
        document: usize,
        /// ` at line 3 column 5`, where it is known.
        place: String,
        /// What was wanted.
        message: String,
    },
    /// Exactly one document was wanted.
    #[error("the YAML holds {0} documents: give exactly one")]
    NotOne(usize),
    /// The value has no YAML form, for example a map whose keys are lists.
    #[error("cannot be written as YAML: {0}")]
    Write(String),
}

/// Writes one document, without a leading `---`.
///
/// # Errors
/// The value has no YAML form.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, YamlError> {
    serde_yaml::to_string(value).map_err(|error| YamlError::Write(error.to_string()))
}

/// Reads every document of a text; empty ones, as a trailing `---` leaves, are skipped.
///
/// # Errors
/// The first document that is not YAML or not a `T`, with its number and place.
pub fn documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, YamlError> {
    let mut found = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let fail = |error: &serde_yaml::Error| {
            let place = error.location();
            YamlError::Read {
                document: index.saturating_add(1),
                place: place.map_or_else(String::new, |at| {
                    format!(" at line {} column {}", at.line(), at.column())
                }),
                message: error.to_string(),
            }
        };
        // Through a value first: it tells an empty document from a wrong one.
        let value = serde_yaml::Value::deserialize(document).map_err(|error| fail(&error))?;
        if value.is_null() {
            continue;
        }
        found.push(serde_yaml::from_value(value).map_err(|error| fail(&error))?);
    }
    Ok(found)
}

/// Reads the one document of a text.
///
/// # Errors
/// None or several documents, or one that is not YAML or not a `T`.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let mut found = documents(text)?;
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(YamlError::NotOne(0)),
        (Some(_), others) => Err(YamlError::NotOne(others.saturating_add(1))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: i32,
        y: i32,
    }

    #[test]
    fn several_documents_are_read_and_empty_ones_skipped() {
        let points: Vec<Point> =
            documents("---\nx: 1\ny: 2\n---\n# nothing\n---\n{x: 3, y: 4}\n---\n").unwrap();
        assert_eq!(points, [Point { x: 1, y: 2 }, Point { x: 3, y: 4 }]);
    }

    #[test]
    fn a_wrong_document_is_named_by_its_number() {
        let error = documents::<Point>("x: 1\ny: 2\n---\nx: 1\nz: 2\n")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("document 2"), "{error}");
        assert!(error.contains("unknown field `z`"), "{error}");
        let error = documents::<Point>("x: [1\n").unwrap_err().to_string();
        assert!(error.contains("line"), "{error}");
    }

    #[test]
    fn exactly_one_document_is_wanted() {
        assert_eq!(from_str::<Point>("{x: 1, y: 2}").unwrap(), Point { x: 1, y: 2 });
        assert!(matches!(from_str::<Point>(""), Err(YamlError::NotOne(0))));
        assert!(matches!(
            from_str::<Point>("{x: 1, y: 2}\n---\n{x: 1, y: 2}\n"),
            Err(YamlError::NotOne(2))
        ));
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = to_string(&Point { x: 1, y: -2 }).unwrap();
        assert_eq!(text, "x: 1\ny: -2\n");
        assert_eq!(from_str::<Point>(&text).unwrap(), Point { x: 1, y: -2 });
    }
}
