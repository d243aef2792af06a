//! What disputes do to a market: who contests which seconds, what is held back of money and stake meanwhile, and what the court owes.
//! Holds of book and vault are kept apart from the court's story: they are lifted by time, or by a court that is followed no more.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};

use super::{Book, Moment, StakeState, TokenIndex};
use crate::core::{
    ids::{LeaseId, LeaseKey},
    money::MicroUnits,
    time::ChainSeconds,
};

/// The slot of Params and StakeVault that a court has.
pub const COURT_SLOT: u8 = 0;

/// One event about a dispute, of the LeaseBook, the StakeVault or the DisputeCourt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are named as in contracts/src/interfaces, documented there"
)]
pub enum DisputeEvent {
    /// The book keeps unvested money of the lease's provider, at most until then.
    Frozen {
        id: LeaseId,
        amount: MicroUnits,
        until: ChainSeconds,
    },
    /// The book let go of it: to the tenant, and what is claimable for the provider.
    FreezeEnded {
        id: LeaseId,
        to_tenant: MicroUnits,
        to_provider: MicroUnits,
    },
    /// The vault keeps stake for a slasher's decision about the lease.
    Reserved {
        id: LeaseId,
        slot: u8,
        slasher: Address,
        amount: MicroUnits,
        until: ChainSeconds,
    },
    /// The vault let go of it.
    Unreserved { id: LeaseId, slot: u8 },
    /// Stake was taken out of a reserve; the rest of the reserve is free again.
    Slashed {
        id: LeaseId,
        slot: u8,
        token: TokenIndex,
        refunded: MicroUnits,
        burned: MicroUnits,
    },
    /// Seconds (from, to] of a lease are contested.
    Contested {
        id: LeaseId,
        contester: Address,
        from_cum: u32,
        to_cum: u32,
        amount: MicroUnits,
        frozen: MicroUnits,
        reserved: MicroUnits,
        bond: MicroUnits,
        answer_by: ChainSeconds,
        statement: B256,
    },
    /// The provider stands by its count.
    Answered {
        id: LeaseId,
        answerer: Address,
        cum: u32,
        as_of: ChainSeconds,
        root: B256,
        ruling_by: ChainSeconds,
    },
    /// An arbiter decided.
    Ruled {
        id: LeaseId,
        arbiter: Address,
        award: MicroUnits,
        refund: MicroUnits,
        burn: MicroUnits,
        veto_by: ChainSeconds,
        reasons: B256,
    },
    /// It is over.
    Ended {
        id: LeaseId,
        outcome: Outcome,
        awarded: MicroUnits,
        refunded: MicroUnits,
        burnt: MicroUnits,
    },
    /// The court owes an account more.
    Credited {
        account: Address,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// The court paid an account.
    CreditWithdrawn {
        account: Address,
        token: TokenIndex,
        amount: u128,
    },
}

/// How a dispute ended (contracts: `Outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The provider did not answer.
    Silence,
    /// No arbiter ruled.
    Lapsed,
    /// The timelock undid the ruling.
    Vetoed,
    /// For the tenant.
    Tenant,
    /// For the provider.
    Provider,
}

/// An arbiter's ruling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// Of what is frozen, to the tenant.
    pub award: MicroUnits,
    /// Of the stake, to the tenant.
    pub refund: MicroUnits,
    /// Of the stake, to nobody.
    pub burn: MicroUnits,
}

impl Ruling {
    /// Whether it leaves the provider everything.
    #[must_use]
    pub fn for_provider(&self) -> bool {
        [self.award, self.refund, self.burn] == [MicroUnits::ZERO; 3]
    }
}

/// Where a dispute stands. `due`: until then the next act may come, after it the phase's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputePhase {
    /// The provider may answer until then; after it, silence.
    Contested {
        /// The last second to answer.
        due: ChainSeconds,
    },
    /// An arbiter may rule until then; after it, a lapse.
    Answered {
        /// The last second to rule.
        due: ChainSeconds,
    },
    /// The timelock may veto until then; after it, anyone executes.
    Ruled {
        /// The last second to veto.
        due: ChainSeconds,
        /// What was decided.
        ruling: Ruling,
    },
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
        /// When.
        at: Moment,
        /// What the tenant got of frozen money, of stake, and what stake was burned.
        ruling: Ruling,
    },
}

impl DisputePhase {
    /// Until when the next act may come; none once it is over.
    #[must_use]
    pub const fn due(&self) -> Option<ChainSeconds> {
        match self {
            Self::Contested { due } | Self::Answered { due } | Self::Ruled { due, .. } => Some(*due),
            Self::Ended { .. } => None,
        }
    }
}

/// The provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Who bonded it.
    pub answerer: Address,
    /// Seconds in the receipt.
    pub cum: u32,
    /// Its instant.
    pub as_of: ChainSeconds,
    /// Root of the evidence.
    pub root: B256,
}

/// One dispute; a lease can have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeState {
    /// The lease, and the terms whose seconds are contested.
    pub key: LeaseKey,
    /// Token of lease and bonds.
    pub token: TokenIndex,
    /// Tenant or agent.
    pub contester: Address,
    /// When it began.
    pub opened: Moment,
    /// First contested second, less one.
    pub from_cum: u32,
    /// Last contested second.
    pub to_cum: u32,
    /// Rent of the contested seconds: the most the tenant can get.
    pub amount: MicroUnits,
    /// What the book froze when it began.
    pub frozen: MicroUnits,
    /// What the vault reserved when it began.
    pub reserved: MicroUnits,
    /// Of each side.
    pub bond: MicroUnits,
    /// Hash of what the tenant says.
    pub statement: B256,
    /// The provider's answer, once given.
    pub answer: Option<Answer>,
    /// Hash of the written ruling, once given.
    pub reasons: Option<B256>,
    /// Where it stands.
    pub phase: DisputePhase,
}

impl DisputeState {
    /// Whether it is not over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.phase.due().is_some()
    }
}

/// What the book keeps of one lease's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Freeze {
    /// In which token.
    pub token: TokenIndex,
    /// How much.
    pub amount: MicroUnits,
    /// From then on anyone lifts it.
    pub until: ChainSeconds,
}

/// What the vault keeps of stake for one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reserve {
    /// In which token.
    pub token: TokenIndex,
    /// How much; may be nothing.
    pub amount: MicroUnits,
    /// From then on anyone lifts it.
    pub until: ChainSeconds,
    /// Who decides.
    pub slasher: Address,
}

/// What the court owes an account, as sums over all time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CourtCredit {
    /// Credited.
    pub credited: u128,
    /// Of it, paid.
    pub withdrawn: u128,
}

impl CourtCredit {
    /// What can be paid now.
    #[must_use]
    pub const fn open(&self) -> u128 {
        self.credited.saturating_sub(self.withdrawn)
    }
}

/// Disputes and holds of a market.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disputes {
    all: BTreeMap<LeaseId, Arc<DisputeState>>,
    freezes: BTreeMap<LeaseId, Freeze>,
    reserves: BTreeMap<(LeaseId, u8), Reserve>,
    credits: BTreeMap<(Address, TokenIndex), CourtCredit>,
}

impl Disputes {
    /// All, ended ones included, by lease.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DisputeState>> {
        self.all.values()
    }

    /// The dispute about a lease.
    #[must_use]
    pub fn get(&self, id: LeaseId) -> Option<&Arc<DisputeState>> {
        self.all.get(&id)
    }

    /// What is frozen of a lease's money now.
    #[must_use]
    pub fn freeze(&self, id: LeaseId) -> Option<&Freeze> {
        self.freezes.get(&id)
    }

    /// What the court has reserved of stake for a lease now.
    #[must_use]
    pub fn reserve(&self, id: LeaseId) -> Option<&Reserve> {
        self.reserves.get(&(id, COURT_SLOT))
    }

    /// What the court owes an account in a token.
    #[must_use]
    pub fn credit(&self, account: Address, token: TokenIndex) -> CourtCredit {
        self.credits.get(&(account, token)).copied().unwrap_or_default()
    }
}

impl Book {
    pub(super) fn apply_dispute(&mut self, at: Moment, event: &DisputeEvent) {
        match event {
            DisputeEvent::Frozen { .. } | DisputeEvent::FreezeEnded { .. } => self.apply_freeze(at, event),
            DisputeEvent::Reserved { .. }
            | DisputeEvent::Unreserved { .. }
            | DisputeEvent::Slashed { .. } => self.apply_reserve(at, event),
            DisputeEvent::Contested { .. } => self.contest(at, event),
            DisputeEvent::Answered {
                id,
                answerer,
                cum,
                as_of,
                root,
                ruling_by,
            } => self.change_dispute(at, *id, |dispute| match dispute.phase {
                DisputePhase::Contested { .. } => {
                    dispute.answer = Some(Answer {
                        answerer: *answerer,
                        cum: *cum,
                        as_of: *as_of,
                        root: *root,
                    });
                    dispute.phase = DisputePhase::Answered { due: *ruling_by };
                    true
                }
                DisputePhase::Answered { .. } | DisputePhase::Ruled { .. } | DisputePhase::Ended { .. } => {
                    false
                }
            }),
            DisputeEvent::Ruled {
                id,
                arbiter: _,
                award,
                refund,
                burn,
                veto_by,
                reasons,
            } => self.change_dispute(at, *id, |dispute| match dispute.phase {
                DisputePhase::Answered { .. } => {
                    dispute.reasons = Some(*reasons);
                    dispute.phase = DisputePhase::Ruled {
                        due: *veto_by,
                        ruling: Ruling {
                            award: *award,
                            refund: *refund,
                            burn: *burn,
                        },
                    };
                    true
                }
                DisputePhase::Contested { .. } | DisputePhase::Ruled { .. } | DisputePhase::Ended { .. } => {
                    false
                }
            }),
            DisputeEvent::Ended {
                id,
                outcome,
                awarded,
                refunded,
                burnt,
            } => self.change_dispute(at, *id, |dispute| {
                let open = dispute.is_open();
                dispute.phase = DisputePhase::Ended {
                    outcome: *outcome,
                    at,
                    ruling: Ruling {
                        award: *awarded,
                        refund: *refunded,
                        burn: *burnt,
                    },
                };
                open
            }),
            DisputeEvent::Credited {
                account,
                token,
                amount,
            } => {
                let credit = self.credit_mut(*account, *token);
                credit.credited = credit.credited.saturating_add(amount.0.into());
            }
            DisputeEvent::CreditWithdrawn {
                account,
                token,
                amount,
            } => {
                let credit = self.credit_mut(*account, *token);
                credit.withdrawn = credit.withdrawn.saturating_add(*amount);
            }
        }
    }

    fn credit_mut(&mut self, account: Address, token: TokenIndex) -> &mut CourtCredit {
        Arc::make_mut(&mut self.disputes)
            .credits
            .entry((account, token))
            .or_default()
    }

    /// Changes a dispute; one that is not there, or a change that does not follow from where it stood, is a doubt.
    fn change_dispute(&mut self, at: Moment, id: LeaseId, change: impl FnOnce(&mut DisputeState) -> bool) {
        let follows = Arc::make_mut(&mut self.disputes)
            .all
            .get_mut(&id)
            .map(|dispute| change(Arc::make_mut(dispute)));
        match follows {
            Some(true) => {}
            Some(false) => self.doubt(at, &format!("the dispute about lease {id} was in another phase")),
            None => self.doubt(at, &format!("lease {id} was never contested")),
        }
    }

    fn contest(&mut self, at: Moment, event: &DisputeEvent) {
        let DisputeEvent::Contested {
            id,
            contester,
            from_cum,
            to_cum,
            amount,
            frozen,
            reserved,
            bond,
            answer_by,
            statement,
        } = event
        else {
            return self.doubt(at, &format!("{event:?} begins no dispute"));
        };
        let Some((key, token)) = self.named(*id) else {
            return self.doubt(at, &format!("lease {id} is contested and was never opened"));
        };
        let state = DisputeState {
            key,
            token,
            contester: *contester,
            opened: at,
            from_cum: *from_cum,
            to_cum: *to_cum,
            amount: *amount,
            frozen: *frozen,
            reserved: *reserved,
            bond: *bond,
            statement: *statement,
            answer: None,
            reasons: None,
            phase: DisputePhase::Contested { due: *answer_by },
        };
        if Arc::make_mut(&mut self.disputes)
            .all
            .insert(*id, Arc::new(state))
            .is_some()
        {
            self.doubt(at, &format!("lease {id} was contested twice"));
        }
    }

    /// Terms in force and token of a lease.
    fn named(&self, id: LeaseId) -> Option<(LeaseKey, TokenIndex)> {
        let lease = self.lease_by_id(id)?.lease;
        Some((lease.key, lease.terms.token))
    }

    fn apply_freeze(&mut self, at: Moment, event: &DisputeEvent) {
        match event {
            DisputeEvent::Frozen { id, amount, until } => {
                let Some((_, token)) = self.named(*id) else {
                    return self.doubt(
                        at,
                        &format!("money of lease {id} was frozen, which was never opened"),
                    );
                };
                let freeze = Freeze {
                    token,
                    amount: *amount,
                    until: *until,
                };
                Arc::make_mut(&mut self.disputes).freezes.insert(*id, freeze);
                let earnings = self
                    .provider_mut(at, id.provider)
                    .earnings
                    .entry(token)
                    .or_default();
                earnings.frozen = earnings.frozen.saturating_add(amount.0.into());
            }
            DisputeEvent::FreezeEnded {
                id,
                to_tenant,
                to_provider,
            } => {
                let Some(freeze) = Arc::make_mut(&mut self.disputes).freezes.remove(id) else {
                    return self.doubt(at, &format!("nothing of lease {id} was frozen"));
                };
                let earnings = self
                    .provider_mut(at, id.provider)
                    .earnings
                    .entry(freeze.token)
                    .or_default();
                earnings.frozen = earnings.frozen.saturating_sub(freeze.amount.0.into());
                earnings.awarded = earnings.awarded.saturating_add(to_tenant.0.into());
                if to_tenant.checked_add(*to_provider) != Some(freeze.amount) {
                    self.doubt(
                        at,
                        &format!("more or less than was frozen of lease {id} was let go"),
                    );
                }
            }
            other => self.doubt(at, &format!("{other:?} is no event of frozen money")),
        }
    }

    fn apply_reserve(&mut self, at: Moment, event: &DisputeEvent) {
        match event {
            DisputeEvent::Reserved {
                id,
                slot,
                slasher,
                amount,
                until,
            } => {
                let Some((_, token)) = self.named(*id) else {
                    return self.doubt(
                        at,
                        &format!("stake for lease {id} was reserved, which was never opened"),
                    );
                };
                let reserve = Reserve {
                    token,
                    amount: *amount,
                    until: *until,
                    slasher: *slasher,
                };
                Arc::make_mut(&mut self.disputes)
                    .reserves
                    .insert((*id, *slot), reserve);
                self.change_stake(at, id.provider, token, |stake| {
                    stake.reserved = MicroUnits(stake.reserved.0.saturating_add(amount.0));
                });
            }
            DisputeEvent::Unreserved { id, slot } => self.give_back(at, *id, *slot, |_| {}),
            DisputeEvent::Slashed {
                id,
                slot,
                token: _,
                refunded,
                burned,
            } => self.give_back(at, *id, *slot, |stake| {
                stake.amount = stake.amount.saturating_sub(*refunded).saturating_sub(*burned);
                // What was asked back shrinks with the stake, as in the vault.
                stake.unbonding = stake.unbonding.min(stake.amount.saturating_sub(stake.locked));
                if stake.unbonding == MicroUnits::ZERO {
                    stake.unbond_at = ChainSeconds(0);
                }
            }),
            other => self.doubt(at, &format!("{other:?} is no event of reserved stake")),
        }
    }

    /// Ends a reserve, then changes the stake.
    fn give_back(&mut self, at: Moment, id: LeaseId, slot: u8, change: impl FnOnce(&mut StakeState)) {
        let Some(reserve) = Arc::make_mut(&mut self.disputes).reserves.remove(&(id, slot)) else {
            return self.doubt(
                at,
                &format!("no stake was reserved for lease {id} in slot {slot}"),
            );
        };
        self.change_stake(at, id.provider, reserve.token, |stake| {
            stake.reserved = stake.reserved.saturating_sub(reserve.amount);
            change(stake);
        });
    }
}

#[cfg(test)]
mod tests;
