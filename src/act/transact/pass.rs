//! One pass over a wallet's transactions: look up what `core::tx::wanted` names, do what `core::tx::plan` says, in its order, and
//! clear what is old. Decides nothing; a write that lost a race ends the object's pass, and the next one sees why.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use alloy::primitives::B256;
use thiserror::Error;

use super::{
    ConvertError, KeyError, ObjectError, SubmitError, TransactContext, WalletName,
    convert::{Change, call_of, changed, record_of},
    keys,
    objects::{self, Written},
};
use crate::{
    api::ComputeTransaction,
    chain_io::{
        publisher::{Published, Said},
        signer::{SignerError, sign_version},
    },
    core::tx::{
        ChainFacts, Event, Fees, FeesWanted, Heads, KeyUse, Phase, Record, Version, Work, deletable, plan,
        wanted,
    },
};

/// What a pass did, for metrics and for when to come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Transactions that are not Final, Failed or Abandoned.
    pub open: usize,
    /// Broadcasts.
    pub published: usize,
    /// Status writes.
    pub written: usize,
    /// Objects deleted for their age.
    pub deleted: usize,
    /// What went wrong, in words; all of it is tried again.
    pub troubles: Vec<String>,
    /// Nonces lost to a stranger in this pass.
    pub abandoned: usize,
}

#[derive(Debug, Error)]
enum Trouble {
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Sign(#[from] SignerError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// Whether the rest of an object's plan still holds.
enum Step {
    Go,
    Lost,
}

impl TransactContext {
    /// Brings every transaction of one wallet one step further. `objects` may come from a cache that lags: writes carry the
    /// resourceVersion. `account_nonce` is the key's next nonce at `heads.hash`, none while unknown.
    pub async fn pass(
        &self,
        wallet: &WalletName,
        objects: &[Arc<ComputeTransaction>],
        heads: Option<Heads>,
        account_nonce: Option<u64>,
        key: KeyUse,
    ) -> PassReport {
        if let Some(heads) = heads {
            self.head.store(heads.number, Ordering::Relaxed);
        }
        let mut report = PassReport::default();
        let mut records = Vec::with_capacity(objects.len());
        for object in objects {
            match record_of(object) {
                Ok(record) => records.push((object, record)),
                Err(error) => report.troubles.push(error.to_string()),
            }
        }
        records.sort_by_key(|(_, record)| record.nonce);
        for (object, record) in &records {
            if record.phase.is_closed() {
                continue;
            }
            report.open += 1;
            let step = self.advance(wallet, object, record, heads, account_nonce, key, &mut report);
            if let Err(error) = step.await {
                report.troubles.push(format!("{}: {error}", record.name));
            }
        }
        self.clear(wallet, &records, &mut report).await;
        self.forget_closed(&records);
        report
    }

    /// The key's next nonce at the newest block, from any transaction of the wallet that reads; none if nobody answers.
    pub async fn nonce_at(&self, objects: &[Arc<ComputeTransaction>], heads: &Heads) -> Option<u64> {
        let signer = objects.iter().find_map(|object| record_of(object).ok())?.signer;
        match self.publisher.nonce(signer, Some(heads.hash)).await {
            Ok(nonce) => Some(nonce),
            Err(error) => {
                tracing::debug!(%signer, %error, "no nonce at the newest block");
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    async fn advance(
        &self,
        wallet: &WalletName,
        object: &ComputeTransaction,
        record: &Record,
        heads: Option<Heads>,
        account_nonce: Option<u64>,
        key: KeyUse,
        report: &mut PassReport,
    ) -> Result<(), Trouble> {
        let tracked = self.tracked(object);
        if tracked.written_over.is_some() && tracked.written_over == object.metadata.resource_version {
            return Ok(());
        }
        let fees = &self.terms.fees;
        let sending = tracked.sending;
        let ask = wanted(
            record,
            &sending,
            heads.as_ref(),
            account_nonce,
            fees,
            (self.now)(),
        );
        let mut facts = ChainFacts {
            heads,
            account_nonce,
            receipts: BTreeMap::new(),
            quote: None,
            key,
        };
        for hash in ask.receipts {
            match self.publisher.look_up(hash).await {
                Ok(lookup) => {
                    facts.receipts.insert(hash, lookup);
                }
                Err(error) => tracing::debug!(transaction = record.name, %hash, %error, "no receipt look-up"),
            }
        }
        if ask.fees == FeesWanted::Yes {
            facts.quote = self.publisher.quote().await.ok();
        }
        let head = heads.map_or(0, |heads| heads.number);
        let mut current = object.clone();
        for work in plan(record, &sending, &facts, fees, (self.now)()) {
            match self
                .perform(wallet, &mut current, record, work, head, report)
                .await?
            {
                Step::Go => {}
                Step::Lost => break,
            }
        }
        Ok(())
    }

    async fn perform(
        &self,
        wallet: &WalletName,
        object: &mut ComputeTransaction,
        record: &Record,
        work: Work,
        head: u64,
        report: &mut PassReport,
    ) -> Result<Step, Trouble> {
        match work {
            Work::Publish(hash) => {
                let version = record.versions().find(|version| version.hash == hash);
                if let Some(version) = version {
                    self.send(object, version, head, report).await;
                }
                Ok(Step::Go)
            }
            Work::Replace(fees) => self.replace(wallet, object, record, fees, head, report).await,
            Work::MarkMined(mined) => {
                tracing::info!(transaction = record.name, kind = %record.kind, block = mined.block_number, succeeded = mined.succeeded, "in a block");
                self.write(wallet, object, &Change::Mined(mined), report).await
            }
            Work::MarkReorged => {
                tracing::warn!(transaction = record.name, kind = %record.kind, "its block left the chain, sending it again");
                let step = self.write(wallet, object, &Change::Reorged, report).await?;
                if matches!(step, Step::Go) {
                    self.note(object, Event::Reorged);
                }
                Ok(step)
            }
            Work::MarkFinal(mined) => {
                tracing::info!(transaction = record.name, kind = %record.kind, block = mined.block_number, "final");
                self.write(wallet, object, &Change::Closed(Phase::Final, Some(mined)), report)
                    .await
            }
            Work::MarkFailed(mined) => {
                tracing::warn!(transaction = record.name, kind = %record.kind, block = mined.block_number, "reverted for good");
                self.write(
                    wallet,
                    object,
                    &Change::Closed(Phase::Failed, Some(mined)),
                    report,
                )
                .await
            }
            Work::MarkAbandoned => {
                tracing::error!(transaction = record.name, kind = %record.kind, "another transaction of the key took the nonce for good");
                report.abandoned += 1;
                self.wallet_trouble.notify_one();
                self.write(wallet, object, &Change::Closed(Phase::Abandoned, None), report)
                    .await
            }
            Work::MarkStalled(stall) => {
                self.wallet_trouble.notify_one();
                self.write(wallet, object, &Change::Stalled(stall), report).await
            }
            Work::NoteTaken(block) => {
                self.note(object, Event::Taken { block });
                Ok(Step::Go)
            }
            Work::NoteFree => {
                self.note(object, Event::Free);
                Ok(Step::Go)
            }
            Work::NoteChecked(block) => {
                self.note(object, Event::Checked { block });
                Ok(Step::Go)
            }
        }
    }

    /// Signs a dearer version, writes it down, and only then sends it.
    async fn replace(
        &self,
        wallet: &WalletName,
        object: &mut ComputeTransaction,
        record: &Record,
        fees: Fees,
        head: u64,
        report: &mut PassReport,
    ) -> Result<Step, Trouble> {
        let Some(owner) = objects::wallet(&self.client, wallet).await? else {
            return Err(SubmitError::NoWallet(wallet.clone()).into());
        };
        let signer = keys::load(&self.client, &owner).await?;
        if signer.address() != record.signer {
            return Err(SubmitError::OtherKey {
                wallet: wallet.clone(),
                transaction: record.name.clone(),
                signer: record.signer,
            }
            .into());
        }
        let call = call_of(object)?;
        let version = sign_version(
            signer.as_ref(),
            record.chain,
            record.nonce,
            &call,
            record.gas_limit,
            fees,
        )
        .await?;
        tracing::info!(transaction = record.name, kind = %record.kind, max_fee = fees.max_fee, tip = fees.tip, "raising the fee");
        let step = self
            .write(wallet, object, &Change::Replaced(version.clone()), report)
            .await?;
        if matches!(step, Step::Go) {
            self.send(object, &version, head, report).await;
        }
        Ok(step)
    }

    async fn send(&self, object: &ComputeTransaction, version: &Version, head: u64, report: &mut PassReport) {
        let published = self.publisher.publish(&version.raw).await;
        report.published += 1;
        log_published(
            object.metadata.name.as_deref().unwrap_or_default(),
            version.hash,
            &published,
        );
        self.note(
            object,
            Event::Broadcast {
                hash: version.hash,
                result: published.result,
                head,
                at: (self.now)().steady,
            },
        );
    }

    async fn write(
        &self,
        wallet: &WalletName,
        object: &mut ComputeTransaction,
        change: &Change,
        report: &mut PassReport,
    ) -> Result<Step, Trouble> {
        let before = object.metadata.resource_version.clone();
        let status = changed(object, change, (self.now)().wall);
        let mut next = object.clone();
        next.status = Some(status);
        match objects::write_status(&self.client, wallet, &next).await? {
            Written::Done(written) => {
                report.written += 1;
                self.remember(object, |known| known.written_over = before);
                *object = written;
                Ok(Step::Go)
            }
            Written::Lost => {
                tracing::debug!(transaction = object.metadata.name, "somebody else wrote first");
                Ok(Step::Lost)
            }
        }
    }

    async fn clear(
        &self,
        wallet: &WalletName,
        records: &[(&Arc<ComputeTransaction>, Record)],
        report: &mut PassReport,
    ) {
        let list: Vec<Record> = records.iter().map(|(_, record)| record.clone()).collect();
        for old in deletable(&list, &self.terms.retention, (self.now)().wall) {
            let Some((object, _)) = records.iter().find(|(_, record)| record.nonce == old.nonce) else {
                continue;
            };
            match objects::delete(&self.client, wallet, object).await {
                Ok(Written::Done(())) => report.deleted += 1,
                Ok(Written::Lost) => {}
                Err(error) => report.troubles.push(error.to_string()),
            }
        }
    }

    /// Drops the memory of what is closed, so that it does not grow for ever.
    fn forget_closed(&self, records: &[(&Arc<ComputeTransaction>, Record)]) {
        let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        for (object, record) in records {
            if let (true, Some(uid)) = (record.phase.is_closed(), &object.metadata.uid) {
                tracked.remove(uid);
            }
        }
    }
}

/// One line a broadcast, one an endpoint that did not take it.
pub(super) fn log_published(name: &str, hash: B256, published: &Published) {
    tracing::debug!(transaction = name, %hash, result = ?published.result, "sent");
    for (endpoint, said) in &published.said {
        if let Said::Error(class, words) = said {
            tracing::debug!(
                transaction = name,
                endpoint,
                class = class.as_str(),
                words,
                "an endpoint did not take it"
            );
        }
    }
}
