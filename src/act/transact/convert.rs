//! ComputeTransaction to `core::tx::Record` and back. Texts become numbers here and nowhere else; an object that does not read
//! is named with its field and left alone.

use std::str::FromStr;

use alloy::primitives::{Address, B256, Bytes, U256};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use thiserror::Error;

use crate::{
    api::{
        condition::{self, Status},
        reference::LocalRef,
        transaction::{
            ComputeTransaction, ComputeTransactionSpec, ComputeTransactionStatus, IntentKind as ApiKind,
            IntentSubject, MinedVersion, SignedVersion, TransactionCall, TransactionIntent, TransactionPhase,
        },
    },
    chain_io::signer::signer_of,
    core::{
        ids::ChainId,
        time::UnixMillis,
        tx::{Call, Fees, Intent, IntentId, IntentKind, Mined, Phase, Record, Stall, Version, name_of},
    },
};

/// The address whose key signed, so that a list needs no signature recovered. Checked against nothing: without it, it is recovered.
pub(super) const SIGNER_ANNOTATION: &str = "leaseport.dev/signer";
/// Reasons of the condition Stalled.
const NO_COIN: &str = condition::reason::INSUFFICIENT_FUNDS;
const REFUSED: &str = "RefusedByEndpoints";

/// An object that does not read as a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "ComputeTransaction {name}: {field} is {value:?}, which is not {expected}; it was not written by this operator: delete the object if its nonce is final, else restore it"
)]
pub struct ConvertError {
    /// The object.
    pub name: String,
    /// Which field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

/// Reads an object.
///
/// # Errors
/// A field does not hold what its schema says.
pub fn record_of(object: &ComputeTransaction) -> Result<Record, ConvertError> {
    let read = Reader {
        name: object.metadata.name.as_deref().unwrap_or_default(),
    };
    let spec = &object.spec;
    let status = object.status.clone().unwrap_or_default();
    let first = read.version(&spec.signed)?;
    let annotated = object
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(SIGNER_ANNOTATION))
        .and_then(|text| text.parse::<Address>().ok());
    let signer = annotated
        .or_else(|| signer_of(&first.raw))
        .ok_or_else(|| read.error("spec.signed.raw", &spec.signed.raw, "a signed transaction"))?;
    Ok(Record {
        name: read.name.to_owned(),
        wallet: spec.wallet_ref.name.clone(),
        signer,
        chain: ChainId(read.unsigned("spec.chainId", spec.chain_id)?),
        nonce: read.unsigned("spec.nonce", spec.nonce)?,
        intent: IntentId(read.parsed("spec.intent.id", &spec.intent.id, "a hash")?),
        kind: kind_from(spec.intent.kind),
        gas_limit: read.unsigned("spec.call.gasLimit", spec.call.gas_limit)?,
        value: read.parsed("spec.call.value", &spec.call.value, "wei as a decimal number")?,
        first,
        replacements: status
            .versions
            .iter()
            .map(|version| read.version(version))
            .collect::<Result<_, _>>()?,
        phase: status.phase.map_or(Phase::Created, phase_from),
        mined: status.mined.as_ref().map(|mined| read.mined(mined)).transpose()?,
        stalled: stall_from(&status),
        created: object
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(UnixMillis::default(), millis),
        closed: status.ended_at.as_ref().map(millis),
    })
}

/// The call of an object, for signing another version of it.
///
/// # Errors
/// A field does not hold what its schema says.
pub(super) fn call_of(object: &ComputeTransaction) -> Result<Call, ConvertError> {
    let read = Reader {
        name: object.metadata.name.as_deref().unwrap_or_default(),
    };
    let call = &object.spec.call;
    Ok(Call {
        to: read.parsed("spec.call.to", &call.to, "an address")?,
        data: read.parsed("spec.call.data", &call.data, "bytes in hex")?,
        value: read.parsed("spec.call.value", &call.value, "wei as a decimal number")?,
    })
}

/// What an object is made of.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    pub(super) namespace: &'a str,
    pub(super) wallet: &'a str,
    pub(super) market: &'a str,
    pub(super) chain: ChainId,
    pub(super) signer: Address,
    pub(super) nonce: u64,
    pub(super) intent: &'a Intent,
    pub(super) gas_limit: u64,
    pub(super) first: &'a Version,
}

/// The object to create. It has no status: published or not is not written.
pub(super) fn object_of(draft: &Draft<'_>) -> ComputeTransaction {
    let Intent {
        kind,
        subject,
        epoch,
        call,
    } = draft.intent;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    ComputeTransaction {
        metadata: ObjectMeta {
            name: Some(name_of(draft.wallet, draft.nonce)),
            namespace: Some(draft.namespace.to_owned()),
            annotations: Some([(SIGNER_ANNOTATION.to_owned(), draft.signer.to_string())].into()),
            ..ObjectMeta::default()
        },
        spec: ComputeTransactionSpec {
            wallet_ref: LocalRef::new(draft.wallet),
            market_ref: LocalRef::new(draft.market),
            chain_id: signed(draft.chain.0),
            nonce: signed(draft.nonce),
            intent: TransactionIntent {
                id: draft.intent.id().to_string(),
                kind: kind_to(*kind),
                subject: IntentSubject {
                    kind: subject.kind.clone(),
                    namespace: subject.namespace.clone(),
                    name: subject.name.clone(),
                    uid: subject.uid.clone(),
                },
                epoch: epoch.clone(),
            },
            call: TransactionCall {
                to: call.to.to_string(),
                data: call.data.to_string(),
                value: call.value.to_string(),
                gas_limit: signed(draft.gas_limit),
            },
            signed: version_to(draft.first),
        },
        status: None,
    }
}

pub(super) fn version_to(version: &Version) -> SignedVersion {
    SignedVersion {
        hash: version.hash.to_string(),
        raw: version.raw.to_string(),
        max_fee_per_gas: version.fees.max_fee.to_string(),
        max_priority_fee_per_gas: version.fees.tip.to_string(),
    }
}

/// What a status write changes.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Replaced(Version),
    Mined(Mined),
    Reorged,
    Closed(Phase, Option<Mined>),
    Stalled(Option<Stall>),
}

/// The status after a change: a function of the status before, so that nothing another pass wrote is lost.
pub(super) fn changed(
    object: &ComputeTransaction,
    change: &Change,
    now: UnixMillis,
) -> ComputeTransactionStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let at = time(now);
    status.observed_generation = object.metadata.generation;
    match change {
        Change::Replaced(version) => {
            status.phase = Some(TransactionPhase::Pending);
            status.versions.push(version_to(version));
        }
        Change::Mined(mined) => {
            status.phase = Some(TransactionPhase::Mined);
            status.mined = Some(mined_to(mined));
        }
        Change::Reorged => {
            status.phase = Some(TransactionPhase::Pending);
            status.mined = None;
        }
        Change::Closed(phase, mined) => {
            status.phase = Some(phase_to(*phase));
            status.mined = mined.as_ref().map(mined_to);
            status.ended_at = Some(at.clone());
        }
        Change::Stalled(_) => {}
    }
    let stalled = match change {
        Change::Stalled(Some(Stall::InsufficientFunds)) => Some((
            NO_COIN,
            "no endpoint takes it for want of coin: send coin for gas to the wallet's address",
        )),
        Change::Stalled(Some(Stall::Rejected)) => Some((
            REFUSED,
            "every endpoint says it will never take it: see the operator's log for their words, or add another endpoint to the market",
        )),
        Change::Stalled(None)
        | Change::Replaced(_)
        | Change::Mined(_)
        | Change::Reorged
        | Change::Closed(_, _) => None,
    };
    let generation = object.metadata.generation;
    let mut set = |kind, status_word, reason, message: &str| {
        condition::set(
            &mut status.conditions,
            kind,
            status_word,
            reason,
            message,
            generation,
            at.clone(),
        );
    };
    match stalled {
        Some((reason, message)) => set(condition::STALLED, Status::True, reason, message),
        None => set(
            condition::STALLED,
            Status::False,
            condition::reason::AS_EXPECTED,
            "",
        ),
    }
    let (ready, reason, message) = match change {
        Change::Mined(mined) if mined.succeeded => {
            (Status::True, "Mined", "in a block that is not final yet")
        }
        Change::Closed(Phase::Final, _) => (Status::True, "Final", "in a final block"),
        Change::Mined(_) => (
            Status::False,
            "Reverted",
            "it reverted, in a block that is not final yet",
        ),
        Change::Closed(Phase::Failed, _) => (Status::False, "Reverted", "it reverted, in a final block"),
        Change::Closed(_, _) => (
            Status::False,
            "NonceTaken",
            "another transaction of the wallet's key took its nonce for good",
        ),
        Change::Replaced(_) => (Status::False, "Replaced", "sent again at a higher fee"),
        Change::Reorged => (
            Status::False,
            "Reorganized",
            "its block left the chain; it was sent again",
        ),
        Change::Stalled(Some(_)) => (Status::False, "Stalled", "see the condition Stalled"),
        Change::Stalled(None) => (Status::False, condition::reason::PROGRESSING, "sent"),
    };
    set(condition::READY, ready, reason, message);
    status
}

fn stall_from(status: &ComputeTransactionStatus) -> Option<Stall> {
    let stalled = condition::get(&status.conditions, condition::STALLED)?;
    if stalled.status != Status::True.as_str() {
        None
    } else if stalled.reason == NO_COIN {
        Some(Stall::InsufficientFunds)
    } else {
        Some(Stall::Rejected)
    }
}

fn mined_to(mined: &Mined) -> MinedVersion {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    MinedVersion {
        hash: mined.hash.to_string(),
        block_number: signed(mined.block_number),
        block_hash: mined.block_hash.to_string(),
        gas_used: signed(mined.gas_used),
        effective_gas_price: mined.effective_gas_price.to_string(),
        data_fee: (mined.data_fee > 0).then(|| mined.data_fee.to_string()),
        succeeded: mined.succeeded,
    }
}

fn millis(time: &Time) -> UnixMillis {
    UnixMillis(time.0.as_millisecond())
}

pub(super) fn time(at: UnixMillis) -> Time {
    // Status times carry seconds; a clock beyond jiff's years is a broken clock, shown as 1970.
    let seconds = at.0.div_euclid(1000);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

struct Reader<'a> {
    name: &'a str,
}

impl Reader<'_> {
    fn error(&self, field: &'static str, value: &str, expected: &'static str) -> ConvertError {
        ConvertError {
            name: self.name.to_owned(),
            field,
            value: value.chars().take(80).collect(),
            expected,
        }
    }

    fn parsed<T: FromStr>(
        &self,
        field: &'static str,
        text: &str,
        expected: &'static str,
    ) -> Result<T, ConvertError> {
        text.parse().map_err(|_| self.error(field, text, expected))
    }

    fn unsigned(&self, field: &'static str, number: i64) -> Result<u64, ConvertError> {
        u64::try_from(number).map_err(|_| self.error(field, &number.to_string(), "zero or more"))
    }

    fn version(&self, version: &SignedVersion) -> Result<Version, ConvertError> {
        Ok(Version {
            hash: self.parsed::<B256>("signed.hash", &version.hash, "a hash")?,
            raw: self.parsed::<Bytes>("signed.raw", &version.raw, "bytes in hex")?,
            fees: Fees {
                max_fee: self.parsed("signed.maxFeePerGas", &version.max_fee_per_gas, "wei")?,
                tip: self.parsed(
                    "signed.maxPriorityFeePerGas",
                    &version.max_priority_fee_per_gas,
                    "wei",
                )?,
            },
        })
    }

    fn mined(&self, mined: &MinedVersion) -> Result<Mined, ConvertError> {
        Ok(Mined {
            hash: self.parsed("status.mined.hash", &mined.hash, "a hash")?,
            block_number: self.unsigned("status.mined.blockNumber", mined.block_number)?,
            block_hash: self.parsed("status.mined.blockHash", &mined.block_hash, "a hash")?,
            gas_used: self.unsigned("status.mined.gasUsed", mined.gas_used)?,
            effective_gas_price: self.parsed(
                "status.mined.effectiveGasPrice",
                &mined.effective_gas_price,
                "wei",
            )?,
            data_fee: mined
                .data_fee
                .as_ref()
                .map_or(Ok(0), |text| self.parsed("status.mined.dataFee", text, "wei"))?,
            succeeded: mined.succeeded,
        })
    }
}

macro_rules! same_words {
    ($ours:ident, $theirs:ident, $from:ident, $to:ident: $($word:ident),+) => {
        const fn $from(word: $theirs) -> $ours {
            match word { $($theirs::$word => $ours::$word),+ }
        }

        const fn $to(word: $ours) -> $theirs {
            match word { $($ours::$word => $theirs::$word),+ }
        }
    };
}

same_words!(Phase, TransactionPhase, phase_from, phase_to: Created, Pending, Mined, Final, Failed, Abandoned);
same_words!(IntentKind, ApiKind, kind_from, kind_to: PostBid, Fill, Start, Decline, Report, Settle, Redeem, Waive, Stop, Finalize, CloseBoth, Claim, Approve, Answer, Conclude, Withdraw);

/// Wei that waiting transactions may still take from the balance: gas at its worst, and value.
pub(super) fn reserved(list: &[Record]) -> U256 {
    list.iter()
        .filter(|record| record.phase.is_unmined())
        .fold(U256::ZERO, |sum, record| {
            sum.saturating_add(U256::from(record.gas_cost()))
                .saturating_add(record.value)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::core::tx::Subject;

    fn intent() -> Intent {
        Intent {
            kind: IntentKind::Report,
            subject: Subject {
                kind: "ComputeProvider".into(),
                namespace: "market".into(),
                name: "main".into(),
                uid: "u-1".into(),
            },
            epoch: "7".into(),
            call: Call {
                to: Address::repeat_byte(7),
                data: Bytes::from_static(&[1, 2]),
                value: U256::from(3),
            },
        }
    }

    fn version(byte: u8) -> Version {
        Version {
            hash: B256::repeat_byte(byte),
            raw: Bytes::from(vec![2, byte]),
            fees: Fees {
                max_fee: u128::from(byte) * 100,
                tip: 1,
            },
        }
    }

    fn object() -> ComputeTransaction {
        object_of(&Draft {
            namespace: "market",
            wallet: "duty",
            market: "base",
            chain: ChainId(8453),
            signer: Address::repeat_byte(9),
            nonce: 42,
            intent: &intent(),
            gas_limit: 90_000,
            first: &version(1),
        })
    }

    fn mined(byte: u8) -> Mined {
        Mined {
            hash: B256::repeat_byte(byte),
            block_number: 12,
            block_hash: B256::repeat_byte(0xb),
            gas_used: 50_000,
            effective_gas_price: 77,
            data_fee: 5,
            succeeded: true,
        }
    }

    #[test]
    fn what_is_written_reads_back_as_it_was_meant() {
        let mut object = object();
        let record = record_of(&object).unwrap();
        assert_eq!(object.metadata.name.as_deref(), Some("duty-42"));
        assert_eq!(
            (record.nonce, record.chain, record.intent),
            (42, ChainId(8453), intent().id())
        );
        assert_eq!(
            (record.phase, record.signer),
            (Phase::Created, Address::repeat_byte(9))
        );
        assert_eq!(call_of(&object).unwrap(), intent().call);
        for (change, phase) in [
            (Change::Stalled(Some(Stall::InsufficientFunds)), Phase::Created),
            (Change::Replaced(version(2)), Phase::Pending),
            (Change::Mined(mined(1)), Phase::Mined),
            (Change::Reorged, Phase::Pending),
            (Change::Closed(Phase::Final, Some(mined(2))), Phase::Final),
        ] {
            object.status = Some(changed(&object, &change, UnixMillis(5_000)));
            let record = record_of(&object).unwrap();
            assert_eq!(record.phase, phase, "{change:?}");
            let stalled = matches!(change, Change::Stalled(_)).then_some(Stall::InsufficientFunds);
            assert_eq!(record.stalled, stalled, "{change:?}");
        }
        let record = record_of(&object).unwrap();
        assert_eq!(record.replacements, [version(2)]);
        assert_eq!(record.mined, Some(mined(2)));
        assert_eq!(record.closed, Some(UnixMillis(5_000)));
    }

    #[test]
    fn writing_the_same_change_twice_writes_the_same_status() {
        let mut object = object();
        object.status = Some(changed(&object, &Change::Mined(mined(1)), UnixMillis(5_000)));
        let again = changed(&object, &Change::Mined(mined(1)), UnixMillis(9_000));
        assert_eq!(object.status, Some(again));
    }

    #[test]
    fn an_object_that_does_not_read_is_named_with_its_field() {
        let mut broken = object();
        broken.spec.signed.hash = "0x12".into();
        let error = record_of(&broken).unwrap_err();
        assert_eq!((error.name.as_str(), error.field), ("duty-42", "signed.hash"));
        let mut broken = object();
        broken.spec.nonce = -1;
        assert!(record_of(&broken).unwrap_err().to_string().contains("spec.nonce"));
    }
}
