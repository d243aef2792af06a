//! The order that a needs file asks for, but for what is only known when it is posted. Knows no market.

use alloy::primitives::{Address, B256, aliases::U48};

use super::{
    NeedsFileError,
    fields::{BillingPart, NeedsFile},
    units::{money, seconds, zero},
};
use crate::{
    api::duration,
    core::{
        documents::{
            order::Order,
            terms::{holdback, least_deposit},
        },
        money::{MicroUnits, RatePerHour},
    },
};

/// The book takes no order that climbs longer, in seconds (contracts: section 3).
const LONGEST_CLIMB: u32 = 86_400;

impl NeedsFile {
    /// The order without token, tenant, times and deposit's default.
    pub(super) fn template(&self, needs_hash: B256, manifest_hash: B256) -> Result<Order, NeedsFileError> {
        let rate: RatePerHour = money("price.maxPerHour", &self.price.max_per_hour)?;
        if rate.get() == 0 {
            return Err(NeedsFileError::Field {
                path: "price.maxPerHour".to_owned(),
                value: self.price.max_per_hour.0.clone(),
                remedy: "write more than 0: it bounds what a bid may cost".to_owned(),
            });
        }
        let max = seconds("duration.max", Some(&self.duration.max), "")?;
        let min = seconds("duration.min", self.duration.min.as_deref(), "1m")?;
        for (path, value) in [("duration.max", max), ("duration.min", min)] {
            if value == 0 {
                return Err(zero(path));
            }
        }
        if min > max {
            return Err(NeedsFileError::Field {
                path: "duration.min".to_owned(),
                value: duration::format_seconds(u64::from(min)),
                remedy: format!(
                    "write at most duration.max, {}",
                    duration::format_seconds(u64::from(max))
                ),
            });
        }
        let start_window = seconds("startWindow", self.start_window.as_deref(), "10m")?;
        if start_window == 0 {
            return Err(zero("startWindow"));
        }
        let grace = seconds("grace", self.grace.as_deref(), "0s")?;
        let reserved = match self.billing {
            BillingPart::Metered => 0,
            BillingPart::Reserved => Order::RESERVED,
        };
        let interruptible = if self.interruptible {
            Order::INTERRUPTIBLE
        } else {
            0
        };
        let (trade, start_rate, climb) = self.climb(rate)?;
        let mut order = Order {
            tenant: Address::ZERO,
            agent: Address::ZERO,
            refundTo: Address::ZERO,
            form: trade,
            token: 0,
            flags: reserved | interruptible,
            lots: 1,
            startRate: start_rate,
            maxRate: U48::from(rate.get()),
            climb,
            deposit: 0,
            minDuration: min,
            maxDuration: max,
            minCommit: 0,
            earlyFeeBps: 0,
            notice: seconds("notice", self.notice.as_deref(), "0s")?,
            grace,
            startWindow: start_window,
            minBond: self
                .min_bond
                .as_ref()
                .map_or(Ok(MicroUnits::ZERO), |bond| money("minBond", bond))?
                .0,
            minSignedPaid: 0,
            expiry: 0,
            slaPolicy: B256::ZERO,
            needsHash: needs_hash,
            manifestHash: manifest_hash,
            eligible: B256::ZERO,
            endpointHash: B256::ZERO,
            salt: B256::ZERO,
        };
        let least = least_deposit(&order, rate);
        order.deposit = match &self.deposit {
            None => holdback(rate, grace, 0, 0).0.saturating_add(rate.owed_up(max).0),
            Some(said) => {
                let deposit: MicroUnits = money("deposit", said)?;
                if deposit < least {
                    return Err(NeedsFileError::Field {
                        path: "deposit".to_owned(),
                        value: said.0.clone(),
                        remedy: format!(
                            "write at least {least}: duration.min and grace at price.maxPerHour; a bid at that price could not be accepted"
                        ),
                    });
                }
                deposit.0
            }
        };
        Ok(order)
    }

    /// How the order is traded (0 auction, 1 dutch), a dutch order's first rate, and the seconds in which it climbs to the highest.
    fn climb(&self, most: RatePerHour) -> Result<(u8, U48, u32), NeedsFileError> {
        let Some(start) = &self.price.start_per_hour else {
            return match &self.price.climb {
                None => Ok((0, U48::ZERO, 0)),
                Some(climb) => Err(NeedsFileError::Field {
                    path: "price.climb".to_owned(),
                    value: climb.clone(),
                    remedy:
                        "only a price that starts somewhere climbs: add price.startPerHour, or leave this out"
                            .to_owned(),
                }),
            };
        };
        let first: RatePerHour = money("price.startPerHour", start)?;
        if first > most {
            return Err(NeedsFileError::Field {
                path: "price.startPerHour".to_owned(),
                value: start.0.clone(),
                remedy: format!("write at most price.maxPerHour, {most}: the price climbs"),
            });
        }
        let climb = seconds("price.climb", self.price.climb.as_deref(), "5m")?;
        if climb > LONGEST_CLIMB {
            return Err(NeedsFileError::Field {
                path: "price.climb".to_owned(),
                value: duration::format_seconds(u64::from(climb)),
                remedy: "write at most 24h".to_owned(),
            });
        }
        Ok((1, U48::from(first.get()), climb))
    }
}
