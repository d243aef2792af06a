//! What an account asked of the API server, from the server's own audit log: the one witness of writes that cannot be talked into missing
//! one. Reads whole lines of a file that is still written.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::instant::At;

/// A request that was answered, or a watch that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The whole account, such as `system:serviceaccount:leaseport-system:leaseport-operator`.
    pub(super) account: String,
    /// As Kubernetes names it: `get`, `list`, `watch`, `create`, `patch`, ...
    pub(super) verb: String,
    /// Such as `pods` or `computeleases/status`.
    pub(super) resource: String,
    /// Empty for the whole cluster.
    pub(super) namespace: String,
    /// Empty for all objects.
    pub(super) name: String,
    /// When it came.
    pub(super) received: At,
    /// When it was answered; for a watch, when it began.
    pub(super) answered: At,
    /// The HTTP status.
    pub(super) code: u64,
}

/// What a request is to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may change something.
    Write,
    /// It reads once.
    Read,
    /// It stays open.
    Watch,
}

impl Request {
    pub(super) fn kind(&self) -> Kind {
        match self.verb.as_str() {
            "get" | "list" => Kind::Read,
            "watch" => Kind::Watch,
            _ => Kind::Write,
        }
    }

    /// Whether it is one of the leader's lock.
    pub(super) fn of_the_lock(&self) -> bool {
        self.resource == "leases.coordination.k8s.io"
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// What accounts whose name ends so asked in `from..to`, in the order of their answers.
///
/// # Errors
/// The log cannot be read.
pub(super) fn requests(log: &Path, account: &str, from: At, to: At) -> Result<Vec<Request>> {
    let text = fs::read_to_string(log).with_context(|| log.display().to_string())?;
    let whole = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or_default());
    Ok(whole
        .lines()
        // Reading every line as JSON takes seconds on a long log.
        .filter(|line| line.contains(account))
        .filter_map(request)
        .filter(|request| request.account.ends_with(account))
        .filter(|request| request.answered >= from && request.answered < to)
        .collect())
}

fn request(line: &str) -> Option<Request> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // A watch tells of its beginning and its end; everything else of its end only.
    let verb = text(&event["verb"]);
    let stage = if verb == "watch" {
        "ResponseStarted"
    } else {
        "ResponseComplete"
    };
    if event["stage"] != stage {
        return None;
    }
    let object = &event["objectRef"];
    let mut resource = text(&object["resource"]);
    if object["apiGroup"] == "coordination.k8s.io" {
        resource.push_str(".coordination.k8s.io");
    }
    if let Some(part) = object["subresource"].as_str() {
        resource = format!("{resource}/{part}");
    }
    Some(Request {
        account: text(&event["user"]["username"]),
        verb,
        resource,
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        received: At::parse(event["requestReceivedTimestamp"].as_str()?)?,
        answered: At::parse(event["stageTimestamp"].as_str()?)?,
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}

/// How many of each, such as `2 get secrets, 1 list pods`; `none` of nothing.
pub(super) fn counted<'a>(requests: impl IntoIterator<Item = &'a Request>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        *counts.entry(request.to_string()).or_default() += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn line(verb: &str, stage: &str, resource: &str, second: u32) -> String {
        format!(
            r#"{{"stage":"{stage}","verb":"{verb}","user":{{"username":"system:serviceaccount:s:operator"}},"objectRef":{{"resource":"{resource}","namespace":"n","name":"x"}},"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-01-01T00:00:00.000001Z","stageTimestamp":"2026-01-01T00:00:{second:02}.000000Z"}}"#
        )
    }

    fn log(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), lines.join("\n")).unwrap();
        file
    }

    fn second(second: u64) -> At {
        At(At::parse("2026-01-01T00:00:00Z").unwrap().0 + second * 1_000_000)
    }

    #[test]
    fn writes_reads_and_watches_are_told_apart_and_each_counts_once() {
        let file = log(&[
            line("watch", "ResponseStarted", "pods", 1),
            line("watch", "ResponseComplete", "pods", 2),
            line("patch", "ResponseComplete", "deployments", 3),
            line("get", "ResponseComplete", "secrets", 4),
            // Still being written.
            line("create", "ResponseComplete", "pods", 5)[..60].to_owned(),
        ]);
        let all = requests(file.path(), ":operator", second(0), second(60)).unwrap();
        let kinds: Vec<Kind> = all.iter().map(Request::kind).collect();
        assert_eq!(kinds, [Kind::Watch, Kind::Write, Kind::Read]);
        assert_eq!(counted(&all), "1 get secrets, 1 patch deployments, 1 watch pods");
        assert_eq!(counted(&[]), "none");
    }

    #[test]
    fn only_the_accounts_own_requests_of_that_time_are_found() {
        let other = line("patch", "ResponseComplete", "pods", 3).replace(":operator", ":operator-too");
        let file = log(&[
            line("patch", "ResponseComplete", "pods", 1),
            other,
            line("patch", "ResponseComplete", "pods", 9),
            String::new(),
        ]);
        let all = requests(file.path(), ":operator", second(2), second(60)).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].answered, second(9));
    }

    #[test]
    fn the_leaders_lock_is_known_by_its_group() {
        let lease = line("update", "ResponseComplete", "leases", 1).replace(
            r#""resource":"leases""#,
            r#""resource":"leases","apiGroup":"coordination.k8s.io""#,
        );
        let ours = line("patch", "ResponseComplete", "computeleases", 1);
        let file = log(&[lease, ours, String::new()]);
        let all = requests(file.path(), ":operator", second(0), second(9)).unwrap();
        assert_eq!(
            all.iter().map(Request::of_the_lock).collect::<Vec<_>>(),
            [true, false]
        );
    }
}
