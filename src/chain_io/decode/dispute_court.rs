//! What the DisputeCourt says, as events of the book. Whether an act follows from the one before is the book's question, not asked here.

use super::{super::bindings::DisputeCourt::DisputeCourtEvents, lease, seconds32, seconds40};
use crate::core::{
    book::{BookEvent, DisputeEvent, Outcome},
    money::MicroUnits,
};

pub(super) fn event(event: DisputeCourtEvents) -> Result<Option<BookEvent>, String> {
    use DisputeCourtEvents as E;
    Ok(Some(BookEvent::Dispute(match event {
        E::Contested(e) => DisputeEvent::Contested {
            id: lease(e.id)?,
            contester: e.contester,
            from_cum: e.fromCum,
            to_cum: e.toCum,
            amount: MicroUnits(e.amount),
            frozen: MicroUnits(e.frozen),
            reserved: MicroUnits(e.reserved),
            bond: MicroUnits(e.bond),
            answer_by: seconds32(e.answerBy),
            statement: e.statement,
        },
        E::Answered(e) => DisputeEvent::Answered {
            id: lease(e.id)?,
            answerer: e.answerer,
            cum: e.cum,
            as_of: seconds40(e.asOf),
            root: e.root,
            ruling_by: seconds32(e.rulingBy),
        },
        E::Ruled(e) => DisputeEvent::Ruled {
            id: lease(e.id)?,
            arbiter: e.arbiter,
            award: MicroUnits(e.award),
            refund: MicroUnits(e.refund),
            burn: MicroUnits(e.burn),
            veto_by: seconds32(e.vetoBy),
            reasons: e.reasons,
        },
        E::Ended(e) => DisputeEvent::Ended {
            id: lease(e.id)?,
            outcome: outcome(e.outcome)?,
            awarded: MicroUnits(e.awarded),
            refunded: MicroUnits(e.refunded),
            burnt: MicroUnits(e.burnt),
        },
        E::Credited(e) => DisputeEvent::Credited {
            account: e.account,
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::CreditWithdrawn(e) => DisputeEvent::CreditWithdrawn {
            account: e.account,
            token: e.token,
            amount: e.amount,
        },
        E::AuthorityUpdated(_) => return Ok(None),
    })))
}

fn outcome(value: u8) -> Result<Outcome, String> {
    match value {
        0 => Ok(Outcome::Silence),
        1 => Ok(Outcome::Lapsed),
        2 => Ok(Outcome::Vetoed),
        3 => Ok(Outcome::Tenant),
        4 => Ok(Outcome::Provider),
        other => Err(format!("outcome {other} of a dispute is none of 0 to 4")),
    }
}
