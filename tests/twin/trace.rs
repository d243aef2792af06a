//! One step of a trace: a number becomes a passage of time and an act. Most acts are such as their caller could mean; some are by the wrong
//! person, at the wrong time, or outside a bound.

use alloy::primitives::{
    Address, B256, U256,
    aliases::{U40, U48},
    keccak256,
};
use leaseport::core::{
    book::KeyRoles,
    documents::{bid::Bid, bid::LaneUse, bid::lanes_hash, order::Order, terms::Terms},
    escrow::{Act, Escrow, LeaseSlot, OrderPhase, Phase, rent},
    ids::{Generation, Lane, ProviderId},
    money::MicroUnits,
    time::ChainSeconds,
    usage::lanes::{JUMP, word_with},
};
use leaseport_evm::Key;

use crate::{
    dice::Dice,
    market::{F, NEEDS, People, TREASURY, UNWILLING, W, WILLING},
};

pub(crate) const LANES: u32 = 4;
pub(crate) const PROVIDERS: [ProviderId; 2] = [ProviderId(1), ProviderId(2)];

/// What a trace has come to.
pub(crate) struct Situation<'a> {
    pub(crate) model: &'a Escrow,
    pub(crate) people: &'a People,
    pub(crate) now: u64,
    pub(crate) book: Address,
    /// Every order posted or tried.
    pub(crate) orders: &'a [(B256, Order)],
    /// Terms of every lease ever opened.
    pub(crate) terms: &'a [Terms],
}

/// What a step does.
pub(crate) enum Step {
    /// An act of somebody.
    Act(Address, Act),
    /// The guardian pauses.
    Pause,
    /// The guardian ends a pause.
    Unpause,
    /// The fee of new leases changes.
    Fee(u8),
    /// Somebody sends the book a token, which must change nothing.
    Donate(u8),
}

/// How long nothing happens before a step, in seconds.
pub(crate) fn wait(dice: &mut Dice) -> u64 {
    match dice.below(400) {
        0..=99 => 0,
        100..=359 => dice.below(200),
        360..=389 => dice.below(u64::from(W)),
        390..=395 => u64::from(F),
        396..=398 => dice.below(4 * u64::from(W)),
        _ => dice.below(100_000),
    }
}

impl Situation<'_> {
    fn anyone(&self, dice: &mut Dice) -> Address {
        dice.pick(&self.people.all()).address()
    }

    /// Mostly the one it should be.
    fn mostly(&self, dice: &mut Dice, rightful: &Key) -> Address {
        if dice.once_in(12) {
            self.anyone(dice)
        } else {
            rightful.address()
        }
    }

    fn index(dice: &mut Dice) -> usize {
        usize::from(!dice.once_in(3))
    }

    /// The terms of a lease in a phase, mostly one that is still or already `fit`, if there is one; seldom those of any lease ever.
    fn terms_in(&self, dice: &mut Dice, phase: Phase, fit: impl Fn(&LeaseSlot) -> bool) -> Option<Terms> {
        if dice.once_in(25) && !self.terms.is_empty() {
            return Some(dice.pick(self.terms).clone());
        }
        let strict = !dice.once_in(10);
        let fitting: Vec<&LeaseSlot> = self
            .model
            .leases()
            .values()
            .filter(|lease| lease.phase == phase && (!strict || fit(lease)))
            .collect();
        if fitting.is_empty() {
            return None;
        }
        Some(dice.pick(&fitting).terms.clone())
    }

    fn active_terms(&self, dice: &mut Dice) -> Option<Terms> {
        self.terms_in(dice, Phase::Live, |lease| self.now < lease.stop_at)
    }

    fn slot(&self, terms: &Terms) -> Option<&LeaseSlot> {
        let id = terms.lease().ok()?;
        self.model.leases().get(&(id.provider, id.lane))
    }

    fn lane_of(&self, terms: &Terms) -> u32 {
        terms
            .lease()
            .map_or(0, |id| self.model.lane(id.provider, id.lane))
    }

    /// The provider's index by its id, any where there is none.
    fn of_provider<'k>(keys: &'k [Key; 2], terms: &Terms) -> &'k Key {
        &keys[usize::from(terms.lease().is_ok_and(|id| id.provider == PROVIDERS[1]))]
    }

    fn tenant(&self, dice: &mut Dice, terms: &Terms) -> Address {
        match dice.below(12) {
            0 => self.anyone(dice),
            1..=3 => terms.agent,
            _ => terms.tenant,
        }
    }

    pub(crate) fn step(&self, dice: &mut Dice) -> Step {
        let step = match dice.below(100) {
            0..=11 => Some(self.post(dice)),
            12..=27 => self.accept(dice),
            28..=38 => self.start(dice),
            39..=54 => Some(self.report(dice)),
            55..=60 => Some(self.settle(dice)),
            61..=63 => self.end_pending(dice),
            64..=69 => self.top_up(dice),
            70..=74 => self.stop_or_notice(dice),
            75..=78 => self.evict_or_waive(dice),
            79..=82 => self.finalize(dice),
            83..=87 => self.close_both(dice),
            88..=92 => Some(self.money_out(dice)),
            93..=95 => Some(self.stake(dice)),
            96..=97 => Some(self.keys(dice)),
            98 => self.cancel(dice),
            _ => Some(self.policy(dice)),
        };
        // Where there is nothing to do it to, the chain of a lease is carried on.
        step.or_else(|| self.start(dice))
            .or_else(|| self.accept(dice))
            .unwrap_or_else(|| self.post(dice))
    }

    fn post(&self, dice: &mut Dice) -> Step {
        let tenant = dice.pick(&self.people.tenants);
        let rate = 1 + dice.magnitude(44);
        let maximum = 1 + dice.small(6000);
        let mut order = Order {
            tenant: tenant.address(),
            agent: if dice.once_in(3) {
                Address::ZERO
            } else {
                self.people.agent.address()
            },
            refundTo: *dice.pick(&[WILLING, WILLING, UNWILLING]),
            form: 0,
            token: u8::from(dice.once_in(3)),
            flags: u8::try_from(dice.below(4)).unwrap(),
            lots: 1 + u16::from(dice.once_in(5)) + u16::from(dice.once_in(12)),
            startRate: U48::ZERO,
            // What it can afford is known to the bidder by this.
            maxRate: U48::from(rate),
            climb: 0,
            deposit: 0,
            minDuration: 1 + dice.small(maximum),
            maxDuration: maximum,
            minCommit: dice.small(maximum + 1),
            earlyFeeBps: u16::try_from(dice.below(10_001)).unwrap(),
            notice: dice.small(2000),
            grace: if dice.once_in(3) { 0 } else { dice.small(400) },
            startWindow: 1 + dice.small(3000),
            minBond: dice.magnitude(20),
            minSignedPaid: if dice.once_in(10) { dice.magnitude(30) } else { 0 },
            expiry: u32::try_from(self.now).unwrap() + 1 + dice.small(10_000),
            slaPolicy: B256::ZERO,
            needsHash: keccak256(NEEDS),
            manifestHash: B256::repeat_byte(3),
            eligible: B256::ZERO,
            endpointHash: B256::ZERO,
            salt: B256::from(U256::from(dice.next())),
        };
        // Rent of a part of the longest duration beside what is held back, so that some leases run dry.
        let rate = leaseport::core::money::RatePerHour::new(rate).unwrap();
        let least = leaseport::core::documents::terms::least_deposit(&order, rate).0;
        let more = dice.below(rate.owed_up(maximum).0 + 2);
        order.deposit = (least + more) * u64::from(order.lots);
        if dice.once_in(15) {
            outside_a_bound(dice, &mut order, self);
        }
        let caller = self.mostly(dice, tenant);
        Step::Act(
            caller,
            Act::Post {
                order: Box::new(order),
            },
        )
    }

    fn open_order(&self, dice: &mut Dice) -> Option<Order> {
        if dice.once_in(20) && !self.orders.is_empty() {
            return Some(dice.pick(self.orders).1.clone());
        }
        let strict = !dice.once_in(10);
        let open: Vec<&Order> = self
            .orders
            .iter()
            .filter(|(hash, _)| {
                self.model.orders().get(hash).is_some_and(|slot| {
                    slot.phase == OrderPhase::Open && (!strict || self.now <= slot.expiry)
                })
            })
            .map(|(_, order)| order)
            .collect();
        if open.is_empty() {
            None
        } else {
            Some((*dice.pick(&open)).clone())
        }
    }

    fn accept(&self, dice: &mut Dice) -> Option<Step> {
        let order = self.open_order(dice)?;
        let provider = Self::index(dice);
        let id = PROVIDERS[provider];
        let mut lanes = Vec::new();
        let begin = dice.small(LANES);
        for lane in (0..LANES).map(|index| Lane((begin + index) % LANES)) {
            let last = self.model.leases().get(&(id, lane));
            let free = last.is_none_or(|lease| !lease.occupies_lane(self.now, W));
            if lanes.len() < usize::from(order.lots) && (free || dice.once_in(20)) {
                let next = last.map_or(1, |lease| lease.generation + 1) + u32::from(dice.once_in(40));
                lanes.push(LaneUse {
                    lane,
                    generation: Generation::new(next).unwrap(),
                });
            }
        }
        let signer = &self.people.bidders[provider];
        let epoch = self
            .model
            .providers()
            .get(&id)
            .and_then(|known| known.keys.get(&signer.address()))
            .map_or(0, |key| key.bid_epoch);
        let rate = order.maxRate.to::<u64>().max(1);
        let bid = Bid {
            orderHash: if dice.once_in(60) {
                B256::ZERO
            } else {
                order.id().0
            },
            providerId: id.0,
            bidEpoch: epoch + u32::from(dice.once_in(40)),
            lanesHash: if dice.once_in(60) {
                B256::ZERO
            } else {
                lanes_hash(&lanes)
            },
            ratePerHour: U48::from(rate - dice.below(rate.min(9)) + u64::from(dice.once_in(60))),
            bond: order
                .minBond
                .saturating_add(dice.magnitude(22))
                .saturating_sub(dice.below(30)),
            liability: dice.magnitude(30),
            deadline: U40::from(self.now + dice.below(100) - u64::from(dice.once_in(60))),
        };
        let caller = match dice.below(12) {
            0 => self.anyone(dice),
            1..=3 => order.agent,
            _ => order.tenant,
        };
        let signer = match dice.below(30) {
            0 => None,
            1 => Some(self.anyone(dice)),
            _ => Some(signer.address()),
        };
        Some(Step::Act(
            caller,
            Act::Accept {
                order: Box::new(order),
                bid: Box::new(bid),
                lanes: lanes.into_iter().map(LaneUse::to_u64).collect(),
                signer,
            },
        ))
    }

    fn start(&self, dice: &mut Dice) -> Option<Step> {
        let terms = self.terms_in(dice, Phase::Pending, |lease| self.now <= lease.stop_at)?;
        let base = match dice.below(20) {
            0 => dice.small(1 << 31),
            1 => self.lane_of(&terms).saturating_sub(1),
            2..=5 => self.lane_of(&terms) + dice.small(50),
            _ => self.lane_of(&terms),
        };
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        Some(Step::Act(
            caller,
            Act::Start {
                terms: Box::new(terms),
                base,
            },
        ))
    }

    fn end_pending(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.terms_in(dice, Phase::Pending, |_| true)?);
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        let late = self.slot(&terms).is_some_and(|lease| self.now > lease.stop_at);
        let act = if late != dice.once_in(8) {
            Act::Expire { terms }
        } else {
            Act::Decline { terms }
        };
        Some(Step::Act(caller, act))
    }

    fn report(&self, dice: &mut Dice) -> Step {
        let provider = Self::index(dice);
        let mut word = U256::ZERO;
        for lane in (0..LANES).map(Lane) {
            let stands = self.model.lane(PROVIDERS[provider], lane);
            let rise = match dice.below(200) {
                0 => dice.small(2 * JUMP),
                1 => JUMP - 1,
                2 => JUMP,
                3..=8 => dice.small(20_000),
                9..=130 => dice.small(400),
                _ => 0,
            };
            let count = if dice.once_in(10) {
                dice.small(stands + 1)
            } else {
                (stands + rise).min((1 << 31) - 1)
            };
            word |= word_with(lane, count);
        }
        if dice.once_in(60) {
            word |= U256::from(1_u64) << (31 + 32 * dice.small(8)) as usize;
        }
        let words = if dice.once_in(60) { vec![] } else { vec![word] };
        let first_word = if dice.once_in(60) { dice.small(u32::MAX) } else { 0 };
        Step::Act(
            self.mostly(dice, &self.people.operators[provider]),
            Act::Report {
                provider: PROVIDERS[provider],
                first_word,
                words,
            },
        )
    }

    fn settle(&self, dice: &mut Dice) -> Step {
        let lanes = (0..dice.below(7)).map(|_| Lane(dice.small(LANES))).collect();
        let provider = PROVIDERS[Self::index(dice)];
        Step::Act(self.anyone(dice), Act::Settle { provider, lanes })
    }

    fn top_up(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let least = terms.rate()?.owed_up(60).0;
        let amount = MicroUnits(match dice.below(10) {
            0 => least - 1,
            1 => least,
            2 => u64::MAX - dice.magnitude(40),
            _ => least.saturating_add(dice.below(least * 20)),
        });
        Some(Step::Act(self.anyone(dice), Act::TopUp { terms, amount }))
    }

    fn stop_or_notice(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let operator = Self::of_provider(&self.people.operators, &terms);
        Some(match dice.below(3) {
            0 => Step::Act(self.tenant(dice, &terms), Act::Stop { terms }),
            1 => Step::Act(self.mostly(dice, operator), Act::Stop { terms }),
            _ => Step::Act(self.mostly(dice, operator), Act::Notice { terms }),
        })
    }

    fn evict_or_waive(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        let lease = self.slot(&terms)?;
        let counted = self.lane_of(&terms).saturating_sub(lease.lane_base);
        let unpaid = counted.saturating_sub(rent::last_affordable(
            terms.rate()?,
            lease.settled,
            lease.balance.0.into(),
        ));
        if unpaid > 0 || dice.once_in(6) {
            return Some(Step::Act(caller, Act::Evict { terms }));
        }
        let cum = match dice.below(5) {
            0 => lease.settled.saturating_sub(1),
            1 => counted,
            2 => lease.settled,
            _ => lease.settled + dice.small(counted.saturating_sub(lease.settled) + 1),
        };
        Some(Step::Act(caller, Act::Waive { terms, cum }))
    }

    fn finalize(&self, dice: &mut Dice) -> Option<Step> {
        // The one that ended first, mostly, since most have not.
        let ended = self
            .model
            .leases()
            .values()
            .filter(|lease| lease.phase == Phase::Live)
            .min_by_key(|lease| lease.stop_at)
            .map(|lease| lease.terms.clone());
        let terms = if dice.once_in(5) {
            self.terms_in(dice, Phase::Live, |_| true)
        } else {
            ended
        }?;
        Some(Step::Act(
            self.anyone(dice),
            Act::Finalize {
                terms: Box::new(terms),
            },
        ))
    }

    fn close_both(&self, dice: &mut Dice) -> Option<Step> {
        let phase = if dice.once_in(4) {
            Phase::Pending
        } else {
            Phase::Live
        };
        let terms = Box::new(self.terms_in(dice, phase, |_| true)?);
        let lease = self.slot(&terms)?;
        let elapsed = self.now.min(lease.stop_at).saturating_sub(lease.start_at);
        let elapsed = if lease.phase == Phase::Live {
            u32::try_from(elapsed).unwrap()
        } else {
            0
        };
        let cum = match dice.below(12) {
            0 => lease.settled.saturating_sub(1),
            1 => elapsed + 1,
            2 => elapsed,
            3 => lease.settled,
            _ => lease.settled + dice.small(elapsed.saturating_sub(lease.settled) + 1),
        };
        let operator = Self::of_provider(&self.people.operators, &terms).address();
        let tenant = self.tenant(dice, &terms);
        let (mut provider_signer, mut tenant_signer) = (Some(Some(operator)), Some(Some(tenant)));
        let caller = match dice.below(4) {
            0 => self.anyone(dice),
            1 => {
                provider_signer = None;
                operator
            }
            _ => {
                tenant_signer = None;
                tenant
            }
        };
        match dice.below(30) {
            0 => provider_signer = Some(None),
            1 => tenant_signer = Some(None),
            2 => provider_signer = Some(Some(self.anyone(dice))),
            3 => tenant_signer = None,
            _ => {}
        }
        let deadline = self.now + dice.below(10) - u64::from(dice.once_in(40));
        Some(Step::Act(
            caller,
            Act::CloseBoth {
                terms,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            },
        ))
    }

    fn money_out(&self, dice: &mut Dice) -> Step {
        let token = u8::from(dice.once_in(3));
        let provider = PROVIDERS[Self::index(dice)];
        match dice.below(10) {
            0..=4 => Step::Act(self.anyone(dice), Act::Claim { provider, token }),
            5..=6 => Step::Act(self.anyone(dice), Act::PushFees { token }),
            7 => Step::Act(self.anyone(dice), Act::PushBurned { token }),
            _ => {
                let to = *dice.pick(&[WILLING, WILLING, UNWILLING, Address::ZERO]);
                let creditor = *dice.pick(&[UNWILLING, UNWILLING, WILLING]);
                Step::Act(
                    creditor,
                    Act::WithdrawCredit {
                        token: 1 - u8::from(dice.once_in(3)),
                        to,
                    },
                )
            }
        }
    }

    fn stake(&self, dice: &mut Dice) -> Step {
        let token = u8::from(dice.once_in(3));
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

    fn keys(&self, dice: &mut Dice) -> Step {
        let index = Self::index(dice);
        let provider = PROVIDERS[index];
        let caller = self.mostly(dice, &self.people.owners[index]);
        let key = if dice.once_in(3) {
            self.anyone(dice)
        } else {
            dice.pick(&[&self.people.bidders[index], &self.people.operators[index]])
                .address()
        };
        let roles = KeyRoles(u8::try_from(dice.below(9)).unwrap());
        match dice.below(12) {
            0 => Step::Act(caller, Act::RemoveKey { provider, key }),
            1..=6 => Step::Act(
                caller,
                Act::AddKey {
                    provider,
                    key,
                    roles: if roles.0.is_multiple_of(3) {
                        roles
                    } else {
                        KeyRoles(7)
                    },
                },
            ),
            7..=8 => Step::Act(caller, Act::CancelAllBids { provider, key }),
            9 => Step::Act(
                caller,
                Act::Register {
                    payout: if dice.once_in(4) { self.book } else { key },
                    keys: vec![(key, roles)],
                },
            ),
            _ => {
                let payout = *dice.pick(&[key, key, UNWILLING, Address::ZERO, self.book]);
                Step::Act(caller, Act::SetPayout { provider, payout })
            }
        }
    }

    fn cancel(&self, dice: &mut Dice) -> Option<Step> {
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

    fn policy(&self, dice: &mut Dice) -> Step {
        match dice.below(6) {
            0 => Step::Pause,
            1..=2 => Step::Unpause,
            3..=4 => Step::Fee(u8::try_from(dice.below(101)).unwrap()),
            _ => Step::Donate(u8::from(dice.once_in(2))),
        }
    }
}

/// Changes one member so that the order breaks a rule, or nearly.
fn outside_a_bound(dice: &mut Dice, order: &mut Order, situation: &Situation<'_>) {
    match dice.below(18) {
        0 => order.form = 1,
        1 => order.flags = 4,
        2 => order.refundTo = Address::ZERO,
        3 => order.refundTo = situation.book,
        4 => order.lots = 0,
        5 => order.deposit = 0,
        6 => {
            order.lots = 2;
            order.deposit |= 1;
        }
        7 => order.maxDuration = (1 << 30) + 1,
        8 => order.minDuration = order.maxDuration + 1,
        9 => order.startWindow = 0,
        10 => order.notice = (1 << 30) + 1,
        11 => order.grace = (1 << 30) + 1,
        12 => order.minCommit = order.maxDuration + 1,
        13 => order.earlyFeeBps = 10_001,
        14 => order.expiry = u32::try_from(situation.now).unwrap(),
        15 => order.expiry = u32::try_from(situation.now).unwrap() + 86_401,
        16 => order.token = 2,
        _ => order.refundTo = TREASURY,
    }
}

/// Whether a time is one the model takes.
pub(crate) const fn at(now: u64) -> ChainSeconds {
    ChainSeconds(now)
}
