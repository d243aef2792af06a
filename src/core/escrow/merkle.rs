//! OpenZeppelin's standard Merkle tree of one word a leaf: whether a proof leads from a party to the root that an order or an offer names.
//! May not build trees.

use alloy::primitives::{B256, U256, keccak256};

/// A leaf, hashed twice so that no inner node passes for one.
fn leaf(word: U256) -> B256 {
    keccak256(keccak256(word.to_be_bytes::<32>()))
}

/// Whether the word is in the tree; a root of zero is everybody's.
pub(super) fn admits(root: B256, word: U256, proof: &[B256]) -> bool {
    root.is_zero()
        || proof.iter().fold(leaf(word), |node, sibling| {
            let (low, high) = if node < *sibling {
                (node, *sibling)
            } else {
                (*sibling, node)
            };
            keccak256([low.0, high.0].as_flattened())
        }) == root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_two_proves_itself_by_the_other_and_nobody_else_does() {
        let [one, two, three] = [1_u64, 2, 3].map(U256::from);
        let root = keccak256([leaf(one).min(leaf(two)).0, leaf(one).max(leaf(two)).0].as_flattened());
        assert!(admits(root, one, &[leaf(two)]));
        assert!(admits(root, two, &[leaf(one)]));
        assert!(!admits(root, three, &[leaf(two)]));
        assert!(!admits(root, one, &[]));
        assert!(admits(leaf(one), one, &[]));
        assert!(admits(B256::ZERO, three, &[]));
    }
}
