//! Asks a market's endpoints, each by itself, whether a lease is over at what it calls final, and remembers what they said: nothing is destroyed on
//! one endpoint's word (`core::view`). Asks only about leases that the followed chain calls over, beside the passes: nobody waits for an answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{eips::BlockId, primitives::Address};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    bindings::{DisputeCourt, LeaseBook},
    deploy::audit::transport,
    endpoint::{Endpoint, Endpoints},
    errors::RpcFailure,
    follower::{Settle, at_height, newest, settled},
};
use crate::core::{
    canon::BlockRef,
    ids::{Generation, LeaseId, LeaseKey},
    time::ChainSeconds,
    view::{
        DisputeSaid, Hearing, LaneLease, LaneStage, Matter, OrderSaid, Question, Says, StoredTerms, Testimony,
    },
};

/// How soon an endpoint that did not say yes is asked about the same lease again: its final block may have moved, or it may answer by then.
const AGAIN: Duration = Duration::from_secs(10);

/// The same where it only has to call final what it has said.
const RIPENS: Duration = Duration::from_secs(60);

/// Leases that one endpoint is asked about at once; the others queue. A silent one costs no more than this.
const AT_ONCE: usize = 4;

/// Answers are told together: each telling makes every lease look again.
const TOLD_TOGETHER: Duration = Duration::from_millis(300);

/// A lease that nobody has asked about for so long is forgotten, and how often that is looked for.
const KEPT: Duration = Duration::from_secs(3_600);

/// A lease that nobody has asked about for so long waits no more: the followed chain does not call it over now.
const STILL_ASKED: Duration = Duration::from_secs(60);

/// Where a market's contracts are, and what it settles on.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// LeaseBook.
    pub lease_book: Address,
    /// DisputeCourt, if there is one.
    pub court: Option<Address>,
    /// What each endpoint's final block is.
    pub settle: Settle,
}

/// A lease that is over by the followed chain, and not by enough endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    /// Which.
    pub lease: LeaseId,
    /// For how long it has been asked about.
    pub waits: Duration,
    /// Endpoints that say at a final block as high that it is not over.
    pub denied_by: Vec<String>,
}

/// What a market's endpoints said of leases that are over. Cheap to clone.
#[derive(Clone)]
pub struct Witnesses(Arc<Inner>);

struct Inner {
    endpoints: Vec<(Arc<Endpoint>, Semaphore)>,
    bench: Bench,
    /// Rung when an answer came that something may have waited for.
    news: Box<dyn Fn() + Send + Sync>,
    heard: Mutex<Heard>,
}

struct Heard {
    cases: BTreeMap<LeaseKey, Case>,
    /// When forgotten leases were last looked for.
    swept: Instant,
    /// Whether the news is on its way already.
    ringing: bool,
}

struct Case {
    /// The last that each endpoint said, by its name.
    said: BTreeMap<String, Testimony>,
    /// What it said of a block that it does not call final yet.
    early: BTreeMap<String, Early>,
    asked: BTreeMap<String, Asked>,
    /// Since when the lease waits to be borne out as over, and what was asked last for that.
    open: Option<(Instant, Question)>,
    used: Instant,
}

#[derive(Clone, Copy)]
enum Asked {
    UnderWay,
    NotBefore(Instant),
}

/// Read at an endpoint's newest block, since it keeps no state of the one that it calls final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Early {
    at: BlockRef,
    said: Testimony,
}

/// What an endpoint told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Final(Testimony),
    Early(Early),
}

impl Witnesses {
    /// Nobody was asked yet. `news` is called when answers came.
    #[must_use]
    pub fn new(endpoints: &Endpoints, bench: Bench, news: impl Fn() + Send + Sync + 'static) -> Self {
        let each = |endpoint: &Arc<Endpoint>| (Arc::clone(endpoint), Semaphore::new(AT_ONCE));
        Self(Arc::new(Inner {
            endpoints: endpoints.all().iter().map(each).collect(),
            bench,
            news: Box::new(news),
            heard: Mutex::new(Heard {
                cases: BTreeMap::new(),
                swept: Instant::now(),
                ringing: false,
            }),
        }))
    }

    /// What has been heard so far; whoever may still have to say something to it is asked meanwhile. Needs a tokio runtime.
    #[must_use]
    pub fn hear(&self, question: &Question) -> Hearing {
        if self.0.endpoints.len() < 2 {
            return Hearing::Alone;
        }
        let now = Instant::now();
        let mut heard = self.heard();
        heard.sweep(now);
        let case = heard.cases.entry(question.key).or_insert_with(|| Case {
            said: BTreeMap::new(),
            early: BTreeMap::new(),
            asked: BTreeMap::new(),
            open: None,
            used: now,
        });
        case.used = now;
        let hearing = Hearing::Heard(case.said.clone());
        let borne_out = hearing.bears_out(question);
        match question.matter {
            Matter::Closed | Matter::Gone { .. } if borne_out => case.open = None,
            Matter::Closed | Matter::Gone { .. } => {
                let since = case.open.map_or(now, |(since, _)| since);
                case.open = Some((since, *question));
            }
            // Statements that are kept a little longer harm nobody.
            Matter::Uncontestable { .. } => {}
        }
        if borne_out {
            return hearing;
        }
        for (index, (endpoint, _)) in self.0.endpoints.iter().enumerate() {
            let name = endpoint.name();
            let knows = case.said.get(name).map(|said| question.answered(said)) == Some(Says::Yes);
            let lately = match case.asked.get(name) {
                Some(Asked::UnderWay) => true,
                Some(Asked::NotBefore(when)) => now < *when,
                None => false,
            };
            if !knows && !lately {
                case.asked.insert(name.to_owned(), Asked::UnderWay);
                let early = case.early.remove(name);
                tokio::spawn(self.clone().ask(index, *question, early));
            }
        }
        hearing
    }

    /// The lease that has waited longest to be borne out as over, those first that are contradicted; none where none waits.
    #[must_use]
    pub fn unheard(&self) -> Option<Unheard> {
        let now = Instant::now();
        let heard = self.heard();
        let asked = |case: &&Case| now.duration_since(case.used) < STILL_ASKED;
        let waiting = heard.cases.values().filter(asked).filter_map(|case| {
            let (since, question) = case.open?;
            let hearing = Hearing::Heard(case.said.clone());
            Some(Unheard {
                lease: question.key.id,
                waits: now.duration_since(since),
                denied_by: hearing.denied_by(&question).map(str::to_owned).collect(),
            })
        });
        waiting.max_by_key(|unheard| (!unheard.denied_by.is_empty(), unheard.waits))
    }

    async fn ask(self, index: usize, question: Question, early: Option<Early>) {
        let Some((endpoint, turns)) = self.0.endpoints.get(index) else {
            return;
        };
        let told = match turns.acquire().await {
            Ok(_turn) => testify(endpoint, &self.0.bench, &question, early).await,
            Err(_) => return,
        };
        let (lease, name) = (question.key.id, endpoint.name());
        match &told {
            Ok(Told::Final(said)) => {
                let says = question.answered(said);
                tracing::debug!(%lease, endpoint = name, block = said.at.block, ?says, "endpoint asked whether a lease is over");
            }
            Ok(Told::Early(early)) => {
                tracing::debug!(%lease, endpoint = name, block = early.at.number, "endpoint has yet to call the block final in which it sees whether a lease is over");
            }
            Err(error) => {
                tracing::debug!(%lease, %error, "endpoint does not say whether a lease is over");
            }
        }
        // Whoever fails between two answers has taken nothing back.
        let told = told.ok().or(early.map(Told::Early));
        if self.note(name, &question, told) {
            tokio::time::sleep(TOLD_TOGETHER).await;
            self.heard().ringing = false;
            (self.0.news)();
        }
    }

    /// Takes an answer down; true where whoever brought it is to ring.
    fn note(&self, name: &str, question: &Question, told: Option<Told>) -> bool {
        let mut heard = self.heard();
        let Some(case) = heard.cases.get_mut(&question.key) else {
            return false;
        };
        let pause = match told {
            Some(Told::Early(_)) => RIPENS,
            Some(Told::Final(_)) | None => AGAIN,
        };
        let next = Asked::NotBefore(Instant::now() + pause);
        case.asked.insert(name.to_owned(), next);
        match told {
            Some(Told::Final(said)) => case.said.insert(name.to_owned(), said),
            Some(Told::Early(early)) => {
                case.early.insert(name.to_owned(), early);
                return false;
            }
            None => return false,
        };
        let news = Hearing::Heard(case.said.clone()).bears_out(question) && !heard.ringing;
        heard.ringing |= news;
        news
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) < KEPT {
            return;
        }
        self.swept = now;
        self.cases.retain(|_, case| now.duration_since(case.used) < KEPT);
    }
}

/// What the endpoint says at the newest block that it calls final. Many nodes keep the state of their last hundred blocks alone, and on some chains
/// finality is further behind: such a one is asked at its newest block, and heard once it calls that very block final.
async fn testify(
    endpoint: &Endpoint,
    bench: &Bench,
    question: &Question,
    early: Option<Early>,
) -> Result<Told, RpcFailure> {
    let last = settled(endpoint, bench.settle).await?;
    match early {
        Some(early) if question.answered(&early.said) != Says::Yes => {}
        Some(early) if early.at.number > last.number => return Ok(Told::Early(early)),
        Some(early) if at_height(endpoint, early.at.number).await?.hash == early.at.hash => {
            return Ok(Told::Final(early.said));
        }
        // That block is no longer of its chain.
        Some(_) | None => {}
    }
    let failure = match read(endpoint, bench, question, last).await {
        Ok(said) => return Ok(Told::Final(said)),
        Err(failure) => failure,
    };
    // Who answers in words is there, and may know its newest block.
    if failure.code.is_none() {
        return Err(failure);
    }
    let at = newest(endpoint).await?;
    let said = read(endpoint, bench, question, at).await?;
    // Only what stays true is worth waiting for.
    if question.answered(&said) == Says::Yes {
        Ok(Told::Early(Early { at, said }))
    } else {
        Err(failure)
    }
}

/// All of it at one block.
async fn read(
    endpoint: &Endpoint,
    bench: &Bench,
    question: &Question,
    at: BlockRef,
) -> Result<Testimony, RpcFailure> {
    let block = BlockId::number(at.number);
    let (id, book) = (question.key.id, bench.lease_book);
    let lane = endpoint
        .ask("eth_call", |rpc| async move {
            LeaseBook::new(book, rpc)
                .leaseAt(id.provider.0, id.lane.0)
                .block(block)
                .call()
                .await
                .map_err(transport)
        })
        .await?;
    let order = match question.matter {
        Matter::Gone { seen } => match seen.order {
            Some(order) => {
                let found = endpoint
                    .ask("eth_call", |rpc| async move {
                        LeaseBook::new(book, rpc)
                            .orderOf(order.0)
                            .block(block)
                            .call()
                            .await
                            .map_err(transport)
                    })
                    .await?;
                order_said(found.state)
            }
            None => OrderSaid::NotAsked,
        },
        Matter::Closed | Matter::Uncontestable { .. } => OrderSaid::NotAsked,
    };
    let dispute = match (question.matter, bench.court) {
        (Matter::Uncontestable { .. }, Some(court)) => {
            let found = endpoint
                .ask("eth_call", |rpc| async move {
                    DisputeCourt::new(court, rpc)
                        .disputeOf(id.to_u96())
                        .block(block)
                        .call()
                        .await
                        .map_err(transport)
                })
                .await?;
            dispute_said(found.phase)
        }
        (Matter::Uncontestable { .. }, None) => DisputeSaid::None,
        (Matter::Closed | Matter::Gone { .. }, _) => DisputeSaid::NotAsked,
    };
    Ok(Testimony {
        at: at.moment(),
        newest: lane_lease(endpoint, id, &lane)?,
        order,
        dispute,
    })
}

/// States of `LeaseState`, `OrderState` and `Phase` as the contracts number them.
const LEASE_CLOSED: u8 = 3;
const ORDER_ACCEPTED: u8 = 2;
const ORDER_CANCELLED: u8 = 3;
const DISPUTE_NONE: u8 = 0;
const DISPUTE_ENDED: u8 = 4;

fn lane_lease(
    endpoint: &Endpoint,
    asked: LeaseId,
    found: &LeaseBook::LeaseView,
) -> Result<Option<LaneLease>, RpcFailure> {
    if found.id.is_zero() {
        return Ok(None);
    }
    let malformed = |detail: &str| {
        let failure = endpoint.origin("eth_call").malformed(detail);
        endpoint.count(&failure);
        failure
    };
    let id = LeaseId::from_u96(found.id).map_err(|error| malformed(&error.to_string()))?;
    if (id.provider, id.lane) != (asked.provider, asked.lane) {
        return Err(malformed("leaseAt answered with another lane than asked for"));
    }
    let generation: Generation = id.generation;
    Ok(Some(LaneLease {
        generation,
        terms: StoredTerms(found.termsHash),
        stage: if found.state == LEASE_CLOSED {
            LaneStage::Closed
        } else {
            LaneStage::Open
        },
        stop_at: ChainSeconds(found.stopAt.into()),
    }))
}

const fn order_said(state: u8) -> OrderSaid {
    match state {
        ORDER_ACCEPTED | ORDER_CANCELLED => OrderSaid::Spent,
        _ => OrderSaid::MayOpen,
    }
}

/// A phase that is not known counts as open: what is kept can still be cleared.
const fn dispute_said(phase: u8) -> DisputeSaid {
    match phase {
        DISPUTE_NONE | DISPUTE_ENDED => DisputeSaid::None,
        _ => DisputeSaid::Open,
    }
}

#[cfg(test)]
mod tests;
