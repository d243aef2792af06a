//! What the StakeVault says, as events of the book: stake, bonds, and what is held back or taken of them. Judges no amount.

use super::{super::bindings::StakeVault::StakeVaultEvents, lease, seconds32, seconds40};
use crate::core::{
    book::{BookEvent, DisputeEvent},
    ids::ProviderId,
    money::MicroUnits,
};

pub(super) fn event(event: StakeVaultEvents) -> Result<Option<BookEvent>, String> {
    use StakeVaultEvents as E;
    Ok(Some(match event {
        E::Deposited(e) => BookEvent::StakeDeposited {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::UnbondRequested(e) => BookEvent::UnbondRequested {
            provider: ProviderId(e.providerId),
            token: e.token,
            unbonding: MicroUnits(e.unbonding),
            unbond_at: seconds40(e.unbondAt),
        },
        E::Unbonded(e) => BookEvent::Unbonded {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::Locked(e) => BookEvent::BondLocked {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::Released(e) => BookEvent::BondReleased {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
            burned: MicroUnits(e.burned),
        },
        E::Reserved(e) => BookEvent::Dispute(DisputeEvent::Reserved {
            id: lease(e.id)?,
            slot: e.slot,
            slasher: e.slasher,
            amount: MicroUnits(e.amount),
            until: seconds32(e.until),
        }),
        E::Unreserved(e) => BookEvent::Dispute(DisputeEvent::Unreserved {
            id: lease(e.id)?,
            slot: e.slot,
        }),
        E::Slashed(e) => BookEvent::Dispute(DisputeEvent::Slashed {
            id: lease(e.id)?,
            slot: e.slot,
            token: e.token,
            refunded: MicroUnits(e.refunded),
            burned: MicroUnits(e.burned),
        }),
        // What was slashed and is paid out later moves no stake.
        E::BurnedPushed(_) | E::CreditWithdrawn(_) => return Ok(None),
    }))
}
