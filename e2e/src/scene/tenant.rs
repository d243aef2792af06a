//! A tenant at its command line: a needs file, then `request`, `bids`, `accept`, `lease`, `logs`, `close`. It knows what a person in front
//! of a terminal knows and nothing of the cluster.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::binary::Refused;
use super::cast::Actor;
use super::founding::printed;
use super::patience::eventually;
use super::stage::Scene;

/// A tenant and the scene it rents in.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a> {
    scene: &'a Scene,
    actor: &'a Actor,
}

/// What a tenant writes into its needs file. The defaults are those of the demo: two GPUs, a program that says what it sees.
#[derive(Clone, Debug)]
pub struct Wish {
    /// GPUs of the one replica.
    pub gpus: u16,
    /// Share of a core, such as `100m`.
    pub cpu: String,
    /// Image reference.
    pub image: String,
    /// Script the container runs.
    pub script: String,
    /// Most it may cost in an hour, as decimal text.
    pub max_per_hour: String,
    /// It ends by itself after this long.
    pub max_duration: String,
    /// How long the provider may take to start.
    pub start_window: String,
    /// How long the order stands.
    pub expiry: String,
    /// A line for the container such as a readiness probe, in YAML's flow form; none if empty.
    pub readiness: String,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            gpus: 2,
            cpu: "100m".into(),
            image: "docker.io/library/busybox:1.36".into(),
            script: "echo I see $NVIDIA_VISIBLE_DEVICES; while true; do sleep 1; done".into(),
            max_per_hour: "5".into(),
            max_duration: "1h".into(),
            start_window: "5m".into(),
            expiry: "10m".into(),
            readiness: String::new(),
        }
    }
}

impl Wish {
    /// The needs file.
    #[must_use]
    pub fn yaml(&self) -> String {
        let Self {
            gpus,
            cpu,
            image,
            script,
            max_per_hour,
            max_duration,
            start_window,
            expiry,
            readiness,
        } = self;
        let readiness = if readiness.is_empty() {
            String::new()
        } else {
            format!("      readiness: {readiness}\n")
        };
        format!(
            "needs:\n  gpu:\n    count: {gpus}\n  cpu: {cpu}\n  memory: 64Mi\n  storage: 128Mi\nworkload:\n  containers:\n    - image: {image}\n      \
             command: [sh, -c, \"{script}\"]\n      runAsUser: 1000\n{readiness}price:\n  maxPerHour: \"{max_per_hour}\"\nduration:\n  min: 1m\n  \
             max: {max_duration}\nstartWindow: {start_window}\nexpiry: {expiry}\n"
        )
    }
}

/// A transaction a verb sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it did.
    pub what: String,
    /// Its hash.
    pub hash: String,
    /// What it used.
    pub gas_used: u64,
}

/// An order that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its hash.
    pub order: String,
    /// What was sent for it.
    pub sent: Vec<Sent>,
    /// All that was printed.
    pub printed: Value,
}

/// A lease that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id, provider-lane-generation.
    pub lease: String,
    /// Its lane.
    pub lane: u32,
    /// What was sent for it.
    pub sent: Vec<Sent>,
    /// All that was printed.
    pub printed: Value,
}

impl<'a> Tenant<'a> {
    pub(super) fn new(scene: &'a Scene, actor: &'a Actor) -> Self {
        Self { scene, actor }
    }

    /// The same command line with another's key.
    #[must_use]
    pub fn posing_as(self, actor: &'a Actor) -> Self {
        Self { actor, ..self }
    }

    /// What every verb of a tenant is told.
    fn common(&self) -> Vec<String> {
        let mut words: Vec<String> = [
            ("--rpc", self.scene.ledger.rpc_url.as_str()),
            ("--directory", &self.scene.market.directory),
            ("--output", "json"),
        ]
        .iter()
        .flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()])
        .collect();
        words.push("--local".into());
        words.push("--key-file".into());
        words.push(self.actor.key_file.display().to_string());
        words
    }

    fn line(&self, verb: &[&str]) -> Vec<String> {
        verb.iter()
            .map(|&word| word.to_owned())
            .chain(self.common())
            .collect()
    }

    /// Runs a verb with the tenant's flags.
    ///
    /// # Errors
    /// The verb said no.
    pub fn run(&self, verb: &[&str]) -> Result<Value> {
        self.scene.leaseport.json(self.line(verb))
    }

    /// Runs a verb that must say no.
    ///
    /// # Errors
    /// It did what it was asked.
    pub fn refusal(&self, verb: &[&str]) -> Result<Refused> {
        self.scene.leaseport.refusal(self.line(verb))
    }

    /// Writes a needs file and says where.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, yaml: &str) -> Result<PathBuf> {
        let path = self
            .scene
            .world
            .state()
            .run_dir
            .join("home")
            .join(format!("{name}.yaml"));
        fs::write(&path, yaml).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Posts an order for a wish.
    ///
    /// # Errors
    /// `request` said no.
    pub fn request(&self, name: &str, wish: &Wish) -> Result<Posted> {
        let file = self.write(name, &wish.yaml())?;
        let answer = self.run(&["request", "--yes", "--file", &file.display().to_string()])?;
        Ok(Posted {
            order: printed(&answer, "/orderHash")?,
            sent: sent(&answer),
            printed: answer,
        })
    }

    /// The bids for an order.
    ///
    /// # Errors
    /// `bids` said no.
    pub fn bids(&self, order: &str) -> Result<Vec<Value>> {
        let answer = self.run(&["bids", order])?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// Waits for a bid that could be accepted.
    ///
    /// # Errors
    /// None came in time.
    pub fn a_bid(&self, order: &str) -> Result<Value> {
        eventually("a valid bid", || {
            let bids = self.bids(order)?;
            if let Some(valid) = bids.iter().find(|bid| bid["valid"] == true) {
                return Ok(Some(valid.clone()));
            }
            match bids.first() {
                Some(bid) => bail!("{}", bid["reason"]),
                None => Ok(None),
            }
        })
        .with_context(|| self.scene.log_tail(super::OPERATOR))
    }

    /// Accepts the cheapest bid and hands the manifest over.
    ///
    /// # Errors
    /// `accept` said no.
    pub fn accept(&self, order: &str) -> Result<Opened> {
        let answer = self.run(&["accept", order, "--cheapest"])?;
        opened(answer)
    }

    /// Accepts the cheapest bid and keeps the manifest.
    ///
    /// # Errors
    /// `accept` said no.
    pub fn accept_without_manifest(&self, order: &str) -> Result<Opened> {
        let answer = self.run(&["accept", order, "--cheapest", "--no-manifest"])?;
        opened(answer)
    }

    /// Request, first bid, accept.
    ///
    /// # Errors
    /// A step said no.
    pub fn rent(&self, name: &str, wish: &Wish) -> Result<(Posted, Opened)> {
        let posted = self.request(name, wish)?;
        self.a_bid(&posted.order)?;
        let opened = self.accept(&posted.order)?;
        Ok((posted, opened))
    }

    /// What `lease get` shows.
    ///
    /// # Errors
    /// It said no.
    pub fn lease(&self, lease: &str) -> Result<Value> {
        self.run(&["lease", "get", lease])
    }

    /// What the provider signed for a lease, checked.
    ///
    /// # Errors
    /// `lease usage` said no.
    pub fn usage(&self, lease: &str) -> Result<Value> {
        self.run(&["lease", "usage", lease])
    }

    /// The logs of a lease's pods.
    ///
    /// # Errors
    /// `logs` said no.
    pub fn logs(&self, lease: &str) -> Result<String> {
        let mut line = self.line(&["logs", lease]);
        // Logs are text whatever is asked for.
        if let Some(at) = line.iter().position(|word| word == "--output") {
            line.drain(at..at + 2);
        }
        self.scene.leaseport.run(line)
    }

    /// Ends a lease by agreement.
    ///
    /// # Errors
    /// `close` said no.
    pub fn close(&self, lease: &str) -> Result<Value> {
        self.run(&["close", lease])
    }
}

fn opened(answer: Value) -> Result<Opened> {
    let lease = printed(&answer, "/leaseIds/0")?;
    let lane = lease
        .split('-')
        .nth(1)
        .and_then(|lane| lane.parse().ok())
        .with_context(|| format!("{lease} is no lease id"))?;
    Ok(Opened {
        lease,
        lane,
        sent: sent(&answer),
        printed: answer,
    })
}

/// The transactions of an answer.
#[must_use]
pub(super) fn sent(answer: &Value) -> Vec<Sent> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answer["transactions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| Sent {
            what: text(&one["what"]),
            hash: text(&one["hash"]),
            gas_used: one["gasUsed"].as_u64().unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_needs_file_has_a_line_for_the_probe_only_if_there_is_one() {
        assert!(!Wish::default().yaml().contains("readiness"));
        let wish = Wish {
            readiness: "{tcp: {port: 80}}".into(),
            ..Wish::default()
        };
        assert!(wish.yaml().contains("      readiness: {tcp: {port: 80}}\n"));
    }
}
