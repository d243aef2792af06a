//! A provider: keys, gateway, lanes with their counters and leases, stake and earnings.
//! Lanes live here so that a snapshot copies only the provider that an event touched.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256, U256};

use super::{
    event::{KeyRoles, TokenIndex},
    lease::LeaseState,
};
use crate::core::{
    ids::{Generation, Lane},
    money::MicroUnits,
    time::ChainSeconds,
};

/// Leases kept on one lane, the newest included; older ones are closed for ever and fall out.
const LEASES_PER_LANE: usize = 16;

/// A hot key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyState {
    /// What it may do; none once removed.
    pub roles: KeyRoles,
    /// From when.
    pub from: ChainSeconds,
    /// What the bids it signs must name.
    pub bid_epoch: u32,
}

/// Where tenants reach the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateway {
    /// A stranger chose it.
    pub url: String,
    /// SHA-256 of the TLS public key (SPKI); zero: publicly trusted.
    pub spki: B256,
    /// The one that follows, while it rotates.
    pub next_spki: B256,
}

/// Stake in one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StakeState {
    /// All of it.
    pub amount: MicroUnits,
    /// Bonds of pending leases.
    pub locked: MicroUnits,
    /// Asked back.
    pub unbonding: MicroUnits,
    /// From when the unbonding part may leave.
    pub unbond_at: ChainSeconds,
    /// Held back for slashers' decisions, of all leases together.
    pub reserved: MicroUnits,
}

impl StakeState {
    /// What a new bond can be taken from: neither locked nor asked back, less what is held back (StakeVault: SV-2).
    #[must_use]
    pub const fn free(&self) -> MicroUnits {
        self.amount
            .saturating_sub(self.locked)
            .saturating_sub(self.unbonding)
            .saturating_sub(self.reserved)
    }
}

/// Earnings in one token, in micro-units, as sums over all time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earnings {
    /// Earned, after the protocol's fee.
    pub net: u128,
    /// The protocol's fee.
    pub fee: u128,
    /// Claimed.
    pub claimed: u128,
    /// Paid to tenants out of what was unvested.
    pub compensated: u128,
    /// Held back for disputes now.
    pub frozen: u128,
    /// Given to tenants by disputes.
    pub awarded: u128,
    /// When money last entered that vests.
    pub last_vesting: ChainSeconds,
}

impl Earnings {
    /// Earned, not claimed and not held back, vested or not. What can be claimed this moment only the contract knows (`earnings`).
    #[must_use]
    pub const fn unclaimed(&self) -> u128 {
        self.net
            .saturating_sub(self.claimed)
            .saturating_sub(self.compensated)
            .saturating_sub(self.awarded)
            .saturating_sub(self.frozen)
    }

    /// From when all of [`Earnings::unclaimed`] is claimable for certain: two vest epochs after the last entry.
    #[must_use]
    pub const fn claimable_from(&self, vest_epoch: u32) -> ChainSeconds {
        ChainSeconds(self.last_vesting.0.saturating_add(2 * vest_epoch as u64))
    }
}

/// A counter slot and the leases that used it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneState {
    /// Cumulative billable seconds; only grows.
    pub seconds: u32,
    /// The newest sixteen leases.
    pub leases: BTreeMap<Generation, Arc<LeaseState>>,
}

impl LaneState {
    /// The lease that the contract stores.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<LeaseState>> {
        self.leases.last_key_value().map(|(_, lease)| lease)
    }

    pub(super) fn latest_mut(&mut self) -> Option<&mut LeaseState> {
        self.leases
            .last_entry()
            .map(|entry| Arc::make_mut(entry.into_mut()))
    }

    pub(super) fn open(&mut self, generation: Generation, lease: LeaseState) {
        self.leases.insert(generation, Arc::new(lease));
        while self.leases.len() > LEASES_PER_LANE {
            self.leases.pop_first();
        }
    }
}

/// A provider with everything that is its.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderState {
    /// Cold key.
    pub owner: Address,
    /// Where earnings go, unless `next_payout` holds already.
    pub payout: Address,
    /// Where earnings go from a time on.
    pub next_payout: Option<(ChainSeconds, Address)>,
    /// Hot keys, removed ones included for their epoch.
    pub keys: BTreeMap<Address, KeyState>,
    /// Public address.
    pub gateway: Gateway,
    /// Hash of the facts last published.
    pub facts: Option<B256>,
    /// Hash of the offers last published.
    pub offers: Option<B256>,
    /// Lanes that were ever leased or counted.
    pub lanes: BTreeMap<Lane, LaneState>,
    /// By token.
    pub stake: BTreeMap<TokenIndex, StakeState>,
    /// By token.
    pub earnings: BTreeMap<TokenIndex, Earnings>,
}

impl ProviderState {
    /// Where earnings go at a chain time.
    #[must_use]
    pub fn payout_at(&self, now: ChainSeconds) -> Address {
        match self.next_payout {
            Some((from, next)) if now >= from => next,
            Some(_) | None => self.payout,
        }
    }

    /// Whether a key may do something at a chain time.
    #[must_use]
    pub fn key_may(&self, key: Address, roles: KeyRoles, now: ChainSeconds) -> bool {
        self.keys
            .get(&key)
            .is_some_and(|known| known.roles.include(roles) && now >= known.from)
    }

    /// Free lanes, lowest first, each with the generation its next lease must name; without end, so take what is needed.
    /// `rest` is the vest epoch W in seconds. Bids already signed do not show here: skip their lanes.
    pub fn free_lanes(&self, now: ChainSeconds, rest: u32) -> impl Iterator<Item = (Lane, Generation)> + '_ {
        (0..=u32::MAX).filter_map(move |number| {
            let lane = Lane(number);
            match self.lanes.get(&lane).and_then(LaneState::latest) {
                None => Generation::new(1).ok().map(|first| (lane, first)),
                Some(lease) if lease.occupies_lane(now, rest) => None,
                Some(lease) => lease.key.id.generation.next().map(|next| (lane, next)),
            }
        })
    }

    /// Merges usage words by lane-wise maximum; guard bits are ignored.
    pub(super) fn merge_usage(&mut self, first_word: u32, words: &[U256]) {
        for (word_number, word) in (u64::from(first_word)..).zip(words) {
            for slot in 0..8_u64 {
                let seconds = ((*word >> (32 * slot)) & U256::from(MAX_LANE_SECONDS)).to::<u32>();
                let Ok(lane) = u32::try_from(word_number * 8 + slot) else {
                    return;
                };
                if seconds > 0 {
                    let known = self.lanes.entry(Lane(lane)).or_default();
                    known.seconds = known.seconds.max(seconds);
                }
            }
        }
    }
}

/// 31 bits; the 32nd is the guard bit (contracts: section 2).
const MAX_LANE_SECONDS: u32 = (1 << 31) - 1;
