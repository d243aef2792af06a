//! Transactions and what they cost. Costs are whole gwei, since money is never a float and a wei is too small to count in 53 bits.

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    families::{Counters, Gauges, Shelf, signed},
};

const INTENT: Label = Label {
    name: "intent",
    values: Values::Constants("`spec.intent.kind` of a ComputeTransaction"),
};

const TRANSACTIONS: Metric = Metric {
    name: "transactions_total",
    kind: Kind::Counter,
    unit: "transactions",
    labels: &[
        INTENT,
        Label {
            name: "outcome",
            values: Values::Words(&["Created", "Pending", "Mined", "Final", "Failed", "Abandoned"]),
        },
    ],
    help: "Phases that transactions reached, by intent; a reorganization may let one be Mined twice",
};
const GAS: Metric = Metric {
    name: "transaction_gas_total",
    kind: Kind::Counter,
    unit: "gas",
    labels: &[INTENT],
    help: "Gas that transactions used, counted when they are final, failed ones included",
};
const COST: Metric = Metric {
    name: "transaction_cost_gwei_total",
    kind: Kind::Counter,
    unit: "gwei (10⁻⁹ of the chain's coin)",
    labels: &[INTENT],
    help: "What transactions cost, each rounded up to a gwei, data fees of a rollup included; counted when they are final, failed ones included",
};
const BALANCE: Metric = Metric {
    name: "wallet_balance_gwei",
    kind: Kind::Gauge,
    unit: "gwei (10⁻⁹ of the chain's coin)",
    labels: &[
        Label {
            name: "namespace",
            values: Values::Names("the wallet's namespace"),
        },
        Label {
            name: "name",
            values: Values::Names("ComputeWallets"),
        },
    ],
    help: "Coin for gas at a wallet's address when it was last looked at, which is twice a minute or every thirty blocks, whichever is rarer; rounded down",
};

/// What a transaction cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Gas used.
    pub gas: u64,
    /// All of it in gwei, rounded up.
    pub gwei: u64,
}

pub(super) struct Transactions {
    transactions: Counters,
    gas: Counters,
    cost: Counters,
    balance: Gauges,
}

impl Transactions {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("Transactions and wallets");
        Ok(Self {
            transactions: shelf.counters(&TRANSACTIONS)?,
            gas: shelf.counters(&GAS)?,
            cost: shelf.counters(&COST)?,
            balance: shelf.gauges(&BALANCE)?,
        })
    }
}

impl Metrics {
    /// A transaction for `intent` reached a phase: Created, Pending, Mined, Final, Failed, Abandoned; a reorganization may let it be Mined twice.
    pub fn transaction(&self, intent: &'static str, outcome: &'static str) {
        self.0.transactions.transactions.inc(&[intent, outcome]);
    }

    /// A transaction for `intent` is final and cost this.
    pub fn spent(&self, intent: &'static str, spent: Spent) {
        self.0.transactions.gas.add(&[intent], spent.gas);
        self.0.transactions.cost.add(&[intent], spent.gwei);
    }

    /// A wallet holds so much coin.
    pub fn balance(&self, namespace: &str, name: &str, gwei: u64) {
        self.0.transactions.balance.set(&[namespace, name], signed(gwei));
    }

    /// The wallet is gone.
    pub fn forget_balance(&self, namespace: &str, name: &str) {
        self.0.transactions.balance.forget(&[namespace, name]);
    }
}
