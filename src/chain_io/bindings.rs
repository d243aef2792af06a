//! The contracts' types as their committed ABI files say, once, and the way between them and our documents.
//! Nothing outside `chain_io` and `act` builds calls from these.

#![allow(
    missing_docs,
    reason = "generated from contracts/abi; the contracts' own NatSpec documents it"
)]
#![allow(clippy::too_many_arguments, reason = "generated from contracts/abi")]

use alloy::sol;

use crate::core::documents;

sol!(
    #[sol(rpc, all_derives)]
    LeaseBook,
    "contracts/abi/LeaseBook.json"
);

sol!(
    #[sol(rpc, all_derives)]
    StakeVault,
    "contracts/abi/StakeVault.json"
);

sol!(
    #[sol(rpc, all_derives)]
    DisputeCourt,
    "contracts/abi/DisputeCourt.json"
);

sol!(
    #[sol(rpc, all_derives)]
    Params,
    "contracts/abi/Params.json"
);

sol!(
    #[sol(rpc, all_derives)]
    Directory,
    "contracts/abi/Directory.json"
);

sol!(
    #[sol(rpc, all_derives)]
    Lens,
    "contracts/abi/Lens.json"
);

sol!(
    #[sol(rpc, all_derives)]
    TestDollar,
    "contracts/abi/TestDollar.json"
);

sol! {
    /// What we use of a token (ERC-20 and its metadata extension).
    #[sol(rpc, all_derives)]
    interface Erc20 {
        function symbol() external view returns (string memory);
        function decimals() external view returns (uint8);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 value) external returns (bool);
    }
}

/// Copies a struct of the ABI into the document of the same fields, and back.
macro_rules! same_fields {
    ($ours:ty, $theirs:ty { $($field:ident),+ $(,)? }) => {
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                Self { $($field: value.$field),+ }
            }
        }

        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                Self { $($field: value.$field),+ }
            }
        }
    };
}

same_fields!(
    documents::order::Order,
    LeaseBook::Order {
        tenant,
        agent,
        refundTo,
        form,
        token,
        flags,
        lots,
        startRate,
        maxRate,
        climb,
        deposit,
        minDuration,
        maxDuration,
        minCommit,
        earlyFeeBps,
        notice,
        grace,
        startWindow,
        minBond,
        minSignedPaid,
        expiry,
        slaPolicy,
        needsHash,
        manifestHash,
        eligible,
        endpointHash,
        salt,
    }
);

same_fields!(
    documents::bid::Bid,
    LeaseBook::Bid {
        orderHash,
        providerId,
        bidEpoch,
        lanesHash,
        ratePerHour,
        bond,
        liability,
        deadline,
    }
);

same_fields!(
    documents::offer::Offer,
    LeaseBook::Offer {
        classHash,
        providerId,
        bidEpoch,
        firstLane,
        count,
        token,
        ratePerHour,
        bond,
        liability,
        minDuration,
        maxDuration,
        notice,
        tenants,
        deadline,
        salt,
    }
);

same_fields!(
    documents::terms::Terms,
    LeaseBook::Terms {
        id,
        orderHash,
        tenant,
        agent,
        refundTo,
        token,
        flags,
        feeSteps,
        ratePerHour,
        bond,
        liability,
        maxDuration,
        minCommit,
        earlyFeeBps,
        notice,
        grace,
        slaPolicy,
        needsHash,
        manifestHash,
    }
);
