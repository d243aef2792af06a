//! The rows of docs/benchmarks.md: what, bar, measured, met. Rewrites what is between its markers and keeps every row it did not measure.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Whether a figure is within its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Yes,
    No,
}

impl Met {
    pub(super) fn if_(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// One bar and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) bar: &'static str,
    pub(super) measured: String,
    pub(super) met: Met,
}

impl Row {
    fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} |",
            self.what,
            self.bar,
            self.measured,
            self.met.word()
        )
    }
}

/// For a terminal: one row a line.
pub(super) fn told(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let met = match row.met {
            Met::Yes => "met    ",
            Met::No => "NOT MET",
        };
        writeln!(
            text,
            "{met}  {}\n         bar {}; measured {}",
            row.what, row.bar, row.measured
        )
        .ok();
        text
    })
}

/// The document with these rows and this machine between its markers.
///
/// # Errors
/// It has no markers.
pub(super) fn rewritten(document: &str, machine: &str, rows: &[Row]) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("no {BEGIN} in the document"))?;
    let (old, after) = rest
        .split_once(END)
        .with_context(|| format!("no {END} in the document"))?;
    let mut table = format!("Machine: {machine}.\n\n| what | bar | measured | met |\n|---|---|---|---|\n");
    for kept in old.lines().filter(|line| is_kept(line, rows)) {
        table.push_str(kept);
        table.push('\n');
    }
    for row in rows {
        table.push_str(&row.line());
        table.push('\n');
    }
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// Whether a line is a row of something else than what was measured now.
fn is_kept(line: &str, rows: &[Row]) -> bool {
    let heading = line.starts_with("| what |") || line.starts_with("|---");
    let what = line.strip_prefix("| ").and_then(|rest| rest.split(" |").next());
    what.is_some_and(|what| !heading && rows.iter().all(|row| row.what != what))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn row(measured: &str) -> Row {
        Row {
            what: "memory",
            bar: "40 MiB",
            measured: measured.into(),
            met: Met::Yes,
        }
    }

    const DOCUMENT: &str = "# B\n<!-- bench:begin -->\nMachine: old.\n\n| what | bar | measured | met |\n|---|---|---|---|\n\
                            | demo | 18 min | 16 min | yes |\n| memory | 40 MiB | 50 MiB | no |\n<!-- bench:end -->\nend\n";

    #[test]
    fn measured_rows_are_replaced_and_the_others_kept() {
        let new = rewritten(DOCUMENT, "new", &[row("30 MiB")]).unwrap();
        assert!(
            new.starts_with("# B\n<!-- bench:begin -->\nMachine: new.\n"),
            "{new}"
        );
        assert!(new.contains("| demo | 18 min | 16 min | yes |\n| memory | 40 MiB | 30 MiB | yes |\n"));
        assert!(!new.contains("50 MiB") && new.ends_with("<!-- bench:end -->\nend\n"));
    }

    #[test]
    fn rewriting_twice_changes_nothing_more() {
        let once = rewritten(DOCUMENT, "new", &[row("30 MiB")]).unwrap();
        assert_eq!(rewritten(&once, "new", &[row("30 MiB")]).unwrap(), once);
    }

    #[test]
    fn a_document_without_markers_is_left_alone() {
        let error = rewritten("# B\n", "new", &[]).unwrap_err();
        assert!(error.to_string().contains("bench:begin"));
    }

    #[test]
    fn a_bar_that_is_not_met_cannot_be_overlooked() {
        let missed = Row {
            met: Met::No,
            ..row("50 MiB")
        };
        assert!(told(&[missed]).starts_with("NOT MET"));
    }
}
