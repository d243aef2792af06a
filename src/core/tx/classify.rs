//! What an endpoint's answer to a raw transaction means. Clients agree on no code, so the text decides; what no text explains
//! counts as sent, because taking a sent transaction for unsent is the one mistake that costs. May not look at a connection.

/// What an error answer to `eth_sendRawTransaction` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RpcErrorClass {
    /// The endpoint has these very bytes: success.
    AlreadyKnown,
    /// The chain is past this nonce: a receipt, or a stranger, will tell.
    NonceTooLow,
    /// The endpoint holds another version of this nonce that pays as much, or the offer is below its floor.
    Underpriced,
    /// The key cannot pay for it.
    InsufficientFunds,
    /// The endpoint will never take these bytes.
    Rejected,
    /// The endpoint did not look at it: rate limit, overload, full pool. Try again.
    Transient,
    /// No way to tell whether it was taken.
    Ambiguous,
}

impl RpcErrorClass {
    /// The label in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::Underpriced => "underpriced",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Rejected => "rejected",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// Texts in the order they are looked for: an earlier row wins, so that "replacement transaction underpriced" is not taken for
/// a floor and "nonce too low ... already known" for a loss.
/// Sources: go-ethereum core/txpool/errors.go and core/error.go, reth crates/transaction-pool/src/error.rs and
/// crates/rpc/rpc-eth-types, nethermind AcceptTxResult.cs, besu TransactionInvalidReason.java, erigon txpoolcfg.go,
/// foundry crates/anvil/src/eth/error.rs, nitro execution/gethexec.
const TEXTS: &[(RpcErrorClass, &[&str])] = &[
    (
        RpcErrorClass::AlreadyKnown,
        &[
            "already known",
            "alreadyknown",
            "known transaction",
            "already imported",
            "already_exists",
            "already exists",
            "already in the system",
            "already in mempool",
        ],
    ),
    (
        RpcErrorClass::Underpriced,
        &[
            "replacement",
            "underpriced",
            "another transaction with same nonce",
            "max fee per gas less than block base fee",
            "feetoolow",
            "fee too low",
            "gas price too low",
            "gas price is too low",
            "gas price below",
            "tip too low",
            "ownnoncealreadyused",
            "could not replace existing tx",
        ],
    ),
    (
        RpcErrorClass::NonceTooLow,
        &[
            "nonce too low",
            "nonce is too low",
            "oldnonce",
            "nonce_too_low",
            "invalid nonce; got",
        ],
    ),
    (
        RpcErrorClass::InsufficientFunds,
        &[
            "insufficient funds",
            "insufficientfunds",
            "insufficient balance",
            "exceeds account balance",
            "upfront cost exceeds",
            "doesn't have enough funds",
            "overdraft",
        ],
    ),
    (
        RpcErrorClass::Transient,
        &[
            "txpool is full",
            "pool is full",
            "pool limit",
            "pool overflow",
            "rate limit",
            "too many requests",
            "request limit",
            "compute units",
            "capacity exceeded",
            "try again",
            "temporarily",
            "unavailable",
            "overloaded",
            "syncing",
            "header not found",
            "nonce too high",
            "noncegap",
            "nonce gap",
            "gapped",
            "in-flight transaction limit",
        ],
    ),
    (
        RpcErrorClass::Rejected,
        &[
            "intrinsic gas",
            "exceeds block gas limit",
            "exceeds allowance",
            "gas limit reached",
            "gas limit too high",
            "gas limit exceeds",
            "exceeds the configured cap",
            "exceeds transaction gas limit",
            "gaslimitexceeded",
            "invalid sender",
            "invalid signature",
            "invalid chain id",
            "invalid chainid",
            "chain id mismatch",
            "incorrect chainid",
            "wrong chain",
            "transaction type not supported",
            "not supported",
            "oversized data",
            "max initcode size",
            "negative value",
            "max priority fee per gas higher",
            "only replay-protected",
            "rlp",
            "failed to decode",
            "invalid params",
            "method not found",
            "sender not an eoa",
            "senderisnoteoa",
            "execution reverted",
            "unauthorized",
            "forbidden",
        ],
    ),
];

/// Reads the class off a JSON-RPC error's code and message.
#[must_use]
pub fn classify(code: i64, message: &str) -> RpcErrorClass {
    let text = message.to_lowercase();
    let by_text = TEXTS
        .iter()
        .find(|(_, words)| words.iter().any(|word| text.contains(word)))
        .map(|(class, _)| *class);
    match (by_text, code) {
        (Some(class), _) => class,
        // EIP-1474: method not found, invalid params, method not supported; 429 is what gateways use.
        (None, -32601 | -32602 | -32004) => RpcErrorClass::Rejected,
        (None, -32005 | 429) => RpcErrorClass::Transient,
        (None, _) => RpcErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_clients_say_means_what_they_mean() {
        use RpcErrorClass::{
            AlreadyKnown, Ambiguous, InsufficientFunds, NonceTooLow, Rejected, Transient, Underpriced,
        };
        for (code, message, class) in [
            (-32000, "already known", AlreadyKnown),
            (-32000, "AlreadyKnown", AlreadyKnown),
            (-32000, "ALREADY_EXISTS: already known", AlreadyKnown),
            (-32003, "transaction already imported", AlreadyKnown),
            (-32000, "Known transaction", AlreadyKnown),
            (
                -32010,
                "Transaction with the same hash was already imported.",
                AlreadyKnown,
            ),
            (-32000, "nonce too low: next nonce 7, tx nonce 5", NonceTooLow),
            (-32003, "nonce too low", NonceTooLow),
            (
                -32000,
                "OldNonce, Current nonce: 7, nonce of rejected tx: 5",
                NonceTooLow,
            ),
            (-32000, "INTERNAL_ERROR: nonce too low", NonceTooLow),
            (-32001, "Nonce too low", NonceTooLow),
            (-32000, "replacement transaction underpriced", Underpriced),
            (
                -32000,
                "transaction underpriced: tip needed 1, tip permitted 0",
                Underpriced,
            ),
            (
                -32000,
                "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
                Underpriced,
            ),
            (
                -32010,
                "Transaction gas price is too low. There is another transaction with same nonce in the queue.",
                Underpriced,
            ),
            (
                -32000,
                "FeeTooLow, EffectivePriorityFeePerGas too low",
                Underpriced,
            ),
            (
                -32000,
                "insufficient funds for gas * price + value: address 0x1 have 1 want 2",
                InsufficientFunds,
            ),
            (
                -32003,
                "Insufficient funds for gas * price + value",
                InsufficientFunds,
            ),
            (-32004, "Upfront cost exceeds account balance", InsufficientFunds),
            (-32000, "txpool is full", Transient),
            (
                -32005,
                "daily request count exceeded, request rate limited",
                Transient,
            ),
            (
                429,
                "Your app has exceeded its compute units per second capacity",
                Transient,
            ),
            (
                -32000,
                "intrinsic gas too low: gas 21000, minimum needed 53000",
                Rejected,
            ),
            (-32000, "exceeds block gas limit", Rejected),
            (
                -32000,
                "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)",
                Rejected,
            ),
            (-32000, "invalid chain id for signer: have 1 want 2", Rejected),
            (-32601, "the method is gone", Rejected),
            (-32603, "internal error", Ambiguous),
            (-32000, "", Ambiguous),
            (0, "bad gateway", Ambiguous),
        ] {
            assert_eq!(classify(code, message), class, "{code} {message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_has_a_class(code: i64, message in ".{0,200}") {
            prop_assert!(!classify(code, &message).as_str().is_empty());
        }
    }
}
