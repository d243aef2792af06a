//! Who is to move in each phase, and what is refused with which remedy.

#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::{
    act::{Act, End, in_time, may_end, ruling},
    *,
};
use crate::core::book::{BookEvent, DisputeEvent, fixtures::*};

fn book(events: &[DisputeEvent]) -> Book {
    let mut book = Book::new(windows());
    for (block, event) in [
        (1, registered()),
        (2, posted(1, 3_000)),
        (3, opened(id(0, 1), order_hash(1), 5_000_000, 1_100)),
        (5, started(id(0, 1), 1_010, 0)),
    ] {
        book.apply(at(block), &event);
    }
    for (block, event) in (10..).zip(events) {
        book.apply(at(block), &BookEvent::Dispute(event.clone()));
    }
    book
}

/// Each phase, with the last second of its due time.
fn phases() -> Vec<(&'static str, Book, u64)> {
    let lease = id(0, 1);
    let begun = [
        frozen(lease, 50_000),
        reserved(lease, 30_000),
        contested(lease, 50_000, 30_000),
    ];
    let with = |more: &[DisputeEvent]| book(&[&begun[..], more].concat());
    vec![
        ("Contested", with(&[]), 4_600),
        ("Answered", with(&[answered(lease)]), 5_000),
        ("Ruled", with(&[answered(lease), ruled(lease, 1, 0, 0)]), 6_000),
        ("Ended", with(&[ended(lease, Outcome::Lapsed)]), 0),
    ]
}

fn dispute(book: &Book) -> &DisputeState {
    book.disputes().get(id(0, 1)).unwrap()
}

#[test]
fn each_phase_says_who_moves_next_and_with_which_verb() {
    for ((name, book, due), (before, after)) in phases().into_iter().zip([
        ("the provider answers", "expire 1-0-1"),
        ("rule 1-0-1", "expire 1-0-1"),
        ("may veto", "execute 1-0-1"),
        ("it is over", "it is over"),
    ]) {
        let says = |now| next(dispute(&book), ChainSeconds(now));
        assert!(says(due).contains(before), "{name}: {}", says(due));
        assert!(says(due + 1).contains(after), "{name}: {}", says(due + 1));
        assert_eq!(phase_word(&dispute(&book).phase), name);
    }
}

#[test]
fn a_dispute_ends_only_by_the_verb_of_its_phase_and_after_the_other_sides_time() {
    for (name, book, due) in phases() {
        let ends = |end, now| may_end(dispute(&book), end, ChainSeconds(now));
        let (own, other) = match name {
            "Ruled" => (End::Execute, End::Expire),
            _ => (End::Expire, End::Execute),
        };
        if name == "Ended" {
            assert!(ends(own, due + 1).unwrap_err().contains("is over"));
            continue;
        }
        assert!(ends(own, due).unwrap_err().contains("run it again"), "{name}");
        assert_eq!(ends(own, due + 1), Ok(()), "{name}");
        assert!(
            ends(other, due + 1).unwrap_err().contains("leaseport dispute"),
            "{name}"
        );
    }
}

#[test]
fn rulings_and_vetoes_have_their_phase_and_their_time() {
    for (name, book, due) in phases() {
        for (act, of) in [(Act::Rule, "Answered"), (Act::Veto, "Ruled")] {
            let may = |now| in_time(dispute(&book), act, ChainSeconds(now));
            if name == of {
                assert_eq!(may(due), Ok(()));
                assert!(may(due + 1).unwrap_err().contains("ended"), "{name}");
            } else {
                assert!(may(due).unwrap_err().contains("dispute get"), "{name}");
            }
        }
    }
}

#[test]
fn a_row_holds_what_is_held_now_and_what_was_answered() {
    let (_, book, _) = phases().remove(1);
    let row = dispute_row(&book, dispute(&book), ChainSeconds(4_000), "tUSD".to_owned());
    assert_eq!((row.phase, row.due), ("Answered", Some(5_000)));
    assert_eq!(
        (row.frozen, row.reserved),
        (MicroUnits(50_000), MicroUnits(30_000))
    );
    assert_eq!((row.answered_seconds, row.seconds), (Some(300), (200, 300)));
    let text = told(&row);
    assert!(
        text.contains("seconds 201 to 300") && text.contains("a receipt over 300 s"),
        "{text}"
    );
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!(
        (json["phase"].as_str(), json["leaseId"].as_str()),
        (Some("Answered"), Some("1-0-1"))
    );
    assert!(json.get("ruling").is_none() && json.get("outcome").is_none());
}

fn rule(flags: &[&str]) -> act::RuleArgs {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rule: act::RuleArgs,
    }
    let fixed = ["x", "1-0-1", "--reasons", "f", "--rpc", "r", "--directory"];
    let directory = Address::repeat_byte(1).to_string();
    let words = fixed
        .iter()
        .copied()
        .chain([directory.as_str()])
        .chain(flags.iter().copied());
    Line::try_parse_from(words).unwrap().rule
}

#[test]
fn a_ruling_takes_frozen_money_first_then_stake_and_never_more_than_is_held_or_contested() {
    let (_, book, _) = phases().remove(1);
    let of = |flags: &[&str]| {
        ruling(&rule(flags), &book, dispute(&book))
            .map(|ruling| [ruling.award.0, ruling.refund.0, ruling.burn.0])
    };
    // The contested rent is 69,444: 50,000 are frozen, the rest comes out of the 30,000 reserved.
    assert_eq!(of(&["--for", "tenant"]), Ok([50_000, 19_444, 0]));
    assert_eq!(
        of(&["--for", "tenant", "--award", "0.04"]),
        Ok([40_000, 29_444, 0])
    );
    assert_eq!(
        of(&["--for", "tenant", "--burn", "0.02"]),
        Ok([50_000, 10_000, 20_000])
    );
    assert_eq!(of(&["--for", "provider"]), Ok([0, 0, 0]));
    for (flags, word) in [
        (&["--for", "tenant", "--award", "0.06"][..], "frozen"),
        (
            &["--for", "tenant", "--refund", "0.01", "--burn", "0.03"],
            "reserved",
        ),
        (
            &["--for", "tenant", "--award", "0.05", "--refund", "0.03"],
            "rent",
        ),
        (
            &["--for", "tenant", "--award", "0", "--refund", "0"],
            "--for provider",
        ),
        (&["--for", "provider", "--burn", "0.01"], "--for tenant"),
    ] {
        let why = of(flags).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}
