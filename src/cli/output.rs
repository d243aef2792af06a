//! How a tenant's verbs answer: data on standard output as a table, JSON or YAML; progress on standard error. May not know a verb.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::tenant::TenantError;
use crate::yaml;

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Writes an answer: `table` for people, the value itself for programs.
///
/// # Errors
/// Standard output is gone.
pub fn answer<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), TenantError> {
    let text = match format {
        Format::Table => table(value),
        Format::Json => serde_json::to_string_pretty(value).map_err(io::Error::from)?,
        Format::Yaml => yaml::to_string(value).map_err(io::Error::other)?,
    };
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    match written {
        // `leaseport lease ls | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A table without frame, as kubectl prints them.
#[must_use]
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    lines(&table.to_string())
}

/// Names and values under each other; pairs with an empty value are left out.
#[must_use]
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let shown = pairs.iter().filter(|(_, value)| !value.is_empty());
    shown
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect()
}

fn lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// One line of progress for people, on standard error.
pub fn progress(text: impl std::fmt::Display) {
    // A closed standard error stops nothing.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks before money is spent; without a terminal to ask on, `--yes` is needed.
///
/// # Errors
/// The answer is no, or there is nobody to ask.
pub fn consent(question: &str) -> Result<(), TenantError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(TenantError::Usage(format!(
            "{question} There is no terminal to ask on: pass --yes to agree"
        )));
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(TenantError::Refused("not sent: nobody agreed".to_owned())),
    }
}

/// `in 5m`, `12s ago`, counted from now.
#[must_use]
pub fn relative(instant: u64, now: u64) -> String {
    use crate::api::duration::format_seconds;
    match instant.checked_sub(now) {
        Some(left) => format!("in {}", format_seconds(left)),
        None => format!("{} ago", format_seconds(now.saturating_sub(instant))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_header_a_line_a_row_and_no_frame() {
        let text = table(
            &["BID", "RATE"],
            vec![vec!["1".into(), "2.5".into()], vec!["2".into(), "10".into()]],
        );
        assert_eq!(text, "BID  RATE\n1    2.5\n2    10\n");
    }

    #[test]
    fn pairs_stand_under_each_other_and_empty_ones_are_left_out() {
        let text = pairs(&[
            ("order", "0x1".into()),
            ("note", String::new()),
            ("tx", "0x2".into()),
        ]);
        assert_eq!(text, "order  0x1\ntx     0x2\n");
    }

    #[test]
    fn an_instant_is_told_from_now() {
        assert_eq!(relative(160, 100), "in 1m");
        assert_eq!(relative(100, 112), "12s ago");
    }
}
