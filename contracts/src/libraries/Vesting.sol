// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Money that vests: epoch 255..224 | cur 223..112 | prev 111..0. What is added during an epoch may be claimed from the second
/// epoch after it on, so after one to two lengths of an epoch.
type Bucket is uint256;

using Vesting for Bucket global;

/// @title Vesting
/// @notice A bucket of two epochs.
library Vesting {
    uint256 private constant MASK_112 = (1 << 112) - 1;

    /// @notice Moves the bucket to an epoch.
    /// @param epoch_ not below the bucket's
    /// @return rolled the bucket at that epoch
    /// @return vested what left it
    function roll(Bucket bucket, uint256 epoch_) internal pure returns (Bucket rolled, uint256 vested) {
        uint256 then = epoch(bucket);
        if (epoch_ == then) return (bucket, 0);
        unchecked {
            // 32 and 112 bits: no sum is beyond 113.
            if (epoch_ == then + 1) return (_pack(epoch_, 0, cur(bucket)), prev(bucket));
            return (_pack(epoch_, 0, 0), prev(bucket) + cur(bucket));
        }
    }

    /// @notice Adds to the current epoch. Reverts where 112 bits would not hold it.
    function add(Bucket bucket, uint256 amount) internal pure returns (Bucket) {
        uint256 sum = cur(bucket) + amount;
        // 2^112 micro-units are 5 * 10^27 tokens.
        assert(sum <= MASK_112);
        return _pack(epoch(bucket), sum, prev(bucket));
    }

    /// @notice Takes up to `amount`, the youngest first.
    function take(Bucket bucket, uint256 amount) internal pure returns (Bucket left, uint256 taken) {
        uint256 young = cur(bucket);
        uint256 old = prev(bucket);
        uint256 fromYoung = amount < young ? amount : young;
        uint256 fromOld = amount - fromYoung < old ? amount - fromYoung : old;
        return (_pack(epoch(bucket), young - fromYoung, old - fromOld), fromYoung + fromOld);
    }

    function epoch(Bucket bucket) internal pure returns (uint256) {
        return Bucket.unwrap(bucket) >> 224;
    }

    function cur(Bucket bucket) internal pure returns (uint256) {
        return (Bucket.unwrap(bucket) >> 112) & MASK_112;
    }

    function prev(Bucket bucket) internal pure returns (uint256) {
        return Bucket.unwrap(bucket) & MASK_112;
    }

    function _pack(uint256 epoch_, uint256 cur_, uint256 prev_) private pure returns (Bucket) {
        return Bucket.wrap((epoch_ << 224) | (cur_ << 112) | prev_);
    }
}
