//! Why an order is not bid on, as data: a reason that can be counted and a message a tenant can act on. May not decide.

use std::fmt;

/// The kinds of refusal; each is a label of a counter and of the offer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The offer is paused.
    OfferPaused,
    /// The order was accepted or cancelled.
    OrderNotOpen,
    /// The order's time is over, or too little of it is left for a bid.
    OrderExpired,
    /// A form of trade that this program does not serve.
    FormUnsupported,
    /// More than one lot.
    LotsUnsupported,
    /// A way of billing that this offer does not sell.
    BillingUnsupported,
    /// Only listed providers may fill it.
    NotEligible,
    /// A flag without meaning to this program.
    FlagsUnknown,
    /// A service level policy, which this program does not serve.
    SlaUnsupported,
    /// Another token than the offer's.
    TokenMismatch,
    /// The needs are not canonical, of another version, or out of bounds.
    NeedsUndecodable,
    /// The needs carry a `where` expression, which this program does not evaluate.
    WhereUnsupported,
    /// Devices are shared in another way.
    SharingMismatch,
    /// No such device among the offer's nodes.
    DeviceMismatch,
    /// Another region.
    RegionMismatch,
    /// The workload runs as root and the offer allows none.
    RootRefused,
    /// Does not fit into what is free.
    NoCapacity,
    /// The offer's leases are used up.
    LeaseLimit,
    /// The order lasts longer than the offer allows.
    DurationTooLong,
    /// The order ends before the offer's shortest lease.
    DurationTooShort,
    /// The order wants longer notice than the offer gives.
    NoticeTooLong,
    /// The offer's prices make no rate that a lease can hold.
    PriceInvalid,
    /// The order pays less than the offer asks.
    PriceTooLow,
    /// The deposit does not cover the holdback and the shortest lease.
    DepositTooSmall,
    /// The order wants a larger bond than the offer risks.
    BondTooLarge,
    /// There is less free stake than the bond.
    StakeTooSmall,
    /// The order wants a provider that was paid more under tenants' signatures.
    ReputationTooLow,
    /// The day's gas for bids is spent.
    GasBudgetSpent,
    /// The tenant has as many bids and leases as one may.
    TenantExposure,
    /// The time to start is shorter than finality and image pull take.
    StartWindowTooShort,
}

impl Reason {
    /// All of them, for counters that exist before the first event.
    pub const ALL: [Self; 30] = [
        Self::OfferPaused,
        Self::OrderNotOpen,
        Self::OrderExpired,
        Self::FormUnsupported,
        Self::LotsUnsupported,
        Self::BillingUnsupported,
        Self::NotEligible,
        Self::FlagsUnknown,
        Self::SlaUnsupported,
        Self::TokenMismatch,
        Self::NeedsUndecodable,
        Self::WhereUnsupported,
        Self::SharingMismatch,
        Self::DeviceMismatch,
        Self::RegionMismatch,
        Self::RootRefused,
        Self::NoCapacity,
        Self::LeaseLimit,
        Self::DurationTooLong,
        Self::DurationTooShort,
        Self::NoticeTooLong,
        Self::PriceInvalid,
        Self::PriceTooLow,
        Self::DepositTooSmall,
        Self::BondTooLarge,
        Self::StakeTooSmall,
        Self::ReputationTooLow,
        Self::GasBudgetSpent,
        Self::TenantExposure,
        Self::StartWindowTooShort,
    ];

    /// The CamelCase word in conditions, events and counters.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OfferPaused => "OfferPaused",
            Self::OrderNotOpen => "OrderNotOpen",
            Self::OrderExpired => "OrderExpired",
            Self::FormUnsupported => "FormUnsupported",
            Self::LotsUnsupported => "LotsUnsupported",
            Self::BillingUnsupported => "BillingUnsupported",
            Self::NotEligible => "NotEligible",
            Self::FlagsUnknown => "FlagsUnknown",
            Self::SlaUnsupported => "SlaUnsupported",
            Self::TokenMismatch => "TokenMismatch",
            Self::NeedsUndecodable => "NeedsUndecodable",
            Self::WhereUnsupported => "WhereUnsupported",
            Self::SharingMismatch => "SharingMismatch",
            Self::DeviceMismatch => "DeviceMismatch",
            Self::RegionMismatch => "RegionMismatch",
            Self::RootRefused => "RootRefused",
            Self::NoCapacity => "NoCapacity",
            Self::LeaseLimit => "LeaseLimit",
            Self::DurationTooLong => "DurationTooLong",
            Self::DurationTooShort => "DurationTooShort",
            Self::NoticeTooLong => "NoticeTooLong",
            Self::PriceInvalid => "PriceInvalid",
            Self::PriceTooLow => "PriceTooLow",
            Self::DepositTooSmall => "DepositTooSmall",
            Self::BondTooLarge => "BondTooLarge",
            Self::StakeTooSmall => "StakeTooSmall",
            Self::ReputationTooLow => "ReputationTooLow",
            Self::GasBudgetSpent => "GasBudgetSpent",
            Self::TenantExposure => "TenantExposure",
            Self::StartWindowTooShort => "StartWindowTooShort",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind.
    pub reason: Reason,
    /// Names field, value and remedy; at most 1024 bytes, safe to show.
    pub message: String,
}

impl Refusal {
    /// A refusal with its message, cut to what a status holds.
    #[must_use]
    pub fn new(reason: Reason, message: impl fmt::Display) -> Self {
        let mut message = message.to_string();
        if message.len() > 1024 {
            let end = (0..=1021)
                .rev()
                .find(|at| message.is_char_boundary(*at))
                .unwrap_or(0);
            message.truncate(end);
            message.push_str("...");
        }
        Self { reason, message }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_label_and_is_listed_in_order() {
        for (before, after) in Reason::ALL.iter().zip(Reason::ALL.iter().skip(1)) {
            assert!(before < after, "{before} before {after}");
        }
        for reason in Reason::ALL {
            assert_eq!(reason.label(), format!("{reason:?}"));
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_letter() {
        let refusal = Refusal::new(Reason::NoCapacity, "ä".repeat(2000));
        assert!(refusal.message.len() <= 1024 && refusal.message.ends_with("ä..."));
    }
}
