//! What our accounts may do, as the cluster's RBAC objects say, against what they did, as the API server's own log says: which role let each
//! request through, and what was forbidden. It reads only. A right that no scenario uses has to be listed with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::stage::SYSTEM_NAMESPACE;
use crate::World;

/// Rights that are seldom used, one a line: `RIGHT: REASON`.
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rights-seldom-used.txt");
/// The roles that the operator binds in the namespaces of leases.
const LEASE_ROLES: [&str; 2] = ["leaseport-lease-operator", "leaseport-lease-gateway"];
/// What nobody of ours may reach by a right in the whole cluster.
const ONLY_INSIDE: [&str; 8] = [
    "secrets",
    "pods/log",
    "pods/exec",
    "pods/attach",
    "deployments.apps",
    "jobs.batch",
    "services",
    "configmaps",
];

/// Accounts of ours, held against their rights.
#[derive(Clone, Debug, Default)]
pub struct Reckoning {
    /// Every right: role, verb and resource, as `ClusterRole/leaseport-operator get pods`.
    pub granted: BTreeSet<String>,
    /// Those that let a request through.
    pub used: BTreeSet<String>,
    /// Requests that the authorizer forbade and did not allow a moment later. What a quota or a policy denies is no matter of rights.
    pub forbidden: Vec<String>,
    /// Requests for what is inside of namespaces that a right in the whole cluster let through.
    pub afar: Vec<String>,
}

/// What our accounts did since the world began.
///
/// # Errors
/// Rights or log cannot be read.
pub fn account(world: &World) -> Result<Reckoning> {
    let roles = world.kubectl_json(&[
        "get",
        "roles,clusterroles,rolebindings,clusterrolebindings",
        "--all-namespaces",
    ])?;
    let log = fs::read_to_string(&world.state().audit_log)?;
    let granted = granted(&roles);
    ensure!(!granted.is_empty(), "our accounts have no right at all");
    reckon(granted, &log)
}

impl Reckoning {
    /// Nothing was forbidden, and what is inside of namespaces was reached by the rights bound there.
    ///
    /// # Errors
    /// The requests that say otherwise.
    pub fn stayed_within(&self) -> Result<()> {
        ensure!(self.forbidden.is_empty(), "forbidden: {:#?}", self.forbidden);
        ensure!(
            self.afar.is_empty(),
            "by a right in the whole cluster: {:#?}",
            self.afar
        );
        Ok(())
    }

    /// Every right that the list says this file's scenarios use was used; none of them is there for nothing.
    ///
    /// # Errors
    /// The file is not named in the list, or the rights that were not used.
    pub fn used_as_listed(&self, file: &str) -> Result<()> {
        let text = fs::read_to_string(LIST).context(LIST)?;
        let said: BTreeSet<String> = listed(&text)?
            .into_iter()
            .filter(|(_, reason)| reason.contains(file))
            .map(|(right, _)| right)
            .collect();
        ensure!(!said.is_empty(), "{LIST} does not name {file}");
        let idle: Vec<&String> = said.difference(&self.used).collect();
        ensure!(
            idle.is_empty(),
            "{LIST} says that {file} uses them, and it did not: {idle:#?}"
        );
        Ok(())
    }

    /// Every right is used or listed, and what is listed is a right.
    ///
    /// # Errors
    /// The first of them that is not.
    pub fn hold_against_the_list(&self) -> Result<()> {
        let text = fs::read_to_string(LIST).context(LIST)?;
        let listed: BTreeSet<String> = listed(&text)?.into_keys().collect();
        let idle: Vec<&String> = self
            .granted
            .difference(&self.used)
            .filter(|right| !listed.contains(*right))
            .collect();
        ensure!(
            idle.is_empty(),
            "granted and not used: {idle:#?}; take them out of the chart, or write the reason into {LIST}"
        );
        let gone: Vec<&String> = listed.difference(&self.granted).collect();
        ensure!(gone.is_empty(), "listed in {LIST} and not granted: {gone:#?}");
        Ok(())
    }
}

fn listed(text: &str) -> Result<BTreeMap<String, String>> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once(": ") {
            Some((right, reason)) if !reason.trim().is_empty() => Ok((right.to_owned(), reason.to_owned())),
            _ => bail!("{LIST}: `{line}` is not `RIGHT: REASON`"),
        })
        .collect()
}

/// The rights of every role that is bound to an account of ours, and of those that are bound in leases' namespaces.
fn granted(objects: &Value) -> BTreeSet<String> {
    let items: Vec<&Value> = objects["items"].as_array().into_iter().flatten().collect();
    let mut ours: BTreeSet<(String, String)> = LEASE_ROLES
        .iter()
        .map(|name| ("ClusterRole".to_owned(), (*name).to_owned()))
        .collect();
    for binding in &items {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        if subjects
            .into_iter()
            .any(|subject| subject["kind"] == "ServiceAccount" && subject["namespace"] == SYSTEM_NAMESPACE)
        {
            ours.insert((
                text(&binding["roleRef"]["kind"]),
                text(&binding["roleRef"]["name"]),
            ));
        }
    }
    let mut rights = BTreeSet::new();
    for role in items {
        let (kind, name) = (text(&role["kind"]), text(&role["metadata"]["name"]));
        if !ours.contains(&(kind.clone(), name.clone())) {
            continue;
        }
        for rule in role["rules"].as_array().into_iter().flatten() {
            for verb in words(&rule["verbs"]) {
                for group in words(&rule["apiGroups"]) {
                    for resource in words(&rule["resources"]) {
                        rights.insert(right(&kind, &name, &verb, &of_group(&resource, &group)));
                    }
                }
            }
        }
    }
    rights
}

fn reckon(granted: BTreeSet<String>, log: &str) -> Result<Reckoning> {
    let mut found = Reckoning {
        granted,
        ..Reckoning::default()
    };
    let account = format!("system:serviceaccount:{SYSTEM_NAMESPACE}:");
    let mut waits: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut deleted = BTreeSet::new();
    for line in log.lines().filter(|line| line.contains(&account)) {
        let event: Value = serde_json::from_str(line)?;
        let user = text(&event["user"]["username"]);
        let object = &event["objectRef"];
        let Some(who) = user.strip_prefix(&account).filter(|_| object.is_object()) else {
            continue;
        };
        // What every account may ask about itself is no right of ours.
        if object["apiGroup"] == "authorization.k8s.io" {
            continue;
        }
        let (verb, namespace) = (text(&event["verb"]), text(&object["namespace"]));
        let mut resource = text(&object["resource"]);
        if let Some(part) = object["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        let resource = of_group(&resource, object["apiGroup"].as_str().unwrap_or_default());
        let request = format!("{who} {verb} {resource} {namespace}/{}", text(&object["name"]));
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            waits.insert(request, (namespace, line.to_owned()));
            continue;
        }
        waits.remove(&request);
        if verb == "delete" && resource == "namespaces" {
            deleted.insert(text(&object["name"]));
        }
        let reason = text(&event["annotations"]["authorization.k8s.io/reason"]);
        let Some((kind, name)) = role(&reason) else {
            continue;
        };
        if reason.contains("ClusterRoleBinding") && ONLY_INSIDE.contains(&resource.as_str()) {
            found.afar.push(format!("{request}: {reason}"));
        }
        found.used.insert(right(&kind, &name, &verb, &resource));
        // An apply that made its object has asked for both.
        if verb == "patch" && event["responseStatus"]["code"] == 201 {
            found.used.insert(right(&kind, &name, "create", &resource));
        }
        // A binding is made only by who may bind its role.
        if resource == "rolebindings.rbac.authorization.k8s.io" && verb != "get" {
            found.used.insert(right(
                &kind,
                &name,
                "bind",
                "clusterroles.rbac.authorization.k8s.io",
            ));
        }
    }
    found.used = found.used.intersection(&found.granted).cloned().collect();
    // Rights in a namespace come a moment after it and go with it.
    found.forbidden = waits
        .into_values()
        .filter(|(namespace, _)| !deleted.contains(namespace))
        .map(|(_, line)| line)
        .collect();
    Ok(found)
}

/// The role in the authorizer's words: `RBAC: allowed by RoleBinding "x/ns" of Role "x" to ServiceAccount "a/ns"`.
fn role(reason: &str) -> Option<(String, String)> {
    let (_, rest) = reason.split_once("\" of ")?;
    let (kind, rest) = rest.split_once(" \"")?;
    let (name, _) = rest.split_once('"')?;
    Some((kind.to_owned(), name.to_owned()))
}

fn right(kind: &str, role: &str, verb: &str, resource: &str) -> String {
    format!("{kind}/{role} {verb} {resource}")
}

/// `deployments.apps`, `computeleases.leaseport.dev/status`, or `pods` of the group without a name.
fn of_group(resource: &str, group: &str) -> String {
    match (group, resource.split_once('/')) {
        ("", _) => resource.to_owned(),
        (group, None) => format!("{resource}.{group}"),
        (group, Some((resource, part))) => format!("{resource}.{group}/{part}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn line(verb: &str, code: u16, name: &str, reason: &str) -> String {
        json!({
            "verb": verb, "user": { "username": "system:serviceaccount:leaseport-system:leaseport-operator" },
            "objectRef": { "resource": "secrets", "namespace": "lp-1", "name": name },
            "responseStatus": { "code": code }, "annotations": {
                "authorization.k8s.io/decision": if reason.is_empty() { "forbid" } else { "allow" },
                "authorization.k8s.io/reason": reason,
            },
        })
        .to_string()
    }

    const INSIDE: &str = r#"RBAC: allowed by RoleBinding "leaseport-operator/lp-1" of ClusterRole "leaseport-lease-operator" to ServiceAccount "leaseport-operator/leaseport-system""#;
    const AFAR: &str = r#"RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "leaseport-operator" to ServiceAccount "y""#;

    fn rights(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn a_role_bound_to_our_account_grants_each_verb_on_each_resource_and_strangers_roles_do_not() {
        let role = |name: &str| {
            json!({ "kind": "Role", "metadata": { "name": name },
                "rules": [{ "verbs": ["get", "patch"], "apiGroups": ["apps"], "resources": ["deployments"] }] })
        };
        let binding = json!({ "kind": "RoleBinding", "roleRef": { "kind": "Role", "name": "ours" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": "leaseport-system", "name": "leaseport-operator" }] });
        let all = json!({ "items": [role("ours"), role("theirs"), binding] });
        assert_eq!(
            granted(&all),
            rights(&[
                "Role/ours get deployments.apps",
                "Role/ours patch deployments.apps"
            ])
        );
    }

    #[test]
    fn a_right_is_used_by_the_role_that_let_the_request_through_and_an_apply_that_makes_uses_two() {
        let all = rights(&[
            "ClusterRole/leaseport-lease-operator patch secrets",
            "ClusterRole/leaseport-lease-operator create secrets",
            "ClusterRole/leaseport-lease-operator get secrets",
        ]);
        let found = reckon(all, &line("patch", 201, "manifest", INSIDE)).unwrap();
        assert_eq!(found.used.len(), 2);
        assert!(
            !found
                .used
                .contains("ClusterRole/leaseport-lease-operator get secrets")
        );
        assert!(found.afar.is_empty());
    }

    #[test]
    fn a_secret_that_was_read_by_a_right_in_the_whole_cluster_is_told() {
        let found = reckon(BTreeSet::new(), &line("get", 200, "manifest", AFAR)).unwrap();
        assert_eq!(found.afar.len(), 1);
    }

    #[test]
    fn what_is_forbidden_counts_unless_the_same_is_allowed_later() {
        let early = line("get", 403, "a", "");
        let found = reckon(
            BTreeSet::new(),
            &[early.clone(), line("get", 404, "a", INSIDE)].join("\n"),
        )
        .unwrap();
        assert!(found.forbidden.is_empty());
        let found = reckon(
            BTreeSet::new(),
            &[line("get", 200, "a", INSIDE), early].join("\n"),
        )
        .unwrap();
        assert_eq!(found.forbidden.len(), 1);
    }

    #[test]
    fn what_a_quota_or_a_policy_denied_was_no_matter_of_rights() {
        let found = reckon(BTreeSet::new(), &line("create", 403, "a", INSIDE)).unwrap();
        assert!(found.forbidden.is_empty());
    }

    #[test]
    fn a_line_of_the_list_without_a_reason_is_refused() {
        assert!(
            listed("# why\n\nRole/a get b: because\n")
                .unwrap()
                .contains_key("Role/a get b")
        );
        assert!(listed("Role/a get b:\n").is_err());
    }
}
