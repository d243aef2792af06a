//! Whether the money is right: price, deposit, what a dutch order pays by now, bond and stake. Integers only, and nothing is rounded here.

use super::{OfferPolicy, Standing, Stop, refuse};
use crate::core::{
    documents::{
        needs::Needs,
        order::{Order, TradeForm},
        terms::least_deposit,
    },
    market::refusal::Reason,
    money::{MicroUnits, RatePerHour},
};

pub(super) fn price(
    order: &Order,
    form: TradeForm,
    needs: &Needs,
    offer: &OfferPolicy,
) -> Result<RatePerHour, Stop> {
    let rate = match offer.prices.rate(needs) {
        Ok(rate) => rate,
        Err(error) => return refuse(Reason::PriceInvalid, error),
    };
    let most = order.maxRate.to::<u64>();
    if most != 0 && rate.get() > most {
        return refuse(
            Reason::PriceTooLow,
            format_args!(
                "order.maxRate is {} an hour, the offer asks {rate}: pay at least that",
                MicroUnits(most)
            ),
        );
    }
    let deposit = order.deposit_a_lot().unwrap_or(MicroUnits::ZERO);
    let served = Order {
        minDuration: order.minDuration.max(offer.min_duration),
        ..order.clone()
    };
    // A fill is priced by the block it is mined in: at most the highest rate.
    let billed = match form {
        TradeForm::Auction => rate,
        TradeForm::Dutch => RatePerHour::new(most).unwrap_or(rate),
    };
    let least = least_deposit(&served, billed);
    if deposit < least {
        return refuse(
            Reason::DepositTooSmall,
            format_args!(
                "order.deposit is {deposit}, holdback and {} s at {billed} an hour take {least}: deposit at least that",
                served.minDuration
            ),
        );
    }
    Ok(rate)
}

/// A dutch order's rate has climbed to what is asked: from then on it only rises, so a fill that is mined later earns no less.
pub(super) fn pays_enough(order: &Order, asked: RatePerHour, elapsed: u64) -> Result<(), Stop> {
    let pays = order.climbed(elapsed).to::<u64>();
    if pays < asked.get() {
        return Err(Stop::Wait(format!(
            "the order pays {} an hour by now, the offer asks {asked}",
            MicroUnits(pays)
        )));
    }
    Ok(())
}

pub(super) fn risk(order: &Order, offer: &OfferPolicy, standing: &Standing) -> Result<MicroUnits, Stop> {
    let bond = offer.bond.max(MicroUnits(order.minBond));
    if bond > offer.max_bond.max(offer.bond) {
        return refuse(
            Reason::BondTooLarge,
            format_args!(
                "order.minBond is {}, at most {} is risked here: ask for less",
                MicroUnits(order.minBond),
                offer.max_bond
            ),
        );
    }
    if bond > standing.free_stake {
        return refuse(
            Reason::StakeTooSmall,
            format_args!(
                "the bond is {bond}, free stake is {}: stake more",
                standing.free_stake
            ),
        );
    }
    if standing.signed_paid < order.minSignedPaid {
        return refuse(
            Reason::ReputationTooLow,
            format_args!(
                "order.minSignedPaid is {}, this provider was paid {} under tenants' signatures",
                MicroUnits(order.minSignedPaid),
                MicroUnits(standing.signed_paid)
            ),
        );
    }
    Ok(bond)
}
