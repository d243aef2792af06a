//! The court's story, event by event: contested, answered, ruled, ended, and what the court owes. An event that does not follow from where the
//! dispute stood is a doubt and changes nothing else.

use std::sync::Arc;

use alloy::primitives::Address;

use super::{Answer, CourtCredit, DisputeEvent, DisputePhase, DisputeState, Ruling};
use crate::core::{
    book::{Book, Moment, TokenIndex},
    ids::{LeaseId, LeaseKey},
};

impl Book {
    pub(in crate::core::book) fn apply_dispute(&mut self, at: Moment, event: &DisputeEvent) {
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
    pub(super) fn named(&self, id: LeaseId) -> Option<(LeaseKey, TokenIndex)> {
        let lease = self.lease_by_id(id)?.lease;
        Some((lease.key, lease.terms.token))
    }
}
