//! When to ask next: near the moment the next block is expected, sooner on a hint, later and later when nobody answers. Pure; times are given.

use std::time::Duration;

/// Shortest and longest time between two questions that were not answered with a new block.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Straight finds after which the true moment counts as not known.
const CALIBRATED: u32 = 3;

/// What the first blocks are expected after, until two have been seen.
const FIRST_GUESS: Duration = Duration::from_secs(1);

/// A period is learned within these bounds: fast rollups make four blocks a second, slow chains one in fifteen seconds.
const LEAST_PERIOD: Duration = Duration::from_millis(100);
const MOST_PERIOD: Duration = Duration::from_secs(15);

/// First pause after a hint that the endpoint had not caught up with, doubled each time.
const AFTER_HINT: Duration = Duration::from_millis(10);

/// First pause after a failure, doubled up to the last.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// The follower's rhythm.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    fixed: Option<Duration>,
    period: Duration,
    measures: u32,
    last_block: Option<Duration>,
    misses: u32,
    /// Blocks in a row that were there at the first question: how late they were found is unknown.
    straight: u32,
    failures: u32,
    /// Questions left that a hint entitles to.
    hinted: u32,
    /// Whether hints come: then the rhythm is only a safety net.
    hints_come: bool,
}

impl Pace {
    /// A rhythm that asks every `fixed`, or else learns the chain's own.
    pub(super) const fn new(fixed: Option<Duration>) -> Self {
        Self {
            fixed,
            period: FIRST_GUESS,
            measures: 0,
            last_block: None,
            misses: 0,
            straight: CALIBRATED,
            failures: 0,
            hinted: 0,
            hints_come: false,
        }
    }

    /// How long a block takes, as learned.
    pub(super) const fn period(&self) -> Duration {
        self.period
    }

    /// A hint came: the next blocks are worth asking for at once.
    pub(super) const fn hint(&mut self) {
        self.hinted = 6;
        self.hints_come = true;
    }

    /// Nobody hints any more.
    pub(super) const fn hints_ended(&mut self) {
        self.hints_come = false;
        self.hinted = 0;
    }

    /// `count` new blocks were there at `now` (a steady clock).
    pub(super) fn came(&mut self, count: usize, now: Duration) {
        if let (Some(before), Ok(count)) = (self.last_block, u32::try_from(count.max(1))) {
            let each = (now.saturating_sub(before) / count).clamp(LEAST_PERIOD, MOST_PERIOD);
            // The first measure replaces the guess, later ones weigh an eighth.
            self.period = (self.period * self.measures + each) / (self.measures + 1);
            self.measures = (self.measures + 1).min(7);
        }
        self.last_block = Some(now);
        self.straight = if self.misses == 0 {
            self.straight.saturating_add(1)
        } else {
            0
        };
        self.misses = 0;
        self.failures = 0;
        self.hinted = 0;
    }

    /// Nothing new was there.
    pub(super) const fn nothing(&mut self) {
        self.failures = 0;
        self.misses = self.misses.saturating_add(1);
        self.hinted = self.hinted.saturating_sub(1);
    }

    /// Nobody answered.
    pub(super) const fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// How long to wait from `now` until the next question.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        if self.failures > 0 {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << (self.failures - 1).min(10));
            return doubled.min(LAST_BACKOFF);
        }
        if self.hinted > 0 {
            return AFTER_HINT * (1 << 6_u32.saturating_sub(self.hinted).min(6));
        }
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let Some(last) = self.last_block else {
            return SHORTEST;
        };
        if self.misses > 0 {
            // Twenty questions a period until it is well overdue, then fewer. The first comes sooner: who asks a little early is a little early.
            let step = (self.period / 20).clamp(SHORTEST, LONGEST);
            return match self.misses {
                0 | 1 => step / 2,
                2..=20 => step,
                more => (step * (more / 10)).min(LONGEST),
            };
        }
        // A little early each time: whoever hits the mark creeps towards the block's true moment, whoever misses asks again shortly. Who has
        // not missed for long may be far too late and creeps faster. So small a creep makes about 1.2 questions of each block.
        let expected = if self.hints_come {
            last + self.period + self.period / 2
        } else {
            let creep =
                (self.period / 150).saturating_mul(1 << self.straight.saturating_sub(CALIBRATED).min(5));
            last + self.period - creep.min(self.period / 4)
        };
        expected.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Follows blocks that appear every `period`; returns questions asked and the mean delay in milliseconds, after a time to learn.
    fn simulate(period: u64, phase: u64, learning: u64, blocks: u64) -> (u64, u64) {
        let mut pace = Pace::new(None);
        let (mut now, mut seen) = (phase, phase / period);
        let (mut asked, mut delays, mut counted) = (0, 0, 0);
        let (learning, blocks) = (seen + learning, blocks);
        while seen < learning + blocks {
            now += u64::try_from(pace.wait(millis(now)).as_millis()).unwrap_or(0) + 2;
            let newest = now / period;
            if seen > learning {
                asked += 1;
            }
            if newest > seen {
                if seen > learning {
                    delays += now - newest * period;
                    counted += 1;
                }
                pace.came(usize::try_from(newest - seen).unwrap_or(1), millis(now));
                seen = newest;
            } else {
                pace.nothing();
            }
        }
        (asked * 100 / counted.max(1), delays / counted.max(1))
    }

    #[test]
    fn a_steady_chain_costs_little_more_than_a_question_a_block_and_is_seen_within_a_thirtieth_of_its_period()
    {
        for period in [400, 1_000, 2_000, 12_000] {
            let (per_hundred, delay) = simulate(period, 0, 200, 200);
            assert!(
                per_hundred < 130,
                "period {period}: {per_hundred} questions a hundred blocks"
            );
            assert!(delay <= period / 30 + 25, "period {period}: {delay} ms late");
        }
    }

    #[test]
    fn wherever_in_a_period_following_begins_a_few_blocks_teach_it_their_moment() {
        for phase in (0..2_000).step_by(100) {
            let (per_hundred, delay) = simulate(2_000, 10_000 + phase, 20, 20);
            assert!(delay <= 200, "phase {phase}: {delay} ms late");
            assert!(
                per_hundred < 200,
                "phase {phase}: {per_hundred} questions a hundred blocks"
            );
        }
    }

    #[test]
    fn a_hint_asks_at_once_and_again_soon_when_the_endpoint_has_not_the_block_yet() {
        let mut pace = Pace::new(None);
        pace.came(1, millis(0));
        pace.hint();
        assert!(pace.wait(millis(100)) <= AFTER_HINT);
        pace.nothing();
        assert!(pace.wait(millis(100)) <= millis(20));
        for _ in 0..6 {
            pace.nothing();
        }
        assert!(pace.wait(millis(100)) >= SHORTEST);
    }

    #[test]
    fn where_hints_come_the_rhythm_only_catches_a_lost_one() {
        let mut pace = Pace::new(None);
        for block in 0..100 {
            pace.hint();
            pace.came(1, millis(block * 2_000));
        }
        assert!(pace.wait(millis(99 * 2_000)) > millis(2_500));
        pace.hints_ended();
        assert!(pace.wait(millis(99 * 2_000)) < millis(2_000));
    }

    #[test]
    fn failures_double_the_pause_up_to_ten_seconds_and_one_answer_ends_it() {
        let mut pace = Pace::new(Some(millis(250)));
        let mut waits = vec![];
        for _ in 0..10 {
            pace.failed();
            waits.push(pace.wait(millis(0)));
        }
        assert_eq!(waits[..3], [millis(100), millis(200), millis(400)]);
        assert_eq!(waits[9], LAST_BACKOFF);
        pace.nothing();
        assert_eq!(pace.wait(millis(0)), millis(250));
    }

    proptest! {
        #[test]
        fn no_history_makes_the_pace_panic_or_wait_for_ever(steps in prop::collection::vec((0..5_u8, 0..100_000_u64), 0..60)) {
            let mut pace = Pace::new(None);
            let mut now = Duration::ZERO;
            for (step, passed) in steps {
                now += millis(passed);
                match step {
                    0 => pace.came(usize::try_from(passed).unwrap_or(1), now),
                    1 => pace.nothing(),
                    2 => pace.failed(),
                    3 => pace.hint(),
                    _ => pace.hints_ended(),
                }
                prop_assert!(pace.wait(now) <= Duration::from_secs(23));
            }
        }
    }
}
