//! Kubernetes events: what happened, for `kubectl describe`. Repeats within minutes are counted by kube's recorder, not written anew.
//! An event that cannot be written is lost; nothing waits for it. May not carry text that varies with every retry.

use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::{KubeError, within};

/// Longest note the API server takes, in bytes (k8s.io/api/events/v1).
const NOTE_LIMIT: usize = 1024;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// As planned.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// How bad.
    pub severity: Severity,
    /// CamelCase, the same word as in condition and metric.
    pub reason: String,
    /// What we were doing, CamelCase: `Bid`, `Start`, `Report`.
    pub action: String,
    /// For people.
    pub note: String,
}

/// Writes events under our name.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events reported by `controller` (`leaseport`), from this instance (the pod's name).
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Records what happened to an object.
    ///
    /// # Errors
    /// The request failed or took longer than 5 s.
    pub async fn record<K>(&self, about: &K, happening: &Happening) -> Result<(), KubeError>
    where
        K: Resource<DynamicType = ()>,
    {
        let what = format!(
            "event {} of {} {}",
            happening.reason,
            K::kind(&()),
            about.name_any()
        );
        let event = Event {
            type_: match happening.severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: happening.reason.clone(),
            note: Some(bounded(&happening.note)),
            action: happening.action.clone(),
            secondary: None,
        };
        within(&what, self.recorder.publish(&event, &about.object_ref(&()))).await
    }
}

fn bounded(note: &str) -> String {
    let mut end = note.len().min(NOTE_LIMIT);
    while !note.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    note.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;
    use crate::kube_io::mock;

    #[test]
    fn a_note_is_cut_at_a_character_and_never_within_one() {
        assert_eq!(bounded("short"), "short");
        let long = format!("{}ä", "a".repeat(NOTE_LIMIT - 1));
        assert_eq!(bounded(&long), "a".repeat(NOTE_LIMIT - 1));
    }

    #[tokio::test]
    async fn a_repeated_happening_is_counted_on_the_first_event() {
        let (client, log) = mock::client(|request| (201, request.body.clone()));
        let events = Events::new(client, "leaseport", "leaseport-0");
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" } }))
                .unwrap();
        let happening = Happening {
            severity: Severity::Warning,
            reason: "NoCapacity".into(),
            action: "Bid".into(),
            note: "full".into(),
        };
        for _ in 0..2 {
            events.record(&pod, &happening).await.unwrap();
        }
        let asked = log.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[0].method.as_str(), asked[1].method.as_str()),
            ("POST", "PATCH")
        );
        assert_eq!(asked[1].body["series"]["count"], 2);
        assert_eq!(asked[0].body["regarding"]["name"], "p");
    }
}
