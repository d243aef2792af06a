//! Keeps statements where a tenant and a court can be shown them: a page a lease and day beside the lease's object, not in the lease's namespace, which
//! goes before the window for disputes does; and the newest receipt in the object's status. Written before any of it can leave (rule 4). Decides nothing.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use thiserror::Error;

use crate::{
    api::{ComputeLease, lease::UsageReceipt},
    core::{
        documents::statement::Statement,
        usage::archive::{Appended, ArchiveError, PAGE_KEY, append, page, page_after},
        workload::names::{LEASE_LABEL, MANAGED_BY, MANAGED_BY_LABEL},
    },
    kube_io::{
        KubeError,
        apply::{apply, create},
        delete::{Grace, delete},
        within,
    },
};

/// Field manager of `status.usage.receipt`, `lastReport` and `evidence`: another than the rest of the status has, since an apply drops what its
/// manager wrote before and leaves out now.
pub const RECEIPT_MANAGER: &str = "leaseport-operator-receipts";
/// Most pages of one day; a day that needs more has a report every few seconds.
const PAGES: usize = 64;

/// Why evidence could not be kept.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// What stands in a page is none.
    #[error("ConfigMap {name}: {source}; move it away, the next report begins another")]
    Page {
        /// Which.
        name: String,
        /// Why.
        source: ArchiveError,
    },
    /// Too many pages for a day.
    #[error("{0} is one page too many for a day: report less often")]
    Pages(String),
}

/// One lease's evidence.
pub struct Shelf<'a> {
    /// The cluster.
    pub client: &'a Client,
    /// Field manager of the operator.
    pub manager: &'a str,
    /// The lease's object.
    pub lease: &'a ComputeLease,
}

impl Shelf<'_> {
    fn home(&self) -> String {
        self.lease.namespace().unwrap_or_default()
    }

    /// Puts a statement on its day's page; the name of the page.
    ///
    /// # Errors
    /// As [`EvidenceError`] says; nothing is lost that was there.
    pub async fn keep(&self, pages: &[String], statement: &Statement) -> Result<String, EvidenceError> {
        let object = self.lease.name_any();
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.home());
        let mut name = page(&object, pages, statement.to);
        for _ in 0..PAGES {
            let found = within("read a page of statements", maps.get_opt(&name)).await?;
            let bytes = found
                .as_ref()
                .and_then(|map| map.binary_data.as_ref()?.get(PAGE_KEY))
                .map(|bytes| bytes.0.as_slice());
            let appended = append(bytes, statement).map_err(|source| EvidenceError::Page {
                name: name.clone(),
                source,
            })?;
            match appended {
                Appended::Known => return Ok(name),
                Appended::Full => name = page_after(&object, &name),
                Appended::Page(bytes) => {
                    let version = found.as_ref().and_then(ResourceExt::resource_version);
                    let map = self.page(&name, bytes, version);
                    match found {
                        Some(_) => drop(apply(&maps, self.manager, &map).await?),
                        None => drop(create(&maps, self.manager, &map).await?),
                    }
                    return Ok(name);
                }
            }
        }
        Err(EvidenceError::Pages(name))
    }

    /// Owned by the lease's object, so that it leaves with it; the version fences off a frozen leader.
    fn page(&self, name: &str, bytes: Vec<u8>, version: Option<String>) -> ConfigMap {
        let labels = [
            (LEASE_LABEL, self.lease.spec.lease_id.clone()),
            (MANAGED_BY_LABEL, MANAGED_BY.to_owned()),
        ];
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(self.home()),
                resource_version: version,
                labels: Some(
                    labels
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                ),
                owner_references: self.lease.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            binary_data: Some(BTreeMap::from([(PAGE_KEY.to_owned(), ByteString(bytes))])),
            ..ConfigMap::default()
        }
    }

    /// Writes the newest receipt and the names of all pages into status.
    ///
    /// # Errors
    /// The request failed or took longer than 5 s.
    pub async fn note(
        &self,
        receipt: &UsageReceipt,
        at: Time,
        pages: &[String],
    ) -> Result<(), EvidenceError> {
        let usage = json!({ "receipt": receipt, "lastReport": at, "evidence": pages });
        Ok(self.patch(&usage).await?)
    }

    /// Deletes every page, then forgets their names; the receipt stays.
    ///
    /// # Errors
    /// A request failed or took longer than 5 s.
    pub async fn clear(&self) -> Result<(), EvidenceError> {
        let Some(usage) = self
            .lease
            .status
            .as_ref()
            .and_then(|status| status.usage.as_ref())
        else {
            return Ok(());
        };
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.home());
        for name in &usage.evidence {
            if let Some(found) = within("read a page of statements", maps.get_opt(name)).await? {
                delete(&maps, &found, Grace::Own).await?;
            }
        }
        let kept = json!({ "receipt": usage.receipt, "lastReport": usage.last_report });
        Ok(self.patch(&kept).await?)
    }

    async fn patch(&self, usage: &serde_json::Value) -> Result<(), KubeError> {
        let name = self.lease.name_any();
        let patch = json!({
            "apiVersion": ComputeLease::api_version(&()),
            "kind": ComputeLease::kind(&()),
            "metadata": { "name": name, "uid": self.lease.uid() },
            "status": { "usage": usage },
        });
        let leases = Api::<ComputeLease>::namespaced(self.client.clone(), &self.home());
        let params = PatchParams::apply(RECEIPT_MANAGER).force();
        within(
            "write a receipt",
            leases.patch_status(&name, &params, &Patch::Apply(patch)),
        )
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::{
        api::{lease::LeaseTerms, request::RequestSummary},
        core::{documents::statement::tests::statement, usage::archive::unpack},
        kube_io::mock::{self, failure},
    };

    fn lease() -> ComputeLease {
        serde_json::from_value(json!({
            "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeLease",
            "metadata": { "name": "lp-1", "namespace": "gpu-provider", "uid": "u", "resourceVersion": "7" },
            "spec": {
                "marketRef": { "name": "m" }, "providerRef": { "name": "p" }, "leaseId": "7-0-1", "termsHash": "0x", "orderHash": "0x",
                "tenant": "0x", "needsHash": "0x", "manifestHash": "0x", "needs": "{}",
                "request": RequestSummary::default(), "terms": LeaseTerms::default(),
            },
        }))
        .unwrap()
    }

    fn statements(map: &Value) -> Vec<Statement> {
        let map: ConfigMap = serde_json::from_value(map.clone()).unwrap();
        unpack(&map.binary_data.unwrap().remove(PAGE_KEY).unwrap().0).unwrap()
    }

    #[tokio::test]
    async fn statements_of_a_day_gather_on_one_page_beside_the_lease_that_owns_it() {
        let stored: Arc<Mutex<Option<Value>>> = Arc::default();
        let held = stored.clone();
        let (client, log) = mock::client(move |request| {
            let mut stored = held.lock().unwrap();
            match (request.method.as_str(), stored.clone()) {
                ("GET", None) => failure(404, "NotFound"),
                ("GET", Some(map)) => (200, map),
                _ => {
                    let mut map = request.body.clone();
                    map["metadata"]["resourceVersion"] = json!("8");
                    *stored = Some(map.clone());
                    (200, map)
                }
            }
        });
        let lease = lease();
        let shelf = Shelf {
            client: &client,
            manager: "m",
            lease: &lease,
        };
        let (one, two) = (statement(1_000, 1_300, 300), statement(1_300, 1_600, 550));
        let page = shelf.keep(&[], &one).await.unwrap();
        assert_eq!(page, "lp-1-19700101");
        let pages = [page];
        assert_eq!(shelf.keep(&pages, &two).await.unwrap(), pages[0]);
        // Kept twice it is there once, and nothing is written.
        let writes = log.asked().len();
        assert_eq!(shelf.keep(&pages, &two).await.unwrap(), pages[0]);
        assert_eq!(log.asked().len(), writes + 1);
        let map = stored.lock().unwrap().clone().unwrap();
        assert_eq!(statements(&map), [one, two]);
        assert_eq!(map["metadata"]["namespace"], "gpu-provider");
        assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], "u");
    }
}
