//! The reasons that the code can give, read from its sources: every CamelCase word in a string of the modules that decide and tell. What is such a
//! word and no reason is listed, so that a new one is a decision.

use std::{collections::BTreeSet, fs};

use regex::Regex;

use crate::page::root;

/// Where reasons are spelled.
const SOURCES: [&str; 30] = [
    "src/api/condition.rs",
    "src/core/plan/market.rs",
    "src/core/plan/registration.rs",
    "src/core/plan/bid.rs",
    "src/core/plan/dispute.rs",
    "src/core/plan/orphan.rs",
    "src/core/plan/lease/conditions.rs",
    "src/core/plan/lease/due.rs",
    "src/core/plan/lease/ending.rs",
    "src/core/plan/lease/finished.rs",
    "src/core/plan/lease/loss.rs",
    "src/core/plan/lease/mod.rs",
    "src/core/plan/lease/seen.rs",
    "src/core/plan/lease/silence.rs",
    "src/core/market/refusal.rs",
    "src/core/delivery/assess.rs",
    "src/core/delivery/finish.rs",
    "src/core/delivery/pod.rs",
    "src/core/delivery/table.rs",
    "src/controllers/market.rs",
    "src/controllers/offer.rs",
    "src/controllers/receipt.rs",
    "src/controllers/provider_disputes.rs",
    "src/controllers/lease.rs",
    "src/act/lease.rs",
    "src/act/transact/refuse.rs",
    "src/act/transact/convert.rs",
    "src/act/transact/wallet.rs",
    "src/chain_io/contracts.rs",
    "src/kube_io/error.rs",
];

/// Such words that are no reasons: kinds, contracts, condition types, what an event says was done, and what the kubelet's own fields hold.
const OTHERS: [&str; 60] = [
    "ChainSynced",
    "ComputeLease",
    "ComputeMarket",
    "ComputeOffer",
    "ComputeProvider",
    "ContainerCreating",
    "ContractsVerified",
    "Decline",
    "Delivered",
    "Dispute",
    "DisputeCourt",
    "Disputed",
    "DisruptionTarget",
    "EndpointsAgree",
    "EndpointsReachable",
    "False",
    "FinalityAdvancing",
    "Finalize",
    "Finished",
    "Follow",
    "Funded",
    "Healthy",
    "Held",
    "KeysValid",
    "Lease",
    "LeaseBook",
    "Lens",
    "ManifestReceived",
    "Metering",
    "NodesFound",
    "NonceForeign",
    "Observe",
    "Params",
    "PodInitializing",
    "PodReadyToStartContainers",
    "PodScheduled",
    "Posted",
    "ProviderReady",
    "Ready",
    "Refuse",
    "Registered",
    "Report",
    "StakeSufficient",
    "StakeVault",
    "Stalled",
    "Start",
    "Started",
    "Stop",
    "Stopped",
    "Succeeded",
    "Suspended",
    "True",
    "Unhealthy",
    "Unknown",
    "WatchesLive",
    "Closed",
    "Failed",
    "Complete",
    "Starting",
    "Final",
];

/// Every reason.
pub(crate) fn of_the_code() -> BTreeSet<String> {
    let word = Regex::new(r#""([A-Z][a-z]+(?:[A-Z][a-z]*)*)""#).unwrap();
    let mut found = BTreeSet::new();
    for path in SOURCES {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        found.extend(word.captures_iter(code).map(|it| it[1].to_owned()));
    }
    found
}

/// Whether a word of the sources is no reason.
pub(crate) fn is_other(word: &str) -> bool {
    OTHERS.contains(&word)
}
