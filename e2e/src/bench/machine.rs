//! The machine that was measured on, in one line, and what a process takes of its memory. Reads `/proc` only.

use std::fs;

use anyhow::{Context as _, Result};

use super::instant::At;

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// All that is resident.
    pub(super) resident: u64,
    /// Of it, what is the program's own file, which the kernel may drop and read again.
    pub(super) file: u64,
    /// Resident at most so far.
    pub(super) peak: u64,
    /// Threads.
    pub(super) threads: u64,
}

impl Memory {
    /// Of a running process.
    ///
    /// # Errors
    /// It does not run.
    pub(super) fn of(process: i32) -> Result<Self> {
        let path = format!("/proc/{process}/status");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        Self::read(&text).with_context(|| path)
    }

    fn read(status: &str) -> Option<Self> {
        Some(Self {
            resident: entry(status, "VmRSS:")?,
            file: entry(status, "RssFile:")?,
            peak: entry(status, "VmHWM:")?,
            threads: entry(status, "Threads:")?,
        })
    }
}

/// The number behind a name in a file of `/proc`.
fn entry(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Cores, memory, system and day.
pub(super) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    described(
        cores,
        &read("/proc/meminfo"),
        &read("/proc/cpuinfo"),
        &read("/etc/os-release"),
        read("/proc/sys/kernel/osrelease").trim(),
        At::now(),
    )
}

fn described(cores: usize, meminfo: &str, cpuinfo: &str, system: &str, kernel: &str, now: At) -> String {
    let gibibytes = entry(meminfo, "MemTotal:").unwrap_or_default().div_ceil(1 << 20);
    let value = |text: &str, name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim_matches([' ', '\t', ':', '=', '"']).to_owned())
    };
    let model = value(cpuinfo, "model name").map_or(String::new(), |model| format!(" ({model})"));
    let system = value(system, "PRETTY_NAME").unwrap_or_else(|| "an unnamed Linux".into());
    let plural = if cores == 1 { "" } else { "s" };
    format!(
        "{cores} core{plural}{model}, {gibibytes} GiB of memory, {system}, Linux {kernel}, {}",
        now.day()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn memory_is_read_from_a_processs_status() {
        let status = "Name:\tleaseport\nVmHWM:\t   41000 kB\nVmRSS:\t   38012 kB\nRssAnon:\t  20000 kB\nRssFile:\t   18012 kB\nThreads:\t3\n";
        let memory = Memory::read(status).unwrap();
        assert_eq!(
            (memory.resident, memory.file, memory.peak, memory.threads),
            (38_012, 18_012, 41_000, 3)
        );
        assert_eq!(Memory::read("Name:\tkthreadd\n"), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Memory::of(own).unwrap().resident > 1_000);
    }

    #[test]
    fn a_machine_is_named_in_one_line() {
        let line = described(
            2,
            "MemTotal:       24689228 kB\n",
            "processor\t: 0\nmodel name\t: Some CPU 3000\n",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            "6.1.0",
            At(0),
        );
        assert_eq!(
            line,
            "2 cores (Some CPU 3000), 24 GiB of memory, Debian GNU/Linux 12 (bookworm), Linux 6.1.0, 1970-01-01"
        );
    }
}
