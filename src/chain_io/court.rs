//! What a person at the command line asks of a court and of who may decide in it, beside what its events tell. Sends nothing.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, U256},
    providers::DynProvider,
    sol_types::SolCall,
    transports::TransportError,
};

use super::{
    bindings::{Directory, DisputeCourt, LeaseBook, Params},
    endpoint::Endpoints,
    errors::RpcFailure,
    governance::{AccessManager, TimelockController},
};
use crate::core::{ids::ProviderId, money::MicroUnits};

/// What a contest of so much rent comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stakes {
    /// What each side bonds.
    pub bond: MicroUnits,
    /// What the loser's bond pays to the protocol.
    pub fee: MicroUnits,
    /// The provider's earnings in the token that have not vested: the most that can be frozen.
    pub unvested: MicroUnits,
    /// Seconds the provider has to answer.
    pub answer_time: u32,
}

/// Where a market's decisions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The court.
    pub court: Address,
    /// The court's AccessManager.
    pub access: Address,
    /// The timelock, if the Directory names one.
    pub timelock: Option<Address>,
}

/// Whether an account may call a function of the court.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// At once.
    Now,
    /// Not by itself.
    No,
}

/// What the timelock knows of a veto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduled {
    /// Nothing; whoever proposes must wait so many seconds.
    Not {
        /// Seconds from the proposal to its execution.
        delay: u64,
        /// Whether this account may propose.
        may: bool,
    },
    /// It waits until then, Unix seconds.
    Waits {
        /// From when anyone may execute it.
        from: u64,
    },
    /// It was executed.
    Done,
}

/// Asks; what a contract answers otherwise than it should is its refusal.
async fn ask<T, F>(
    endpoints: &Endpoints,
    what: &'static str,
    call: impl Fn(DynProvider) -> F,
) -> Result<T, RpcFailure>
where
    F: Future<Output = alloy::contract::Result<T>>,
{
    let call = &call;
    endpoints
        .ask(what, |rpc| async move { call(rpc).await.map_err(transport) })
        .await
}

fn transport(error: alloy::contract::Error) -> TransportError {
    super::deploy::audit::transport(error)
}

/// Bond, fee and what can be frozen, for so much contested rent.
///
/// # Errors
/// The chain did not answer.
pub async fn stakes(
    endpoints: &Endpoints,
    (court, params, book): (Address, Address, Address),
    provider: ProviderId,
    token: u8,
    rent: MicroUnits,
) -> Result<Stakes, RpcFailure> {
    let bond = ask(endpoints, "bondFor", |rpc| async move {
        DisputeCourt::new(court, rpc).bondFor(token, rent.0).call().await
    });
    let fee = ask(endpoints, "courtFee", |rpc| async move {
        Params::new(params, rpc).courtFee(token).call().await
    });
    let earnings = ask(endpoints, "earnings", |rpc| async move {
        LeaseBook::new(book, rpc).earnings(provider.0, token).call().await
    });
    let answer = ask(endpoints, "answerTime", |rpc| async move {
        DisputeCourt::new(court, rpc).answerTime().call().await
    });
    let (bond, fee, earnings, answer_time) = tokio::try_join!(bond, fee, earnings, answer)?;
    Ok(Stakes {
        bond: MicroUnits(bond),
        fee: MicroUnits(fee),
        unvested: MicroUnits(u64::try_from(earnings.vesting).unwrap_or(u64::MAX)),
        answer_time,
    })
}

/// Who decides in a court.
///
/// # Errors
/// The chain did not answer.
pub async fn seat(endpoints: &Endpoints, directory: Address, court: Address) -> Result<Seat, RpcFailure> {
    let access = ask(endpoints, "authority", |rpc| async move {
        DisputeCourt::new(court, rpc).authority().call().await
    });
    let entries = ask(endpoints, "entries", |rpc| async move {
        Directory::new(directory, rpc).entries().call().await
    });
    let (access, entries) = tokio::try_join!(access, entries)?;
    let name = B256::right_padding_from(b"Timelock");
    Ok(Seat {
        court,
        access,
        timelock: entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.target),
    })
}

/// Whether an account may rule.
///
/// # Errors
/// The chain did not answer.
pub async fn may_rule(endpoints: &Endpoints, seat: &Seat, account: Address) -> Result<May, RpcFailure> {
    may(endpoints, seat, account, DisputeCourt::ruleCall::SELECTOR).await
}

/// Whether an account may veto by itself.
///
/// # Errors
/// The chain did not answer.
pub async fn may_veto(endpoints: &Endpoints, seat: &Seat, account: Address) -> Result<May, RpcFailure> {
    may(endpoints, seat, account, DisputeCourt::vetoCall::SELECTOR).await
}

async fn may(
    endpoints: &Endpoints,
    seat: &Seat,
    account: Address,
    function: [u8; 4],
) -> Result<May, RpcFailure> {
    let (access, court) = (seat.access, seat.court);
    let found = ask(endpoints, "canCall", |rpc| async move {
        AccessManager::new(access, rpc)
            .canCall(account, court, FixedBytes(function))
            .call()
            .await
    })
    .await?;
    Ok(if found.immediate { May::Now } else { May::No })
}

/// How a veto through the timelock stands.
///
/// # Errors
/// The chain did not answer.
pub async fn scheduled(
    endpoints: &Endpoints,
    timelock: Address,
    court: Address,
    veto: &Bytes,
    account: Address,
) -> Result<Scheduled, RpcFailure> {
    let id = ask(endpoints, "hashOperation", |rpc| {
        let veto = veto.clone();
        async move {
            TimelockController::new(timelock, rpc)
                .hashOperation(court, U256::ZERO, veto, B256::ZERO, B256::ZERO)
                .call()
                .await
        }
    })
    .await?;
    let at = ask(endpoints, "getTimestamp", |rpc| async move {
        TimelockController::new(timelock, rpc)
            .getTimestamp(id)
            .call()
            .await
    })
    .await?;
    match u64::try_from(at).unwrap_or(u64::MAX) {
        0 => {
            let role = super::deploy::founding::timelock_role("PROPOSER_ROLE");
            let may = ask(endpoints, "hasRole", |rpc| async move {
                TimelockController::new(timelock, rpc)
                    .hasRole(role, account)
                    .call()
                    .await
            });
            let delay = ask(endpoints, "getMinDelay", |rpc| async move {
                TimelockController::new(timelock, rpc).getMinDelay().call().await
            });
            let (may, delay) = tokio::try_join!(may, delay)?;
            Ok(Scheduled::Not {
                delay: u64::try_from(delay).unwrap_or(u64::MAX),
                may,
            })
        }
        // OpenZeppelin's mark of an operation that was executed.
        1 => Ok(Scheduled::Done),
        from => Ok(Scheduled::Waits { from }),
    }
}

/// The timelock's `schedule` of a veto.
#[must_use]
pub fn schedule(court: Address, veto: &Bytes, delay: u64) -> Bytes {
    TimelockController::scheduleCall {
        target: court,
        value: U256::ZERO,
        data: veto.clone(),
        predecessor: B256::ZERO,
        salt: B256::ZERO,
        delay: U256::from(delay),
    }
    .abi_encode()
    .into()
}

/// The timelock's `execute` of a veto.
#[must_use]
pub fn execute(court: Address, veto: &Bytes) -> Bytes {
    TimelockController::executeCall {
        target: court,
        value: U256::ZERO,
        payload: veto.clone(),
        predecessor: B256::ZERO,
        salt: B256::ZERO,
    }
    .abi_encode()
    .into()
}
