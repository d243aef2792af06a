//! Model and bytecode side by side: does a step in both. What is compared after it is in `compare`.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolCall,
};
use leaseport::{
    chain_io::bindings::{Params, TestDollar},
    core::{
        book::KeyRoles,
        documents::{offer::Offer, order::Order, terms::Terms},
        escrow::{Act, Escrow, Holder, Phase},
        money::MicroUnits,
        time::ChainSeconds,
    },
};
use leaseport_evm::Failure;

use crate::{
    Counts,
    dice::Dice,
    market::{BEGIN, Bench, Market, Pause, People, TOKENS, TREASURY, UNWILLING, WILLING, riches},
    names::name,
    trace::{PROVIDERS, Situation, Step, at},
};

/// Whether steps are told while they are done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    Nothing,
    Steps,
}

/// A trace under way.
pub(crate) struct Watch<'a> {
    pub(crate) market: Market,
    pub(crate) model: Escrow,
    pub(crate) people: &'a People,
    pub(crate) bench: Bench,
    pub(crate) accounts: Vec<Address>,
    pub(crate) now: u64,
    pub(crate) orders: Vec<(B256, Order)>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) terms: Vec<Terms>,
    /// Sent to the book without a call, of each token, in micro-units.
    pub(crate) donated: [u128; 3],
    /// Model's idea of what each account holds beyond what it began with.
    pub(crate) balances: Vec<[i128; 3]>,
    next_pause: u64,
    pub(crate) counts: Counts,
    pub(crate) tell: Tell,
}

/// A market with two registered and staked providers, and its model.
pub(crate) fn founded(people: &People) -> (Market, Escrow) {
    let (mut market, mut model) = Market::deploy(people);
    for (index, provider) in PROVIDERS.into_iter().enumerate() {
        let keys = vec![
            (people.bidders[index].address(), KeyRoles::BID),
            (
                people.operators[index].address(),
                KeyRoles(KeyRoles::START.0 | KeyRoles::REPORT.0),
            ),
        ];
        let owner = people.owners[index].address();
        let payout = people.owners[index].address();
        let mut acts = vec![Act::Register { payout, keys }];
        acts.extend((0..TOKENS).map(|token| Act::Stake {
            provider,
            token,
            amount: MicroUnits(1 << 28),
        }));
        for act in acts {
            market.call(people, owner, at(BEGIN), &act).unwrap();
            model.act(owner, at(BEGIN), &act).unwrap();
        }
    }
    let owner = people.owners[0].address();
    let asset = market.tokens[1];
    let seen = market.ask(asset, &TestDollar::balanceOfCall { account: owner });
    assert_eq!(
        market.balance(1, owner),
        seen,
        "balances are in slot 0 of the token"
    );
    (market, model)
}

impl<'a> Watch<'a> {
    pub(crate) fn new(mut market: Market, mut model: Escrow, people: &'a People, bench: Bench) -> Self {
        let mut accounts: Vec<Address> = people.all().into_iter().map(|key| key.address()).collect();
        accounts.extend([TREASURY, WILLING, UNWILLING]);
        // The first court may act at once.
        let slasher = match bench {
            Bench::Contract => market.court,
            Bench::Judge => people.judge.address(),
        };
        market.decide(&Params::setSlasherCall { slot: 0, slasher });
        model.policy.slashers[0] = Some(slasher);
        // What founding moved is the beginning.
        let balances = accounts
            .iter()
            .map(|account| {
                [0, 1, 2].map(|token| {
                    let is_person = people.key(*account).is_some();
                    let began = if is_person { riches() } else { U256::ZERO };
                    let has = market.balance(token, *account);
                    let spent = (began - has) / U256::from(market.scales[token]);
                    -i128::try_from(spent.to::<u128>()).unwrap()
                })
            })
            .collect();
        Self {
            market,
            model,
            people,
            bench,
            accounts,
            now: BEGIN,
            orders: Vec::new(),
            offers: Vec::new(),
            terms: Vec::new(),
            donated: [0; 3],
            balances,
            next_pause: 0,
            counts: Counts::new(),
            tell: Tell::Nothing,
        }
    }

    /// Does one step in both and compares.
    pub(crate) fn step(&mut self, seed: u64) -> Result<(), String> {
        let mut dice = Dice::new(seed);
        let mut situation = Situation {
            model: &self.model,
            people: self.people,
            bench: self.bench,
            now: self.now,
            book: self.market.book,
            orders: &self.orders,
            offers: &self.offers,
            terms: &self.terms,
        };
        situation.now += situation.wait(&mut dice);
        let (now, step) = (situation.now, situation.step(&mut dice));
        self.now = now;
        self.market.chain.set_time(self.now);
        match step {
            Step::Act(caller, act) => self.act(caller, &act)?,
            Step::Pause => self.pause()?,
            Step::Unpause => {
                self.market
                    .set_pause(Pause::End)
                    .map_err(|error| error.to_string())?;
                self.model.policy.paused_until = ChainSeconds(0);
            }
            Step::Fee(steps) => {
                self.market.decide(&Params::setFeeCall { feeSteps: steps });
                self.model.policy.fee_steps = steps;
                // The reduced fee is never the higher one.
                if let Some((_, reduced)) = &mut self.model.policy.reduced {
                    *reduced = steps.min(*reduced);
                }
            }
            Step::ReducedFee(token, steps) => {
                self.market.decide(&Params::setReducedFeeCall {
                    token,
                    feeSteps: steps,
                });
                self.model.policy.reduced = Some((token, steps));
            }
            Step::CourtFee(token, fee) => {
                self.market.decide(&Params::setCourtFeeCall { token, fee });
                if let Some(policy) = self.model.policy.tokens.get_mut(&token) {
                    policy.court_fee = fee;
                }
            }
            Step::TurnToken(token) => {
                if let Some(policy) = self.model.policy.tokens.get_mut(&token) {
                    policy.takes_orders = !policy.takes_orders;
                    let open = policy.takes_orders;
                    self.market.decide(&Params::setTokenOpenCall { token, open });
                }
            }
            Step::Donate(token) => self.donate(token),
        }
        self.compare()
    }

    fn pause(&mut self) -> Result<(), String> {
        let done = self.market.set_pause(Pause::Begin);
        if done.is_ok() != (self.now >= self.next_pause) {
            return Err(format!("pause at {}: {done:?}", self.now));
        }
        if done.is_ok() {
            // Seven days, once in sixty: here ended early, or nothing would open any more.
            self.model.policy.paused_until = ChainSeconds(self.now + 7 * 86_400);
            self.next_pause = self.now + 60 * 86_400;
        }
        Ok(())
    }

    fn donate(&mut self, token: u8) {
        let giver = self.people.stranger.address();
        let index = usize::from(token);
        let call = TestDollar::transferCall {
            to: self.market.book,
            value: U256::from(self.market.scales[index]),
        };
        let asset = self.market.tokens[index];
        self.market
            .chain
            .call(giver, asset, call.abi_encode().into())
            .unwrap();
        self.donated[index] += 1;
        self.moved(token, Holder::Account(giver), -1);
    }

    fn moved(&mut self, token: u8, holder: Holder, amount: i128) {
        let Holder::Account(account) = holder else {
            return;
        };
        if let Some(index) = self.accounts.iter().position(|known| *known == account) {
            self.balances[index][usize::from(token)] += amount;
        }
    }

    pub(crate) fn act(&mut self, caller: Address, act: &Act) -> Result<(), String> {
        let expected = self.model.act(caller, at(self.now), act);
        let found = self.market.call(self.people, caller, at(self.now), act);
        if self.tell == Tell::Steps {
            println!(
                "{} {caller} {act:?}\n    model {expected:?}\n    chain {found:?}",
                self.now
            );
        }
        let count = self.counts.entry(name(act)).or_default();
        match (&expected, &found) {
            (Ok(_), Ok(())) => count.0 += 1,
            (Err(_), Err(failure)) => {
                count.1 += 1;
                says_why(failure).map_err(|why| format!("{act:?} by {caller}: {why}"))?;
            }
            _ => {
                return Err(format!(
                    "at {} {caller} does {act:?}: model {expected:?}, chain {found:?}",
                    self.now
                ));
            }
        }
        match act {
            Act::Post { order } | Act::PostSigned { order, .. } => {
                self.orders.push((order.id().0, (**order).clone()));
            }
            Act::Take { offer, .. } if !self.offers.contains(offer) => self.offers.push((**offer).clone()),
            _ => {}
        }
        let done = expected.is_ok();
        for transfer in expected.unwrap_or_default() {
            let amount = i128::try_from(transfer.amount).unwrap();
            self.moved(transfer.token, transfer.from, -amount);
            self.moved(transfer.token, transfer.to, amount);
        }
        if done {
            self.remember_terms(act);
        }
        Ok(())
    }

    fn remember_terms(&mut self, act: &Act) {
        match act {
            Act::Accept { .. } | Act::AcceptSigned { .. } | Act::Fill { .. } | Act::Take { .. } => {
                let new: Vec<Terms> = self
                    .model
                    .leases()
                    .values()
                    .filter(|lease| lease.opened_at == self.now && lease.phase == Phase::Pending)
                    .map(|lease| lease.terms.clone())
                    .collect();
                for terms in new {
                    if !self.terms.contains(&terms) {
                        self.terms.push(terms);
                    }
                }
            }
            Act::Amend { next, .. } => self.terms.push((**next).clone()),
            _ => {}
        }
    }
}

/// A refusal must be an error of the contracts or the token with its values, never a panic, an empty revert or a halt.
fn says_why(failure: &Failure) -> Result<(), String> {
    match failure {
        // 0x4e487b71 is Panic(uint256): a rule that was not checked.
        Failure::Reverted(data) if data.len() >= 4 && data[..4] != [0x4e, 0x48, 0x7b, 0x71] => Ok(()),
        // The second token says nothing when it refuses.
        Failure::Reverted(data) if data.is_empty() => Ok(()),
        other => Err(format!("fails without a reason: {other}")),
    }
}
