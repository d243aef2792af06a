//! The contracts' functions as the bytes of a call, so that a plan's transaction is data before any provider is near it. A test
//! holds every signature against the committed ABI. May not send, simulate or decide anything.

use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U40, keccak256},
    sol_types::{SolType, SolValue, abi::TokenSeq, sol_data},
};

use super::{
    acts::seconds40,
    bid::{Bid, LaneUse},
    order::Order,
    statement::SignedReceipt,
    terms::Terms,
};
use crate::core::{
    book::Ruling,
    ids::{Lane, LeaseId, ProviderId},
    money::MicroUnits,
};

type Uint8 = sol_data::Uint<8>;
type Uint16 = sol_data::Uint<16>;
type Uint32 = sol_data::Uint<32>;
type Uint40 = sol_data::Uint<40>;
type Uint64 = sol_data::Uint<64>;
type Uint96 = sol_data::Uint<96>;
type Word = sol_data::Uint<256>;
type Hash = sol_data::FixedBytes<32>;

// The structs as the ABI names them in a signature; sol! keeps its own private.
const ORDER: &str = "(address,address,address,uint8,uint8,uint8,uint16,uint48,uint48,uint32,uint64,uint32,uint32,uint32,uint16,uint32,uint32,uint32,uint64,uint64,uint32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32)";
const BID: &str = "(bytes32,uint32,uint32,bytes32,uint48,uint64,uint64,uint40)";
const TERMS: &str = "(uint96,bytes32,address,address,address,uint8,uint8,uint8,uint48,uint64,uint64,uint32,uint32,uint16,uint32,uint32,bytes32,bytes32,bytes32)";

/// The selector (first four bytes of keccak-256 over the signature) and the encoded parameters (contract ABI specification).
fn call<P>(signature: &str, params: &P::RustType) -> Bytes
where
    P: SolType,
    for<'a> P::Token<'a>: TokenSeq<'a>,
{
    let selector = keccak256(signature);
    let mut data = selector.iter().copied().take(4).collect::<Vec<u8>>();
    data.extend(P::abi_encode_params(params));
    data.into()
}

/// `postOrder`: `needs` and `endpoint` are the bytes whose hashes the order holds.
#[must_use]
pub fn post_order(order: &Order, needs: &Bytes, endpoint: &str) -> Bytes {
    call::<(Order, sol_data::Bytes, sol_data::String)>(
        &format!("postOrder({ORDER},bytes,string)"),
        &(order.clone(), needs.clone(), endpoint.to_owned()),
    )
}

/// `cancelOrder`.
#[must_use]
pub fn cancel_order(order: &Order) -> Bytes {
    call::<(Order,)>(&format!("cancelOrder({ORDER})"), &(order.clone(),))
}

/// `publishBid` with the packed bid.
#[must_use]
pub fn post_bid(packed: &Bytes) -> Bytes {
    call::<(sol_data::Bytes,)>("publishBid(bytes)", &(packed.clone(),))
}

/// `accept`: one lane a lot, as signed in the bid.
#[must_use]
pub fn accept(order: &Order, bid: &Bid, lanes: &[LaneUse], signature: &[u8]) -> Bytes {
    let lanes = lanes.iter().map(|lane| lane.to_u64()).collect::<Vec<u64>>();
    call::<(Order, Bid, sol_data::Array<Uint64>, sol_data::Bytes)>(
        &format!("accept({ORDER},{BID},uint64[],bytes)"),
        &(
            order.clone(),
            bid.clone(),
            lanes,
            Bytes::copy_from_slice(signature),
        ),
    )
}

/// `fill` of a dutch order of one lot that anyone may fill, at its rate of the block it is mined in.
#[must_use]
pub fn fill(
    order: &Order,
    provider: ProviderId,
    lane: LaneUse,
    bond: MicroUnits,
    liability: MicroUnits,
) -> Bytes {
    call::<(
        Order,
        Uint32,
        sol_data::Array<Uint64>,
        Uint64,
        Uint64,
        sol_data::Array<Hash>,
    )>(
        &format!("fill({ORDER},uint32,uint64[],uint64,uint64,bytes32[])"),
        &(
            order.clone(),
            provider.0,
            vec![lane.to_u64()],
            bond.0,
            liability.0,
            Vec::new(),
        ),
    )
}

/// `start`: `base` in seconds of the lane, at least anything ever signed for it; `bindings` hashes what was bound.
#[must_use]
pub fn start(terms: &Terms, base: u32, bindings: B256) -> Bytes {
    call::<(Terms, Uint32, Hash)>(
        &format!("start({TERMS},uint32,bytes32)"),
        &(terms.clone(), base, bindings),
    )
}

/// `decline` with a typed reason.
#[must_use]
pub fn decline(terms: &Terms, reason: u16) -> Bytes {
    call::<(Terms, Uint16)>(&format!("decline({TERMS},uint16)"), &(terms.clone(), reason))
}

/// `report`: words of eight lanes from `first_word` on, counted at `as_of` (Unix seconds), `root` over the evidence.
#[must_use]
pub fn report(provider: ProviderId, first_word: u32, as_of: u64, root: B256, words: &[U256]) -> Bytes {
    let as_of: U40 = seconds40(as_of);
    call::<(Uint32, Uint32, Uint40, Hash, sol_data::Array<Word>)>(
        "report(uint32,uint32,uint40,bytes32,uint256[])",
        &(provider.0, first_word, as_of, root, words.to_vec()),
    )
}

/// `settle`.
#[must_use]
pub fn settle(provider: ProviderId, lanes: &[Lane]) -> Bytes {
    let lanes = lanes.iter().map(|lane| lane.0).collect::<Vec<u32>>();
    call::<(Uint32, sol_data::Array<Uint32>)>("settle(uint32,uint32[])", &(provider.0, lanes))
}

/// `redeem`: up to `cum` seconds as `signature` over `Voucher` says, by tenant or agent.
#[must_use]
pub fn redeem(terms: &Terms, cum: u32, signature: &[u8]) -> Bytes {
    call::<(Terms, Uint32, sol_data::Bytes)>(
        &format!("redeem({TERMS},uint32,bytes)"),
        &(terms.clone(), cum, Bytes::copy_from_slice(signature)),
    )
}

/// `waive`: usage becomes `cum`, at least what is settled.
#[must_use]
pub fn waive(terms: &Terms, cum: u32) -> Bytes {
    call::<(Terms, Uint32)>(&format!("waive({TERMS},uint32)"), &(terms.clone(), cum))
}

/// `stop` with a typed reason.
#[must_use]
pub fn stop(terms: &Terms, reason: u16) -> Bytes {
    call::<(Terms, Uint16)>(&format!("stop({TERMS},uint16)"), &(terms.clone(), reason))
}

/// `finalize`.
#[must_use]
pub fn finalize(terms: &Terms) -> Bytes {
    call::<(Terms,)>(&format!("finalize({TERMS})"), &(terms.clone(),))
}

/// `closeBoth`; the side that sends it leaves its own signature empty.
#[must_use]
pub fn close_both(terms: &Terms, cum: u32, deadline: u64, provider: &[u8], tenant: &[u8]) -> Bytes {
    call::<(Terms, Uint32, Uint40, sol_data::Bytes, sol_data::Bytes)>(
        &format!("closeBoth({TERMS},uint32,uint40,bytes,bytes)"),
        &(
            terms.clone(),
            cum,
            seconds40(deadline),
            Bytes::copy_from_slice(provider),
            Bytes::copy_from_slice(tenant),
        ),
    )
}

/// `claim` of one token.
#[must_use]
pub fn claim(provider: ProviderId, token: u8) -> Bytes {
    call::<(Uint32, Uint8)>("claim(uint32,uint8)", &(provider.0, token))
}

/// `approve` of a token (ERC-20).
#[must_use]
pub fn approve(spender: Address, value: U256) -> Bytes {
    call::<(sol_data::Address, Word)>("approve(address,uint256)", &(spender, value))
}

/// `contest` of the DisputeCourt: seconds after `from` up to `to`, with a bond of at most `max_bond`.
#[must_use]
pub fn contest(terms: &Terms, from: u32, to: u32, max_bond: MicroUnits, statement: B256) -> Bytes {
    call::<(Terms, Uint32, Uint32, Uint64, Hash)>(
        &format!("contest({TERMS},uint32,uint32,uint64,bytes32)"),
        &(terms.clone(), from, to, max_bond.0, statement),
    )
}

/// `answer` of the DisputeCourt.
#[must_use]
pub fn answer(lease: LeaseId, receipt: &SignedReceipt) -> Bytes {
    call::<(Uint96, Uint32, Uint40, Hash, sol_data::Bytes)>(
        "answer(uint96,uint32,uint40,bytes32,bytes)",
        &(
            lease.to_u96(),
            receipt.cum,
            seconds40(receipt.as_of),
            receipt.root,
            receipt.signature.clone(),
        ),
    )
}

/// `rule` of the DisputeCourt.
#[must_use]
pub fn rule(lease: LeaseId, ruling: &Ruling, reasons: B256) -> Bytes {
    call::<(Uint96, Uint64, Uint64, Uint64, Hash)>(
        "rule(uint96,uint64,uint64,uint64,bytes32)",
        &(
            lease.to_u96(),
            ruling.award.0,
            ruling.refund.0,
            ruling.burn.0,
            reasons,
        ),
    )
}

/// `veto` of the DisputeCourt.
#[must_use]
pub fn veto(lease: LeaseId) -> Bytes {
    call::<(Uint96,)>("veto(uint96)", &(lease.to_u96(),))
}

/// `conclude` of the DisputeCourt.
#[must_use]
pub fn conclude(lease: LeaseId) -> Bytes {
    call::<(Uint96,)>("conclude(uint96)", &(lease.to_u96(),))
}

/// `withdrawCredit` of the DisputeCourt or the StakeVault.
#[must_use]
pub fn withdraw_credit(account: Address, token: u8) -> Bytes {
    call::<(sol_data::Address, Uint8)>("withdrawCredit(address,uint8)", &(account, token))
}

/// `bindings` of a start: keccak-256 over the sorted device ids.
#[must_use]
pub fn bindings<'a>(devices: impl IntoIterator<Item = &'a str>) -> B256 {
    let mut devices: Vec<&str> = devices.into_iter().collect();
    devices.sort_unstable();
    keccak256(
        devices
            .iter()
            .map(|device| (*device).to_owned())
            .collect::<Vec<String>>()
            .abi_encode(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy::json_abi::JsonAbi;
    use serde_json::Value;

    fn selectors(text: &str) -> Vec<(String, [u8; 4])> {
        let value: Value = serde_json::from_str(text).unwrap();
        let abi: JsonAbi = serde_json::from_value(value["abi"].clone()).unwrap();
        abi.functions()
            .map(|function| (function.name.clone(), function.selector().0))
            .collect()
    }

    fn terms() -> Terms {
        <Terms as SolType>::abi_decode(&[0; 19 * 32]).unwrap()
    }

    #[test]
    fn every_call_carries_the_selector_of_the_committed_abi() {
        let known = selectors(include_str!("../../../contracts/abi/LeaseBook.json"));
        let order = <Order as SolType>::abi_decode(&[0; 27 * 32]).unwrap();
        let bid = <Bid as SolType>::abi_decode(&[0; 8 * 32]).unwrap();
        let calls = [
            ("postOrder", post_order(&order, &Bytes::new(), "")),
            ("cancelOrder", cancel_order(&order)),
            ("publishBid", post_bid(&Bytes::new())),
            ("accept", accept(&order, &bid, &[], &[])),
            (
                "fill",
                fill(
                    &order,
                    ProviderId(1),
                    LaneUse::from_u64(1).unwrap(),
                    MicroUnits::ZERO,
                    MicroUnits::ZERO,
                ),
            ),
            ("start", start(&terms(), 0, B256::ZERO)),
            ("decline", decline(&terms(), 1)),
            ("report", report(ProviderId(1), 0, 1, B256::ZERO, &[])),
            ("settle", settle(ProviderId(1), &[Lane(0)])),
            ("redeem", redeem(&terms(), 0, &[])),
            ("waive", waive(&terms(), 0)),
            ("stop", stop(&terms(), 1)),
            ("finalize", finalize(&terms())),
            ("closeBoth", close_both(&terms(), 0, 1, &[], &[])),
            ("claim", claim(ProviderId(1), 0)),
        ];
        for (name, data) in calls {
            let selector: [u8; 4] = data[..4].try_into().unwrap();
            assert!(
                known.contains(&(name.to_owned(), selector)),
                "{name} is not in the ABI with these types"
            );
        }
    }

    #[test]
    fn every_call_to_a_court_or_a_token_carries_the_selector_of_the_committed_abi() {
        let mut known = selectors(include_str!("../../../contracts/abi/DisputeCourt.json"));
        known.extend(selectors(include_str!("../../../contracts/abi/TestDollar.json")));
        let id: LeaseId = "7-0-1".parse().unwrap();
        let receipt = SignedReceipt {
            cum: 1,
            as_of: 2,
            root: B256::ZERO,
            signature: Bytes::new(),
        };
        let ruling = Ruling {
            award: MicroUnits(1),
            refund: MicroUnits(2),
            burn: MicroUnits(3),
        };
        for (name, data) in [
            ("approve", approve(Address::ZERO, U256::ONE)),
            ("contest", contest(&terms(), 0, 1, MicroUnits(1), B256::ZERO)),
            ("answer", answer(id, &receipt)),
            ("rule", rule(id, &ruling, B256::ZERO)),
            ("veto", veto(id)),
            ("conclude", conclude(id)),
            ("withdrawCredit", withdraw_credit(Address::ZERO, 0)),
        ] {
            let selector: [u8; 4] = data[..4].try_into().unwrap();
            assert!(
                known.contains(&(name.to_owned(), selector)),
                "{name} is not in the ABI with these types"
            );
        }
    }
}
