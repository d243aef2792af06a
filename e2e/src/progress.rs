//! Lines that tell a waiting person what happens and how long it has taken. It decides nothing.

use std::time::Instant;

/// Where progress goes.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// One line a step on standard error, each with the seconds since the start.
    Lines(Instant),
    /// Nothing.
    Quiet,
}

impl Progress {
    /// Lines on standard error, counted from now.
    #[must_use]
    pub fn lines() -> Self {
        Self::Lines(Instant::now())
    }

    /// Tells one step.
    pub fn say(&self, text: &str) {
        match self {
            Self::Lines(start) => eprintln!("[{:>6.1} s] {text}", start.elapsed().as_secs_f64()),
            Self::Quiet => {}
        }
    }
}
