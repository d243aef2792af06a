//! A namespace that is labelled as a lease's and has no ComputeLease (rule 8): what may be done about it. It is deleted with the same proofs as any
//! other and with no less; what lives on chain gets its object back, and that object's plan does the rest; anything else stays and is reported.

use super::{duty::Trust, lease::Proof};

/// What one market on the namespace's chain says of the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketSide {
    /// How far its view may be trusted; a market that is not followed is Stale.
    pub trust: Trust,
    /// Whether the lease is in it.
    pub lease: LeaseSide,
    /// That it is over for good, if so.
    pub proof: Option<Proof>,
}

/// Whether a market holds the lease, at the start depth or deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseSide {
    /// It does, and a ComputeProvider here serves it.
    Served,
    /// It does, but no ComputeProvider here does.
    Unserved,
    /// It does not.
    Absent,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Make the object again from this market's view (its index).
    Remake(usize),
    /// Delete the namespace.
    Destroy(Proof),
    /// Leave everything as it is and say why.
    Keep(Kept),
}

/// Why an orphan stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    /// No ComputeMarket is on its chain.
    NoMarket,
    /// A market on its chain cannot be believed now.
    ChainUnknown,
    /// The lease lives and its ComputeProvider is gone.
    NoProvider,
    /// No market holds the lease, and it is not final yet that none will.
    NotFinal,
}

impl Kept {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::NoMarket,
        Self::ChainUnknown,
        Self::NoProvider,
        Self::NotFinal,
    ];

    /// CamelCase, for events and labels.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoMarket => "OrphanNoMarket",
            Self::ChainUnknown => "OrphanChainUnknown",
            Self::NoProvider => "OrphanNoProvider",
            Self::NotFinal => "OrphanNotFinal",
        }
    }

    /// What a person may do.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoMarket => {
                "the lease of this namespace has no ComputeLease and its chain no ComputeMarket: make the market again, or delete the namespace by hand"
            }
            Self::ChainUnknown => {
                "the lease of this namespace has no ComputeLease; whether it lives cannot be told until the chain answers, so everything stays"
            }
            Self::NoProvider => {
                "the lease of this namespace lives on chain and has no ComputeLease: make its ComputeProvider again, and the object comes back"
            }
            Self::NotFinal => {
                "the lease of this namespace has no ComputeLease and is in no market; the namespace goes when that is final"
            }
        }
    }
}

/// What is due for one namespace without an object.
#[must_use]
pub fn plan(markets: &[MarketSide]) -> Verdict {
    let fresh = |side: &MarketSide| side.trust == Trust::Fresh;
    // Its own record, closed under its own terms, in a finalized block: no other market can say otherwise.
    let closed = markets
        .iter()
        .filter(|side| fresh(side))
        .find_map(|side| match &side.proof {
            Some(Proof::Closure(closure)) if closure.ending().is_some() => side.proof.clone(),
            Some(Proof::Closure(_) | Proof::Absence(_)) | None => None,
        });
    if let Some(proof) = closed {
        return Verdict::Destroy(proof);
    }
    let served = markets
        .iter()
        .position(|side| fresh(side) && side.lease == LeaseSide::Served && side.proof.is_none());
    if let Some(index) = served {
        return Verdict::Remake(index);
    }
    let Some(first) = markets.first() else {
        return Verdict::Keep(Kept::NoMarket);
    };
    if !markets.iter().all(fresh) {
        return Verdict::Keep(Kept::ChainUnknown);
    }
    if markets
        .iter()
        .any(|side| side.lease == LeaseSide::Unserved && side.proof.is_none())
    {
        return Verdict::Keep(Kept::NoProvider);
    }
    // Ids repeat from market to market on one chain, so an absence counts only if it is everywhere.
    match &first.proof {
        Some(proof) if markets.iter().all(|side| side.proof.is_some()) => Verdict::Destroy(proof.clone()),
        Some(_) | None => Verdict::Keep(Kept::NotFinal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::core::{
        book::{CloseKind, fixtures::*},
        ids::LeaseKey,
        time::ChainSeconds,
        view::{Hearing, SeenOpening, fixtures::*},
    };

    fn key() -> LeaseKey {
        terms(id(0, 1), order_hash(1)).key().unwrap()
    }

    /// Closed under its own terms.
    fn closed_by_record() -> Proof {
        let there = snapshot(
            20,
            &[
                registered(),
                posted(1, 3_000),
                opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
                started(id(0, 1), 1_000, 0),
                closed(id(0, 1), CloseKind::Finalized, 5),
            ],
        );
        let claim = fresh(there).final_closure(&key()).unwrap();
        Proof::Closure(claim.borne_out(&Hearing::Alone).unwrap())
    }

    /// A later generation of the lane is all that is left.
    fn closed_by_number() -> Proof {
        let mut events = vec![registered()];
        for generation in 1..=20 {
            events.push(posted(2, 3_000));
            events.push(opened(id(0, generation), order_hash(2), 1, 1_100));
            events.push(declined(id(0, generation)));
        }
        let claim = fresh(snapshot(2_000, &events)).final_closure(&key()).unwrap();
        Proof::Closure(claim.borne_out(&Hearing::Alone).unwrap())
    }

    fn absent() -> Proof {
        let seen = SeenOpening {
            block: 10,
            order: None,
            order_expiry: ChainSeconds(3_000),
        };
        let view = fresh(snapshot(2_000, &[registered(), posted(1, 3_000)]));
        let claim = view.final_absence(&key(), seen).unwrap();
        Proof::Absence(claim.borne_out(&Hearing::Alone).unwrap())
    }

    fn side() -> impl Strategy<Value = MarketSide> {
        let trust = prop_oneof![
            3 => Just(Trust::Fresh),
            1 => Just(Trust::Stale { for_ms: 1 << 40 }),
            1 => Just(Trust::Disagreeing),
        ];
        let lease = prop_oneof![
            Just(LeaseSide::Served),
            Just(LeaseSide::Unserved),
            Just(LeaseSide::Absent)
        ];
        let proof = prop_oneof![
            Just(None),
            Just(Some(closed_by_record())),
            Just(Some(closed_by_number())),
            Just(Some(absent()))
        ];
        (trust, lease, proof).prop_map(|(trust, lease, proof)| MarketSide { trust, lease, proof })
    }

    proptest! {
        #[test]
        fn an_orphan_is_never_destroyed_without_a_proof_from_a_view_that_is_fresh(markets in prop::collection::vec(side(), 0..4)) {
            if let Verdict::Destroy(proof) = plan(&markets) {
                prop_assert!(markets.iter().any(|side| side.trust == Trust::Fresh && side.proof.as_ref() == Some(&proof)));
                // Either its own record is closed, or nobody on the chain has it.
                let own = matches!(&proof, Proof::Closure(closure) if closure.ending().is_some());
                prop_assert!(own || markets.iter().all(|side| side.trust == Trust::Fresh && side.proof.is_some()));
            }
        }

        #[test]
        fn an_orphan_that_lives_on_chain_gets_its_object_back(mut markets in prop::collection::vec(side(), 0..3)) {
            for side in &mut markets {
                side.proof = None;
            }
            markets.push(MarketSide { trust: Trust::Fresh, lease: LeaseSide::Served, proof: None });
            prop_assert!(matches!(plan(&markets), Verdict::Remake(_)));
        }
    }

    #[test]
    fn an_orphan_nobody_can_judge_is_kept_with_a_reason() {
        let of = |trust, lease, proof| MarketSide { trust, lease, proof };
        let silent = Trust::Stale { for_ms: 1 };
        for (markets, kept) in [
            (vec![], Kept::NoMarket),
            (vec![of(silent, LeaseSide::Absent, None)], Kept::ChainUnknown),
            (vec![of(silent, LeaseSide::Served, None)], Kept::ChainUnknown),
            (
                vec![of(Trust::Fresh, LeaseSide::Unserved, None)],
                Kept::NoProvider,
            ),
            (vec![of(Trust::Fresh, LeaseSide::Absent, None)], Kept::NotFinal),
            (
                vec![
                    of(Trust::Fresh, LeaseSide::Absent, Some(absent())),
                    of(Trust::Fresh, LeaseSide::Absent, None),
                ],
                Kept::NotFinal,
            ),
        ] {
            assert_eq!(plan(&markets), Verdict::Keep(kept), "{markets:?}");
        }
    }
}
