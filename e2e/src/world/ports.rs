//! Ports for the parts of a world. In a network namespace of its own every part has its customary one; on the host's
//! loopback free ones are picked, outside of the range from which the kernel takes source ports: while a part is down, whoever
//! calls it again and again would sooner or later be given its very port to call from, and the part could not come back.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::{fs, io};

/// Where ports are picked: below the kernel's range, above what services use by custom.
const LEAST: u16 = 20_000;
/// Where the kernel's own range begins if it does not say.
const KERNELS: u16 = 32_768;

/// The ports of one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) apiserver: u16,
    pub(super) controller_manager: u16,
    pub(super) scheduler: u16,
    pub(super) kwok: u16,
    pub(super) chain: u16,
}

impl Ports {
    /// The customary ones.
    pub(super) fn customary() -> Self {
        Self {
            etcd: 2379,
            etcd_peer: 2380,
            apiserver: 6443,
            controller_manager: 10257,
            scheduler: 10259,
            kwok: 10247,
            chain: 8545,
        }
    }

    /// Free ones on loopback. All are held until the last is picked, so that none is picked twice.
    pub(super) fn free() -> io::Result<Self> {
        let range = eligible();
        // Beginning somewhere else each time, so that two worlds that start at once hardly meet.
        let skipped = usize::try_from(RandomState::new().hash_one(0)).unwrap_or_default() % range.len();
        let mut held = Vec::new();
        let mut candidates = range.clone().cycle().skip(skipped).take(range.len());
        let mut next = || -> io::Result<u16> {
            for port in candidates.by_ref() {
                if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                    held.push(listener);
                    return Ok(port);
                }
            }
            Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("no port from {} to {} is free", range.start, range.end),
            ))
        };
        Ok(Self {
            etcd: next()?,
            etcd_peer: next()?,
            apiserver: next()?,
            controller_manager: next()?,
            scheduler: next()?,
            kwok: next()?,
            chain: next()?,
        })
    }
}

/// Ports that no connection is given by itself; the customary range where the kernel's own leaves too little.
fn eligible() -> Range<u16> {
    let told = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let begins = told.split_whitespace().next().and_then(|word| word.parse().ok());
    LEAST..begins.filter(|begins| *begins >= LEAST + 1000).unwrap_or(KERNELS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let ports = Ports::free().unwrap();
        let all = [
            ports.etcd,
            ports.etcd_peer,
            ports.apiserver,
            ports.controller_manager,
            ports.scheduler,
            ports.kwok,
            ports.chain,
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        // Or a part that comes back finds its port taken by whoever called it meanwhile.
        assert!(all.iter().all(|port| eligible().contains(port)), "{all:?}");
        for port in all {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
