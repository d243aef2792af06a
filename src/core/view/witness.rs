//! Who must say so before anything is destroyed: where more than one endpoint is configured, two of them, each asked by itself about this very lease at
//! what it calls final. What the followed chain shows is only a [`Claim`]; a proof comes of it here and nowhere else. Asks nobody: the shell does.

use std::collections::BTreeMap;

use crate::core::{
    book::Moment,
    ids::{Generation, LeaseKey, TermsHash},
    time::ChainSeconds,
};

use super::SeenOpening;

/// Endpoints that must say so by themselves, the one that is followed among them or not: whatever one alone made up, another does not know.
const ENOUGH: usize = 2;

/// What is asked of each endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// About which lease.
    pub key: LeaseKey,
    /// What of it.
    pub matter: Matter,
    /// The followed chain's finalized block: who is at or above it and says otherwise contradicts.
    pub by: u64,
}

/// What may be true of a lease for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// It is closed.
    Closed,
    /// It was seen once, is not of the chain and cannot come back.
    Gone {
        /// What is remembered of it.
        seen: SeenOpening,
    },
    /// It is closed, can be contested no more, and no dispute about it is open.
    Uncontestable {
        /// How long after its end it may be contested, seconds.
        window: u64,
    },
}

/// What one endpoint says, read at one block that it calls final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Testimony {
    /// That block.
    pub at: Moment,
    /// The newest lease of the lane; none where it never had one.
    pub newest: Option<LaneLease>,
    /// Whether the lease's order can still open a lease.
    pub order: OrderSaid,
    /// Whether a dispute about the lease is open.
    pub dispute: DisputeSaid,
}

/// The newest lease of a lane, as the contract keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLease {
    /// Its generation: one lease of a lane is not closed at most, and generations only grow.
    pub generation: Generation,
    /// The terms in force, as far as the contract keeps their hash.
    pub terms: StoredTerms,
    /// Whether it is closed.
    pub stage: LaneStage,
    /// Its end; zero where it can be contested no more, as both signed its close or it never started.
    pub stop_at: ChainSeconds,
}

/// The high 200 bits of a hash of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTerms(pub alloy::primitives::B256);

impl StoredTerms {
    fn of(self, terms: &TermsHash) -> bool {
        self.0.as_slice().get(..25) == terms.0.as_slice().get(..25)
    }
}

/// How far the newest lease of a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneStage {
    /// Pending or live.
    Open,
    /// Closed.
    Closed,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSaid {
    /// It was not asked for.
    NotAsked,
    /// It may still become a lease, or is unknown there.
    MayOpen,
    /// It became leases, or was cancelled.
    Spent,
}

/// What the court says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeSaid {
    /// It was not asked.
    NotAsked,
    /// One is open.
    Open,
    /// None is, or there is no court.
    None,
}

/// What a testimony is worth for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// So it is.
    Yes,
    /// It is not so, at a block as high as the followed chain's.
    No,
    /// Its block may be too old to know.
    NotYet,
}

/// What was heard of the endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hearing {
    /// One endpoint is configured: there is nobody else to ask.
    Alone,
    /// The last that each has said, by its name; who has not answered is not here.
    Heard(BTreeMap<String, Testimony>),
}

impl Hearing {
    /// Whether enough of them say so.
    #[must_use]
    pub fn bears_out(&self, question: &Question) -> bool {
        match self {
            Self::Alone => true,
            Self::Heard(said) => {
                said.values()
                    .filter(|said| question.answered(said) == Says::Yes)
                    .count()
                    >= ENOUGH
            }
        }
    }

    /// Who says the contrary, by name.
    pub fn denied_by<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a str> {
        let said = match self {
            Self::Alone => None,
            Self::Heard(said) => Some(said),
        };
        said.into_iter()
            .flatten()
            .filter(|(_, said)| question.answered(said) == Says::No)
            .map(|(name, _)| name.as_str())
    }
}

impl Question {
    /// What a testimony says to it.
    #[must_use]
    pub fn answered(&self, said: &Testimony) -> Says {
        let otherwise = if said.at.block >= self.by {
            Says::No
        } else {
            Says::NotYet
        };
        let Some(newest) = said
            .newest
            .filter(|newest| newest.generation >= self.key.id.generation)
        else {
            return match self.matter {
                Matter::Closed | Matter::Uncontestable { .. } => otherwise,
                Matter::Gone { seen } => unborn(said, seen),
            };
        };
        // Its lane has gone on: that rests on its close, and on the end of the time to contest it.
        let later = newest.generation > self.key.id.generation;
        match (self.matter, newest.stage) {
            // What is closed under this id is this lease, or one in its place.
            (Matter::Closed | Matter::Gone { .. }, _) if later => Says::Yes,
            (Matter::Closed | Matter::Gone { .. }, LaneStage::Closed) => Says::Yes,
            (Matter::Uncontestable { window }, stage) => {
                let rested = stage == LaneStage::Closed
                    && (newest.stop_at.0 == 0 || newest.stop_at.0.saturating_add(window) < said.at.time.0);
                match said.dispute {
                    DisputeSaid::None if later || rested => Says::Yes,
                    DisputeSaid::None | DisputeSaid::Open | DisputeSaid::NotAsked => Says::NotYet,
                }
            }
            (Matter::Closed, LaneStage::Open) => otherwise,
            (Matter::Gone { .. }, LaneStage::Open) if newest.terms.of(&self.key.terms) => otherwise,
            // Amended, or another tenant's: the contract does not keep which. It will be told once that one is closed.
            (Matter::Gone { .. }, LaneStage::Open) => Says::NotYet,
        }
    }
}

/// A lease that is not there (yet): for good once its order can open nothing more.
fn unborn(said: &Testimony, seen: SeenOpening) -> Says {
    let over = match said.order {
        OrderSaid::Spent => true,
        OrderSaid::MayOpen | OrderSaid::NotAsked => said.at.time > seen.order_expiry,
    };
    if said.at.block >= seen.block && over {
        Says::Yes
    } else {
        Says::NotYet
    }
}

/// What the followed chain shows at its finalized block: a proof once it is borne out, and nothing before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<P> {
    proof: P,
    question: Question,
}

impl<P> Claim<P> {
    pub(super) const fn new(proof: P, question: Question) -> Self {
        Self { proof, question }
    }

    /// What to ask the endpoints.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// The proof, if enough of them say so.
    #[must_use]
    pub fn borne_out(self, hearing: &Hearing) -> Option<P> {
        hearing.bears_out(&self.question).then_some(self.proof)
    }
}

#[cfg(test)]
mod tests;
