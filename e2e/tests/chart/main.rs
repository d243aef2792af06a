//! charts/leaseport through both helms, without a cluster: what it renders, what it refuses, and that deploy/ is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod airgap;
mod manifests;
mod mistakes;
mod rendered;

use std::path::Path;
use std::sync::LazyLock;

use leaseport_e2e::chart::ChartTools;

/// helm, helm3 and kubeconform, prepared once for all tests.
static TOOLS: LazyLock<ChartTools> = LazyLock::new(|| {
    ChartTools::prepare(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("chart-home")).unwrap()
});
