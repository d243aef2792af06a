//! An order: a tenant's funded wish, and its id. Mirrors `Order` of contracts/src/types/Types.sol field by field; vectors prove it.
//! May not judge an order: that is `core::market`.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{
    primitives::{B256, aliases::U48},
    sol,
    sol_types::SolStruct,
};

use crate::core::{ids::OrderHash, money::MicroUnits};

sol! {
    /// A tenant's funded wish. Everything but `deposit` is for one lot; `deposit` is what all lots together put into escrow.
    /// Money in micro-units, rates in micro-units an hour, durations in seconds, instants in Unix seconds.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Order {
        /// Who owns the order and its leases.
        address tenant;
        /// May act for the tenant; may be zero; can never change where money returns to.
        address agent;
        /// Who receives what is left of the deposit.
        address refundTo;
        /// 0 auction, 1 dutch.
        uint8 form;
        /// Index into the token list of Params.
        uint8 token;
        /// Bit 0 reserved (else metered), bit 1 interruptible.
        uint8 flags;
        /// Identical parts at one provider, all or nothing.
        uint16 lots;
        /// Dutch only: the rate at posting.
        uint48 startRate;
        /// The most a lot may cost in an hour; 0 in an auction: not said.
        uint48 maxRate;
        /// Dutch only: seconds from startRate to maxRate.
        uint32 climb;
        /// For all lots together; a multiple of `lots`.
        uint64 deposit;
        /// The deposit must cover this long at the bid's rate.
        uint32 minDuration;
        /// A lease ends by itself after this long.
        uint32 maxDuration;
        /// Commitment against which the early fee is counted.
        uint32 minCommit;
        /// Share of the rent of the missing commitment, in 1/10,000.
        uint16 earlyFeeBps;
        /// How long before the end a provider must say so.
        uint32 notice;
        /// Unpaid seconds after which the provider may evict; held back from the deposit, so they are paid.
        uint32 grace;
        /// How long the provider may take from the opening to the start.
        uint32 startWindow;
        /// The least bond a bid must name.
        uint64 minBond;
        /// The least the provider must have been paid under tenants' signatures.
        uint64 minSignedPaid;
        /// Until when the order stands.
        uint32 expiry;
        /// Hash of the service level policy; 0: none.
        bytes32 slaPolicy;
        /// keccak-256 of the needs document.
        bytes32 needsHash;
        /// keccak-256 of the salted manifest.
        bytes32 manifestHash;
        /// Merkle root of the providers who may fill; 0: anyone.
        bytes32 eligible;
        /// keccak-256 of the bid endpoint; 0: none.
        bytes32 endpointHash;
        /// Makes the order unique.
        bytes32 salt;
    }
}

/// Who moves last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradeForm {
    /// The tenant accepts one of the bids.
    Auction,
    /// The acceptable rate climbs and the first provider fills.
    Dutch,
}

/// How time is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// Seconds in which the lease was delivered.
    Metered,
    /// Seconds in which the capacity was held.
    Reserved,
}

/// Whether the owner's own work may push the lease out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Only after the agreed notice.
    AfterNotice,
    /// With a short notice.
    Interruptible,
}

impl Order {
    /// Bit of `flags` that asks for reserved billing.
    pub const RESERVED: u8 = 1;
    /// Bit of `flags` that allows interruption.
    pub const INTERRUPTIBLE: u8 = 2;

    /// The order's id: its EIP-712 struct hash without the domain, so that an order stays reachable when a chain forks.
    #[must_use]
    pub fn id(&self) -> OrderHash {
        OrderHash(self.eip712_hash_struct())
    }

    /// How it is traded, none for a form this program does not know.
    #[must_use]
    pub const fn trade_form(&self) -> Option<TradeForm> {
        match self.form {
            0 => Some(TradeForm::Auction),
            1 => Some(TradeForm::Dutch),
            _ => None,
        }
    }

    /// What a dutch order pays in an hour so many seconds after its posting: from startRate to maxRate in a straight line, rounded down, then
    /// maxRate (contracts/src/libraries/Rent.sol, `climbDown`).
    #[must_use]
    pub fn climbed(&self, elapsed: u64) -> U48 {
        if elapsed >= u64::from(self.climb) {
            return self.maxRate;
        }
        let rise = u128::from(self.maxRate.saturating_sub(self.startRate).to::<u64>());
        let risen = rise
            .saturating_mul(u128::from(elapsed))
            .checked_div(self.climb.into())
            .unwrap_or(0);
        self.startRate.saturating_add(U48::saturating_from(risen))
    }

    /// How time is billed.
    #[must_use]
    pub const fn billing(&self) -> Billing {
        if self.flags & Self::RESERVED == 0 {
            Billing::Metered
        } else {
            Billing::Reserved
        }
    }

    /// Whether it may be interrupted.
    #[must_use]
    pub const fn interruption(&self) -> Interruption {
        if self.flags & Self::INTERRUPTIBLE == 0 {
            Interruption::AfterNotice
        } else {
            Interruption::Interruptible
        }
    }

    /// Bits of `flags` that mean nothing to this program.
    #[must_use]
    pub const fn unknown_flags(&self) -> u8 {
        self.flags & !(Self::RESERVED | Self::INTERRUPTIBLE)
    }

    /// The escrow of one lot; none when `lots` is 0.
    #[must_use]
    pub const fn deposit_a_lot(&self) -> Option<MicroUnits> {
        match self.deposit.checked_div(self.lots as u64) {
            Some(share) => Some(MicroUnits(share)),
            None => None,
        }
    }

    /// Whether it names an agent that may act for the tenant.
    #[must_use]
    pub fn has_agent(&self) -> bool {
        !self.agent.is_zero()
    }

    /// Whether a bid endpoint goes with it.
    #[must_use]
    pub fn has_endpoint(&self) -> bool {
        self.endpointHash != B256::ZERO
    }
}
