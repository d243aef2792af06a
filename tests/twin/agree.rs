//! Model and bytecode side by side: does a step in both and compares all that can be seen.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolCall,
};
use leaseport::{
    chain_io::bindings::{LeaseBook, StakeVault, TestDollar},
    core::{
        book::{KeyRoles, StopBy},
        documents::{
            order::Order,
            terms::{Terms, stored},
        },
        escrow::{Act, Escrow, Holder, LeaseSlot, OrderPhase, OrderSlot, Phase, Stake},
        ids::Lane,
        money::MicroUnits,
        time::ChainSeconds,
    },
};
use leaseport_evm::Failure;

use crate::{
    Counts,
    dice::Dice,
    market::{BEGIN, F, Market, Pause, People, TREASURY, UNWILLING, W, WILLING, rich},
    trace::{LANES, PROVIDERS, Situation, Step, at, wait},
};

/// Whether steps are told while they are done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    Nothing,
    Steps,
}

/// A trace under way.
pub(crate) struct Watch<'a> {
    market: Market,
    model: Escrow,
    people: &'a People,
    accounts: Vec<Address>,
    now: u64,
    orders: Vec<(B256, Order)>,
    terms: Vec<Terms>,
    /// Sent to the book without a call, of each token, in micro-units.
    donated: [u128; 2],
    /// Model's idea of what each account holds beyond what it began with.
    balances: Vec<[i128; 2]>,
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
        acts.extend((0..2).map(|token| Act::Stake {
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
    pub(crate) fn new(market: Market, model: Escrow, people: &'a People) -> Self {
        let mut accounts: Vec<Address> = people.all().into_iter().map(|key| key.address()).collect();
        accounts.extend([TREASURY, WILLING, UNWILLING]);
        let mut market = market;
        // What founding moved is the beginning.
        let balances = accounts
            .iter()
            .map(|account| {
                [0, 1].map(|token| {
                    let is_person = people.key(*account).is_some();
                    let began = if is_person {
                        rich() * U256::from(market.scales[1])
                    } else {
                        U256::ZERO
                    };
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
            accounts,
            now: BEGIN,
            orders: Vec::new(),
            terms: Vec::new(),
            donated: [0; 2],
            balances,
            next_pause: 0,
            counts: Counts::new(),
            tell: Tell::Nothing,
        }
    }

    /// Does one step in both and compares.
    pub(crate) fn step(&mut self, seed: u64) -> Result<(), String> {
        let mut dice = Dice::new(seed);
        self.now += wait(&mut dice);
        self.market.chain.set_time(self.now);
        let situation = Situation {
            model: &self.model,
            people: self.people,
            now: self.now,
            book: self.market.book,
            orders: &self.orders,
            terms: &self.terms,
        };
        match situation.step(&mut dice) {
            Step::Act(caller, act) => self.act(caller, &act)?,
            Step::Pause => self.pause()?,
            Step::Unpause => {
                self.market
                    .set_pause(Pause::End)
                    .map_err(|error| error.to_string())?;
                self.model.policy.paused_until = ChainSeconds(0);
            }
            Step::Fee(steps) => {
                self.market.set_fee(steps);
                self.model.policy.fee_steps = steps;
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

    fn act(&mut self, caller: Address, act: &Act) -> Result<(), String> {
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
        if let Act::Post { order } = act {
            self.orders.push((order.id().0, (**order).clone()));
        }
        for transfer in expected.unwrap_or_default() {
            let amount = i128::try_from(transfer.amount).unwrap();
            self.moved(transfer.token, transfer.from, -amount);
            self.moved(transfer.token, transfer.to, amount);
        }
        if let (Act::Accept { .. }, Ok(())) = (act, &found) {
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
        Ok(())
    }

    /// Compares all that can be seen.
    fn compare(&mut self) -> Result<(), String> {
        self.compare_tokens()?;
        self.compare_sums()?;
        self.compare_providers()?;
        self.compare_orders()
    }

    fn compare_tokens(&mut self) -> Result<(), String> {
        for token in [0_u8, 1] {
            let index = usize::from(token);
            let scale = U256::from(self.market.scales[index]);
            let (book, vault) = (self.market.book, self.market.vault);
            let held = self.model.held_by_book(token) + self.donated[index];
            same(
                "I1: the book's tokens",
                token,
                self.market.balance(index, book),
                U256::from(held) * scale,
            )?;
            let held = U256::from(self.model.held_by_vault(token)) * scale;
            same(
                "SV-1: the vault's tokens",
                token,
                self.market.balance(index, vault),
                held,
            )?;
            for number in 0..self.accounts.len() {
                let account = self.accounts[number];
                let began = if self.people.key(account).is_some() {
                    rich() * U256::from(self.market.scales[1])
                } else {
                    U256::ZERO
                };
                let change = self.balances[number][index];
                let by = U256::from(change.unsigned_abs()) * scale;
                let expected = if change < 0 { began - by } else { began + by };
                same(
                    "tokens of",
                    account,
                    self.market.balance(index, account),
                    expected,
                )?;
            }
        }
        Ok(())
    }

    fn compare_sums(&mut self) -> Result<(), String> {
        let (book, vault) = (self.market.book, self.market.vault);
        for token in [0_u8, 1] {
            let fees = self.market.ask(book, &LeaseBook::feesCall { token });
            same("fees", token, fees, self.model.fees(token))?;
            let burned = self.market.ask(vault, &StakeVault::burnedCall { token });
            same("burned", token, burned, self.model.burned(token))?;
            for account in [WILLING, UNWILLING] {
                let credit = self.market.ask(book, &LeaseBook::creditsCall { account, token });
                same("credit", account, credit, self.model.credit(account, token))?;
            }
            for provider in PROVIDERS {
                let call = LeaseBook::earningsCall {
                    providerId: provider.0,
                    token,
                };
                let found = self.market.ask(book, &call);
                let expected = self.model.earnings(provider, token, at(self.now));
                same("earnings", provider, (found.claimable, found.vesting), expected)?;
                let call = StakeVault::stakeOfCall {
                    providerId: provider.0,
                    token,
                };
                let found = self.market.ask(vault, &call);
                let stake = Stake {
                    amount: MicroUnits(found.amount),
                    locked: MicroUnits(found.locked),
                    unbonding: MicroUnits(found.unbonding),
                    unbond_at: Some(found.unbondAt.to::<u64>()).filter(|at| *at != 0),
                };
                same("stake", provider, stake, self.model.stake(provider, token))?;
            }
        }
        Ok(())
    }

    fn compare_providers(&mut self) -> Result<(), String> {
        let book = self.market.book;
        for provider in PROVIDERS {
            let found = self.market.ask(
                book,
                &LeaseBook::laneWordCall {
                    providerId: provider.0,
                    word: 0,
                },
            );
            let lanes = (0..8_u32).fold(U256::ZERO, |word, lane| {
                word | (U256::from(self.model.lane(provider, Lane(lane))) << (32 * lane) as usize)
            });
            same("lanes", provider, found, lanes)?;
            for lane in (0..LANES).map(Lane) {
                let call = LeaseBook::leaseWordsCall {
                    providerId: provider.0,
                    lane: lane.0,
                };
                let found = self.market.ask(book, &call);
                let lease = self.model.leases().get(&(provider, lane));
                let expected = lease.map_or((U256::ZERO, U256::ZERO), |lease| (hot(lease), stat(lease)));
                if (found.hot, found.stat) != expected {
                    return Err(format!(
                        "words of {provider:?} {lane:?}: chain {:x} {:x}, model {:x} {:x}: {lease:?}",
                        found.hot, found.stat, expected.0, expected.1
                    ));
                }
            }
            let found = self.market.ask(
                book,
                &LeaseBook::reputationCall {
                    providerId: provider.0,
                },
            );
            let record = self.model.providers()[&provider].record;
            let counts = [
                found.started,
                found.declined,
                found.expiredPending,
                found.stoppedByTenant,
                found.noticeGiven,
                found.faulted,
            ];
            let expected = [
                record.started,
                record.declined,
                record.expired_pending,
                record.stopped_by_tenant,
                record.notice_given,
                record.faulted,
            ];
            same("record", provider, counts, expected)?;
            let paid = (found.paid.to::<u128>(), found.signedPaid.to::<u128>());
            same("paid", provider, paid, (record.paid, record.signed_paid))?;
            let payout = self.market.ask(
                book,
                &LeaseBook::payoutOfCall {
                    providerId: provider.0,
                },
            );
            same(
                "payout",
                provider,
                payout,
                self.model.providers()[&provider].payout_at(self.now),
            )?;
        }
        Ok(())
    }

    fn compare_orders(&mut self) -> Result<(), String> {
        let hashes: Vec<B256> = self.orders.iter().rev().take(8).map(|(hash, _)| *hash).collect();
        for hash in hashes {
            let found = self
                .market
                .ask(self.market.book, &LeaseBook::orderOfCall { orderHash: hash });
            let found = (
                found.state,
                found.amount,
                found.token,
                u64::from(found.expiry),
                u64::from(found.postedAt),
            );
            let expected = self.model.orders().get(&hash).map_or((0, 0, 0, 0, 0), |slot| {
                let state = match slot.phase {
                    OrderPhase::Open => 1,
                    OrderPhase::Accepted => 2,
                    OrderPhase::Cancelled => 3,
                };
                (state, slot.amount.0, slot.token, slot.expiry, slot.posted_at)
            });
            same("order", hash, found, expected)?;
        }
        Ok(())
    }

    /// Ends everything, by whoever may, with everybody else silent: the book must come to hold nothing but what was given to it (contracts: I7).
    pub(crate) fn everybody_can_leave(&mut self) -> Result<(), String> {
        let stranger = self.people.stranger.address();
        self.now += 2 * 86_400;
        self.market.chain.set_time(self.now);
        self.compare()?;
        for (hash, order) in self.orders.clone() {
            let open = |slot: &OrderSlot| slot.phase == OrderPhase::Open;
            if self.model.orders().get(&hash).is_some_and(open) {
                self.must(
                    stranger,
                    Act::Cancel {
                        order: Box::new(order),
                    },
                )?;
            }
        }
        let open: Vec<(Phase, Terms)> = self
            .model
            .leases()
            .values()
            .map(|lease| (lease.phase, lease.terms.clone()))
            .collect();
        for (phase, terms) in open {
            let terms = Box::new(terms);
            match phase {
                Phase::Pending => self.must(stranger, Act::Expire { terms })?,
                Phase::Live => self.must(stranger, Act::Finalize { terms })?,
                Phase::Closed => {}
            }
        }
        self.now += 3 * u64::from(W) + 2 * 86_400 + u64::from(F);
        for token in [0_u8, 1] {
            for provider in PROVIDERS {
                let to = self.model.providers()[&provider].payout_at(self.now);
                let waits = self.model.earnings(provider, token, at(self.now)).0;
                if waits != 0 && !(token == 1 && to == UNWILLING) {
                    self.must(stranger, Act::Claim { provider, token })?;
                }
                if self.model.stake(provider, token).unbond_at.is_some() && !(token == 1 && to == UNWILLING) {
                    self.must(stranger, Act::CompleteUnbond { provider, token })?;
                }
            }
            for account in [WILLING, UNWILLING] {
                if self.model.credit(account, token) != 0 {
                    self.must(account, Act::WithdrawCredit { token, to: WILLING })?;
                }
            }
            if self.model.fees(token) != 0 {
                self.must(stranger, Act::PushFees { token })?;
            }
        }
        for token in [0_u8, 1] {
            let refused: u128 = PROVIDERS
                .iter()
                .map(|id| self.model.earnings(*id, token, at(self.now)).0)
                .sum();
            same("left in the book", token, self.model.held_by_book(token), refused)?;
        }
        Ok(())
    }

    fn must(&mut self, caller: Address, act: Act) -> Result<(), String> {
        self.market.chain.set_time(self.now);
        let refused = self.counts.get(name(&act)).map_or(0, |count| count.1);
        self.act(caller, &act)?;
        if self.counts.get(name(&act)).map_or(0, |count| count.1) != refused {
            return Err(format!("I7: {act:?} by {caller} was refused"));
        }
        self.compare()
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
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

/// The hot word of a lease as the design draws it.
fn hot(lease: &LeaseSlot) -> U256 {
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
    fields.into_iter().fold(U256::ZERO, |word, (value, offset)| {
        word | (U256::from(value) << offset)
    })
}

/// The stat word: high 200 bits of the terms hash, generation, time of the opening.
fn stat(lease: &LeaseSlot) -> U256 {
    U256::from_be_bytes(stored(lease.terms_hash).0)
        | (U256::from(lease.generation) << 32)
        | U256::from(lease.opened_at)
}

fn name(act: &Act) -> &'static str {
    match act {
        Act::Register { .. } => "register",
        Act::AddKey { .. } => "addKey",
        Act::RemoveKey { .. } => "removeKey",
        Act::CancelAllBids { .. } => "cancelAllBids",
        Act::SetPayout { .. } => "setPayout",
        Act::Post { .. } => "postOrder",
        Act::Cancel { .. } => "cancelOrder",
        Act::Accept { .. } => "accept",
        Act::Start { .. } => "start",
        Act::Decline { .. } => "decline",
        Act::Expire { .. } => "expire",
        Act::Report { .. } => "report",
        Act::Settle { .. } => "settle",
        Act::TopUp { .. } => "topUp",
        Act::Notice { .. } => "notice",
        Act::Stop { .. } => "stop",
        Act::Evict { .. } => "evict",
        Act::Waive { .. } => "waive",
        Act::Finalize { .. } => "finalize",
        Act::CloseBoth { .. } => "closeBoth",
        Act::Claim { .. } => "claim",
        Act::WithdrawCredit { .. } => "withdrawCredit",
        Act::PushFees { .. } => "pushFees",
        Act::Stake { .. } => "stake",
        Act::RequestUnbond { .. } => "requestUnbond",
        Act::CompleteUnbond { .. } => "completeUnbond",
        Act::PushBurned { .. } => "pushBurned",
    }
}
