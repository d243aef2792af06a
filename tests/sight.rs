//! What platform teams look at holds together: docs/metrics.md is the registry, every metric named in a dashboard, a rule, a runbook or the
//! docs exists, every alert has its runbook and its tests, and the dashboards keep the known rules of dashboard-linter.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use alloy::providers::Provider as _;
use leaseport::{
    api::{self, name::SYSTEM_NAMESPACE},
    chain_io::{
        endpoint::{EndpointConfig, Endpoints},
        errors::RpcErrorClass,
    },
    core::ids::ChainId,
    telemetry::{Kind, Metric, Metrics, Values, markdown},
    yaml,
};
use regex::Regex;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Every metric by its full name.
fn registry() -> BTreeMap<String, &'static Metric> {
    let metrics = Metrics::new().unwrap();
    metrics
        .subjects()
        .iter()
        .flat_map(|subject| &subject.metrics)
        .map(|metric| (format!("leaseport_{}", metric.name), *metric))
        .collect()
}

/// The series of an expression: name and label matchers.
fn series(expression: &str) -> Vec<(String, Vec<String>)> {
    let selector = Regex::new(r"\b(leaseport_[a-z0-9_]+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#).unwrap();
    selector
        .captures_iter(expression)
        .map(|found| {
            let labels = found.get(2).map_or("", |inside| inside.as_str());
            let labels = label.captures_iter(labels).map(|name| name[1].to_owned());
            (found[1].to_owned(), labels.collect())
        })
        .collect()
}

/// What Prometheus adds to every series, and what it calls a label of ours that it has itself.
const ADDED: [&str; 5] = ["job", "instance", "namespace", "pod", "exported_namespace"];

/// What is wrong with the series an expression names.
fn wrong(expression: &str) -> Vec<String> {
    let registry = registry();
    let mut wrong = Vec::new();
    for (name, labels) in series(expression) {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .filter(|base| {
                registry
                    .get(*base)
                    .is_some_and(|metric| metric.kind == Kind::Histogram)
            })
            .unwrap_or(&name);
        let Some(metric) = registry.get(base) else {
            wrong.push(format!("{name} is no metric"));
            continue;
        };
        if metric.kind == Kind::Histogram && base == name {
            wrong.push(format!("{name} is a histogram: take its _bucket, _sum or _count"));
        }
        for label in labels {
            let known = metric.label_names().contains(&&*label) || ADDED.contains(&&*label) || label == "le";
            if !known {
                wrong.push(format!("{name} has no label {label}"));
            }
        }
    }
    wrong
}

#[test]
fn the_page_of_metrics_is_the_registry() {
    let page = markdown(&Metrics::new().unwrap());
    let path = root().join("docs/metrics.md");
    if std::env::var_os("LEASEPORT_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/metrics.md is old: run `make metrics`");
    let mentioned: BTreeSet<String> = Regex::new(r"`(leaseport_[a-z_]+)`")
        .unwrap()
        .captures_iter(&page)
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(mentioned, registry().into_keys().collect());
}

#[test]
fn whatever_a_page_or_an_alert_calls_a_metric_is_one() {
    let mut wrong_ones = Vec::new();
    let mut pages = vec![
        "docs/operations.md".to_owned(),
        "deploy/observability/README.md".to_owned(),
        "deploy/observability/prometheus-rules.yaml".to_owned(),
    ];
    pages.extend(
        names_in("docs/runbooks", "md")
            .iter()
            .map(|name| format!("docs/runbooks/{name}.md")),
    );
    for page in pages {
        for fault in wrong(&read(&page)) {
            wrong_ones.push(format!("{page}: {fault}"));
        }
    }
    assert_eq!(wrong_ones, Vec::<String>::new());
}

#[test]
fn a_series_that_does_not_exist_is_seen() {
    assert_eq!(wrong("sum(leaseport_leader)"), Vec::<String>::new());
    assert_eq!(
        wrong(r#"rate(leaseport_leaders{job="a"}[5m])"#),
        ["leaseport_leaders is no metric"]
    );
    assert_eq!(
        wrong(r#"leaseport_leases{order="7"}"#),
        ["leaseport_leases has no label order"]
    );
    assert_eq!(wrong("leaseport_api_request_duration_seconds").len(), 1);
    assert_eq!(
        wrong(r#"leaseport_api_request_duration_seconds_bucket{le="1"}"#),
        Vec::<String>::new()
    );
}

fn rules() -> Vec<Value> {
    let object: Value = yaml::from_str(&read("deploy/observability/prometheus-rules.yaml")).unwrap();
    assert_eq!(object["kind"], "PrometheusRule");
    assert_eq!(object["metadata"]["namespace"], SYSTEM_NAMESPACE);
    let groups = object["spec"]["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn every_alert_says_what_it_is_how_grave_and_what_to_do() {
    let mut alerts = BTreeSet::new();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap().to_owned();
        assert!(alert.starts_with("Leaseport"), "{alert}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{alert}: {severity}"
        );
        for text in ["summary", "description"] {
            let said = rule["annotations"][text].as_str().unwrap();
            assert!(said.len() > 20, "{alert}: {text} {said:?}");
        }
        assert_eq!(
            rule["annotations"]["runbook_url"],
            format!("docs/runbooks/{alert}.md"),
            "{alert}"
        );
        let runbook = read(&format!("docs/runbooks/{alert}.md"));
        for part in [
            format!("# {alert}\n"),
            "**Symptom.**".to_owned(),
            "**Meaning.**".to_owned(),
            "**What goes on meanwhile.**".to_owned(),
            "**What to look at.**".to_owned(),
            "**What to do.**".to_owned(),
        ] {
            assert!(runbook.contains(&part), "docs/runbooks/{alert}.md lacks {part}");
        }
        assert!(
            runbook.contains("kubectl"),
            "docs/runbooks/{alert}.md has no command"
        );
        assert!(alerts.insert(alert.clone()), "{alert} is there twice");
    }
    assert!(alerts.len() >= 10);
    assert_eq!(
        alerts,
        names_in("docs/runbooks", "md"),
        "a runbook without an alert, or the reverse"
    );
    assert_eq!(
        alerts,
        names_in("deploy/observability/tests", "yaml"),
        "tests without an alert, or the reverse"
    );
}

#[test]
fn every_alert_is_tried_both_ways() {
    for alert in names_in("deploy/observability/tests", "yaml") {
        let tests: Value =
            yaml::from_str(&read(&format!("deploy/observability/tests/{alert}.yaml"))).unwrap();
        let expected: Vec<usize> = tests["tests"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
            .map(|test| {
                assert_eq!(test["alertname"], alert.as_str());
                test["exp_alerts"].as_array().unwrap().len()
            })
            .collect();
        assert!(expected.contains(&0), "{alert} is never quiet");
        assert!(expected.iter().any(|count| *count > 0), "{alert} never fires");
        for test in tests["tests"].as_array().unwrap() {
            for input in test["input_series"].as_array().unwrap() {
                let named = input["series"].as_str().unwrap();
                assert_eq!(wrong(named), Vec::<String>::new(), "{alert}");
            }
        }
    }
}

fn dashboards() -> Vec<(String, Value)> {
    names_in("charts/leaseport/files/dashboards", "json")
        .into_iter()
        .map(|name| {
            let text = read(&format!("charts/leaseport/files/dashboards/{name}.json"));
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = dashboard["panels"].as_array().unwrap();
    all.iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn a_dashboard_asks_for_its_data_source_its_job_and_its_instances() {
    let dashboards = dashboards();
    assert_eq!(dashboards.len(), 2);
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards {
        assert_eq!(dashboard["editable"], false, "{name}");
        assert!(
            uids.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{name}"
        );
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let by = |wanted: &str| {
            variables
                .iter()
                .find(|variable| variable["name"] == wanted)
                .unwrap_or_else(|| panic!("{name}: no variable {wanted}"))
        };
        let source = by("datasource");
        assert_eq!(
            (&source["type"], &source["query"]),
            (&"datasource".into(), &"prometheus".into())
        );
        assert_eq!(source["label"], "Data source");
        for wanted in ["job", "instance"] {
            let variable = by(wanted);
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name} {wanted}");
            assert_eq!(
                (&variable["multi"], &variable["includeAll"]),
                (&true.into(), &true.into())
            );
            assert_eq!(variable["allValue"], ".+", "{name} {wanted}");
            assert_eq!(
                variable["refresh"], 2,
                "{name} {wanted}: reload when the time changes"
            );
            let query = variable["query"]["query"].as_str().unwrap();
            assert!(
                query.starts_with("label_values(") && wrong(query).is_empty(),
                "{query}"
            );
        }
    }
}

#[test]
fn a_panel_has_a_title_a_description_a_unit_and_queries_that_follow_the_variables() {
    for (name, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = format!("{name}: {}", panel["title"].as_str().unwrap());
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{title}: its id is there twice"
            );
            assert!(panel["description"].as_str().unwrap().len() > 20, "{title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                !panel["fieldConfig"]["defaults"]["unit"]
                    .as_str()
                    .unwrap()
                    .is_empty(),
                "{title}"
            );
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title}");
            for target in targets {
                assert!(!target["legendFormat"].as_str().unwrap().is_empty(), "{title}");
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
                lint(&title, target["expr"].as_str().unwrap());
            }
        }
    }
}

fn lint(title: &str, expression: &str) {
    assert_eq!(wrong(expression), Vec::<String>::new(), "{title}");
    let found = series(expression);
    assert!(!found.is_empty(), "{title}: {expression}");
    assert_eq!(
        expression
            .matches(r#"job=~"$job", instance=~"$instance""#)
            .count(),
        found.len(),
        "{title}: each series is of the chosen jobs and instances: {expression}"
    );
    let registry = registry();
    for (metric, _) in found {
        let counts = registry
            .get(&metric)
            .is_none_or(|metric| metric.kind == Kind::Counter);
        let rated = Regex::new(&format!(
            r"(sum|histogram_quantile)[^;]*(rate|increase)\({metric}\{{[^}}]*\}}\[\$__(rate_interval|range)\]\)"
        ))
        .unwrap();
        // Money is a sum over all time that a restart does not set back, so its distances mean something too.
        let sum_of_all_time = metric == "leaseport_earnings_micro_units_total";
        assert!(
            !counts || rated.is_match(expression) || sum_of_all_time,
            "{title}: a counter is rated over $__rate_interval and then summed: {expression}"
        );
    }
}

/// Answers one request a connection: a chain id, and a revert to everything else.
async fn answer(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap_or_default();
        let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
        let said = if asked.contains("eth_chainId") {
            r#""result":"0x7a69""#
        } else {
            r#""error":{"code":3,"message":"execution reverted","data":"0x"}"#
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":0,{said}}}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
}

#[tokio::test]
async fn a_call_counts_where_it_leaves_by_endpoint_method_and_how_it_ended() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/key-123456", listener.local_addr().unwrap());
    let server = tokio::spawn(answer(listener));
    let configs = vec![
        EndpointConfig::parse("dead", "http://127.0.0.1:9").unwrap(),
        EndpointConfig::parse("live", &url).unwrap(),
    ];
    let metrics = Metrics::new().unwrap();
    let endpoints =
        Endpoints::counted(ChainId(31_337), configs, |endpoint| metrics.rpc("base", endpoint)).unwrap();
    endpoints.assert_chain().await.unwrap();
    // Past the classifying door too: the layer sits where calls leave.
    let provider = endpoints.all()[1].provider().clone();
    let asked: Result<Value, _> = provider.raw_request("eth_estimateGas".into(), ((),)).await;
    asked.unwrap_err();
    server.abort();
    let text = metrics.text().unwrap();
    for (endpoint, method, outcome) in [
        ("dead", "eth_chainId", "Transient"),
        ("live", "eth_chainId", "ok"),
        ("live", "eth_estimateGas", "Execution"),
    ] {
        let line = format!(
            "leaseport_rpc_requests_total{{endpoint=\"{endpoint}\",market=\"base\",method=\"{method}\",outcome=\"{outcome}\"}} 1\n"
        );
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("key-123456"), "no label holds a URL");
}

#[test]
fn panels_do_not_lie_on_each_other() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {}", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn the_dashboards_that_are_applied_are_the_files_and_their_label_is_the_sidecars() {
    let map: Value = yaml::from_str(&read("deploy/observability/dashboards.yaml")).unwrap();
    let applied: BTreeMap<String, Value> = map["data"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, text)| {
            let name = key.strip_prefix("leaseport-").unwrap().strip_suffix(".json");
            (
                name.unwrap().to_owned(),
                serde_json::from_str(text.as_str().unwrap()).unwrap(),
            )
        })
        .collect();
    assert!(applied == dashboards().into_iter().collect());
    assert_eq!(map["metadata"]["namespace"], SYSTEM_NAMESPACE);
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
}

#[test]
fn everything_in_the_folder_is_applied() {
    let kustomization: Value = yaml::from_str(&read("deploy/observability/kustomization.yaml")).unwrap();
    let resources: BTreeSet<String> = kustomization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap().trim_end_matches(".yaml").to_owned())
        .collect();
    let mut there = names_in("deploy/observability", "yaml");
    there.remove("kustomization");
    assert_eq!(resources, there);
}

#[test]
fn the_services_that_are_scraped_select_our_pods_and_their_port() {
    let services = yaml::documents::<Value>(&read("deploy/observability/services.yaml")).unwrap();
    let monitor: Value = yaml::from_str(&read("deploy/observability/service-monitor.yaml")).unwrap();
    assert_eq!(monitor["metadata"]["namespace"], SYSTEM_NAMESPACE);
    assert_eq!(services.len(), 2);
    for (component, service) in ["operator", "gateway"].into_iter().zip(services) {
        let objects: Vec<Value> = yaml::documents(&read(&format!("deploy/{component}.yaml"))).unwrap();
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let template = &deployment["spec"]["template"];
        for (label, value) in service["spec"]["selector"].as_object().unwrap() {
            assert_eq!(&template["metadata"]["labels"][label], value);
        }
        let port = &service["spec"]["ports"][0];
        let ports = template["spec"]["containers"][0]["ports"].as_array().unwrap();
        assert!(
            ports
                .iter()
                .any(|own| own["name"] == port["targetPort"] && own["containerPort"] == port["port"])
        );
        assert_eq!(monitor["spec"]["endpoints"][0]["port"], port["name"]);
        for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(&service["metadata"]["labels"][label], value);
        }
        assert_eq!(service["metadata"]["namespace"], SYSTEM_NAMESPACE);
    }
}

#[test]
fn a_command_of_a_runbook_names_kinds_by_their_own_short_names() {
    let mut short: BTreeSet<String> = [
        "pods",
        "nodes",
        "lease",
        "crd",
        "leaseport",
        "secret",
        "certificate",
    ]
    .map(str::to_owned)
    .into();
    for definition in api::definitions() {
        short.extend(definition.spec.names.short_names.unwrap_or_default());
    }
    let get = Regex::new(r"kubectl (?:-n [A-Za-z_-]+ )?(?:get|describe) ([a-z]+)").unwrap();
    for alert in names_in("docs/runbooks", "md") {
        for found in get.captures_iter(&read(&format!("docs/runbooks/{alert}.md"))) {
            assert!(short.contains(&found[1]), "{alert}: kubectl get {}", &found[1]);
        }
    }
}

#[test]
fn words_of_the_program_that_a_label_lists_are_all_on_its_list() {
    let registry = registry();
    let words = |metric: &str, label: &str| -> BTreeSet<&'static str> {
        let found = registry[metric].labels.iter().find(|known| known.name == label);
        match found.unwrap().values {
            Values::Words(words) => words.iter().copied().collect(),
            Values::Constants(_) | Values::Names(_) => panic!("{metric} {label} lists nothing"),
        }
    };
    for class in [
        RpcErrorClass::Transient,
        RpcErrorClass::RateLimited,
        RpcErrorClass::RangeTooLarge,
        RpcErrorClass::WrongChain,
        RpcErrorClass::Unsupported,
        RpcErrorClass::Execution,
        RpcErrorClass::Refused,
        RpcErrorClass::Malformed,
    ] {
        assert!(words("leaseport_rpc_requests_total", "outcome").contains(class.label()));
    }
    let phases = schema_words("computeleases", "/status/phase");
    assert_eq!(
        words("leaseport_leases", "phase"),
        phases.iter().map(String::as_str).collect()
    );
}

/// The words an enum of a generated definition allows.
fn schema_words(plural: &str, path: &str) -> BTreeSet<String> {
    let definition: Value = yaml::from_str(&read(&format!("crds/{plural}.leaseport.dev.yaml"))).unwrap();
    let mut part = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for name in path.trim_start_matches('/').split('/') {
        part = &part["properties"][name];
    }
    let words = part["enum"]
        .as_array()
        .unwrap_or_else(|| panic!("{path}: {part}"));
    words
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
