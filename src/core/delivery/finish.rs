//! Whether a Job has come to its end; the lease then closes by itself and pays only what ran. May not judge single pods.

use k8s_openapi::api::batch::v1::Job;

use super::Finding;
use crate::core::time::UnixMillis;

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Every replica succeeded.
    Complete {
        /// When the Job controller saw it.
        at: Option<UnixMillis>,
    },
    /// It gave up.
    Failed {
        /// When the Job controller saw it.
        at: Option<UnixMillis>,
        /// Why.
        finding: Finding,
    },
}

/// How the Job ended, none while it runs.
#[must_use]
pub fn finish(job: &Job) -> Option<Finish> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .filter(|condition| condition.status == "True")
        .find_map(|condition| {
            let at = condition
                .last_transition_time
                .as_ref()
                .map(|time| UnixMillis(time.0.as_millisecond()));
            match condition.type_.as_str() {
                "Complete" => Some(Finish::Complete { at }),
                "Failed" => {
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    Some(Finish::Failed {
                        at,
                        finding: Finding::new(&text(&condition.reason), &text(&condition.message)),
                    })
                }
                _ => None,
            }
        })
}
