//! Fifty leases of five tenants, and what must be true of them whatever happens to the operator: the same pods, every second on chain and none
//! twice, each transaction once.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use leaseport_e2e::scene::{Actor, Opened, Scene, Wish, eventually, hex, keccak, unhex};
use serde_json::{Value, json};

/// How many leases run.
const LEASES: usize = 50;
/// Seconds that may lack of what ran, besides what lacked before anything happened: what is not a whole second, and a look that came late.
const SLACK: u64 = 3;
/// For how many of the chain's seconds the fleet is watched before anything happens to it.
const QUIET: u64 = 15;

/// Leases that run, and their pods as they were first seen.
pub(crate) struct Fleet {
    pub(crate) opened: Vec<Opened>,
    pods: BTreeMap<String, Identity>,
    /// By lane, how many seconds lacked at the least while nothing happened: those before its start was seen, and the way of a report.
    lacking: BTreeMap<u32, u64>,
}

/// What makes two looks at a pod looks at the same running container.
type Identity = (String, String, u64);

/// What a lease of the fleet asks for: little, since all of them share this machine.
pub(crate) fn wish() -> Wish {
    Wish {
        gpus: 1,
        cpu: "10m".into(),
        script: "sleep 86400".into(),
        expiry: "1h".into(),
        ..Wish::default()
    }
}

impl Fleet {
    /// Rents, each tenant one lease after another and all tenants at once.
    pub(crate) fn rent(scene: &Scene) -> Result<Self> {
        let cast = &scene.cast;
        let tenants = [
            &cast.tenant,
            &cast.stranger,
            &cast.owner,
            &cast.deployer,
            &cast.payout,
        ];
        for tenant in tenants {
            scene.mint(tenant, 300)?;
            allow_all(scene, tenant)?;
        }
        let each = LEASES / tenants.len();
        let rented: Vec<Result<Vec<Opened>>> = thread::scope(|scope| {
            let all: Vec<_> = tenants
                .iter()
                .enumerate()
                .map(|(who, tenant)| {
                    scope.spawn(move || {
                        let tenant = scene.tenant().posing_as(tenant);
                        (0..each)
                            .map(|nth| {
                                let order = tenant.request(&format!("fleet-{who}-{nth}"), &wish())?.order;
                                bid_on_chain(scene, &order)?;
                                tenant.accept(&order)
                            })
                            .collect()
                    })
                })
                .collect();
            all.into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("a tenant panicked"))))
                .collect()
        });
        let opened: Vec<Opened> = rented.into_iter().collect::<Result<Vec<_>>>()?.concat();
        ensure!(opened.len() == LEASES, "{} leases", opened.len());
        let pods = eventually("every lease has a running pod", || {
            let pods = pods(scene)?;
            Ok((pods.len() == LEASES).then_some(pods))
        })?;
        let mut fleet = Self {
            opened,
            pods,
            lacking: BTreeMap::new(),
        };
        eventually("every lease is started on chain", || {
            for one in &fleet.opened {
                ensure!(
                    scene.ledger.lease_at(one.lane)?.state == 2,
                    "{} is not",
                    one.lease
                );
            }
            Ok(Some(()))
        })?;
        fleet.watch(scene)?;
        Ok(fleet)
    }

    fn watch(&mut self, scene: &Scene) -> Result<()> {
        let (_, from) = scene.ledger.head()?;
        eventually("a quiet while", || {
            let (_, now) = scene.ledger.head()?;
            for one in &self.opened {
                let lease = scene.ledger.lease_at(one.lane)?;
                let lacks = now.saturating_sub(lease.start_at + lease.reported());
                let least = self.lacking.entry(one.lane).or_insert(lacks);
                *least = lacks.min(*least);
            }
            Ok((now >= from + QUIET).then_some(()))
        })
    }

    /// How many seconds a lease lacked at the most before anything happened.
    pub(crate) fn most_lacking(&self) -> u64 {
        self.lacking.values().copied().max().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.opened.len()
    }

    /// No pod was restarted or replaced, and none came.
    pub(crate) fn same_pods(&self, scene: &Scene) -> Result<()> {
        let now = pods(scene)?;
        ensure!(now == self.pods, "{now:#?} were {:#?}", self.pods);
        Ok(())
    }

    /// What stands on chain for each lane.
    pub(crate) fn reported(&self, scene: &Scene) -> Result<BTreeMap<u32, u64>> {
        self.opened
            .iter()
            .map(|one| Ok((one.lane, scene.ledger.lease_at(one.lane)?.reported())))
            .collect()
    }

    /// All seconds up to this moment come onto the chain, and never more than there were.
    pub(crate) fn caught_up(&self, scene: &Scene) -> Result<()> {
        let (_, asked) = scene.ledger.head()?;
        eventually("every second is reported", || {
            for one in &self.opened {
                let lease = scene.ledger.lease_at(one.lane)?;
                let (_, now) = scene.ledger.head()?;
                if lease.reported() > now - lease.start_at {
                    bail!("{} was billed twice: {lease:?} at {now}", one.lease);
                }
                let lacking = self.lacking.get(&one.lane).copied().unwrap_or_default();
                let missing = (asked - lease.start_at).saturating_sub(lease.reported() + lacking + SLACK);
                ensure!(missing == 0, "{}: {missing} s are missing", one.lease);
            }
            Ok(Some(()))
        })
    }

    /// Each start, bid and nonce once, and every transaction of the operator's keys is one that it wrote down, but for `lost` ones of each wallet.
    pub(crate) fn each_once(&self, scene: &Scene, lost: &BTreeMap<&str, u64>) -> Result<()> {
        let ledger = &scene.ledger;
        let started = ledger.events("LeaseStarted(uint96,uint32,uint32,uint32,bytes32)", 0)?;
        let distinct: BTreeSet<String> = started.iter().map(|log| log["topics"][1].to_string()).collect();
        ensure!(
            started.len() == self.len() && distinct.len() == self.len(),
            "{} starts of {} leases",
            started.len(),
            distinct.len()
        );
        eventually("the keys' nonces are those of our transactions", || {
            let objects = scene.objects("computetransactions")?;
            let mut intents = BTreeSet::new();
            for object in &objects {
                let intent = &object["spec"]["intent"];
                let what = format!(
                    "{} {} {}",
                    intent["kind"], intent["subject"]["name"], intent["epoch"]
                );
                ensure!(intents.insert(what.clone()), "twice: {what}");
            }
            for (wallet, actor) in [("duty", &scene.cast.duty), ("bids", &scene.cast.bids)] {
                let count = ledger.rpc("eth_getTransactionCount", &json!([actor.address, "latest"]))?;
                let count =
                    u64::from_str_radix(count.as_str().unwrap_or_default().trim_start_matches("0x"), 16)?;
                let ours = objects
                    .iter()
                    .filter(|object| object["spec"]["walletRef"]["name"] == wallet)
                    .filter(|object| object["status"]["mined"]["hash"].is_string())
                    .count();
                let lost = lost.get(wallet).copied().unwrap_or_default();
                ensure!(
                    u64::try_from(ours)? + lost == count,
                    "{wallet}: {ours} objects are mined, {lost} lost, the chain counts {count}"
                );
            }
            Ok(Some(()))
        })
    }
}

/// Waits for a bid by its event, which costs this machine less than the command line's own look.
fn bid_on_chain(scene: &Scene, order: &str) -> Result<()> {
    eventually("a bid", || Ok((bids_posted(scene, order)? > 0).then_some(())))
}

/// How many bids were posted for an order.
pub(crate) fn bids_posted(scene: &Scene, order: &str) -> Result<usize> {
    let all = scene.ledger.events("BidPosted(bytes32,uint32,bytes)", 0)?;
    Ok(all
        .iter()
        .filter(|log| {
            log["topics"][1]
                .as_str()
                .is_some_and(|topic| topic.eq_ignore_ascii_case(order))
        })
        .count())
}

/// The pods of all leases, by namespace.
fn pods(scene: &Scene) -> Result<BTreeMap<String, Identity>> {
    let list = scene.world.kubectl_json(&["get", "pods", "--all-namespaces"])?;
    let mut found = BTreeMap::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        if !namespace.starts_with("lp-") || pod["status"]["phase"] != "Running" {
            continue;
        }
        let before = found.insert(namespace.to_owned(), identity(pod));
        ensure!(before.is_none(), "two pods in {namespace}");
    }
    Ok(found)
}

fn identity(pod: &Value) -> Identity {
    let status = &pod["status"]["containerStatuses"][0];
    (
        pod["metadata"]["uid"].to_string(),
        status["containerID"].to_string(),
        status["restartCount"].as_u64().unwrap_or_default(),
    )
}

/// Lets the book take what the tenant's orders need, once for all of them: the command line would do so for each.
fn allow_all(scene: &Scene, tenant: &Actor) -> Result<()> {
    let mut call = keccak(b"approve(address,uint256)");
    call.truncate(4);
    call.extend([0; 12]);
    call.extend(unhex(&scene.ledger.lease_book)?);
    call.extend([0xff; 32]);
    let sent = scene.ledger.rpc(
        "eth_sendTransaction",
        &json!([{ "from": tenant.address, "to": scene.ledger.token, "data": hex(&call) }]),
    )?;
    let hash = sent.as_str().context("no transaction hash")?.to_owned();
    eventually("the allowance stands", || scene.ledger.receipt(&hash))?;
    Ok(())
}
