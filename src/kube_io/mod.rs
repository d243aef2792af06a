//! The cluster's shell: reflectors, server-side apply, status, finalizers, events. Knows no chain and makes no plan.
