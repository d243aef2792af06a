//! Ports for the parts of a world. In a network namespace of its own every part has its customary one; on the host's
//! loopback free ones are picked.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

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
        let mut held = Vec::new();
        let mut next = || -> io::Result<u16> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
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
        for port in all {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
