//! The KECCAK256 instruction with a hash that is compiled with optimization here. The one that revm calls belongs to a package that the whole
//! program shares and that tests compile without; it took three quarters of the time.

use revm::{
    context_interface::Host,
    interpreter::{
        InstructionContext, InstructionExecResult, InstructionResult,
        interpreter::{EthInterpreter, resize_memory},
    },
    primitives::U256,
};
use tiny_keccak::{Hasher, Keccak};

/// Static part of the instruction's price (Yellow Paper, G_keccak256).
pub(crate) const GAS: u16 = 30;

/// keccak-256.
pub(crate) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    let mut hasher = Keccak::v256();
    hasher.update(bytes);
    hasher.finalize(&mut hash);
    hash
}

pub(crate) fn instruction<H: Host + ?Sized>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let interpreter = context.interpreter;
    let Some([from, length]) = interpreter.stack.popn() else {
        return Err(InstructionResult::StackUnderflow);
    };
    let length = usize::try_from(length).map_err(|_| InstructionResult::InvalidOperandOOG)?;
    let params = context.host.gas_params();
    if !interpreter.gas.record_regular_cost(params.keccak256_cost(length)) {
        return Err(InstructionResult::OutOfGas);
    }
    let hash = if length == 0 {
        keccak256(&[])
    } else {
        let from = usize::try_from(from).map_err(|_| InstructionResult::InvalidOperandOOG)?;
        resize_memory(
            &mut interpreter.gas,
            &mut interpreter.memory,
            params,
            from,
            length,
        )?;
        keccak256(&interpreter.memory.slice_len(from, length))
    };
    if interpreter.stack.push(U256::from_be_bytes(hash)) {
        Ok(())
    } else {
        Err(InstructionResult::StackOverflow)
    }
}
