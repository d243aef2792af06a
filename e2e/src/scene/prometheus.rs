//! A real Prometheus beside a scene: it scrapes the operator and evaluates the alerts of deploy/observability, and answers the queries of the
//! chart's dashboards.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::sight::get;
use super::stage::{Scene, free_address};
use crate::command;
use crate::prepare::{self, Need};
use crate::progress::Progress;
use crate::world::Ready;

/// Its name among the world's parts.
pub const PROMETHEUS: &str = "prometheus";

const START: Duration = Duration::from_secs(30);
/// Alerts as the chart renders them, and dashboards as it takes them.
const RULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/observability/prometheus-rules.yaml"
);
const DASHBOARDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../charts/leaseport/files/dashboards"
);

/// A running Prometheus.
#[derive(Clone, Copy, Debug)]
pub struct Prometheus {
    /// Where it answers.
    pub address: SocketAddr,
}

/// One query of a dashboard.
#[derive(Clone, Debug)]
pub struct Query {
    /// Dashboard and panel.
    pub panel: String,
    /// With every variable filled in.
    pub expression: String,
}

impl Scene {
    /// Starts a Prometheus that scrapes every replica of the operator each second.
    ///
    /// # Errors
    /// It is missing and cannot be installed here, with what to do, or it does not start.
    pub fn start_prometheus(&mut self) -> Result<Prometheus> {
        let needs = BTreeSet::from([Need::Prometheus]);
        prepare::prepare(&prepare::cache_folder(), &needs, Progress::lines())?;
        let program = command::find("prometheus").context("prometheus is in no folder of PATH")?;
        let home = self.world.state().run_dir.join("prometheus");
        fs::create_dir_all(&home)?;
        fs::write(home.join("rules.yml"), rules()?)?;
        let targets: Vec<String> = self
            .operator_addresses()?
            .iter()
            .map(|address| format!("'{address}'"))
            .collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: leaseport-operator\n    static_configs: [{{ targets: [{}] }}]\n",
            targets.join(", ")
        );
        let file = home.join("prometheus.yml");
        fs::write(&file, config)?;
        let address = free_address()?;
        let words = [
            program.display().to_string(),
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", home.join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let ready = Ready::Logged("Server is ready to receive web requests".into());
        self.world
            .start_program(PROMETHEUS, words.to_vec(), ready, START)?;
        Ok(Prometheus { address })
    }
}

impl Prometheus {
    /// The values of an expression now.
    ///
    /// # Errors
    /// It does not answer, or the expression is not one.
    pub fn ask(&self, expression: &str) -> Result<Vec<f64>> {
        let answer = self.read(&format!("/api/v1/query?query={}", escaped(expression)))?;
        let found = answer["result"].as_array().cloned().unwrap_or_default();
        found
            .iter()
            .map(|series| {
                let value = series["value"][1].as_str().context("a series without a value")?;
                Ok(value.parse()?)
            })
            .collect()
    }

    /// The names of the alerts it knows.
    ///
    /// # Errors
    /// It does not answer.
    pub fn alerts(&self) -> Result<Vec<String>> {
        let answer = self.read("/api/v1/rules")?;
        let groups = answer["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten();
        rules
            .map(|rule| {
                ensure!(rule["health"] != "err", "{rule}");
                Ok(rule["name"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    fn read(&self, path: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&get(self.address, path)?)?;
        if answer["status"] != "success" {
            bail!("{path}: {}", answer["error"]);
        }
        Ok(answer["data"].clone())
    }
}

/// What is under `spec:` of the PrometheusRule, which is an ordinary rule file.
fn rules() -> Result<String> {
    let text = fs::read_to_string(RULES)?;
    let (_, spec) = text
        .split_once("\nspec:\n")
        .context("prometheus-rules.yaml has no spec")?;
    Ok(spec
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect())
}

/// Every query of the dashboards, for all jobs and instances.
///
/// # Errors
/// A dashboard cannot be read.
pub fn dashboard_queries() -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for file in ["provider.json", "operator.json"] {
        let path = Path::new(DASHBOARDS).join(file);
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = target["expr"].as_str().unwrap_or_default();
                queries.push(Query {
                    panel: format!("{file}: {}", panel["title"].as_str().unwrap_or_default()),
                    expression: expression
                        .replace("$__rate_interval", "10s")
                        .replace("$__range", "1m")
                        .replace("$job", ".+")
                        .replace("$instance", ".+"),
                });
            }
        }
    }
    ensure!(
        queries.len() > 30,
        "the dashboards hold {} queries",
        queries.len()
    );
    Ok(queries)
}

/// For the query part of a URL (RFC 3986, section 2).
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn no_variable_is_left_in_a_query_and_the_rules_begin_with_their_groups() {
        for query in dashboard_queries().unwrap() {
            assert!(
                !query.expression.contains('$'),
                "{}: {}",
                query.panel,
                query.expression
            );
        }
        assert!(rules().unwrap().starts_with("groups:\n"));
    }

    #[test]
    fn an_expression_is_escaped_byte_by_byte() {
        assert_eq!(escaped("a{b=\"c\"} + 1"), "a%7Bb%3D%22c%22%7D%20%2B%201");
    }
}
