//! Names that are part of the API: labels, annotations, finalizers, field managers, and the names of objects that must be found again.

/// Label of everything that belongs to a lease, its namespace first; the value is the lease id, `7-0-1`.
pub const LEASE_LABEL: &str = "leaseport.dev/lease";
/// Label of a lease's namespace: the EIP-155 chain id. The admission policy of deploy/ fences our own accounts by its presence.
pub const CHAIN_LABEL: &str = "leaseport.dev/chain";
/// Label of placeholder pods that hold capacity; the value is the name of their ComputeBid.
pub const BID_LABEL: &str = "leaseport.dev/bid";
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
/// ClusterRole that the operator binds to itself inside each lease's namespace.
pub const LEASE_OPERATOR_ROLE: &str = "leaseport-lease-operator";
/// ClusterRole that the operator binds to the gateway inside each lease's namespace.
pub const LEASE_GATEWAY_ROLE: &str = "leaseport-lease-gateway";
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
