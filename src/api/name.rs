//! Names that are part of the API: annotations, finalizers, field managers, priority classes, and the names of objects that must be found
//! again. Labels and roles of lease namespaces are named where those are built.

/// Finalizer of a ComputeLease: the lease is closed on chain before its object leaves.
pub const CLOSE_FINALIZER: &str = "leaseport.dev/close";
/// Annotation that releases [`CLOSE_FINALIZER`] whatever the chain says; its value must be the lease id. What was not yet reported is lost.
pub const ABANDON_ANNOTATION: &str = "leaseport.dev/abandon";
/// Field manager of the operator.
pub const OPERATOR_MANAGER: &str = "leaseport-operator";
/// Field manager of the gateway, which owns `status.manifest` of a ComputeLease.
pub const GATEWAY_MANAGER: &str = "leaseport-gateway";
/// Namespace of the operator and the gateway in deploy/.
pub const SYSTEM_NAMESPACE: &str = "leaseport-system";
/// PriorityClass of lease pods.
pub const LEASE_PRIORITY: &str = "leaseport-lease";
/// PriorityClass of placeholder pods.
pub const HOLD_PRIORITY: &str = "leaseport-hold";
/// PriorityClass of pods of interruptible leases.
pub const INTERRUPTIBLE_PRIORITY: &str = "leaseport-interruptible";

/// Name of the ComputeTransaction that uses a nonce of a wallet.
#[must_use]
pub fn transaction(wallet: &str, nonce: u64) -> String {
    format!("{wallet}-{nonce}")
}
