//! A provider's registration on chain against what its object says: payout, keys, stake. Compared and told, never changed: these are
//! acts of the cold owner, whose key is nowhere near.

use alloy::primitives::Address;

use super::{provider::Policy, said::Said};
use crate::{
    api::{
        condition::{KEYS_VALID, READY, REGISTERED, STAKE_SUFFICIENT, Status, reason},
        provider::ComputeProviderSpec,
    },
    core::{
        book::{KeyRoles, ProviderState},
        money::MicroUnits,
        time::ChainSeconds,
    },
};

/// A wallet of the provider, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletSight {
    /// Namespace and name, for people.
    pub name: String,
    /// Its key's address, once it was looked at.
    pub address: Option<Address>,
}

/// Everything a pass saw of a provider's registration.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The object's spec.
    pub spec: &'a ComputeProviderSpec,
    /// The chain's now; none without a view.
    pub now: Option<ChainSeconds>,
    /// The provider in the book, if it is there.
    pub state: Option<&'a ProviderState>,
    /// The wallet of duties.
    pub duty: WalletSight,
    /// The wallet of bids.
    pub bids: WalletSight,
}

/// All conditions of a provider.
#[must_use]
pub fn conditions(seen: &Observed<'_>) -> Vec<Said> {
    let (registered, keys, stake) = (registered(seen), keys(seen), stake(seen));
    let ready = match Policy::of(&seen.spec.duties, 0) {
        Err(error) => Said::new(READY, Status::False, reason::INVALID_SPEC, error.to_string()),
        // Too little stake keeps single bids from being taken, not the provider from serving.
        Ok(_) => [&registered, &keys]
            .into_iter()
            .find(|said| said.is != Status::True)
            .map_or_else(
                || Said::new(READY, Status::True, reason::AS_EXPECTED, ""),
                |worst| Said {
                    kind: READY,
                    ..worst.clone()
                },
            ),
    };
    vec![registered, keys, stake, ready]
}

const CHAIN_UNKNOWN: &str = "ChainUnknown";

fn registered(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(REGISTERED, is, reason, message);
    let Some(now) = seen.now else {
        return said(
            Status::Unknown,
            CHAIN_UNKNOWN,
            "no view of the chain yet".to_owned(),
        );
    };
    let Some(state) = seen.state else {
        let text = format!(
            "provider {} is not in the market's book: register it with leaseport provider register",
            seen.spec.provider_id
        );
        return said(Status::False, "NotRegistered", text);
    };
    let on_chain = state.payout_at(now);
    match seen.spec.payout_address.parse::<Address>() {
        Ok(wanted) if wanted == on_chain => said(Status::True, reason::AS_EXPECTED, String::new()),
        Ok(wanted) => {
            let text = format!(
                "on chain earnings go to {on_chain}, spec.payoutAddress is {wanted}: correct the spec, or the owner changes the payout address on chain"
            );
            said(Status::False, "PayoutDiffers", text)
        }
        Err(_) => {
            let text = format!(
                "spec.payoutAddress {:?} is not an address",
                seen.spec.payout_address
            );
            said(Status::False, reason::INVALID_SPEC, text)
        }
    }
}

fn keys(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(KEYS_VALID, is, reason, message);
    let (Some(state), Some(now)) = (seen.state, seen.now) else {
        let text = "the registration was not read yet".to_owned();
        return said(Status::Unknown, CHAIN_UNKNOWN, text);
    };
    // Said before roles: a key with the roles of both would look right and stand in its own way.
    if let (Some(duty), Some(bids)) = (seen.duty.address, seen.bids.address)
        && duty == bids
    {
        let text = format!(
            "wallets.duty and wallets.bids have one key ({duty}), and a key has one user: give the bids wallet a key of its own, and the owner adds it with leaseport provider key add"
        );
        return said(Status::False, "OneKeyForBoth", text);
    }
    let needs = [
        (
            "duty",
            &seen.duty,
            KeyRoles(KeyRoles::START.0 | KeyRoles::REPORT.0),
            "start and report",
        ),
        ("bids", &seen.bids, KeyRoles::BID, "bid"),
    ];
    for (field, wallet, roles, words) in needs {
        let Some(address) = wallet.address else {
            let text = format!(
                "wallets.{field}: ComputeWallet {} shows no address yet",
                wallet.name
            );
            return said(Status::Unknown, reason::WALLET_NOT_READY, text);
        };
        if !state.key_may(address, roles, now) {
            let text = format!(
                "wallets.{field}: key {address} may not {words} for provider {}: the owner adds it with leaseport provider key add, which holds after a day",
                seen.spec.provider_id
            );
            return said(Status::False, "KeyWithoutRole", text);
        }
    }
    said(Status::True, reason::AS_EXPECTED, String::new())
}

fn stake(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(STAKE_SUFFICIENT, is, reason, message);
    let Some(target) = &seen.spec.stake else {
        return said(Status::True, "NoTarget", String::new());
    };
    let Some(state) = seen.state else {
        return said(
            Status::Unknown,
            CHAIN_UNKNOWN,
            "the stake was not read yet".to_owned(),
        );
    };
    let Ok(wanted) = target.target.parse::<MicroUnits>() else {
        let text = format!("spec.stake.target {:?} is not an amount", target.target);
        return said(Status::False, reason::INVALID_SPEC, text);
    };
    let have = state
        .stake
        .values()
        .map(|stake| stake.amount)
        .max()
        .unwrap_or(MicroUnits::ZERO);
    if have >= wanted {
        said(Status::True, reason::AS_EXPECTED, String::new())
    } else {
        let text =
            format!("stake is {have}, spec.stake.target {wanted}: the owner calls deposit on the StakeVault");
        said(Status::False, "BelowTarget", text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::book::{
        Book, BookEvent,
        fixtures::{self, PROVIDER, at, windows},
    };

    const DUTY: Address = Address::repeat_byte(0xd0);
    const BIDS: Address = Address::repeat_byte(0xb1);

    fn key(address: Address, roles: KeyRoles) -> BookEvent {
        BookEvent::KeyAdded {
            provider: PROVIDER,
            key: address,
            roles,
            from: ChainSeconds(0),
            bid_epoch: 0,
        }
    }

    fn state(events: &[BookEvent]) -> ProviderState {
        let mut book = Book::new(windows());
        book.apply(at(1), &fixtures::registered());
        for event in events {
            book.apply(at(1), event);
        }
        book.provider(PROVIDER).unwrap().as_ref().clone()
    }

    fn spec() -> ComputeProviderSpec {
        serde_json::from_value(serde_json::json!({
            "marketRef": { "name": "local" },
            "providerId": 7,
            "wallets": { "duty": { "name": "duty" }, "bids": { "name": "bids" } },
            "payoutAddress": Address::repeat_byte(2).to_string(),
            "gateway": { "url": "https://gpu.example.org" },
        }))
        .unwrap()
    }

    fn both() -> Vec<BookEvent> {
        vec![
            key(DUTY, KeyRoles(KeyRoles::START.0 | KeyRoles::REPORT.0)),
            key(BIDS, KeyRoles::BID),
        ]
    }

    fn seen<'a>(spec: &'a ComputeProviderSpec, state: Option<&'a ProviderState>) -> Observed<'a> {
        let wallet = |name: &str, address| WalletSight {
            name: format!("gpu/{name}"),
            address: Some(address),
        };
        Observed {
            spec,
            now: Some(ChainSeconds(1_000_000)),
            state,
            duty: wallet("duty", DUTY),
            bids: wallet("bids", BIDS),
        }
    }

    fn of(seen: &Observed<'_>, kind: &str) -> (Status, &'static str) {
        let said = conditions(seen);
        let found = said.iter().find(|said| said.kind == kind).unwrap();
        (found.is, found.reason)
    }

    #[test]
    fn a_provider_with_its_keys_and_its_payout_address_is_ready() {
        let (spec, state) = (spec(), state(&both()));
        let said = conditions(&seen(&spec, Some(&state)));
        assert!(said.iter().all(|said| said.is == Status::True), "{said:?}");
    }

    #[test]
    fn one_key_for_duty_and_bids_is_refused_also_where_it_has_the_roles_of_both() {
        let all = KeyRoles(KeyRoles::START.0 | KeyRoles::REPORT.0 | KeyRoles::BID.0);
        let (spec, state) = (spec(), state(&[key(DUTY, all)]));
        let mut seen = seen(&spec, Some(&state));
        seen.bids.address = Some(DUTY);
        assert_eq!(of(&seen, KEYS_VALID), (Status::False, "OneKeyForBoth"));
        assert_eq!(of(&seen, READY), (Status::False, "OneKeyForBoth"));
    }

    #[test]
    fn a_key_without_its_role_is_false_and_a_wallet_nobody_looked_at_is_unknown() {
        let (spec, half) = (spec(), state(&both()[..1]));
        let mut seen = seen(&spec, Some(&half));
        assert_eq!(of(&seen, KEYS_VALID), (Status::False, "KeyWithoutRole"));
        seen.duty.address = None;
        assert_eq!(of(&seen, KEYS_VALID), (Status::Unknown, "WalletNotReady"));
        seen.now = None;
        seen.state = None;
        assert_eq!(of(&seen, KEYS_VALID), (Status::Unknown, "ChainUnknown"));
        assert_eq!(of(&seen, READY), (Status::Unknown, "ChainUnknown"));
    }

    #[test]
    fn earnings_that_go_elsewhere_than_the_spec_says_are_told() {
        let (mut spec, state) = (spec(), state(&both()));
        spec.payout_address = DUTY.to_string();
        assert_eq!(
            of(&seen(&spec, Some(&state)), REGISTERED),
            (Status::False, "PayoutDiffers")
        );
        spec.duties.report_every = "soon".into();
        assert_eq!(
            of(&seen(&spec, Some(&state)), READY),
            (Status::False, "InvalidSpec")
        );
    }

    #[test]
    fn a_stake_below_its_target_is_told_and_does_not_unready() {
        let (mut spec, state) = (spec(), state(&both()));
        spec.stake = Some(crate::api::provider::ProviderStake {
            target: "2000".into(),
        });
        let seen = seen(&spec, Some(&state));
        assert_eq!(of(&seen, STAKE_SUFFICIENT), (Status::False, "BelowTarget"));
        assert_eq!(of(&seen, READY).0, Status::True);
    }
}
