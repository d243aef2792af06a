//! Says as an event on the object what its Ready condition began to say: people look at events first. Once a reason, so that what lasts
//! writes nothing. May not judge; what is said was decided by whoever wrote the status.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, runtime::reflector::ObjectRef};

use super::context::{Context, RESYNC};
use crate::{
    api::condition::{self, READY, Status, reason},
    kube_io::{events::Severity, reflected::Reflected},
};

/// Reasons that only say that nothing is known yet; each start passes through them.
const BEGINNING: [&str; 2] = [reason::NOT_YET_KNOWN, "ChainUnknown"];

/// What there is to tell of a condition.
fn news(ready: &Condition) -> Option<(&str, &str)> {
    let fine = ready.status == Status::True.as_str() || BEGINNING.contains(&ready.reason.as_str());
    (!fine).then_some((ready.reason.as_str(), ready.message.as_str()))
}

/// Follows a kind until it is dropped.
pub async fn run<K>(context: Context, kind: Reflected<K>, conditions: fn(&K) -> &[Condition])
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let store = kind.store();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut changes = std::pin::pin!(kind.changes(RESYNC));
    while let Some(name) = changes.next().await {
        let key = name.to_string();
        let name: ObjectRef<K> = name;
        let found = store.get(&name);
        let ready = found
            .as_ref()
            .and_then(|found| condition::get(conditions(found), READY));
        match (&found, ready.and_then(news)) {
            (Some(found), Some((reason, message))) => {
                if told.get(&key).is_none_or(|before| before != reason) {
                    context
                        .tell(
                            found.as_ref(),
                            Severity::Warning,
                            reason,
                            "Check",
                            message.to_owned(),
                        )
                        .await;
                    told.insert(key, reason.to_owned());
                }
            }
            (Some(_) | None, _) => {
                told.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn ready(status: &str, reason: &str) -> Condition {
        Condition {
            type_: READY.into(),
            status: status.into(),
            reason: reason.into(),
            message: "why".into(),
            last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }
    }

    #[test]
    fn what_is_ready_or_only_beginning_is_no_news_and_all_else_is() {
        assert_eq!(news(&ready("True", "AsExpected")), None);
        assert_eq!(news(&ready("Unknown", "ChainUnknown")), None);
        assert_eq!(news(&ready("Unknown", reason::NOT_YET_KNOWN)), None);
        assert_eq!(
            news(&ready("False", "KeyUnreadable")),
            Some(("KeyUnreadable", "why"))
        );
        assert_eq!(
            news(&ready("Unknown", "WalletNotReady")),
            Some(("WalletNotReady", "why"))
        );
    }
}
