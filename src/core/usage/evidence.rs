//! What a report's counts rest on, as a Merkle tree whose root stands in the report's event and in each receipt. The shape is OpenZeppelin's
//! StandardMerkleTree (leaves hashed twice, sorted; pairs sorted), so their MerkleProof verifies it. May not observe devices.

use alloy::{
    primitives::{B256, keccak256},
    sol,
    sol_types::SolValue,
};

use self::abi::Leaf;
use crate::core::{documents::acts::seconds40, ids::LeaseKey};

#[allow(missing_docs, reason = "sol! also expands items that no comment reaches")]
mod abi {
    use super::sol;

    sol! {
        #[derive(Debug, PartialEq, Eq, Hash)]
        struct Leaf {
            uint96 id;
            bytes32 termsHash;
            uint40 from;
            uint40 to;
            uint32 cum;
            bytes32 devices;
        }
    }
}

/// What one lease did since its last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Which lease.
    pub lease: LeaseKey,
    /// The instant of the report before, or of the start, in Unix seconds.
    pub from: u64,
    /// The instant the count is for, in Unix seconds.
    pub to: u64,
    /// Billable seconds since the start.
    pub cum: u32,
    /// [`device_digest`] of what the replicas held.
    pub devices: B256,
}

impl Evidence {
    /// `keccak256(keccak256(abi.encode(id, termsHash, from, to, cum, devices)))`.
    #[must_use]
    pub fn leaf(&self) -> B256 {
        let leaf = Leaf {
            id: self.lease.id.to_u96(),
            termsHash: self.lease.terms.0,
            from: seconds40(self.from),
            to: seconds40(self.to),
            cum: self.cum,
            devices: self.devices,
        };
        keccak256(keccak256(leaf.abi_encode()))
    }
}

/// One hash for a set of device ids, whatever their order: keccak-256 of the keccak-256 of each, sorted by id, each once.
#[must_use]
pub fn device_digest<'a>(ids: impl IntoIterator<Item = &'a str>) -> B256 {
    let sorted: std::collections::BTreeSet<&str> = ids.into_iter().collect();
    let hashes: Vec<u8> = sorted.into_iter().flat_map(|id| keccak256(id).0).collect();
    keccak256(hashes)
}

/// A tree over leaf hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Root first, children of `i` at `2i + 1` and `2i + 2`, sorted leaves at the end in reverse.
    nodes: Vec<B256>,
    leaves: usize,
}

impl Tree {
    /// A tree over these leaves, in any order.
    #[must_use]
    pub fn over(leaves: impl IntoIterator<Item = B256>) -> Self {
        let mut sorted: Vec<B256> = leaves.into_iter().collect();
        sorted.sort_unstable();
        // Built from the end: the reversed list is the sorted leaves, then parents down to the root.
        let count = sorted.len();
        let mut reversed = sorted;
        for pair in 0..count.saturating_sub(1) {
            // The right child of a parent lies further behind, that is earlier in the reversed list.
            let (right, left) = (
                reversed.get(2 * pair).copied(),
                reversed.get(2 * pair + 1).copied(),
            );
            reversed.push(node(left.unwrap_or_default(), right.unwrap_or_default()));
        }
        reversed.reverse();
        Self {
            nodes: reversed,
            leaves: count,
        }
    }

    /// The root; zero for no leaf at all.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.nodes.first().copied().unwrap_or_default()
    }

    /// The siblings from a leaf to the root; none when it is not in the tree.
    #[must_use]
    pub fn proof(&self, leaf: B256) -> Option<Vec<B256>> {
        let first = self.nodes.len() - self.leaves;
        let mut at = first + self.nodes.iter().skip(first).position(|node| *node == leaf)?;
        let mut siblings = Vec::new();
        while at > 0 {
            let sibling = if at.is_multiple_of(2) { at - 1 } else { at + 1 };
            siblings.push(*self.nodes.get(sibling)?);
            at = (at - 1) / 2;
        }
        Some(siblings)
    }
}

/// Whether a leaf with these siblings leads to a root (OpenZeppelin `MerkleProof.verify`).
#[must_use]
pub fn verify(leaf: B256, siblings: &[B256], root: B256) -> bool {
    siblings.iter().fold(leaf, |below, sibling| node(below, *sibling)) == root
}

/// keccak-256 of both, the smaller first.
fn node(a: B256, b: B256) -> B256 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    keccak256([low.0, high.0].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::primitives::{Address, U256, b256};
    use proptest::prelude::*;

    use super::*;
    use crate::core::ids::{Generation, Lane, LeaseId, ProviderId, TermsHash};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_leaf_proves_itself_and_no_other_does(seeds in prop::collection::hash_set(any::<[u8; 32]>(), 1..24), stranger: [u8; 32]) {
            let leaves: Vec<B256> = seeds.iter().map(|seed| B256::from(*seed)).collect();
            let tree = Tree::over(leaves.clone());
            for leaf in &leaves {
                prop_assert!(verify(*leaf, &tree.proof(*leaf).unwrap(), tree.root()));
            }
            prop_assert_eq!(tree.proof(stranger.into()).is_some(), seeds.contains(&stranger));
            let mut turned = leaves;
            turned.reverse();
            prop_assert_eq!(Tree::over(turned).root(), tree.root());
        }
    }

    #[test]
    fn the_tree_is_the_one_openzeppelin_documents() {
        // The example in the README of @openzeppelin/merkle-tree: (address, uint256) leaves and their published root.
        let leaf = |byte: u8, tenths: u64| {
            let amount = U256::from(tenths) * U256::from(10).pow(U256::from(17));
            keccak256(keccak256((Address::repeat_byte(byte), amount).abi_encode()))
        };
        let tree = Tree::over([leaf(0x11, 50), leaf(0x22, 25)]);
        assert_eq!(
            tree.root(),
            b256!("0xd4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77")
        );
    }

    #[test]
    fn a_tree_without_leaves_has_the_zero_root() {
        assert_eq!(Tree::over([]).root(), B256::ZERO);
        assert_eq!(Tree::over([]).proof(B256::ZERO), None);
    }

    #[test]
    fn the_order_of_devices_does_not_matter_and_their_set_does() {
        assert_eq!(device_digest(["a", "b", "a"]), device_digest(["b", "a"]));
        assert_ne!(device_digest(["ab"]), device_digest(["a", "b"]));
    }

    #[test]
    fn a_leaf_binds_lease_terms_interval_count_and_devices() {
        let lease = LeaseKey {
            id: LeaseId {
                provider: ProviderId(7),
                lane: Lane(0),
                generation: Generation::new(1).unwrap(),
            },
            terms: TermsHash(B256::repeat_byte(1)),
        };
        let evidence = Evidence {
            lease,
            from: 1,
            to: 2,
            cum: 1,
            devices: B256::ZERO,
        };
        let others = [
            Evidence {
                from: 0,
                ..evidence.clone()
            },
            Evidence {
                to: 3,
                ..evidence.clone()
            },
            Evidence {
                cum: 2,
                ..evidence.clone()
            },
            Evidence {
                devices: B256::repeat_byte(9),
                ..evidence.clone()
            },
            Evidence {
                lease: LeaseKey {
                    terms: TermsHash(B256::repeat_byte(2)),
                    ..lease
                },
                ..evidence
            },
        ];
        for other in others {
            assert_ne!(other.leaf(), evidence.leaf());
        }
    }
}
