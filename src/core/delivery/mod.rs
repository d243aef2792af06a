//! Whether each replica is delivered: what the provider owes and no more. One table names the owner of every reason why something
//! does not run; a tenant's own reason counts as delivered, an undecidable one as unknown. May not read a clock, nor close or bill anything.

mod assess;
mod finish;
mod metered;
mod pod;
mod table;

pub use assess::{Expected, PullBilling, Replica, assess, explain};
pub use finish::{Finish, finish};
pub use metered::metered;
pub use table::{Place, Row, Ruling, TABLE, rule};

use crate::core::time::UnixMillis;

/// Who has to put something right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Image, program, limits, values: the clock runs, the tenant is told.
    Tenant,
    /// Node, device, runtime, the admin's own policies: the clock stands.
    Provider,
}

/// One thing that was found, as conditions, events and metrics spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// CamelCase; Kubernetes' own word where it has one.
    pub reason: String,
    /// For people: which container or node, and what the cluster said, at most 512 characters.
    pub message: String,
}

/// Whether a device works, as the kubelet says (KEP-4680).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceHealth {
    /// It works.
    Healthy,
    /// It does not.
    Unhealthy,
    /// The device plugin is gone or says nothing.
    Unknown,
}

/// A device allocated to a replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The device's id as its plugin names it, a GPU's UUID; a shared unit's `::n` is cut off.
    pub uuid: String,
    /// Its health.
    pub health: DeviceHealth,
}

/// One container as the kubelet saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerProof {
    /// Its name in the manifest.
    pub name: String,
    /// The runtime's id, none while nothing could be started for the tenant's own reason.
    pub id: Option<String>,
    /// When the kubelet says it started.
    pub started_at: Option<UnixMillis>,
}

/// What shows that a replica is delivered; two equal proofs around a gap show that nothing changed within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The pod's uid.
    pub pod_uid: String,
    /// The pod's name.
    pub pod: String,
    /// The node's name.
    pub node: String,
    /// Its containers, in the pod's order.
    pub containers: Vec<ContainerProof>,
    /// When the last of what is running was started; none while nothing runs for the tenant's own reason.
    pub started_at: Option<UnixMillis>,
    /// Its devices, sorted.
    pub devices: Vec<Device>,
}

/// The end of a replica's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What ended.
    pub proof: Proof,
    /// When the last of its containers ended.
    pub at: UnixMillis,
}

/// What is known of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assessment {
    /// The provider's part is done and the clock runs.
    Delivered {
        /// What shows it.
        proof: Proof,
        /// What the tenant should put right, if anything.
        note: Option<Finding>,
    },
    /// Not delivered; the clock stands. The tenant owns it only when its program has ended for good.
    NotDelivered {
        /// Who has to act.
        owner: Owner,
        /// Why.
        finding: Finding,
    },
    /// Nobody can tell yet; settled later by proof.
    Unknown(Finding),
}

impl Finding {
    /// A finding with a message that is safe to show: bounded, without control characters.
    #[must_use]
    pub fn new(reason: &str, message: &str) -> Self {
        let plain = |text: &str, most: usize| -> String {
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(most)
                .collect()
        };
        Self {
            reason: plain(reason, 128),
            message: plain(message, 512),
        }
    }
}

#[cfg(test)]
mod tests;
