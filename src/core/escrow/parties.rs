//! Providers: owner, keys, payout, and what became of their leases.

use std::collections::BTreeMap;

use alloy::primitives::Address;

use super::{Doing, Escrow, Refusal};
use crate::core::{book::KeyRoles, ids::ProviderId};

/// Before an added key may act, in seconds.
const KEY_DELAY: u64 = 86_400;
/// Before a changed payout holds, in seconds.
const PAYOUT_DELAY: u64 = 2 * 86_400;

/// A hot key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Key {
    /// None once removed.
    pub roles: KeyRoles,
    /// From when it may act.
    pub from: u64,
    /// Bids under a lower one are void.
    pub bid_epoch: u32,
}

/// What became of a provider's leases; counters stop at their maximum. Money in micro-units of dollar tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "named as in contracts/src/types/Types.sol, documented there"
)]
pub struct Record {
    pub started: u16,
    pub declined: u16,
    pub expired_pending: u16,
    pub stopped_by_tenant: u16,
    pub notice_given: u16,
    pub faulted: u16,
    pub paid: u128,
    pub signed_paid: u128,
}

/// A provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provider {
    /// Cold key.
    pub owner: Address,
    /// Hot keys, removed ones for their epoch.
    pub keys: BTreeMap<Address, Key>,
    /// Its record.
    pub record: Record,
    payout: Address,
    next_payout: Option<(u64, Address)>,
}

impl Provider {
    /// Where its money goes at a chain time.
    #[must_use]
    pub fn payout_at(&self, now: u64) -> Address {
        match self.next_payout {
            Some((from, next)) if from <= now => next,
            Some(_) | None => self.payout,
        }
    }

    /// Whether a key may do something at a chain time.
    #[must_use]
    pub fn may(&self, key: Address, role: KeyRoles, now: u64) -> bool {
        self.keys
            .get(&key)
            .is_some_and(|known| known.roles.include(role) && known.from <= now)
    }
}

impl Escrow {
    pub(super) fn register(
        &mut self,
        doing: &Doing,
        payout: Address,
        keys: &[(Address, KeyRoles)],
    ) -> Result<(), Refusal> {
        self.check_payout(payout)?;
        let last = self.providers.last_key_value().map_or(0, |(id, _)| id.0);
        let mut provider = Provider {
            owner: doing.caller,
            payout,
            ..Provider::default()
        };
        for (key, roles) in keys {
            grant(&mut provider, *key, *roles, doing.now)?;
        }
        self.providers
            .insert(ProviderId(last.saturating_add(1)), provider);
        Ok(())
    }

    pub(super) fn add_key(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        key: Address,
        roles: KeyRoles,
    ) -> Result<(), Refusal> {
        let owned = self.owned(doing, provider)?;
        grant(owned, key, roles, doing.now.saturating_add(KEY_DELAY))
    }

    pub(super) fn remove_key(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        key: Address,
    ) -> Result<(), Refusal> {
        let known = self.key_of(doing, provider, key)?;
        *known = Key {
            bid_epoch: known.bid_epoch.saturating_add(1),
            ..Key::default()
        };
        Ok(())
    }

    pub(super) fn cancel_all_bids(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        key: Address,
    ) -> Result<(), Refusal> {
        let known = self.key_of(doing, provider, key)?;
        known.bid_epoch = known.bid_epoch.saturating_add(1);
        Ok(())
    }

    pub(super) fn set_payout(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        payout: Address,
    ) -> Result<(), Refusal> {
        self.check_payout(payout)?;
        let owned = self.owned(doing, provider)?;
        owned.payout = owned.payout_at(doing.now);
        owned.next_payout = Some((doing.now.saturating_add(PAYOUT_DELAY), payout));
        Ok(())
    }

    /// The provider's record, to be added to.
    pub(super) fn record(&mut self, provider: ProviderId) -> &mut Record {
        &mut self.providers.entry(provider).or_default().record
    }

    /// Whether a key of the provider may do something now.
    pub(super) fn may(&self, provider: ProviderId, key: Address, role: KeyRoles, now: u64) -> bool {
        self.providers
            .get(&provider)
            .is_some_and(|known| known.may(key, role, now))
    }

    pub(super) fn owned(&mut self, doing: &Doing, provider: ProviderId) -> Result<&mut Provider, Refusal> {
        self.providers
            .get_mut(&provider)
            .filter(|known| known.owner == doing.caller)
            .ok_or(Refusal::NotOwner)
    }

    fn key_of(&mut self, doing: &Doing, provider: ProviderId, key: Address) -> Result<&mut Key, Refusal> {
        let known = self.providers.get_mut(&provider).ok_or(Refusal::NotOwner)?;
        if known.owner != doing.caller && key != doing.caller {
            return Err(Refusal::NotOwner);
        }
        known
            .keys
            .get_mut(&key)
            .filter(|slot| slot.roles != KeyRoles::default())
            .ok_or(Refusal::Key)
    }

    fn check_payout(&self, payout: Address) -> Result<(), Refusal> {
        if payout.is_zero() || payout == self.address {
            return Err(Refusal::Address);
        }
        Ok(())
    }
}

fn grant(provider: &mut Provider, key: Address, roles: KeyRoles, from: u64) -> Result<(), Refusal> {
    let slot = provider.keys.entry(key).or_default();
    if key.is_zero() || roles.0 == 0 || roles.0 > 7 || slot.roles.0 != 0 {
        return Err(Refusal::Key);
    }
    slot.roles = roles;
    slot.from = from;
    Ok(())
}
