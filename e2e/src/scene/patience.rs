//! Waiting for something to become true, with a limit and a last word about how far it came. It never sleeps for correctness.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const LOOK: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(45);

/// Looks until there is something to return, for at most 45 s.
///
/// # Errors
/// It did not come; the error names what was waited for and what the last look said.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    within(PATIENCE, what, look)
}

/// Looks until there is something to return, for at most `limit`. A look that fails counts as one that found nothing.
///
/// # Errors
/// As [`eventually`].
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        let said = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "nothing yet".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() > limit {
            bail!("not within {} s: {what} (last look: {said})", limit.as_secs());
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn what_came_after_a_while_is_returned() {
        let mut looks = 0;
        let found = eventually("the third look", || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn what_did_not_come_is_named_with_the_last_look() {
        let error = within(Duration::ZERO, "rain", || -> Result<Option<()>> {
            bail!("blue sky")
        })
        .unwrap_err();
        assert!(
            error.to_string().contains("rain") && error.to_string().contains("blue sky"),
            "{error}"
        );
    }
}
