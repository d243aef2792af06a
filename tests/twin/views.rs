//! What the contracts' own views tell at the end of a trace, which the words of storage do not prove.

use alloy::primitives::U256;
use leaseport::{
    chain_io::bindings::{DisputeCourt, LeaseBook, StakeVault},
    core::{escrow::Stake, ids::Lane, money::MicroUnits},
};

use crate::{
    agree::Watch,
    compare::{hot, same, stat, state_of},
    market::TOKENS,
    trace::{LANES, PROVIDERS, at},
};

impl Watch<'_> {
    /// What the contracts' own views say, which the words do not prove.
    pub(crate) fn compare_views(&mut self) -> Result<(), String> {
        let (book, vault, court) = (self.market.book, self.market.vault, self.market.court);
        for token in 0..TOKENS {
            let fees = self.market.ask(book, &LeaseBook::feesCall { token });
            same("fees()", token, fees, self.model.fees(token))?;
            let burned = self.market.ask(vault, &StakeVault::burnedCall { token });
            same("burned()", token, burned, self.model.burned(token))?;
            for number in 0..self.accounts.len() {
                let account = self.accounts[number];
                let found = self.market.ask(book, &LeaseBook::creditsCall { account, token });
                same("credits()", account, found, self.model.credit(account, token))?;
                let found = self
                    .market
                    .ask(court, &DisputeCourt::creditsCall { account, token });
                same(
                    "court's credits()",
                    account,
                    found,
                    self.model.bond_credit(account, token),
                )?;
            }
            for provider in PROVIDERS {
                let id = provider.0;
                let found = self.market.ask(
                    book,
                    &LeaseBook::earningsCall {
                        providerId: id,
                        token,
                    },
                );
                let expected = self.model.earnings(provider, token, at(self.now));
                same("earnings()", provider, (found.claimable, found.vesting), expected)?;
                let found = self.market.ask(
                    book,
                    &LeaseBook::frozenOfCall {
                        providerId: id,
                        token,
                    },
                );
                same("frozenOf()", provider, found, self.model.frozen(provider, token))?;
                let found = self.market.ask(
                    vault,
                    &StakeVault::stakeOfCall {
                        providerId: id,
                        token,
                    },
                );
                let reserved = self.market.ask(
                    vault,
                    &StakeVault::reservedOfCall {
                        providerId: id,
                        token,
                    },
                );
                let stake = Stake {
                    amount: MicroUnits(found.amount),
                    locked: MicroUnits(found.locked),
                    unbonding: MicroUnits(found.unbonding),
                    unbond_at: Some(found.unbondAt.to::<u64>()).filter(|at| *at != 0),
                    reserved: MicroUnits(reserved),
                };
                same("stakeOf()", provider, stake, self.model.stake(provider, token))?;
                let free = self.market.ask(
                    vault,
                    &StakeVault::freeOfCall {
                        providerId: id,
                        token,
                    },
                );
                same("freeOf()", provider, free, stake.free().0)?;
            }
        }
        for provider in PROVIDERS {
            let id = provider.0;
            let found = self.market.ask(book, &LeaseBook::payoutOfCall { providerId: id });
            let known = &self.model.providers()[&provider];
            same("payoutOf()", provider, found, known.payout_at(self.now))?;
            let paid = known.record.signed_paid;
            let found = self
                .market
                .ask(book, &LeaseBook::reputationCall { providerId: id });
            same("reputation()", provider, found.signedPaid.to::<u128>(), paid)?;
            for lane in 0..LANES {
                let call = LeaseBook::leaseWordsCall { providerId: id, lane };
                let found = self.market.ask(book, &call);
                let lease = self.model.leases().get(&(provider, Lane(lane)));
                let expected = lease.map_or((U256::ZERO, U256::ZERO), |lease| (hot(lease), stat(lease)));
                same("leaseWords()", provider, (found.hot, found.stat), expected)?;
            }
        }
        for (hash, _) in self.orders.clone() {
            let found = self.market.ask(book, &LeaseBook::orderOfCall { orderHash: hash });
            let slot = self.model.orders().get(&hash);
            let expected = slot.map_or((0, 0), |slot| (state_of(slot.phase), slot.amount.0));
            same("orderOf()", hash, (found.state, found.amount), expected)?;
        }
        for offer in self.offers.clone() {
            let hash = offer.id();
            let found = self
                .market
                .ask(book, &LeaseBook::offerTakenCall { offerHash: hash });
            same("offerTaken()", hash, found, self.model.offer_taken(hash))?;
        }
        Ok(())
    }
}
