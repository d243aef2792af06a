//! What is not of one lease: money that leaves, stake, keys, policy.

use alloy::primitives::Address;
use leaseport::core::{book::KeyRoles, escrow::Act, ids::ProviderId, money::MicroUnits};
use leaseport_evm::Key;

use super::{PROVIDERS, Situation, Step};
use crate::{
    dice::Dice,
    market::{TOKENS, TREASURY, UNWILLING, WILLING},
};

impl Situation<'_> {
    pub(super) fn money_out(&self, dice: &mut Dice) -> Step {
        let token = *dice.pick(&[0, 0, 1, 2]);
        let provider = PROVIDERS[Self::index(dice)];
        let anyone = self.anyone(dice);
        match dice.below(20) {
            0..=6 => Step::Act(anyone, Act::Claim { provider, token }),
            7..=8 => Step::Act(anyone, Act::PushFees { token }),
            9..=10 => Step::Act(anyone, Act::PushBurned { token }),
            11..=13 => {
                let account = *dice.pick(&[WILLING, WILLING, UNWILLING, TREASURY]);
                Step::Act(anyone, Act::WithdrawStakeCredit { account, token })
            }
            14..=16 => {
                // Whoever is owed something, mostly.
                let (account, token) = self.bond_creditor(dice).unwrap_or((anyone, token));
                Step::Act(anyone, Act::WithdrawBond { account, token })
            }
            _ => {
                let to = *dice.pick(&[WILLING, WILLING, UNWILLING, Address::ZERO]);
                let creditor = *dice.pick(&[UNWILLING, UNWILLING, WILLING]);
                let token = *dice.pick(&[0, 1, 1, 2]);
                Step::Act(creditor, Act::WithdrawCredit { token, to })
            }
        }
    }

    fn bond_creditor(&self, dice: &mut Dice) -> Option<(Address, u8)> {
        if dice.once_in(6) {
            return None;
        }
        let mut owed = Vec::new();
        for account in self.people.all().into_iter().map(Key::address).chain([TREASURY]) {
            owed.extend(
                (0..TOKENS)
                    .filter(|token| self.model.bond_credit(account, *token) != 0)
                    .map(|token| (account, token)),
            );
        }
        if owed.is_empty() {
            None
        } else {
            Some(*dice.pick(&owed))
        }
    }

    pub(super) fn stake(&self, dice: &mut Dice) -> Step {
        let token = *dice.pick(&[0, 0, 1, 2]);
        let index = Self::index(dice);
        let provider = if dice.once_in(20) {
            ProviderId(9)
        } else {
            PROVIDERS[index]
        };
        let amount = MicroUnits(if dice.once_in(15) {
            dice.next()
        } else {
            dice.magnitude(26)
        });
        let owner = self.mostly(dice, &self.people.owners[index]);
        match dice.below(6) {
            0..=2 => Step::Act(
                self.anyone(dice),
                Act::Stake {
                    provider,
                    token,
                    amount,
                },
            ),
            3..=4 => Step::Act(
                owner,
                Act::RequestUnbond {
                    provider,
                    token,
                    amount,
                },
            ),
            _ => Step::Act(self.anyone(dice), Act::CompleteUnbond { provider, token }),
        }
    }

    pub(super) fn keys(&self, dice: &mut Dice) -> Step {
        let index = Self::index(dice);
        let provider = PROVIDERS[index];
        let caller = self.mostly(dice, &self.people.owners[index]);
        let known = &self.model.providers()[&provider].keys;
        // Without its first keys a provider does nothing any more for a day.
        let first = [&self.people.bidders[index], &self.people.operators[index]].map(Key::address);
        let added: Vec<Address> = known
            .iter()
            .filter(|(key, slot)| slot.roles.0 != 0 && !first.contains(key))
            .map(|(key, _)| *key)
            .collect();
        let anyone = self.anyone(dice);
        let spare = if added.is_empty() {
            anyone
        } else {
            *dice.pick(&added)
        };
        let key = if dice.once_in(4) {
            *dice.pick(&first)
        } else {
            spare
        };
        let roles = match dice.below(6) {
            0 => KeyRoles(u8::try_from(dice.below(9)).unwrap()),
            _ => KeyRoles(1 + u8::try_from(dice.below(7)).unwrap()),
        };
        match dice.below(16) {
            0..=3 => Step::Act(caller, Act::RemoveKey { provider, key }),
            4..=7 => {
                let key = if dice.once_in(8) { key } else { anyone };
                Step::Act(caller, Act::AddKey { provider, key, roles })
            }
            8..=10 => Step::Act(
                caller,
                Act::CancelAllBids {
                    provider,
                    key: if dice.once_in(3) { key } else { first[0] },
                },
            ),
            11..=12 => Step::Act(
                caller,
                Act::Register {
                    payout: if dice.once_in(4) { self.book } else { key },
                    keys: vec![(anyone, roles)],
                },
            ),
            _ => {
                let payout = *dice.pick(&[key, anyone, anyone, UNWILLING, Address::ZERO, self.book]);
                Step::Act(caller, Act::SetPayout { provider, payout })
            }
        }
    }

    pub(super) fn cancel(&self, dice: &mut Dice) -> Option<Step> {
        let order = self.open_order(dice)?;
        let caller = if dice.once_in(3) {
            self.anyone(dice)
        } else {
            order.tenant
        };
        Some(Step::Act(
            caller,
            Act::Cancel {
                order: Box::new(order),
            },
        ))
    }

    pub(super) fn policy(&self, dice: &mut Dice) -> Step {
        let token = u8::try_from(dice.below(u64::from(TOKENS))).unwrap();
        // A token that is closed does not stay so, or nothing would be posted in it any more.
        let closed = (0..TOKENS).find(|token| !self.model.policy.tokens[token].takes_orders);
        match dice.below(12) {
            0 => Step::Pause,
            1..=3 => Step::Unpause,
            4..=5 => Step::Fee(u8::try_from(dice.below(101)).unwrap()),
            6 => {
                let most = u64::from(self.model.policy.fee_steps);
                Step::ReducedFee(token, u8::try_from(dice.below(most + 1)).unwrap())
            }
            7 => Step::CourtFee(token, dice.magnitude(22)),
            8..=9 => Step::TurnToken(closed.unwrap_or(token)),
            _ => Step::Donate(token),
        }
    }
}
