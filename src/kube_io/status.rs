//! Status, written only when it changed and only our part of it. The write names uid and resourceVersion of what was seen, so it is
//! never laid over a status that was computed from something newer. May not compute a status.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::object::HasStatus,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{KubeError, within};

/// What a status write did.
#[derive(Debug, Clone, PartialEq)]
pub enum Written<K> {
    /// Nothing differed, nothing was sent.
    Unchanged,
    /// This is the object now.
    Changed(Box<K>),
}

/// Writes a status where it differs from what was seen; conditions are compared without their transition times.
/// `not_ours` names fields that another field manager writes, at the top (`manifest`) or one below it (`usage.receipt`): they are neither compared
/// nor sent.
///
/// # Errors
/// The object changed since (Conflict), or the request failed or took longer than 5 s.
pub async fn write<K>(
    api: &Api<K>,
    manager: &str,
    seen: &K,
    status: &K::Status,
    not_ours: &[&str],
) -> Result<Written<K>, KubeError>
where
    K: Resource<DynamicType = ()> + HasStatus + Clone + Debug + DeserializeOwned,
    K::Status: Serialize,
{
    let name = seen.name_any();
    let what = format!("status of {} {name}", K::kind(&()));
    let json = |status: &K::Status| -> Result<Map<String, Value>, KubeError> {
        let value = serde_json::to_value(status)
            .map_err(|error| KubeError::of(&what, kube::Error::SerdeError(error)))?;
        let Value::Object(mut fields) = value else {
            return Ok(Map::new());
        };
        fields.retain(|field, value| !not_ours.contains(&field.as_str()) && !value.is_null());
        for (field, below) in not_ours.iter().filter_map(|path| path.split_once('.')) {
            if let Some(Value::Object(inner)) = fields.get_mut(field) {
                inner.remove(below);
            }
        }
        Ok(fields)
    };
    let next = json(status)?;
    let now = seen.status().map_or_else(|| Ok(Map::new()), json)?;
    if timeless(next.clone()) == timeless(now) {
        return Ok(Written::Unchanged);
    }
    let missing = |field| KubeError::Incomplete {
        what: what.clone(),
        field,
    };
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": name,
            "uid": seen.uid().ok_or_else(|| missing("uid"))?,
            "resourceVersion": seen.resource_version().ok_or_else(|| missing("resourceVersion"))?,
        },
        "status": next,
    });
    let params = PatchParams::apply(manager).force();
    let changed = within(&what, api.patch_status(&name, &params, &Patch::Apply(patch))).await?;
    Ok(Written::Changed(Box::new(changed)))
}

fn timeless(mut status: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
        for condition in conditions {
            if let Value::Object(condition) = condition {
                condition.remove("lastTransitionTime");
            }
        }
    }
    status
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kube_io::mock;

    /// A stand-in with the two traits our own kinds derive.
    #[derive(kube::CustomResource, Debug, Clone, serde::Deserialize, Serialize, schemars::JsonSchema)]
    #[kube(
        group = "test.leaseport.dev",
        version = "v1",
        kind = "Thing",
        namespaced,
        status = "ThingStatus"
    )]
    struct ThingSpec {}

    #[derive(Debug, Clone, Default, serde::Deserialize, Serialize, schemars::JsonSchema)]
    struct ThingStatus {
        phase: String,
        manifest: Option<String>,
        #[serde(default)]
        usage: Value,
        conditions: Vec<Value>,
    }

    fn seen() -> Thing {
        serde_json::from_value(json!({
            "apiVersion": "test.leaseport.dev/v1", "kind": "Thing",
            "metadata": { "name": "t", "namespace": "n", "uid": "u", "resourceVersion": "7" }, "spec": {},
            "status": { "phase": "A", "manifest": "theirs", "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "1" }] },
        }))
        .unwrap()
    }

    fn status(phase: &str, time: &str) -> ThingStatus {
        ThingStatus {
            phase: phase.into(),
            manifest: None,
            usage: Value::Null,
            conditions: vec![json!({ "type": "Ready", "status": "True", "lastTransitionTime": time })],
        }
    }

    #[tokio::test]
    async fn an_equal_status_is_not_written_whatever_its_times_and_others_fields() {
        let (client, log) = mock::client(|_| mock::failure(500, "never asked"));
        let written = write(
            &Api::namespaced(client, "n"),
            "m",
            &seen(),
            &status("A", "2"),
            &["manifest"],
        )
        .await
        .unwrap();
        assert!(matches!(written, Written::Unchanged));
        assert!(log.seen().is_empty());
    }

    #[tokio::test]
    async fn a_field_below_another_is_left_to_its_manager_too() {
        let mut object = seen();
        let mut mine = status("A", "1");
        mine.manifest = Some("theirs".into());
        mine.usage = json!({ "closedMs": 5 });
        object.status = Some(ThingStatus {
            usage: json!({ "closedMs": 5, "receipt": "theirs" }),
            ..mine.clone()
        });
        let answer = serde_json::to_value(&object).unwrap();
        let (client, log) = mock::client(move |_| (200, answer.clone()));
        let api = Api::namespaced(client, "n");
        let not_ours = ["manifest", "usage.receipt"];
        let written = write(&api, "m", &object, &mine, &not_ours).await.unwrap();
        assert!(matches!(written, Written::Unchanged) && log.seen().is_empty());
        mine.usage = json!({ "closedMs": 6, "receipt": "a stale copy" });
        write(&api, "m", &object, &mine, &not_ours).await.unwrap();
        assert_eq!(
            log.asked().remove(0).body["status"]["usage"],
            json!({ "closedMs": 6 })
        );
    }

    #[tokio::test]
    async fn a_changed_status_is_applied_on_the_version_that_was_seen_without_others_fields() {
        let answer = serde_json::to_value(seen()).unwrap();
        let (client, log) = mock::client(move |_| (200, answer.clone()));
        let mut next = status("B", "2");
        next.manifest = Some("stale copy".into());
        let written = write(&Api::namespaced(client, "n"), "m", &seen(), &next, &["manifest"])
            .await
            .unwrap();
        assert!(matches!(written, Written::Changed(_)));
        let asked = log.asked().remove(0);
        assert_eq!(
            asked.path,
            "/apis/test.leaseport.dev/v1/namespaces/n/things/t/status?&force=true&fieldManager=m"
        );
        assert_eq!(
            asked.body["metadata"],
            json!({ "name": "t", "uid": "u", "resourceVersion": "7" })
        );
        assert_eq!(asked.body["status"]["manifest"], Value::Null);
        assert_eq!(asked.body["status"]["phase"], "B");
    }
}
