//! Wires the namespaces of leases whose ComputeLease is gone: observe, plan, and then the object made again, the namespace deleted with a proof, or
//! nothing but words. Each verdict is told once, when it changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};

use super::context::{Context, MANAGER};
use crate::{
    act::lease::{ActError, destroy},
    api::ComputeLease,
    core::plan::orphan::{Kept, Verdict, plan},
    kube_io::{
        apply::{Created, create},
        events::Severity,
        reconcile::Outcome,
    },
    observe::orphan::OrphanSight,
};

/// How soon an orphan that stays is judged again.
const AGAIN: Duration = Duration::from_secs(10);

/// What was said last of each orphan, by name, so that it is not said again with every block.
#[derive(Clone, Default)]
pub struct Reported(Arc<Mutex<BTreeMap<String, Kept>>>);

impl Reported {
    /// Whether this is news; the number of orphans by reason afterwards.
    fn note(&self, name: &str, kept: Option<Kept>) -> (bool, BTreeMap<Kept, i64>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match kept {
            Some(kept) => known.insert(name.to_owned(), kept),
            None => known.remove(name),
        };
        let mut counts: BTreeMap<Kept, i64> = Kept::ALL.into_iter().map(|kept| (kept, 0)).collect();
        for kept in known.values() {
            *counts.entry(*kept).or_default() += 1;
        }
        (before != kept, counts)
    }
}

/// One pass over one namespace.
pub async fn pass(context: Context, reported: Reported, name: ObjectRef<Namespace>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.orphan(&name.name) {
        Some(sight) => reconcile(&context, &reported, &sight).await,
        None => {
            say(&context, &reported, &name.name, None);
            return Outcome::Done;
        }
    };
    context.passed("Namespace", &name, began, outcome)
}

async fn reconcile(context: &Context, reported: &Reported, sight: &OrphanSight) -> Outcome {
    let name = sight.namespace.name_any();
    let lease = sight.identity.id();
    let (done, text) = match plan(&sight.markets) {
        Verdict::Keep(kept) => {
            if say(context, reported, &name, Some(kept)) {
                tracing::warn!(%lease, namespace = name, reason = kept.reason(), "orphaned namespace is kept");
                let (about, text) = (sight.namespace.as_ref(), kept.text().to_owned());
                context
                    .tell(about, Severity::Warning, kept.reason(), "Orphan", text)
                    .await;
            }
            return Outcome::After(AGAIN);
        }
        Verdict::Remake(index) => (
            remake(context, sight.objects.get(index).and_then(Option::as_ref)).await,
            "lease object made again",
        ),
        Verdict::Destroy(proof) => (
            destroy(context.client(), sight.identity, &proof).await,
            "orphaned namespace deleted",
        ),
    };
    say(context, reported, &name, None);
    match done {
        Ok(()) => {
            tracing::info!(%lease, namespace = name, text);
            Outcome::Done
        }
        Err(error) => {
            tracing::warn!(%lease, namespace = name, %error, "orphaned namespace not handled");
            Outcome::Failed
        }
    }
}

fn say(context: &Context, reported: &Reported, name: &str, kept: Option<Kept>) -> bool {
    let (news, counts) = reported.note(name, kept);
    if news {
        for (kept, count) in counts {
            context.metrics.orphans(kept.reason(), count);
        }
    }
    news
}

/// What is there already needs no making.
async fn remake(context: &Context, object: Option<&ComputeLease>) -> Result<(), ActError> {
    let object = object.ok_or(ActError::Missing {
        action: "a lease's object",
        what: "the lease on chain",
    })?;
    let home = object.namespace().unwrap_or_default();
    let api = Api::<ComputeLease>::namespaced(context.client().clone(), &home);
    match create(&api, MANAGER, object).await? {
        Created::New(_) | Created::Exists => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_is_told_when_its_verdict_changes_and_counted_while_it_stays() {
        let reported = Reported::default();
        let one = |kept| reported.note("one", kept);
        let (news, counts) = one(Some(Kept::NotFinal));
        assert!(news);
        assert_eq!(counts.get(&Kept::NotFinal), Some(&1));
        assert!(!one(Some(Kept::NotFinal)).0);
        let (news, counts) = one(Some(Kept::NoMarket));
        assert!(news);
        assert_eq!(
            (counts.get(&Kept::NotFinal), counts.get(&Kept::NoMarket)),
            (Some(&0), Some(&1))
        );
        assert!(one(None).0);
        assert!(!one(None).0);
    }
}
