#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use alloy::primitives::{Address, B256, aliases::U48, keccak256};
use proptest::prelude::*;

use super::*;
use crate::core::documents::{canonical::Document, needs::GpuNeeds, terms::least_deposit};

const NOW: u64 = 1_800_000_000;

fn needs() -> Needs {
    Needs {
        version: 1,
        gpu: GpuNeeds {
            models: vec!["NVIDIA-H100-80GB-HBM3".into()],
            count: 2,
            memory_mib: 80_000,
            sharing: Sharing::Exclusive,
        },
        run_as_root: false,
        cpu_milli: 1000,
        memory_mib: 1024,
        storage_mib: 1024,
        replicas: 1,
        regions: vec!["eu-west".into()],
        matching: None,
    }
}

fn offer() -> OfferPolicy {
    OfferPolicy {
        mode: Mode::Bid,
        sharing: Sharing::Exclusive,
        devices: BTreeSet::from([DeviceClass {
            model: Some("NVIDIA-H100-80GB-HBM3".into()),
            memory_mib: Some(81_559),
        }]),
        regions: BTreeSet::from(["eu-west".to_owned()]),
        root: RootPolicy::Never,
        token: 1,
        prices: PriceList {
            gpu: MicroUnits(1_900_000),
            ..PriceList::default()
        },
        min_duration: 600,
        max_duration: 86_400,
        notice: 3600,
        max_leases: 4,
        max_a_tenant: Some(2),
        bond: MicroUnits(1_000_000),
        max_bond: MicroUnits(5_000_000),
        liability: MicroUnits(2_000_000),
        least_start_window: 120,
        depth: 2,
        bid_lifetime: 600,
        least_time_left: 30,
    }
}

fn standing() -> Standing {
    Standing {
        leases: 0,
        tenant: 0,
        free_stake: MicroUnits(100_000_000),
        signed_paid: 0,
        gas: Some(BidGas { left: 10, cost: 10 }),
    }
}

fn order(needs: &Needs) -> Order {
    Order {
        tenant: Address::repeat_byte(1),
        agent: Address::ZERO,
        refundTo: Address::repeat_byte(1),
        form: 0,
        token: 1,
        flags: 0,
        lots: 1,
        startRate: U48::ZERO,
        maxRate: U48::from(4_000_000),
        climb: 0,
        deposit: 10_000_000,
        minDuration: 3600,
        maxDuration: 7200,
        minCommit: 0,
        earlyFeeBps: 0,
        notice: 600,
        grace: 300,
        startWindow: 600,
        minBond: 0,
        minSignedPaid: 0,
        expiry: u32::try_from(NOW + 3600).unwrap(),
        slaPolicy: B256::ZERO,
        needsHash: needs.hash().unwrap(),
        manifestHash: B256::repeat_byte(2),
        eligible: B256::ZERO,
        endpointHash: B256::ZERO,
        salt: B256::repeat_byte(3),
    }
}

fn ask(order: &Order, needs: &Needs, offer: &OfferPolicy, standing: &Standing) -> Verdict {
    let bytes = needs.to_canonical().unwrap();
    let question = Question {
        order,
        needs: &bytes,
        standing: OrderStanding::Open { depth: 2 },
        now: Some(ChainSeconds(NOW)),
        posted: ChainSeconds(NOW - 60),
    };
    decide(&question, offer, standing, |_| Room::Fits)
}

fn reason(verdict: &Verdict) -> Reason {
    match verdict {
        Verdict::Refuse(refusal) => refusal.reason,
        Verdict::Bid(_) | Verdict::WouldBid(_) | Verdict::Wait(_) => panic!("no refusal: {verdict:?}"),
    }
}

fn refused_order(change: impl FnOnce(&mut Order)) -> Reason {
    let mut changed = order(&needs());
    change(&mut changed);
    reason(&ask(&changed, &needs(), &offer(), &standing()))
}

fn refused_needs(change: impl FnOnce(&mut Needs)) -> Reason {
    let mut changed = needs();
    change(&mut changed);
    reason(&ask(&order(&changed), &changed, &offer(), &standing()))
}

fn refused_offer(change: impl FnOnce(&mut OfferPolicy)) -> Reason {
    let mut changed = offer();
    change(&mut changed);
    reason(&ask(&order(&needs()), &needs(), &changed, &standing()))
}

fn refused_standing(change: impl FnOnce(&mut Standing)) -> Reason {
    let mut changed = standing();
    change(&mut changed);
    reason(&ask(&order(&needs()), &needs(), &offer(), &changed))
}

#[test]
fn an_order_that_passes_every_question_is_bid_on() {
    let Verdict::Bid(quote) = ask(&order(&needs()), &needs(), &offer(), &standing()) else {
        panic!("no bid");
    };
    assert_eq!(quote.rate.get(), 3_800_000);
    assert_eq!(
        (quote.bond, quote.liability),
        (MicroUnits(1_000_000), MicroUnits(2_000_000))
    );
    assert_eq!(quote.deadline, NOW + 600);
    assert_eq!(quote.needs, needs());
}

#[test]
fn a_signature_never_outlives_the_order() {
    let late = Order {
        expiry: u32::try_from(NOW + 40).unwrap(),
        ..order(&needs())
    };
    let Verdict::Bid(quote) = ask(&late, &needs(), &offer(), &standing()) else {
        panic!("no bid");
    };
    assert_eq!(quote.deadline, NOW + 40);
}

#[test]
fn an_observing_offer_shows_what_it_would_bid() {
    let observing = OfferPolicy {
        mode: Mode::Observe,
        ..offer()
    };
    assert!(matches!(
        ask(&order(&needs()), &needs(), &observing, &standing()),
        Verdict::WouldBid(_)
    ));
}

#[test]
fn each_step_refuses_with_its_own_reason() {
    let cases = [
        (
            refused_offer(|offer| offer.mode = Mode::Paused),
            Reason::OfferPaused,
        ),
        (
            refused_order(|order| order.expiry = u32::try_from(NOW + 29).unwrap()),
            Reason::OrderExpired,
        ),
        (
            refused_order(|order| {
                order.form = 1;
                order.eligible = B256::repeat_byte(1);
            }),
            Reason::NotEligible,
        ),
        (refused_order(|order| order.form = 9), Reason::FormUnsupported),
        (refused_order(|order| order.lots = 2), Reason::LotsUnsupported),
        (refused_order(|order| order.lots = 0), Reason::LotsUnsupported),
        (refused_order(|order| order.flags = 4), Reason::FlagsUnknown),
        (refused_order(|order| order.flags = 1), Reason::BillingUnsupported),
        (
            refused_order(|order| order.slaPolicy = B256::repeat_byte(1)),
            Reason::SlaUnsupported,
        ),
        (refused_order(|order| order.token = 0), Reason::TokenMismatch),
        (
            refused_order(|order| order.needsHash = B256::ZERO),
            Reason::NeedsUndecodable,
        ),
        (
            refused_needs(|needs| needs.replicas = 0),
            Reason::NeedsUndecodable,
        ),
        (
            refused_needs(|needs| needs.matching = Some("gpu.count > 1".into())),
            Reason::WhereUnsupported,
        ),
        (
            refused_needs(|needs| needs.gpu.sharing = Sharing::Mig),
            Reason::SharingMismatch,
        ),
        (
            refused_needs(|needs| needs.gpu.models = vec!["NVIDIA-A100".into()]),
            Reason::DeviceMismatch,
        ),
        (
            refused_needs(|needs| needs.gpu.memory_mib = 141_000),
            Reason::DeviceMismatch,
        ),
        (
            refused_needs(|needs| needs.regions = vec!["us-east".into()]),
            Reason::RegionMismatch,
        ),
        (
            refused_needs(|needs| needs.run_as_root = true),
            Reason::RootRefused,
        ),
        (
            refused_standing(|standing| standing.leases = 4),
            Reason::LeaseLimit,
        ),
        (
            refused_order(|order| order.maxDuration = 86_401),
            Reason::DurationTooLong,
        ),
        (
            refused_order(|order| order.maxDuration = 599),
            Reason::DurationTooShort,
        ),
        (refused_order(|order| order.notice = 3601), Reason::NoticeTooLong),
        (
            refused_offer(|offer| offer.prices = PriceList::default()),
            Reason::PriceInvalid,
        ),
        (
            refused_order(|order| order.maxRate = U48::from(3_799_999)),
            Reason::PriceTooLow,
        ),
        (
            refused_order(|order| order.deposit = 4_116_666),
            Reason::DepositTooSmall,
        ),
        (
            refused_order(|order| order.minBond = 5_000_001),
            Reason::BondTooLarge,
        ),
        (
            refused_standing(|standing| standing.free_stake = MicroUnits(999_999)),
            Reason::StakeTooSmall,
        ),
        (
            refused_order(|order| order.minSignedPaid = 1),
            Reason::ReputationTooLow,
        ),
        (
            refused_standing(|standing| standing.gas = Some(BidGas { left: 9, cost: 10 })),
            Reason::GasBudgetSpent,
        ),
        (
            refused_standing(|standing| standing.tenant = 2),
            Reason::TenantExposure,
        ),
        (
            refused_order(|order| order.startWindow = 119),
            Reason::StartWindowTooShort,
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_first_failure_is_the_answer() {
    let worst = refused_order(|order| {
        order.startWindow = 0;
        order.deposit = 1;
        order.token = 9;
    });
    assert_eq!(worst, Reason::TokenMismatch);
}

#[test]
fn a_deposit_that_just_covers_holdback_and_shortest_lease_is_enough() {
    // 3.8 an hour: an hour and 300 s of grace cost 3.8 + 0.316667.
    let exact = Order {
        deposit: 4_116_667,
        ..order(&needs())
    };
    assert!(matches!(
        ask(&exact, &needs(), &offer(), &standing()),
        Verdict::Bid(_)
    ));
}

#[test]
fn an_order_that_names_no_rate_takes_ours() {
    let open = Order {
        maxRate: U48::ZERO,
        ..order(&needs())
    };
    assert!(matches!(
        ask(&open, &needs(), &offer(), &standing()),
        Verdict::Bid(_)
    ));
}

#[test]
fn a_fleet_without_labels_serves_only_orders_that_name_no_model() {
    let bare = OfferPolicy {
        devices: BTreeSet::from([DeviceClass {
            model: None,
            memory_mib: None,
        }]),
        ..offer()
    };
    assert_eq!(
        reason(&ask(&order(&needs()), &needs(), &bare, &standing())),
        Reason::DeviceMismatch
    );
    let mut any = needs();
    any.gpu = GpuNeeds {
        count: 2,
        ..GpuNeeds::default()
    };
    assert!(matches!(
        ask(&order(&any), &any, &bare, &standing()),
        Verdict::Bid(_)
    ));
}

#[test]
fn what_is_not_known_yet_is_waited_for_and_never_refused() {
    let (needs, order) = (needs(), order(&needs()));
    let bytes = needs.to_canonical().unwrap();
    let question = Question {
        order: &order,
        needs: &bytes,
        standing: OrderStanding::Open { depth: 2 },
        now: Some(ChainSeconds(NOW)),
        posted: ChainSeconds(NOW - 60),
    };
    let ask = |question: Question<'_>, room| decide(&question, &offer(), &standing(), |_| room);
    let shallow = Question {
        standing: OrderStanding::Open { depth: 1 },
        ..question
    };
    let blind = Question {
        now: None,
        ..question
    };
    assert!(matches!(ask(shallow, Room::Fits), Verdict::Wait(_)));
    assert!(matches!(ask(blind, Room::Fits), Verdict::Wait(_)));
    assert!(matches!(
        ask(question, Room::Unknown("nodes are not listed yet".into())),
        Verdict::Wait(_)
    ));
    let full = ask(question, Room::NoFit("0 of 1 replicas fit".into()));
    assert_eq!(
        full,
        Verdict::Refuse(Refusal::new(Reason::NoCapacity, "0 of 1 replicas fit"))
    );
    let ended = ask(
        Question {
            standing: OrderStanding::Ended,
            ..question
        },
        Room::Fits,
    );
    assert_eq!(reason(&ended), Reason::OrderNotOpen);
}

#[test]
fn needs_that_do_not_parse_are_refused_without_asking_for_room() {
    let bytes = br#"{"version":1}"#;
    let order = Order {
        needsHash: keccak256(bytes),
        ..order(&needs())
    };
    let question = Question {
        order: &order,
        needs: bytes,
        standing: OrderStanding::Open { depth: 9 },
        now: Some(ChainSeconds(NOW)),
        posted: ChainSeconds(NOW - 60),
    };
    let verdict = decide(&question, &offer(), &standing(), |_| panic!("asked for room"));
    let Verdict::Refuse(refusal) = verdict else {
        panic!("no refusal")
    };
    assert_eq!(refusal.reason, Reason::NeedsUndecodable);
    assert!(
        refusal.message.contains("cpuMilli") || refusal.message.contains("missing field"),
        "{refusal}"
    );
}

proptest! {
    #[test]
    fn no_order_makes_the_decision_panic_and_every_bid_can_be_accepted(
        max_rate in 0u64..10_000_000, deposit in 0u64..1 << 26, min_duration in 0u32..20_000, max_duration in 0u32..100_000, min_commit: u32,
        early_fee in 0u16..100, grace in 0u32..20_000, min_bond in 0u64..6_000_000, left in 0u32..1000, now in NOW - 1000..NOW,
    ) {
        let order = Order {
            maxRate: U48::from(max_rate), deposit, minDuration: min_duration, maxDuration: max_duration, minCommit: min_commit,
            earlyFeeBps: early_fee, grace, minBond: min_bond, expiry: u32::try_from(NOW).unwrap() + left, ..order(&needs())
        };
        let bytes = needs().to_canonical().unwrap();
        let question = Question { order: &order, needs: &bytes, standing: OrderStanding::Open { depth: 2 }, now: Some(ChainSeconds(now)), posted: ChainSeconds(0) };
        if let Verdict::Bid(quote) = decide(&question, &offer(), &standing(), |_| Room::Fits) {
            prop_assert!(max_rate == 0 || quote.rate.get() <= max_rate);
            prop_assert!(MicroUnits(deposit) >= least_deposit(&order, quote.rate));
            prop_assert!(quote.bond.0 >= min_bond);
            prop_assert!(quote.deadline <= u64::from(order.expiry) && quote.deadline >= now);
        }
    }
}

fn dutch() -> Order {
    Order {
        form: 1,
        startRate: U48::from(3_000_000),
        maxRate: U48::from(4_000_000),
        climb: 100,
        ..order(&needs())
    }
}

fn after(order: &Order, elapsed: u64) -> Verdict {
    let needs = needs();
    let bytes = needs.to_canonical().unwrap();
    let question = Question {
        order,
        needs: &bytes,
        standing: OrderStanding::Open { depth: 2 },
        now: Some(ChainSeconds(NOW)),
        posted: ChainSeconds(NOW - elapsed),
    };
    decide(&question, &offer(), &standing(), |_| Room::Fits)
}

#[test]
fn a_dutch_order_is_waited_for_until_it_pays_what_is_asked_and_taken_then() {
    // Two devices at 1.90.
    assert!(matches!(after(&dutch(), 79), Verdict::Wait(why) if why.contains("3.79") && why.contains("3.8")));
    let Verdict::Bid(quote) = after(&dutch(), 80) else {
        panic!("not taken")
    };
    assert_eq!((quote.form, quote.rate.get()), (TradeForm::Dutch, 3_800_000));
    // A fill that was sent may be mined as long as the order stands.
    assert_eq!(quote.deadline, u64::from(dutch().expiry));
    assert!(matches!(after(&dutch(), 100_000), Verdict::Bid(_)));
}

#[test]
fn a_dutch_order_that_never_pays_enough_or_whose_deposit_fits_only_its_first_price_is_refused() {
    let cheap = Order {
        maxRate: U48::from(3_799_999),
        ..dutch()
    };
    assert_eq!(reason(&after(&cheap, 200)), Reason::PriceTooLow);
    let thin = Order {
        deposit: 3_900_000,
        ..dutch()
    };
    assert_eq!(reason(&after(&thin, 200)), Reason::DepositTooSmall);
}

proptest! {
    #[test]
    fn what_a_dutch_order_pays_only_climbs_and_stays_between_its_bounds(
        start in 0u64..1 << 47, more in 0u64..1 << 47, climb in 0u32..86_401, at in 0u64..200_000, later in 0u64..200_000,
    ) {
        let order = Order { startRate: U48::from(start), maxRate: U48::from(start + more), climb, ..dutch() };
        let (now, then) = (order.climbed(at), order.climbed(at + later));
        prop_assert!(order.startRate <= now && now <= then && then <= order.maxRate);
        prop_assert_eq!(order.climbed(climb.into()), order.maxRate);
    }
}
