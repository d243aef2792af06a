//! What a world leaves on the machine while it runs, and that nothing of it is left afterwards. Shared by the tests that take one down.

use std::fs;
use std::path::{Path, PathBuf};

use leaseport_e2e::world::WorldState;

/// By what a world can be found on the machine, noted while it runs.
pub(crate) struct Traces {
    run_dir: String,
    namespaces: Vec<PathBuf>,
    link: Option<String>,
    cgroup: Option<String>,
    pids: Vec<i32>,
}

impl Traces {
    pub(crate) fn of(world: &WorldState) -> Self {
        let pids: Vec<i32> = world
            .parts
            .iter()
            .filter_map(|part| part.process)
            .map(|process| process.pid)
            .collect();
        let namespaces = world
            .sandbox
            .as_ref()
            .and_then(|_| world.part("sandbox").ok()?.process)
            .map(|founder| {
                ["mnt", "net"].map(|kind| fs::read_link(format!("/proc/{}/ns/{kind}", founder.pid)).unwrap())
            })
            .map(Vec::from)
            .unwrap_or_default();
        Self {
            run_dir: world.run_dir.display().to_string(),
            namespaces,
            link: world.sandbox.as_ref().map(|sandbox| sandbox.link.clone()),
            cgroup: world.sandbox.as_ref().map(|sandbox| sandbox.cgroup.clone()),
            pids,
        }
    }

    /// Processes that are the world's: by their id, by their command line, by the namespaces they are in.
    fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok())
            else {
                continue;
            };
            let status = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            if status
                .rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('Z'))
            {
                continue;
            }
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let program = line.split(' ').next().unwrap_or_default();
            let own_line = program.starts_with(&self.run_dir);
            let inside = ["mnt", "net"]
                .iter()
                .filter_map(|kind| fs::read_link(entry.path().join("ns").join(kind)).ok())
                .any(|namespace| self.namespaces.contains(&namespace));
            if own_line || inside || self.pids.contains(&pid) {
                found.push(format!("{pid} {line}"));
            }
        }
        found
    }

    fn links(&self) -> Vec<PathBuf> {
        self.link
            .iter()
            .map(|link| Path::new("/sys/class/net").join(link))
            .filter(|path| path.exists())
            .collect()
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let Some(name) = &self.cgroup else {
            return Vec::new();
        };
        let hierarchies = fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        hierarchies
            .chain([PathBuf::from("/sys/fs/cgroup")])
            .map(|path| path.join(name))
            .filter(|path| path.exists())
            .collect()
    }

    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table
            .lines()
            .filter(|line| line.contains(&self.run_dir))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn assert_there(&self) {
        assert!(self.processes().len() >= self.pids.len() && !self.pids.is_empty());
        assert_eq!(self.links().len(), usize::from(self.link.is_some()));
        assert_eq!(self.cgroups().is_empty(), self.cgroup.is_none());
    }

    pub(crate) fn assert_gone(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        assert_eq!(self.links(), Vec::<PathBuf>::new());
        assert_eq!(self.cgroups(), Vec::<PathBuf>::new());
        assert_eq!(self.mounts(), Vec::<String>::new());
    }
}
