//! What was looked at and how it counts: one line a finding, each that fails with its remedy. Decides nothing about clusters.

use std::io::{self, Write};

use serde::Serialize;

use super::{CheckError, value};

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it must be.
    Holds,
    /// Nothing to judge yet.
    Open,
    /// The operator cannot do its work.
    Fails,
    /// Good to know; no check.
    Info,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it counts.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, where it does not hold; what it means, where it is only told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    pub(super) fn holds(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Holds,
            found: found.into(),
            remedy: String::new(),
        }
    }

    pub(super) fn fails(
        what: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Fails,
            found: value::one_line(&found.into()),
            remedy: remedy.into(),
        }
    }
}

/// One line a finding, and one more for what to do.
pub(super) fn print(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Holds => "ok  ",
            Verdict::Open => "..  ",
            Verdict::Fails => "FAIL",
            Verdict::Info => "info",
        };
        writeln!(out, "{mark} {:<52} {}", finding.what, finding.found)?;
        if !finding.remedy.is_empty() {
            writeln!(out, "     {}", finding.remedy)?;
        }
    }
    Ok(())
}

/// An error where anything fails.
pub(super) fn conclude(findings: &[Finding]) -> Result<(), CheckError> {
    let failed = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Fails)
        .count();
    let told = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Info)
        .count();
    match failed {
        0 => Ok(()),
        failed => Err(CheckError::Failed {
            failed,
            all: findings.len().saturating_sub(told),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn one_finding_that_fails_fails_all_and_what_is_open_or_only_told_does_not() {
        let open = Finding {
            what: "ComputeMarket local".into(),
            verdict: Verdict::Open,
            found: "no condition Ready yet".into(),
            remedy: "wait".into(),
        };
        let good = Finding::holds("kind ComputeLease", "served");
        let told = Finding {
            verdict: Verdict::Info,
            ..open.clone()
        };
        assert!(conclude(&[open.clone(), good.clone(), told.clone()]).is_ok());
        let bad = Finding::fails("may get secrets", "no", "give it");
        let error = conclude(&[open, good, told, bad]).unwrap_err().to_string();
        assert_eq!(error, "1 of 3 checks fail");
    }

    #[test]
    fn a_finding_that_fails_is_printed_with_its_remedy() {
        let mut out = Vec::new();
        let findings = [
            Finding::holds("kind ComputeLease", "served"),
            Finding::fails("may get secrets", "no", "give it"),
        ];
        print(&findings, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("ok   kind ComputeLease "), "{text}");
        assert!(text.ends_with(" no\n     give it\n"), "{text}");
    }
}
