//! Network rules of a lease: nothing in, nothing out, then names, the lease's own replicas, and the internet without anything that is
//! the provider's or a neighbour's. NetworkPolicy can only allow, so denied ports become the ranges between them.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::template::{BuildError, Dns, LeaseTemplate};

/// IANA special-purpose IPv4 blocks that are no tenant's business: private, shared, link-local (with every cloud's metadata address),
/// loopback, documentation, benchmark, multicast, reserved.
const CLOSED_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// The IPv6 ones, with every form that hides an IPv4 address on the wire (compatible, translated, 6to4, Teredo). Mapped addresses
/// (`::ffff:0:0/96`) never reach a wire as IPv6, and the API server refuses them here.
const CLOSED_V6: [&str; 11] = [
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// NodeLocal DNSCache's address, the default of Kubernetes' own manifest.
const NODE_LOCAL_DNS: &str = "169.254.20.10/32";

/// The policies, the denying one first.
pub(super) fn policies(template: &LeaseTemplate<'_>) -> Result<Vec<NetworkPolicy>, BuildError> {
    let mut policies = vec![deny_all(template)];
    policies.extend(names(template));
    policies.push(own_replicas(template));
    policies.push(internet(template)?);
    Ok(policies)
}

fn policy(template: &LeaseTemplate<'_>, name: &str, spec: NetworkPolicySpec) -> NetworkPolicy {
    NetworkPolicy {
        metadata: template.identity.metadata(name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            ..spec
        }),
    }
}

fn deny_all(template: &LeaseTemplate<'_>) -> NetworkPolicy {
    let both = vec!["Ingress".to_owned(), "Egress".to_owned()];
    policy(
        template,
        "deny-all",
        NetworkPolicySpec {
            policy_types: Some(both),
            ..NetworkPolicySpec::default()
        },
    )
}

fn egress(to: Vec<NetworkPolicyPeer>, ports: Vec<NetworkPolicyPort>) -> NetworkPolicySpec {
    NetworkPolicySpec {
        policy_types: Some(vec!["Egress".to_owned()]),
        egress: Some(vec![NetworkPolicyEgressRule {
            to: Some(to),
            ports: Some(ports).filter(|ports| !ports.is_empty()),
        }]),
        ..NetworkPolicySpec::default()
    }
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        ..LabelSelector::default()
    }
}

fn block(cidr: &str, except: Vec<String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except).filter(|except| !except.is_empty()),
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn host(address: &IpAddr) -> NetworkPolicyPeer {
    match address {
        IpAddr::V4(address) => block(&format!("{address}/32"), Vec::new()),
        IpAddr::V6(address) => block(&format!("{address}/128"), Vec::new()),
    }
}

fn names(template: &LeaseTemplate<'_>) -> Option<NetworkPolicy> {
    let to = match &template.ground.isolation.dns {
        Dns::Cluster => vec![
            NetworkPolicyPeer {
                namespace_selector: Some(labelled("kubernetes.io/metadata.name", "kube-system")),
                pod_selector: Some(labelled("k8s-app", "kube-dns")),
                ..NetworkPolicyPeer::default()
            },
            block(NODE_LOCAL_DNS, Vec::new()),
        ],
        // Which those are is the node's secret; public ones are reached like any other address.
        Dns::Node => return None,
        Dns::Servers(servers) if servers.is_empty() => return None,
        Dns::Servers(servers) => servers.iter().map(host).collect(),
    };
    let ports = ["UDP", "TCP"].map(|protocol| port(protocol, 53, 53)).to_vec();
    Some(policy(template, "allow-names", egress(to, ports)))
}

fn own_replicas(template: &LeaseTemplate<'_>) -> NetworkPolicy {
    let own = vec![NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }];
    let spec = NetworkPolicySpec {
        policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
        ingress: Some(vec![NetworkPolicyIngressRule {
            from: Some(own.clone()),
            ..NetworkPolicyIngressRule::default()
        }]),
        egress: Some(vec![NetworkPolicyEgressRule {
            to: Some(own),
            ..NetworkPolicyEgressRule::default()
        }]),
        ..NetworkPolicySpec::default()
    };
    policy(template, "allow-own-replicas", spec)
}

fn internet(template: &LeaseTemplate<'_>) -> Result<NetworkPolicy, BuildError> {
    let own = &template.ground.isolation.egress;
    let (mut v4, mut v6) = (
        CLOSED_V4.map(str::to_owned).to_vec(),
        CLOSED_V6.map(str::to_owned).to_vec(),
    );
    for cidr in &own.denied_blocks {
        match family(cidr).ok_or_else(|| BuildError::Block(cidr.chars().take(64).collect()))? {
            Family::V4 => v4.push(cidr.clone()),
            Family::V6 => v6.push(cidr.clone()),
        }
    }
    let to = vec![block("0.0.0.0/0", v4), block("::/0", v6)];
    let open = |protocol: &'static str| {
        between(&own.denied_ports)
            .into_iter()
            .map(move |(from, until)| port(protocol, from, until))
    };
    Ok(policy(
        template,
        "allow-internet",
        egress(to, open("TCP").chain(open("UDP")).collect()),
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// The family of an address block as the API server takes it: narrower than everything, without host bits, no IPv4 in IPv6's clothes.
/// None when it is no such block.
fn family(cidr: &str) -> Option<Family> {
    let (address, prefix) = cidr.split_once('/')?;
    let prefix: u32 = prefix.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) if (1..=32).contains(&prefix) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (address.to_bits() & host == 0).then_some(Family::V4)
        }
        IpAddr::V6(address) if (1..=128).contains(&prefix) && address.to_ipv4_mapped().is_none() => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (address.to_bits() & host == 0).then_some(Family::V6)
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn port(protocol: &str, from: u16, until: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(from))),
        end_port: Some(i32::from(until)).filter(|_| until > from),
    }
}

/// The port ranges left open between denied ports.
fn between(denied: &[u16]) -> Vec<(u16, u16)> {
    let mut denied = denied.to_vec();
    denied.sort_unstable();
    let (mut open, mut from) = (Vec::new(), 1u16);
    for port in denied {
        if port > from {
            open.push((from, port.saturating_sub(1)));
        }
        match port.checked_add(1) {
            Some(next) => from = from.max(next),
            None => return open,
        }
    }
    open.push((from, u16::MAX));
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_port_is_open_exactly_when_it_is_not_denied(denied in proptest::collection::vec(1u16.., 0..20), port in 1u16..) {
            let open = between(&denied).into_iter().any(|(from, until)| (from..=until).contains(&port));
            prop_assert_eq!(open, !denied.contains(&port));
            for edge in denied {
                prop_assert!(!between(&[edge]).into_iter().any(|(from, until)| (from..=until).contains(&edge)));
            }
        }
    }

    #[test]
    fn every_closed_block_is_one_of_its_family() {
        assert!(CLOSED_V4.iter().all(|cidr| family(cidr) == Some(Family::V4)));
        assert!(CLOSED_V6.iter().all(|cidr| family(cidr) == Some(Family::V6)));
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "a/8",
            "::1/129",
            "10.0.0.1/8",
            "fc00::1/7",
            "::ffff:0:0/96",
        ] {
            assert_eq!(family(bad), None, "{bad}");
        }
    }
}
