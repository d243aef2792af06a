//! A log of our contracts becomes an event of the book. A log that cannot be read is data too: the book then is in doubt, nobody panics.
//! Each contract's events are read in a file of its own.

mod dispute_court;
mod lease_book;
mod stake_vault;

use alloy::{
    primitives::{Address, B256, Log, aliases::U40, aliases::U96},
    sol_types::SolEventInterface,
};

use super::bindings::{
    DisputeCourt::DisputeCourtEvents, LeaseBook::LeaseBookEvents, StakeVault::StakeVaultEvents,
};
use crate::core::{book::BookEvent, ids::LeaseId, time::ChainSeconds};

/// Whose logs are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitters {
    /// Orders, leases, usage, money.
    pub lease_book: Address,
    /// Stake.
    pub stake_vault: Address,
    /// Disputes; not every market has a court.
    pub court: Option<Address>,
}

impl Emitters {
    /// All addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let mut all = vec![self.lease_book, self.stake_vault];
        all.extend(self.court);
        all
    }
}

/// Reads one log; none when it is not of our contracts, or says nothing the book keeps.
#[must_use]
pub fn decode(emitters: &Emitters, log: &Log) -> Option<BookEvent> {
    let read = if log.address == emitters.lease_book {
        LeaseBookEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(lease_book::event)
    } else if log.address == emitters.stake_vault {
        StakeVaultEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(stake_vault::event)
    } else if Some(log.address) == emitters.court {
        DisputeCourtEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(dispute_court::event)
    } else {
        return None;
    };
    match read {
        Ok(event) => event,
        Err(error) => Some(BookEvent::Unreadable {
            reason: format!(
                "log of {} with topic {}: {error}: this program and the contract are of different versions",
                log.address,
                log.topics().first().copied().unwrap_or(B256::ZERO)
            ),
        }),
    }
}

fn lease(id: U96) -> Result<LeaseId, String> {
    LeaseId::from_u96(id).map_err(|error| error.to_string())
}

fn seconds40(value: U40) -> ChainSeconds {
    ChainSeconds(value.to::<u64>())
}

fn seconds32(value: u32) -> ChainSeconds {
    ChainSeconds(u64::from(value))
}

#[cfg(test)]
mod tests;
