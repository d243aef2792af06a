//! How statements rest: gzip over a JSON list, one page a lease and day, more where a day does not fit in one ConfigMap. May not read or write a cluster.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::{Timestamp, tz::TimeZone};
use thiserror::Error;

use crate::core::documents::statement::Statement;

/// The key under which a page's bytes stand in its ConfigMap's `binaryData`.
pub const PAGE_KEY: &str = "statements.json.gz";
/// Largest page, in bytes: a ConfigMap holds 1 MiB, base64 and the rest of it included.
pub const PAGE: usize = 640 * 1024;
/// Most that a page may unpack to, in bytes: far more than anything we packed.
const UNPACKED: u64 = 64 * 1024 * 1024;

/// Why a page cannot be read.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// It is no gzip, or too large.
    #[error("a page of statements does not unpack: {0}")]
    Packed(#[from] std::io::Error),
    /// It is no list of statements.
    #[error("a page of statements does not read: {0}")]
    Json(#[from] serde_json::Error),
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// These are its bytes now.
    Page(Vec<u8>),
    /// The statement was in it already.
    Known,
    /// It is full: begin another.
    Full,
}

/// The UTC day of a Unix second, `20261122`.
#[must_use]
pub fn day(second: u64) -> String {
    let at = i64::try_from(second)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or_default();
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string()
}

/// The page that a statement of this instant goes to, given the names of the pages there are; `object` is the ComputeLease's name.
#[must_use]
pub fn page(object: &str, pages: &[String], second: u64) -> String {
    let first = format!("{object}-{}", day(second));
    let of_day = |name: &&String| {
        **name == first
            || name
                .strip_prefix(&first)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    pages.iter().rfind(of_day).cloned().unwrap_or(first)
}

/// The page after this one of the same day.
#[must_use]
pub fn page_after(object: &str, page: &str) -> String {
    let of_object = page
        .strip_prefix(object)
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(page);
    match of_object.split_once('-') {
        Some((day, number)) => {
            let next = number.parse::<u32>().unwrap_or(1).saturating_add(1);
            format!("{object}-{day}-{next}")
        }
        None => format!("{object}-{of_object}-2"),
    }
}

/// The page with one more statement at its end.
///
/// # Errors
/// The bytes are no page.
pub fn append(bytes: Option<&[u8]>, statement: &Statement) -> Result<Appended, ArchiveError> {
    let mut all = bytes.map_or_else(|| Ok(Vec::new()), unpack)?;
    if all.contains(statement) {
        return Ok(Appended::Known);
    }
    let first = all.is_empty();
    all.push(statement.clone());
    let packed = pack(&all)?;
    Ok(if packed.len() > PAGE && !first {
        Appended::Full
    } else {
        Appended::Page(packed)
    })
}

fn pack(statements: &[Statement]) -> Result<Vec<u8>, ArchiveError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&serde_json::to_vec(statements)?)?;
    Ok(encoder.finish()?)
}

/// A page's statements.
///
/// # Errors
/// The bytes are no page.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Statement>, ArchiveError> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).take(UNPACKED).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::core::documents::statement::tests::statement;

    #[test]
    fn a_page_gives_back_what_was_appended_each_once_and_in_order() {
        let (one, two) = (statement(1_000, 1_300, 300), statement(1_300, 1_600, 550));
        let Appended::Page(page) = append(None, &one).unwrap() else {
            unreachable!()
        };
        assert_eq!(append(Some(&page), &one).unwrap(), Appended::Known);
        let Appended::Page(page) = append(Some(&page), &two).unwrap() else {
            unreachable!()
        };
        assert_eq!(unpack(&page).unwrap(), [one, two]);
    }

    #[test]
    fn a_full_page_takes_no_more_and_a_page_of_one_is_never_too_full() {
        let mut large = statement(1_000, 1_300, 300);
        // Nothing compresses a thousand hashes.
        large.path = (0..30_000u32)
            .map(|number| alloy::primitives::keccak256(number.to_be_bytes()))
            .collect();
        let Appended::Page(page) = append(None, &large).unwrap() else {
            unreachable!()
        };
        assert!(page.len() > PAGE);
        assert_eq!(
            append(Some(&page), &statement(1_300, 1_600, 550)).unwrap(),
            Appended::Full
        );
    }

    #[test]
    fn statements_of_a_day_go_to_its_newest_page_and_a_new_day_begins_its_own() {
        // 2026-11-22 00:00:00 UTC.
        let day = 1_795_305_600;
        assert_eq!(page("lp-1", &[], day), "lp-1-20261122");
        let pages = [
            "lp-1-20261121".to_owned(),
            "lp-1-20261122".to_owned(),
            "lp-1-20261122-2".to_owned(),
        ];
        assert_eq!(page("lp-1", &pages, day + 86_399), "lp-1-20261122-2");
        assert_eq!(page("lp-1", &pages, day + 86_400), "lp-1-20261123");
        assert_eq!(page_after("lp-1", "lp-1-20261122"), "lp-1-20261122-2");
        assert_eq!(page_after("lp-1", "lp-1-20261122-2"), "lp-1-20261122-3");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), second: u64) {
            let _ = unpack(&bytes);
            prop_assert_eq!(day(second).len(), 8);
        }
    }
}
