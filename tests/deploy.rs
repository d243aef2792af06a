//! What deploy/ gives away and what it must never give away, and that its samples are objects the API server takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::{Namespace, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject},
    scheduling::v1::PriorityClass,
};
use leaseport::{
    api::{
        ComputeMarket, ComputeOffer, ComputeProvider, ComputeWallet,
        name::{HOLD_PRIORITY, INTERRUPTIBLE_PRIORITY, LEASE_PRIORITY, SYSTEM_NAMESPACE},
    },
    cli::check,
    core::workload::names::{
        CHAIN_LABEL, GATEWAY_ROLE, LEASE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, OPERATOR_ROLE,
    },
    yaml,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// The YAML files of a folder, kustomization apart, with their documents.
fn files(name: &str) -> BTreeMap<String, Vec<Value>> {
    fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .filter(|(name, _)| name != "kustomization.yaml")
        .map(|(name, text)| {
            let documents = yaml::documents(&filled(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, documents)
        })
        .collect()
}

/// What the samples' placeholders stand for on a local chain.
const PLACEHOLDERS: [(&str, &str); 10] = [
    ("CHAIN_ID", "31337"),
    ("RPC_URL", "http://10.0.0.5:8545"),
    ("DIRECTORY", "0x00000000000000000000000000000000000000AA"),
    (
        "DUTY_KEY",
        "0101010101010101010101010101010101010101010101010101010101010101",
    ),
    (
        "BIDS_KEY",
        "0202020202020202020202020202020202020202020202020202020202020202",
    ),
    ("PROVIDER_ID", "1"),
    ("PAYOUT_ADDRESS", "0x00000000000000000000000000000000000000bb"),
    (
        "GATEWAY_URL",
        "https://10.0.0.5:8443#spki-sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ),
    ("GPU_PRODUCT", "NVIDIA-H100-80GB-HBM3"),
    ("CURRENCY", "tusd"),
];

fn filled(text: &str) -> String {
    PLACEHOLDERS.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    })
}

fn every_object() -> Vec<(String, Value)> {
    ["", "provider", "samples"]
        .iter()
        .flat_map(|name| {
            files(name)
                .into_iter()
                .map(move |(file, documents)| (format!("{name}/{file}"), documents))
        })
        .flat_map(|(file, documents)| {
            documents
                .into_iter()
                .map(move |document| (file.clone(), document))
        })
        .collect()
}

/// Every object of a kind.
fn all<K: DeserializeOwned>(kind: &str) -> Vec<K> {
    every_object()
        .into_iter()
        .filter(|(_, object)| object["kind"] == kind)
        .map(|(file, object)| {
            serde_json::from_value(object).unwrap_or_else(|error| panic!("{file}: {error}"))
        })
        .collect()
}

fn same_after_reading<K: DeserializeOwned + Serialize>(object: &Value) -> bool {
    serde_json::from_value::<K>(object.clone())
        .is_ok_and(|typed| serde_json::to_value(typed).unwrap() == *object)
}

#[test]
fn no_manifest_has_a_field_that_its_kind_does_not_know() {
    for (file, object) in every_object() {
        let kind = object["kind"].as_str().unwrap_or_default();
        let known = match kind {
            "Namespace" => same_after_reading::<Namespace>(&object),
            "ServiceAccount" => same_after_reading::<ServiceAccount>(&object),
            "ClusterRole" => same_after_reading::<ClusterRole>(&object),
            "ClusterRoleBinding" => same_after_reading::<ClusterRoleBinding>(&object),
            "Role" => same_after_reading::<Role>(&object),
            "RoleBinding" => same_after_reading::<RoleBinding>(&object),
            "Deployment" => same_after_reading::<Deployment>(&object),
            "Service" => same_after_reading::<Service>(&object),
            "NetworkPolicy" => same_after_reading::<NetworkPolicy>(&object),
            "Secret" => same_after_reading::<Secret>(&object),
            "PodDisruptionBudget" => same_after_reading::<PodDisruptionBudget>(&object),
            "PriorityClass" => same_after_reading::<PriorityClass>(&object),
            "ValidatingAdmissionPolicy" => same_after_reading::<ValidatingAdmissionPolicy>(&object),
            "ValidatingAdmissionPolicyBinding" => {
                same_after_reading::<ValidatingAdmissionPolicyBinding>(&object)
            }
            _ => {
                let refused = schema::refusals(&schema::definition(kind), &object, None);
                assert_eq!(refused, Vec::<String>::new(), "{file}");
                true
            }
        };
        assert!(
            known,
            "{file}: {kind} has a field that is unknown or in another form than it is written back"
        );
    }
}

#[test]
fn every_file_is_in_its_kustomization() {
    for name in ["", "provider"] {
        let kustomization: Value =
            yaml::from_str(&fs::read_to_string(folder(name).join("kustomization.yaml")).unwrap()).unwrap();
        let listed: BTreeSet<&str> = kustomization["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file.as_str().unwrap())
            .collect();
        assert_eq!(
            listed,
            files(name).keys().map(String::as_str).collect(),
            "deploy/{name}"
        );
    }
}

/// Every rule with what holds it: `ClusterRole name` or `Role namespace/name`.
fn rules() -> Vec<(String, PolicyRule)> {
    let cluster = all::<ClusterRole>("ClusterRole").into_iter().flat_map(|role| {
        let holder = format!("ClusterRole {}", role.metadata.name.unwrap());
        role.rules
            .unwrap_or_default()
            .into_iter()
            .map(move |rule| (holder.clone(), rule))
    });
    let spaced = all::<Role>("Role").into_iter().flat_map(|role| {
        let holder = format!(
            "Role {}/{}",
            role.metadata.namespace.unwrap(),
            role.metadata.name.unwrap()
        );
        role.rules
            .unwrap_or_default()
            .into_iter()
            .map(move |rule| (holder.clone(), rule))
    });
    cluster.chain(spaced).collect()
}

fn resources(rule: &PolicyRule) -> Vec<&str> {
    rule.resources.iter().flatten().map(String::as_str).collect()
}

fn names(rule: &PolicyRule) -> Vec<&str> {
    rule.resource_names.iter().flatten().map(String::as_str).collect()
}

fn verbs(rule: &PolicyRule) -> Vec<&str> {
    rule.verbs.iter().map(String::as_str).collect()
}

fn is_read(verb: &str) -> bool {
    ["get", "list", "watch"].contains(&verb)
}

#[test]
fn no_right_is_given_by_a_star_and_none_lets_anyone_escalate_or_impersonate() {
    for (holder, rule) in rules() {
        let groups = rule.api_groups.clone().unwrap_or_default();
        for word in resources(&rule)
            .into_iter()
            .chain(verbs(&rule))
            .chain(groups.iter().map(String::as_str))
        {
            assert!(!word.contains('*'), "{holder}: {rule:?}");
        }
        for verb in ["escalate", "impersonate", "deletecollection"] {
            assert!(!verbs(&rule).contains(&verb), "{holder}: {rule:?}");
        }
        assert!(rule.non_resource_urls.is_none(), "{holder}");
    }
}

#[test]
fn only_the_two_lease_roles_can_be_bound() {
    let bind: Vec<_> = rules()
        .into_iter()
        .filter(|(_, rule)| verbs(rule).contains(&"bind"))
        .collect();
    assert_eq!(bind.len(), 1);
    let (holder, rule) = &bind[0];
    assert_eq!(holder, "ClusterRole leaseport-operator");
    assert_eq!(
        (resources(rule), names(rule), verbs(rule)),
        (
            vec!["clusterroles"],
            vec![OPERATOR_ROLE, GATEWAY_ROLE],
            vec!["bind"]
        )
    );
    for role in [OPERATOR_ROLE, GATEWAY_ROLE] {
        assert!(
            all::<ClusterRole>("ClusterRole")
                .iter()
                .any(|it| it.metadata.name.as_deref() == Some(role)),
            "{role}"
        );
    }
}

#[test]
fn cluster_wide_rights_hold_no_secret_no_workload_no_shell_and_no_log() {
    let bound: Vec<ClusterRoleBinding> = all("ClusterRoleBinding");
    let everywhere: BTreeSet<String> = bound
        .iter()
        .map(|binding| format!("ClusterRole {}", binding.role_ref.name))
        .collect();
    assert_eq!(everywhere.len(), 2);
    for role in [OPERATOR_ROLE, GATEWAY_ROLE] {
        assert!(
            !everywhere.contains(&format!("ClusterRole {role}")),
            "{role} is bound in the whole cluster"
        );
    }
    for (holder, rule) in rules()
        .into_iter()
        .filter(|(holder, _)| everywhere.contains(holder))
    {
        let ours = rule
            .api_groups
            .iter()
            .flatten()
            .all(|group| group == "leaseport.dev");
        for resource in resources(&rule) {
            assert!(
                !["secrets", "configmaps", "serviceaccounts/token"].contains(&resource),
                "{holder}: {resource}"
            );
            assert!(
                ours || !resource.starts_with("pods/") && !resource.starts_with("nodes/"),
                "{holder}: {resource}"
            );
            let writes: Vec<&str> = verbs(&rule).into_iter().filter(|verb| !is_read(verb)).collect();
            let allowed: &[&str] = match resource {
                "namespaces" | "rolebindings" | "events" => &["create", "patch"],
                "clusterroles" => &["bind"],
                _ if ours => &["create", "update", "patch", "delete"],
                _ => &[],
            };
            assert!(
                writes.iter().all(|verb| allowed.contains(verb)),
                "{holder}: {resource} {writes:?}"
            );
        }
    }
}

#[test]
fn every_right_that_check_asks_for_is_given_where_it_is_needed() {
    for right in check::RIGHTS {
        let holders: &[&str] = match right.scope {
            check::Where::Everywhere => &["ClusterRole leaseport-operator"],
            check::Where::Own => &["Role leaseport-system/leaseport-operator"],
            check::Where::Provider => &[
                "Role gpu-provider/leaseport-holds",
                "Role gpu-provider/leaseport-evidence",
            ],
        };
        let given = rules().into_iter().any(|(holder, rule)| {
            holders.contains(&holder.as_str())
                && rule.api_groups.iter().flatten().any(|group| group == right.group)
                && resources(&rule).contains(&right.resource)
                && verbs(&rule).contains(&right.verb)
                && (names(&rule).is_empty() || names(&rule).contains(&right.name))
        });
        assert!(given, "nobody gives {right:?}");
    }
}

#[test]
fn secrets_are_read_by_name_and_never_listed() {
    for (holder, rule) in rules()
        .into_iter()
        .filter(|(_, rule)| resources(rule).contains(&"secrets"))
    {
        for verb in ["list", "watch", "delete"] {
            assert!(!verbs(&rule).contains(&verb), "{holder} may {verb} Secrets");
        }
        // In our own namespace the admin's Secrets for RPC URLs may have any name; a create cannot be limited to a name.
        let own = holder == "Role leaseport-system/leaseport-operator" && verbs(&rule) == ["get"];
        let create = holder == format!("ClusterRole {GATEWAY_ROLE}") && verbs(&rule) == ["create"];
        assert!(own || create || !names(&rule).is_empty(), "{holder}: {rule:?}");
    }
    let operator = rules()
        .into_iter()
        .filter(|(holder, _)| *holder == format!("ClusterRole {OPERATOR_ROLE}"));
    for (_, rule) in operator.filter(|(_, rule)| resources(rule).contains(&"secrets")) {
        assert_eq!(
            (names(&rule), verbs(&rule)),
            (vec!["manifest"], vec!["get"]),
            "the operator reads no tenant's values"
        );
    }
}

#[test]
fn nobody_may_open_a_shell_and_only_the_gateway_reads_logs_inside_a_lease() {
    for (holder, rule) in rules() {
        for resource in resources(&rule) {
            assert!(
                ![
                    "pods/exec",
                    "pods/attach",
                    "pods/portforward",
                    "pods/proxy",
                    "pods/ephemeralcontainers",
                    "services/proxy"
                ]
                .contains(&resource),
                "{holder}: {resource}"
            );
            assert!(
                resource != "pods/log" || holder == format!("ClusterRole {GATEWAY_ROLE}"),
                "{holder}: {resource}"
            );
        }
    }
}

#[test]
fn the_gateway_writes_nothing_but_manifests_and_what_it_saw() {
    for (holder, rule) in rules()
        .into_iter()
        .filter(|(holder, _)| holder.contains("gateway"))
    {
        let writes = verbs(&rule).into_iter().any(|verb| !is_read(verb));
        let fine = resources(&rule)
            .iter()
            .all(|it| ["secrets", "events", "computeleases/status"].contains(it));
        assert!(!writes || fine, "{holder}: {rule:?}");
    }
}

#[test]
fn every_binding_names_a_role_and_an_account_that_exist() {
    let accounts: BTreeSet<String> = all::<ServiceAccount>("ServiceAccount")
        .into_iter()
        .map(|account| account.metadata.name.unwrap())
        .collect();
    let roles: BTreeSet<String> = rules().into_iter().map(|(holder, _)| holder).collect();
    let check = |role: String, subjects: Option<Vec<Subject>>| {
        assert!(roles.contains(&role), "{role} does not exist");
        for subject in subjects.unwrap() {
            assert_eq!(subject.kind, "ServiceAccount");
            assert_eq!(subject.namespace.as_deref(), Some(SYSTEM_NAMESPACE));
            assert!(
                accounts.contains(&subject.name),
                "{} does not exist",
                subject.name
            );
        }
    };
    for binding in all::<ClusterRoleBinding>("ClusterRoleBinding") {
        check(format!("ClusterRole {}", binding.role_ref.name), binding.subjects);
    }
    for binding in all::<RoleBinding>("RoleBinding") {
        check(
            format!(
                "Role {}/{}",
                binding.metadata.namespace.unwrap(),
                binding.role_ref.name
            ),
            binding.subjects,
        );
    }
}

#[test]
fn our_pods_pass_the_restricted_level_and_mount_a_token_by_choice_alone() {
    for account in all::<ServiceAccount>("ServiceAccount") {
        assert_eq!(account.automount_service_account_token, Some(false));
    }
    let deployments: Vec<Deployment> = all("Deployment");
    assert_eq!(deployments.len(), 2);
    for deployment in deployments {
        let spec = deployment.spec.unwrap();
        let pod = spec.template.spec.unwrap();
        assert_eq!(spec.selector.match_labels, spec.template.metadata.unwrap().labels);
        assert_eq!(pod.automount_service_account_token, Some(true));
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        assert!(
            [pod.host_network, pod.host_pid, pod.host_ipc]
                .iter()
                .all(|host| !host.unwrap_or(false))
        );
        for container in pod.containers {
            let security = container.security_context.unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
            assert!(container.liveness_probe.is_some() && container.readiness_probe.is_some());
            let resources = container.resources.unwrap();
            assert!(
                resources.requests.unwrap().contains_key("cpu")
                    && resources.limits.unwrap().contains_key("memory")
            );
        }
    }
    for namespace in all::<Namespace>("Namespace") {
        let labels = namespace.metadata.labels.unwrap();
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    }
}

#[test]
fn our_pods_are_reached_on_the_ports_they_serve_and_on_no_other() {
    let policies: Vec<NetworkPolicy> = all("NetworkPolicy");
    let deployments: Vec<Deployment> = all("Deployment");
    assert_eq!(policies.len(), deployments.len());
    for deployment in deployments {
        let spec = deployment.spec.unwrap();
        let policy = policies
            .iter()
            .filter_map(|policy| policy.spec.as_ref())
            .find(|policy| policy.pod_selector.as_ref() == Some(&spec.selector))
            .unwrap();
        assert_eq!(policy.policy_types.as_deref().unwrap(), ["Ingress"]);
        let let_in: Vec<_> = policy
            .ingress
            .iter()
            .flatten()
            .flat_map(|rule| rule.ports.clone().unwrap())
            .map(|port| port.port.unwrap())
            .collect();
        let served: Vec<_> = spec.template.spec.unwrap().containers[0]
            .ports
            .iter()
            .flatten()
            .map(|port| {
                k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String(port.name.clone().unwrap())
            })
            .collect();
        assert_eq!(let_in, served);
    }
}

#[test]
fn leases_and_holds_stand_above_ordinary_pods_and_push_out_nobody() {
    let classes: BTreeMap<String, PriorityClass> = all::<PriorityClass>("PriorityClass")
        .into_iter()
        .map(|class| (class.metadata.name.clone().unwrap(), class))
        .collect();
    assert_eq!(classes.len(), 3);
    for class in classes.values() {
        assert_eq!(class.preemption_policy.as_deref(), Some("Never"));
        assert_eq!(class.global_default, Some(false));
    }
    assert!(classes[LEASE_PRIORITY].value > classes[HOLD_PRIORITY].value);
    assert!(classes[HOLD_PRIORITY].value > Some(0) && classes[INTERRUPTIBLE_PRIORITY].value < Some(0));
}

/// A policy's expressions with its variables written out.
fn expressions(policy: &ValidatingAdmissionPolicy) -> Vec<(String, String)> {
    let spec = policy.spec.as_ref().unwrap();
    let variables = spec.variables.iter().flatten();
    spec.validations
        .iter()
        .flatten()
        .map(|validation| {
            let expression = variables
                .clone()
                .fold(validation.expression.clone(), |text, variable| {
                    text.replace(
                        &format!("variables.{}", variable.name),
                        &format!("({})", variable.expression),
                    )
                });
            (expression, validation.message.clone().unwrap())
        })
        .collect()
}

#[test]
fn the_fence_closes_on_failure_is_bound_and_names_our_accounts_and_labels() {
    let policies: Vec<ValidatingAdmissionPolicy> = all("ValidatingAdmissionPolicy");
    let bindings: Vec<ValidatingAdmissionPolicyBinding> = all("ValidatingAdmissionPolicyBinding");
    assert_eq!(policies.len(), 2);
    for policy in &policies {
        let name = policy.metadata.name.clone();
        let binding = bindings
            .iter()
            .find(|it| Some(&it.spec.policy_name) == name.as_ref())
            .unwrap();
        assert_eq!(binding.spec.validation_actions, ["Deny"]);
        let spec = policy.spec.as_ref().unwrap();
        assert_eq!(spec.failure_policy.as_deref(), Some("Fail"));
        let who = &spec.match_conditions.as_ref().unwrap()[0].expression;
        for account in all::<ServiceAccount>("ServiceAccount") {
            let user = format!(
                "'system:serviceaccount:{SYSTEM_NAMESPACE}:{}'",
                account.metadata.name.unwrap()
            );
            assert!(who.contains(&user), "{who} does not name {user}");
        }
        let all_text: String = expressions(policy)
            .into_iter()
            .map(|(expression, _)| expression)
            .collect();
        for word in [LEASE_LABEL, CHAIN_LABEL, MANAGED_BY_LABEL, MANAGED_BY] {
            assert!(
                all_text.contains(&format!("'{word}'")),
                "{name:?} does not look at {word}"
            );
        }
    }
}

#[test]
fn the_samples_fit_together_and_their_placeholders_are_explained() {
    let readme = fs::read_to_string(folder("samples").join("README.md")).unwrap();
    for (name, _) in PLACEHOLDERS {
        assert!(
            readme.contains(&format!("| `${{{name}}}`")) || readme.contains(&format!("`${{{name}}}` |")),
            "{name}"
        );
    }
    for (file, object) in files("samples")
        .into_iter()
        .flat_map(|(file, it)| it.into_iter().map(move |o| (file.clone(), o)))
    {
        assert!(
            !object.to_string().contains("${"),
            "{file} has a placeholder that README.md does not explain"
        );
    }
    let market = all::<ComputeMarket>("ComputeMarket")
        .pop()
        .unwrap()
        .metadata
        .name
        .unwrap();
    let provider = all::<ComputeProvider>("ComputeProvider").pop().unwrap();
    let offer = all::<ComputeOffer>("ComputeOffer").pop().unwrap();
    let wallets: BTreeMap<String, ComputeWallet> = all::<ComputeWallet>("ComputeWallet")
        .into_iter()
        .map(|wallet| (wallet.metadata.name.clone().unwrap(), wallet))
        .collect();
    assert_eq!(provider.spec.market_ref.name, market);
    assert_eq!(Some(offer.spec.provider_ref.name), provider.metadata.name);
    assert_eq!(offer.metadata.namespace, provider.metadata.namespace);
    let readable: Vec<String> = rules()
        .into_iter()
        .filter(|(holder, _)| holder.ends_with("/leaseport-wallets"))
        .flat_map(|(_, rule)| rule.resource_names.unwrap())
        .collect();
    let secrets: BTreeMap<String, Secret> = all::<Secret>("Secret")
        .into_iter()
        .map(|secret| (secret.metadata.name.clone().unwrap(), secret))
        .collect();
    for reference in [&provider.spec.wallets.duty, &provider.spec.wallets.bids] {
        let wallet = &wallets[&reference.name];
        assert_eq!(wallet.metadata.namespace, provider.metadata.namespace);
        assert_eq!(wallet.spec.market_ref.name, market);
        let entry = &wallet.spec.signer.secret_ref;
        assert!(
            readable.contains(&entry.name),
            "the operator may not read {}",
            entry.name
        );
        assert!(
            secrets[&entry.name]
                .string_data
                .as_ref()
                .unwrap()
                .contains_key(&entry.key)
        );
    }
}

#[test]
fn the_fence_lets_through_leases_and_nothing_else() {
    use kube::core::cel::cel::{Context, Program, Value as Cel};

    let policies: Vec<ValidatingAdmissionPolicy> = all("ValidatingAdmissionPolicy");
    // kube's own evaluator of admission policies escapes the keys of label maps, so the expressions are run without it.
    let denied =
        |policy: &str, operation: &str, object: &Value, old: &Value, space: &Value| -> Option<String> {
            let resource = policy
                .strip_prefix("leaseport-lease-")
                .unwrap()
                .replace("bindings", "rolebindings");
            let request = json!({ "operation": operation, "resource": { "resource": resource } });
            let mut context = Context::default();
            for (name, value) in [
                ("object", object),
                ("oldObject", old),
                ("namespaceObject", space),
                ("request", &request),
            ] {
                context.add_variable(name, value).unwrap();
            }
            let policy = policies
                .iter()
                .find(|it| it.metadata.name.as_deref() == Some(policy))
                .unwrap();
            expressions(policy).into_iter().find_map(|(expression, message)| {
                match Program::compile(&expression).unwrap().execute(&context) {
                    Ok(Cel::Bool(true)) => None,
                    Ok(Cel::Bool(false)) => Some(message),
                    other => panic!("{expression}: {other:?}"),
                }
            })
        };
    let space = |lease: &str, level: &str| {
        json!({ "metadata": { "labels": {
        LEASE_LABEL: lease, CHAIN_LABEL: "1", MANAGED_BY_LABEL: MANAGED_BY, "pod-security.kubernetes.io/enforce": level,
    } } })
    };
    let ours = space("7-0-1", "restricted");
    let plain = json!({ "metadata": { "labels": { "kubernetes.io/metadata.name": "default" } } });
    let binding = |role: &str, name: &str, namespace: &str| {
        json!({
            "roleRef": { "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
        })
    };
    let namespaces = "leaseport-lease-namespaces";
    for (operation, object, old, wanted) in [
        ("CREATE", ours.clone(), Value::Null, None),
        ("CREATE", space("7-0-1", "baseline"), Value::Null, None),
        ("UPDATE", space("7-0-1", "baseline"), ours.clone(), None),
        ("DELETE", Value::Null, ours.clone(), None),
        (
            "CREATE",
            plain.clone(),
            Value::Null,
            Some("make only namespaces labelled"),
        ),
        (
            "CREATE",
            space("7-0-1", "privileged"),
            Value::Null,
            Some("restricted or baseline"),
        ),
        (
            "UPDATE",
            ours.clone(),
            plain.clone(),
            Some("change and delete only"),
        ),
        (
            "UPDATE",
            space("8-0-1", "restricted"),
            ours.clone(),
            Some("stays that lease's"),
        ),
        (
            "UPDATE",
            plain.clone(),
            ours.clone(),
            Some("make only namespaces labelled"),
        ),
        (
            "DELETE",
            Value::Null,
            plain.clone(),
            Some("change and delete only"),
        ),
    ] {
        let got = denied(namespaces, operation, &object, &old, &Value::Null);
        let fits = match (&got, wanted) {
            (None, None) => true,
            (Some(message), Some(part)) => message.contains(part),
            (Some(_), None) | (None, Some(_)) => false,
        };
        assert!(
            fits,
            "{operation} {object} over {old}: {got:?}, wanted {wanted:?}"
        );
    }
    let bindings = "leaseport-lease-bindings";
    for (object, space, wanted) in [
        (
            binding(OPERATOR_ROLE, "leaseport-operator", SYSTEM_NAMESPACE),
            ours.clone(),
            None,
        ),
        (
            binding(GATEWAY_ROLE, "leaseport-gateway", SYSTEM_NAMESPACE),
            ours.clone(),
            None,
        ),
        (
            binding(OPERATOR_ROLE, "leaseport-operator", SYSTEM_NAMESPACE),
            plain,
            Some("only in namespaces labelled as leases"),
        ),
        (
            binding("admin", "leaseport-operator", SYSTEM_NAMESPACE),
            ours.clone(),
            Some("only its own lease roles"),
        ),
        (
            binding(OPERATOR_ROLE, "other", SYSTEM_NAMESPACE),
            ours.clone(),
            Some("only its own lease roles"),
        ),
        (
            binding(OPERATOR_ROLE, "leaseport-operator", "default"),
            ours,
            Some("only its own lease roles"),
        ),
    ] {
        let got = denied(bindings, "CREATE", &object, &Value::Null, &space);
        assert_eq!(got.is_none(), wanted.is_none(), "{object} in {space}: {got:?}");
        assert!(
            wanted.is_none_or(|part| got.unwrap().contains(part)),
            "{object} in {space}"
        );
    }
}
