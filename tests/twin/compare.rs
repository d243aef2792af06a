//! All that can be seen of a market, on both sides: after every step, as words of storage, bit by bit, which is faster than asking.

use alloy::primitives::{Address, B256, U256, aliases::U96};
use leaseport::{
    chain_io::bindings::DisputeCourt,
    core::{
        book::StopBy,
        documents::terms::stored,
        escrow::{DisputePhase, LeaseSlot, OrderPhase, Phase},
        ids::{Lane, ProviderId},
        money::MicroUnits,
    },
};

use crate::{
    agree::Watch,
    market::{TOKENS, TREASURY, UNWILLING, W, WILLING, riches},
    trace::{LANES, PROVIDERS, at},
};

/// Slots of slashers that are filled here.
const SLOTS: u8 = 2;
/// Whom money that nobody asked for returns to.
const RECEIVERS: [Address; 3] = [WILLING, UNWILLING, TREASURY];

impl Watch<'_> {
    /// Compares every word.
    pub(crate) fn compare(&mut self) -> Result<(), String> {
        self.compare_balances()?;
        self.compare_sums()?;
        self.compare_leases()?;
        self.compare_providers()?;
        self.compare_orders()?;
        self.compare_disputes()
    }

    fn compare_balances(&mut self) -> Result<(), String> {
        for token in 0..TOKENS {
            let index = usize::from(token);
            let scale = U256::from(self.market.scales[index]);
            let of_book = self.model.held_by_book(token) + self.donated[index];
            let held = [
                ("I1: the book's tokens", self.market.book, of_book),
                (
                    "SV-1: the vault's tokens",
                    self.market.vault,
                    self.model.held_by_vault(token),
                ),
                (
                    "DC-1: the court's tokens",
                    self.market.court,
                    self.model.held_by_court(token),
                ),
            ];
            for (what, holder, amount) in held {
                let found = self.market.balance(index, holder);
                same(what, token, found, U256::from(amount) * scale)?;
            }
            for number in 0..self.accounts.len() {
                let account = self.accounts[number];
                let is_person = self.people.key(account).is_some();
                let began = if is_person { riches() } else { U256::ZERO };
                let change = self.balances[number][index];
                let by = U256::from(change.unsigned_abs()) * scale;
                let expected = if change < 0 { began - by } else { began + by };
                let found = self.market.balance(index, account);
                same("tokens of", account, found, expected)?;
            }
        }
        Ok(())
    }

    fn compare_sums(&mut self) -> Result<(), String> {
        for token in 0..TOKENS {
            let of_token = [U256::from(token)];
            let fees = self.market.word("book.fees", &of_token, 0);
            same("fees", token, fees, U256::from(self.model.fees(token)))?;
            let burned = self.market.word("vault.burned", &of_token, 0);
            same("burned", token, burned, U256::from(self.model.burned(token)))?;
            for account in RECEIVERS {
                let keys = [word(account), U256::from(token)];
                let found = self.market.word("book.credits", &keys, 0);
                same(
                    "credit",
                    account,
                    found,
                    U256::from(self.model.credit(account, token)),
                )?;
                let found = self.market.word("vault.credits", &keys, 0);
                let expected = U256::from(self.model.stake_credit(account, token));
                same("credit in the vault", account, found, expected)?;
            }
            for number in 0..self.accounts.len() {
                let account = self.accounts[number];
                let keys = [word(account), U256::from(token)];
                let found = self.market.word("court.credits", &keys, 0);
                let expected = U256::from(self.model.bond_credit(account, token));
                same("credit in the court", account, found, expected)?;
            }
            for provider in PROVIDERS {
                self.compare_earnings(provider, token)?;
                self.compare_stake(provider, token)?;
            }
        }
        Ok(())
    }

    fn compare_earnings(&mut self, provider: ProviderId, token: u8) -> Result<(), String> {
        let keys = [U256::from(provider.0), U256::from(token)];
        let earned = self.market.word("book.earnings", &keys, 0);
        let frozen = self.model.frozen(provider, token);
        same("frozen", provider, field(earned, 0, 128), U256::from(frozen))?;
        let bucket = self.market.word("book.vesting", &keys, 0);
        let [old, young, epoch] = [(0, 112), (112, 112), (224, 32)].map(|(at, bits)| field(bucket, at, bits));
        // What the next touch makes of it.
        let (waiting, vested) = match U256::from(self.now / u64::from(W)) - epoch {
            U256::ZERO => (old + young, U256::ZERO),
            U256::ONE => (young, old),
            _ => (U256::ZERO, old + young),
        };
        let (claimable, vesting) = self.model.earnings(provider, token, at(self.now));
        let found = (field(earned, 128, 128) + vested, waiting);
        let expected = (U256::from(claimable), U256::from(vesting));
        same("earnings", provider, found, expected)
    }

    fn compare_stake(&mut self, provider: ProviderId, token: u8) -> Result<(), String> {
        let keys = [U256::from(provider.0), U256::from(token)];
        let stake = self.model.stake(provider, token);
        let found = self.market.word("vault.stakes", &keys, 0);
        let expected = packed([
            (U256::from(stake.amount.0), 0),
            (U256::from(stake.locked.0), 64),
            (U256::from(stake.unbonding.0), 128),
            (U256::from(stake.unbond_at.unwrap_or(0)), 192),
            (U256::from(stake.reserved != MicroUnits::ZERO), 232),
        ]);
        same("stake", provider, found, expected)?;
        let found = self.market.word("vault.reservedOf", &keys, 0);
        same("reserved", provider, found, U256::from(stake.reserved.0))?;
        for slot in 0..SLOTS {
            let share = self.model.share(provider, token, slot);
            let keys = [keys[0], keys[1], U256::from(slot)];
            let found = self.market.word("vault.used", &keys, 0);
            let expected = packed([
                (U256::from(share.epoch), 0),
                (U256::from(share.base.0), 64),
                (U256::from(share.slashed.0), 128),
            ]);
            same("share", provider, found, expected)?;
        }
        Ok(())
    }

    fn compare_leases(&mut self) -> Result<(), String> {
        for provider in PROVIDERS {
            let keys = [U256::from(provider.0), U256::ZERO];
            let found = self.market.word("book.lanes", &keys, 0);
            let lanes = (0..8_u32).fold(U256::ZERO, |word, lane| {
                word | (U256::from(self.model.lane(provider, Lane(lane))) << (32 * lane) as usize)
            });
            same("lanes", provider, found, lanes)?;
            for lane in 0..LANES {
                let keys = [U256::from(provider.0), U256::from(lane)];
                let found = [0, 1].map(|offset| self.market.word("book.leases", &keys, offset));
                let lease = self.model.leases().get(&(provider, Lane(lane)));
                let expected = lease.map_or([U256::ZERO; 2], |lease| [hot(lease), stat(lease)]);
                if found != expected {
                    return Err(format!(
                        "words of {provider:?} lane {lane}: chain {found:x?}, model {expected:x?}: {lease:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn compare_providers(&mut self) -> Result<(), String> {
        for provider in PROVIDERS {
            let id = U256::from(provider.0);
            let known = self.model.providers()[&provider].clone();
            let record = known.record;
            let found = self.market.word("book.reputations", &[id], 0);
            let counts = [
                record.started,
                record.declined,
                record.expired_pending,
                record.stopped_by_tenant,
                record.notice_given,
                record.faulted,
            ];
            let counts = (0..).step_by(16).zip(counts);
            let money = [
                (U256::from(record.paid), 96),
                (U256::from(record.signed_paid), 176),
            ];
            let expected = packed(counts.map(|(at, count)| (U256::from(count), at)).chain(money));
            same("record", provider, found, expected)?;
            let found = [0, 1, 2].map(|offset| self.market.word("book.providers", &[id], offset));
            same("owner", provider, found[0], word(known.owner))?;
            let from = field(found[1], 160, 40);
            let changed = !from.is_zero() && from <= U256::from(self.now);
            let payout = field(if changed { found[2] } else { found[1] }, 0, 160);
            same("payout", provider, payout, word(known.payout_at(self.now)))?;
            for number in 0..self.accounts.len() {
                let account = self.accounts[number];
                let key = known.keys.get(&account).copied().unwrap_or_default();
                let expected = packed([
                    (U256::from(key.roles.0), 0),
                    (U256::from(key.from), 8),
                    (U256::from(key.bid_epoch), 48),
                ]);
                let found = self.market.word("book.keys", &[id, word(account)], 0);
                same("key", account, found, expected)?;
            }
        }
        Ok(())
    }

    fn compare_orders(&mut self) -> Result<(), String> {
        let hashes: Vec<B256> = self.orders.iter().rev().take(8).map(|(hash, _)| *hash).collect();
        for hash in hashes {
            let found = self.market.word("book.orders", &[hash.into()], 0);
            let expected = self.model.orders().get(&hash).map_or(U256::ZERO, |slot| {
                packed([
                    (U256::from(slot.amount.0), 72),
                    (U256::from(slot.token), 66),
                    (U256::from(state_of(slot.phase)), 64),
                    (U256::from(slot.expiry), 32),
                    (U256::from(slot.posted_at), 0),
                ])
            });
            same("order", hash, found, expected)?;
        }
        let offers: Vec<B256> = self.offers.iter().rev().take(6).map(|offer| offer.id()).collect();
        for hash in offers {
            let found = self.market.word("book.offersTaken", &[hash.into()], 0);
            same("parts taken of", hash, found, self.model.offer_taken(hash))?;
        }
        Ok(())
    }

    /// What is held back for each lease there ever was, and where its dispute stands.
    fn compare_disputes(&mut self) -> Result<(), String> {
        let mut ids: Vec<U96> = self.terms.iter().map(|terms| terms.id).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let key = U256::from(id);
            let freeze = self.model.freezes().get(&id).copied().unwrap_or_default();
            let found = [0, 1].map(|offset| self.market.word("book.freezes", &[key], offset));
            let first = packed([
                (word(freeze.refund_to), 0),
                (U256::from(freeze.amount.0), 160),
                (U256::from(freeze.until), 224),
            ]);
            let second = packed([(U256::from(freeze.total.0), 0), (U256::from(freeze.token), 64)]);
            same("freeze of", id, found, [first, second])?;
            for slot in 0..SLOTS {
                let keys = [key, U256::from(slot)];
                let found = [0, 1].map(|offset| self.market.word("vault.reserves", &keys, offset));
                let expected = self
                    .model
                    .reserves()
                    .get(&(id, slot))
                    .map_or([U256::ZERO; 2], |record| {
                        let first = packed([
                            (word(record.slasher), 0),
                            (U256::from(record.amount.0), 160),
                            (U256::from(record.until), 224),
                        ]);
                        let second = packed([(word(record.refund_to), 0), (U256::from(record.token), 160)]);
                        [first, second]
                    });
                same("reserve of", id, found, expected)?;
            }
            let liability = self.model.liability(id);
            let found = self.market.word("vault.liabilities", &[key], 0);
            let expected = packed([
                (U256::from(liability.slashed.0), 0),
                (U256::from(liability.reserved.0), 64),
            ]);
            same("liability of", id, found, expected)?;
            if self.model.disputes().contains_key(&id) {
                self.compare_dispute(id)?;
            }
        }
        Ok(())
    }

    fn compare_dispute(&mut self, id: U96) -> Result<(), String> {
        let court = self.market.court;
        let found = self.market.ask(court, &DisputeCourt::disputeOfCall { id });
        let expected = self.model.disputes()[&id];
        let phase = match expected.phase {
            DisputePhase::Contested => 1_u8,
            DisputePhase::Answered => 2,
            DisputePhase::Ruled => 3,
            DisputePhase::Ended => 4,
        };
        same(
            "dispute of",
            id,
            (found.phase, u64::from(found.due), found.token, found.toCum),
            (phase, expected.due, expected.token, expected.to),
        )?;
        same(
            "sides of",
            id,
            (found.contester, found.answerer, found.termsHash),
            (expected.contester, expected.answerer, expected.terms.0),
        )?;
        let [award, refund, burn] = expected.ruling.map(|amount| amount.0);
        same(
            "money of",
            id,
            [
                found.bond,
                found.amount,
                found.fee,
                found.award,
                found.refund,
                found.burn,
            ],
            [
                expected.bond.0,
                expected.amount.0,
                expected.fee.0,
                award,
                refund,
                burn,
            ],
        )
    }
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    of: impl std::fmt::Debug,
    found: T,
    expected: T,
) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} {of:?}: chain {found:?}, model {expected:?}"))
}

pub(crate) const fn state_of(phase: OrderPhase) -> u8 {
    match phase {
        OrderPhase::Open => 1,
        OrderPhase::Accepted => 2,
        OrderPhase::Cancelled => 3,
    }
}

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

fn field(word: U256, at: usize, bits: usize) -> U256 {
    (word >> at) & ((U256::ONE << bits) - U256::ONE)
}

fn packed(fields: impl IntoIterator<Item = (U256, usize)>) -> U256 {
    fields
        .into_iter()
        .fold(U256::ZERO, |word, (value, at)| word | (value << at))
}

/// The hot word of a lease as the design draws it.
pub(crate) fn hot(lease: &LeaseSlot) -> U256 {
    let state = match lease.phase {
        Phase::Pending => 1_u64,
        Phase::Live => 2,
        Phase::Closed => 3,
    };
    let stop_by = match lease.stop_by {
        StopBy::EndReached => 0_u64,
        StopBy::TenantOrFunds => 1,
        StopBy::ProviderNotice => 2,
        StopBy::ProviderFault => 3,
    };
    let fields = [
        (state, 254),
        (stop_by, 252),
        (lease.terms.feeSteps.into(), 244),
        (lease.terms.token.into(), 238),
        (lease.lane_base.into(), 207),
        (lease.settled.into(), 176),
        (lease.start_at, 144),
        (lease.stop_at, 112),
        (lease.terms.ratePerHour.to::<u64>(), 64),
        (lease.balance.0, 0),
    ];
    packed(fields.map(|(value, at)| (U256::from(value), at)))
}

/// The stat word: high 200 bits of the terms hash, generation, time of the opening.
pub(crate) fn stat(lease: &LeaseSlot) -> U256 {
    U256::from_be_bytes(stored(lease.terms_hash).0)
        | (U256::from(lease.generation) << 32)
        | U256::from(lease.opened_at)
}
