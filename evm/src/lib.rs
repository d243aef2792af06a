//! An EVM with a clock that the caller sets, for tests that run the contracts' bytecode: no blocks, no fees, no nonces, every call a transaction
//! of its own. A package apart so that the interpreter, which is generic, is compiled with optimization where tests are not.
//! May not know what the contracts mean.

mod hash;
mod key;

use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    bytecode::opcode::KECCAK256,
    context::{BlockEnv, CfgEnv, Journal, TxEnv},
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    interpreter::Instruction,
    primitives::{TxKind, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};
use thiserror::Error;

pub use key::{Key, KeyError};
pub use revm::primitives::{Address, B256, Bytes, U256};

/// What no call of these contracts comes near to; deploying the book takes 10 million.
const GAS: u64 = 30_000_000;

type Db = CacheDB<EmptyDB>;
type Machine = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Db, Journal<Db>, ()>>;

/// Why a call changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The contract refused; the bytes begin with the selector of its error.
    #[error("reverted with {0}")]
    Reverted(Bytes),
    /// The machine gave up: out of gas, or an invalid instruction.
    #[error("halted: {0}")]
    Halted(String),
    /// The call never ran.
    #[error("not a transaction: {0}")]
    Invalid(String),
}

/// One chain.
pub struct Chain {
    machine: Machine,
}

impl Chain {
    /// An empty chain under the Cancun rules, which are those the contracts are compiled for.
    #[must_use]
    pub fn new(chain_id: u64, time: u64) -> Self {
        Self::over(CacheDB::new(EmptyDB::new()), chain_id, time)
    }

    fn over(db: Db, chain_id: u64, time: u64) -> Self {
        let mut machine = Context::mainnet()
            .with_db(db)
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN);
                cfg.chain_id = chain_id;
                cfg.disable_nonce_check = true;
            })
            .modify_block_chained(|block| {
                block.timestamp = U256::from(time);
                block.gas_limit = u64::MAX;
                block.basefee = 0;
            })
            .build_mainnet();
        machine
            .instruction
            .insert_instruction(KECCAK256, Instruction::new(hash::instruction), hash::GAS);
        Self { machine }
    }

    /// A second chain that is where this one is, at the same time.
    #[must_use]
    pub fn branch(&self) -> Self {
        let context = &self.machine.ctx;
        Self::over(
            context.journaled_state.database.clone(),
            context.cfg.chain_id,
            context.block.timestamp.saturating_to(),
        )
    }

    /// Sets the clock, in Unix seconds.
    pub fn set_time(&mut self, time: u64) {
        self.machine
            .ctx
            .modify_block(|block| block.timestamp = U256::from(time));
    }

    /// Puts runtime code at an address, without a constructor.
    pub fn place(&mut self, at: Address, code: Bytes) {
        let info = AccountInfo::from_bytecode(Bytecode::new_raw(code));
        self.machine.ctx.modify_db(|db| db.insert_account_info(at, info));
    }

    /// Runs creation code, arguments appended.
    ///
    /// # Errors
    /// It failed.
    pub fn create(&mut self, from: Address, code: Bytes) -> Result<Address, Failure> {
        match self.transact(from, TxKind::Create, code)? {
            Output::Create(_, Some(address)) => Ok(address),
            other => Err(Failure::Invalid(format!("made no contract: {other:?}"))),
        }
    }

    /// Calls and keeps what it did.
    ///
    /// # Errors
    /// It failed, and nothing changed.
    pub fn call(&mut self, from: Address, to: Address, data: Bytes) -> Result<Bytes, Failure> {
        Ok(self.transact(from, TxKind::Call(to), data)?.into_data())
    }

    /// Calls and forgets what it did.
    ///
    /// # Errors
    /// It failed.
    pub fn view(&mut self, from: Address, to: Address, data: Bytes) -> Result<Bytes, Failure> {
        let result = self
            .machine
            .transact(transaction(from, TxKind::Call(to), data)?)
            .map_err(|error| Failure::Invalid(format!("{error:?}")))?;
        Ok(succeeded(result.result)?.into_data())
    }

    /// The slot of a mapping's member: `keccak256(key, slot)`, both as words.
    #[must_use]
    pub fn member(key: U256, slot: U256) -> U256 {
        let words: [[u8; 32]; 2] = [key.to_be_bytes(), slot.to_be_bytes()];
        U256::from_be_bytes(hash::keccak256(words.as_flattened()))
    }

    /// A word of a mapping's member: keys from the outermost on, and how many words behind the member's first.
    ///
    /// # Errors
    /// As [`Chain::storage`].
    pub fn member_of(
        &mut self,
        at: Address,
        slot: U256,
        keys: &[U256],
        offset: U256,
    ) -> Result<U256, Failure> {
        let first = keys.iter().fold(slot, |slot, key| Self::member(*key, slot));
        self.storage(at, first.wrapping_add(offset))
    }

    /// A word of a contract's storage.
    ///
    /// # Errors
    /// Never here: the database is memory.
    pub fn storage(&mut self, at: Address, slot: U256) -> Result<U256, Failure> {
        revm::Database::storage(&mut self.machine.ctx.journaled_state.database, at, slot)
            .map_err(|error| Failure::Invalid(format!("{error:?}")))
    }

    fn transact(&mut self, from: Address, kind: TxKind, data: Bytes) -> Result<Output, Failure> {
        let result = self
            .machine
            .transact_commit(transaction(from, kind, data)?)
            .map_err(|error| Failure::Invalid(format!("{error:?}")))?;
        succeeded(result)
    }
}

fn transaction(from: Address, kind: TxKind, data: Bytes) -> Result<TxEnv, Failure> {
    TxEnv::builder()
        .caller(from)
        .kind(kind)
        .data(data)
        .gas_limit(GAS)
        .gas_price(0)
        .chain_id(None)
        .build()
        .map_err(|error| Failure::Invalid(format!("{error:?}")))
}

fn succeeded(result: ExecutionResult) -> Result<Output, Failure> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output),
        ExecutionResult::Revert { output, .. } => Err(Failure::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(Failure::Halted(format!("{reason:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CALLER: Address = Address::repeat_byte(1);
    const AT: Address = Address::repeat_byte(2);

    #[test]
    fn code_sees_the_time_that_was_set_and_a_branch_goes_its_own_way() {
        let mut chain = Chain::new(31_337, 5);
        // Adds the time to slot 0 and returns it.
        chain.place(
            AT,
            Bytes::from_static(&[
                0x5f, 0x54, 0x42, 0x01, 0x80, 0x5f, 0x55, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,
            ]),
        );
        let slot = |bytes: Bytes| U256::from_be_slice(&bytes);
        assert_eq!(slot(chain.call(CALLER, AT, Bytes::new()).unwrap()), U256::from(5));
        let mut branch = chain.branch();
        branch.set_time(7);
        assert_eq!(
            slot(branch.call(CALLER, AT, Bytes::new()).unwrap()),
            U256::from(12)
        );
        assert_eq!(
            slot(chain.view(CALLER, AT, Bytes::new()).unwrap()),
            U256::from(10)
        );
        assert_eq!(
            slot(chain.call(CALLER, AT, Bytes::new()).unwrap()),
            U256::from(10)
        );
    }

    #[test]
    fn the_hash_is_the_one_everybody_computes() {
        let mut chain = Chain::new(31_337, 5);
        // Hashes its calldata.
        chain.place(
            AT,
            Bytes::from_static(&[
                0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0x20, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,
            ]),
        );
        for length in [0, 1, 31, 32, 64, 135, 136, 137, 900] {
            let data = vec![7; length];
            let hash = chain.call(CALLER, AT, data.clone().into()).unwrap();
            assert_eq!(hash, Bytes::from(revm::primitives::keccak256(&data)), "{length}");
        }
    }

    #[test]
    fn a_revert_keeps_its_words_and_changes_nothing() {
        let mut chain = Chain::new(31_337, 5);
        // Stores, then reverts with one word.
        chain.place(
            AT,
            Bytes::from_static(&[0x60, 1, 0x5f, 0x55, 0x60, 9, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xfd]),
        );
        let failure = chain.call(CALLER, AT, Bytes::new()).unwrap_err();
        assert_eq!(failure, Failure::Reverted(U256::from(9).to_be_bytes_vec().into()));
    }
}
