//! Where replicas would go. Replicas of a lease are equal, so each node's room is a plain number of them and filling the fullest
//! nodes first both fits whenever anything fits and leaves whole nodes whole for the next order. May not look at pods.

use thiserror::Error;

use super::{NodeOrder, NodeRoom};
use crate::core::resources::Resources;

/// One replica's node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placement {
    /// Which replica, from 0.
    pub replica: u16,
    /// The node's name.
    pub node: String,
}

/// Every replica has a node. The scheduler decides where pods really go; this proves that there is room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// One a replica, in order.
    pub placements: Vec<Placement>,
    /// Devices on open nodes that stay free afterwards.
    pub free_after: u32,
}

/// Why replicas do not fit, with the numbers an owner needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoFit {
    /// The offer's selector matches no node.
    #[error("no node matches the offer's node selector: label nodes or change spec.nodes.selector")]
    NoNodes,
    /// There are nodes, none open.
    #[error(
        "none of {nodes} nodes takes new work: {closed} cordoned or tainted, {not_ready} not ready, {unknown} unknown"
    )]
    NoneOpen {
        /// All nodes of the offer.
        nodes: usize,
        /// Cordoned or tainted.
        closed: usize,
        /// Not ready.
        not_ready: usize,
        /// Not heard of.
        unknown: usize,
    },
    /// One replica is larger than the largest open node, even empty.
    #[error("one replica asks for {asked} {amount}, the largest open node has {largest}")]
    TooLarge {
        /// Which amount: gpus, cpuMilli, memoryMiB, storageMiB; `together` where each fits on some node but not all on one.
        amount: &'static str,
        /// What one replica asks.
        asked: u64,
        /// The most any open node has.
        largest: u64,
    },
    /// Others use the room now.
    #[error(
        "{fitting} of {asked} replicas of {replica} fit now; {free_devices} devices are free on open nodes"
    )]
    NotNow {
        /// How many fit.
        fitting: u32,
        /// How many were asked.
        asked: u16,
        /// The size of each.
        replica: Resources,
        /// Devices free on open nodes.
        free_devices: u32,
    },
    /// It fits, but too few devices would stay for the owner.
    #[error(
        "{left} devices would stay free and the offer keeps {keep_free}: wait, or lower spec.capacity.keepFree.gpus"
    )]
    KeptFree {
        /// Devices that would stay.
        left: u32,
        /// Devices that must stay.
        keep_free: u32,
    },
}

impl NoFit {
    /// The reason as conditions, events and counters spell it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoNodes => "NoNodes",
            Self::NoneOpen { .. } => "NoNodeOpen",
            Self::TooLarge { .. } => "ReplicaTooLarge",
            Self::NotNow { .. } => "NoCapacity",
            Self::KeptFree { .. } => "CapacityKeptFree",
        }
    }
}

fn free_devices(rooms: &[NodeRoom]) -> u32 {
    rooms
        .iter()
        .filter(|room| room.order == NodeOrder::Open)
        .fold(0u32, |sum, room| sum.saturating_add(room.free().gpus))
}

/// Takes room for a pod that waits, where it fits tightest; one that fits nowhere takes nothing.
pub(super) fn reserve(rooms: &mut [NodeRoom], amount: &Resources) {
    let tightest = rooms
        .iter_mut()
        .filter(|room| room.order == NodeOrder::Open && room.fits(amount) > 0)
        .min_by_key(|room| (room.free().gpus, room.free().cpu_milli));
    if let Some(room) = tightest {
        room.take(*amount, 1);
    }
}

pub(super) fn place(
    rooms: &[NodeRoom],
    replica: &Resources,
    replicas: u16,
    keep_free: u32,
) -> Result<Fit, NoFit> {
    if rooms.is_empty() {
        return Err(NoFit::NoNodes);
    }
    let count = |order: NodeOrder| rooms.iter().filter(|room| room.order == order).count();
    let mut open: Vec<&NodeRoom> = rooms
        .iter()
        .filter(|room| room.order == NodeOrder::Open)
        .collect();
    if open.is_empty() {
        return Err(NoFit::NoneOpen {
            nodes: rooms.len(),
            closed: count(NodeOrder::Closed),
            not_ready: count(NodeOrder::NotReady),
            unknown: count(NodeOrder::Unknown),
        });
    }
    if open.iter().all(|room| room.fits_empty(replica) == 0) {
        return Err(too_large(&open, replica));
    }
    // Fullest first; the name last, so that equal pictures give equal answers.
    open.sort_by(|a, b| {
        (a.free().gpus, a.free().cpu_milli, &a.name).cmp(&(b.free().gpus, b.free().cpu_milli, &b.name))
    });
    let fitting = open
        .iter()
        .fold(0u32, |sum, room| sum.saturating_add(room.fits(replica)));
    let free = free_devices(rooms);
    if fitting < u32::from(replicas) {
        return Err(NoFit::NotNow {
            fitting,
            asked: replicas,
            replica: *replica,
            free_devices: free,
        });
    }
    let left = free.saturating_sub(replica.gpus.saturating_mul(u32::from(replicas)));
    if left < keep_free {
        return Err(NoFit::KeptFree { left, keep_free });
    }
    let nodes = open.iter().flat_map(|room| {
        let here = usize::try_from(room.fits(replica)).unwrap_or(usize::MAX);
        std::iter::repeat_n(&room.name, here.min(usize::from(replicas)))
    });
    let placements = (0..replicas)
        .zip(nodes)
        .map(|(replica, node)| Placement {
            replica,
            node: node.clone(),
        })
        .collect();
    Ok(Fit {
        placements,
        free_after: left,
    })
}

type Amount = fn(&Resources) -> u64;

fn too_large(open: &[&NodeRoom], replica: &Resources) -> NoFit {
    let largest = |amount: Amount| {
        open.iter()
            .map(|room| amount(&room.allocatable))
            .max()
            .unwrap_or(0)
    };
    let rows: [(&'static str, Amount); 4] = [
        ("gpus", |amounts| u64::from(amounts.gpus)),
        ("cpuMilli", |amounts| amounts.cpu_milli),
        ("memoryMiB", |amounts| amounts.memory_mib),
        ("storageMiB", |amounts| amounts.storage_mib),
    ];
    rows.into_iter()
        .map(|(amount, of)| (amount, of(replica), largest(of)))
        .find(|(_, asked, largest)| asked > largest)
        .map_or(
            NoFit::TooLarge {
                amount: "together",
                asked: 1,
                largest: 0,
            },
            |(amount, asked, largest)| NoFit::TooLarge {
                amount,
                asked,
                largest,
            },
        )
}
