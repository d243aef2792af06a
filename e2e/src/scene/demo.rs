//! `make demo`: one lease from order to balance sheet, told as it happens. It does what a person would do, with the same programs, and
//! leaves everything running.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::Release;
use super::ledger::Micro;
use super::patience::{eventually, within};
use super::stage::{Cuts, Ends, Scene, SceneOptions};
use super::tenant::{Sent, Wish, sent};
use crate::World;
use crate::world::{NodeChoice, Options};

/// How long the demo's lease runs by the chain's clock.
const BILLED: u64 = 30;
/// Vested earnings are claimable after two epochs at the latest; on a local chain an epoch is 20 s.
const VESTING: Duration = Duration::from_secs(90);

/// Tells what happens, with the time since the beginning.
#[derive(Debug)]
pub struct Story {
    begun: Instant,
    told: BTreeSet<String>,
}

impl Story {
    /// Begins to tell.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            begun: Instant::now(),
            told: BTreeSet::new(),
        }
    }

    /// One step.
    pub fn tell(&self, step: &str) {
        println!("[{:>6.1} s] {step}", self.begun.elapsed().as_secs_f64());
    }

    fn transactions(&self, who: &str, all: &[Sent]) {
        for one in all {
            self.tell(&format!(
                "  {who}: {} {} ({} gas)",
                one.what, one.hash, one.gas_used
            ));
        }
    }

    /// Tells each of the operator's transactions once, when it is mined.
    fn operator(&mut self, scene: &Scene) -> Result<()> {
        for object in scene.objects("computetransactions")? {
            let mined = &object["status"]["mined"];
            let Some(hash) = mined["hash"].as_str() else {
                continue;
            };
            if self.told.insert(hash.to_owned()) {
                let kind = object["spec"]["intent"]["kind"].as_str().unwrap_or("?");
                self.tell(&format!("  operator: {kind} {hash} ({} gas)", mined["gasUsed"]));
            }
        }
        Ok(())
    }
}

/// Plays the demo in a world of that name and leaves it running.
///
/// # Errors
/// The first step that failed; the world is left as it is, to be looked at.
pub fn play(world: Options) -> Result<()> {
    let mut story = Story::begin();
    if let Ok(before) = World::attach(&world.run_dir) {
        story.tell("a world of that name is there already; taking it down first");
        before.down()?;
    }
    let options = SceneOptions {
        world: Options {
            node: NodeChoice::Required,
            ..world
        },
        cuts: Cuts::Never,
        // What closes by agreement is claimable at once; what is settled before vests.
        report_every: "10s",
        settle_every: "1h",
        tenant_dollars: 100,
    };
    let (mut scene, release) = install(&options, &story)?;
    let metrics = metrics(&mut scene);
    story.tell(&metrics);
    let ledger = &scene.ledger;
    let tenant = scene.tenant();

    let before = Purses::read(&scene)?;
    let wish = Wish::default();
    let posted = tenant.request("needs", &wish)?;
    story.tell(&format!(
        "the tenant wrote needs.yaml (two GPUs, at most {} an hour) and ran leaseport request: order {}",
        wish.max_per_hour, posted.order
    ));
    story.transactions("tenant", &posted.sent);

    let bid = tenant.a_bid(&posted.order)?;
    story.tell(&format!(
        "a bid came: provider {} asks {} an hour",
        bid["providerId"].as_str().unwrap_or("?"),
        text(&bid["ratePerHour"])
    ));
    story.operator(&scene)?;

    let opened = tenant.accept(&posted.order)?;
    let after_opening = ledger.balance_of(scene.cast.tenant.address)?;
    story.transactions("tenant", &opened.sent);
    story.tell(&format!(
        "leaseport accept: lease {} is open, {} in escrow, the manifest is at the gateway",
        opened.lease,
        before.tenant - after_opening
    ));

    let pod = scene.running_pod(&opened.lease)?;
    story.tell(&format!(
        "pod {}/{} runs on {} with {}",
        text(&pod["metadata"]["namespace"]),
        text(&pod["metadata"]["name"]),
        text(&pod["spec"]["nodeName"]),
        super::sight::devices(&pod).join(", ")
    ));
    let log = eventually("a line in the log", || {
        Ok(Some(tenant.logs(&opened.lease)?).filter(|log| log.contains("I see")))
    })?;
    story.tell(&format!("leaseport logs: {}", log.trim()));

    let started = eventually("the lease is started on chain", || {
        story.operator(&scene)?;
        let lease = ledger.lease_at(opened.lane)?;
        Ok((lease.state == 2).then_some(lease))
    })?;
    story.tell(&format!(
        "started on chain: the clock runs at {} an hour; half a minute now",
        Micro(i128::from(started.rate))
    ));
    within(
        Duration::from_secs(BILLED + 60),
        "half a minute of the chain's time",
        || {
            story.operator(&scene)?;
            let (_, now) = ledger.head()?;
            Ok((now >= started.start_at + BILLED).then_some(()))
        },
    )?;
    let reported = ledger.lease_at(opened.lane)?;
    story.tell(&format!(
        "reported on chain so far: {} s, paid: {} s",
        reported.reported(),
        reported.settled
    ));

    let closed = tenant.close(&opened.lease)?;
    story.operator(&scene)?;
    story.transactions("tenant", &sent(&closed));
    story.tell("leaseport close: both signed the final seconds, the deposit's rest is back");
    let end = ledger.lease_at(opened.lane)?;
    ensure!(end.state == 3, "the lease is not closed on chain: {end:?}");

    claim_all(&scene, &story, &before)?;
    let sheet = Sheet::of(&before, &Purses::read(&scene)?, before.tenant - after_opening);
    println!("\n{}", sheet.print());
    sheet.check()?;

    eventually("the lease's namespace is gone", || {
        let namespaces = scene.world.kubectl(&["get", "namespaces", "--output=name"])?;
        let name = text(&pod["metadata"]["namespace"]);
        Ok((!namespaces.contains(&name)).then_some(()))
    })?;
    story.tell("the lease's namespace is gone, the GPUs are free again");
    println!("\n{}\n{metrics}", hints(&scene, &release));
    Ok(())
}

/// A market, and a provider on it by the commands of docs/quickstart-provider.md.
fn install(options: &SceneOptions, story: &Story) -> Result<(Scene, Release)> {
    let (mut scene, release) = Scene::before_release(options, Ends::ByDown, &mut |step| story.tell(step))?;
    let (took, _) = release.install(&release.helm, &[])?;
    story.tell(&format!(
        "helm install leaseport charts/leaseport: two operators are ready after {:.1} s",
        took.as_secs_f64()
    ));
    scene.furnish(&release, &mut |step| story.tell(step))?;
    let gateway = Release::with_gateway();
    let gateway: Vec<&str> = gateway.iter().map(String::as_str).collect();
    release.upgrade(&release.helm, &gateway)?;
    scene.release_serves()?;
    story.tell("helm upgrade with a gateway on a node port: market, wallets, provider and offer are Ready");
    release.verb(&release.helm, "test", &[])?;
    story.tell("helm test: leaseport check finds everything as it should be");
    Ok((scene, release))
}

/// Claims until all that was paid has left the book but for the protocol's fee.
///
/// # Errors
/// It does not come to that, or a claim failed.
pub fn claim_all(scene: &Scene, story: &Story, before: &Purses) -> Result<()> {
    let key_file = scene.cast.deployer.key_file.display().to_string();
    within(VESTING, "all earnings are vested and claimed", || {
        let now = Purses::read(scene)?;
        if before.tenant - now.tenant == (now.payout - before.payout) + (now.fees - before.fees) {
            return Ok(Some(()));
        }
        let claimable = scene.ledger.claimable()?;
        if claimable == Micro(0) {
            bail!("the rest of what was paid is still vesting");
        }
        let answer = scene.leaseport.json([
            "provider",
            "claim",
            "--rpc",
            &scene.ledger.rpc_url,
            "--key-file",
            &key_file,
            "--directory",
            &scene.market.directory,
            "--provider",
            &scene.ledger.provider.to_string(),
            "--json",
        ])?;
        story.transactions("anyone", &sent(&answer));
        story.tell(&format!(
            "leaseport provider claim: {claimable} went to the payout address"
        ));
        Ok(None)
    })
}

/// Tokens by who has them.
#[derive(Clone, Copy, Debug)]
pub struct Purses {
    /// The tenant's.
    pub tenant: Micro,
    /// The provider's payout address.
    pub payout: Micro,
    /// Protocol fees waiting in the book.
    pub fees: Micro,
    /// All that is in the book.
    pub book: Micro,
}

impl Purses {
    /// Reads them from the chain.
    ///
    /// # Errors
    /// It does not answer.
    pub fn read(scene: &Scene) -> Result<Self> {
        let ledger = &scene.ledger;
        Ok(Self {
            tenant: ledger.balance_of(scene.cast.tenant.address)?,
            payout: ledger.balance_of(scene.cast.payout.address)?,
            fees: ledger.fees()?,
            book: ledger.in_book()?,
        })
    }
}

/// Where a lease's money went.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    deposit: Micro,
    refund: Micro,
    paid: Micro,
    claimed: Micro,
    fee: Micro,
    left: Micro,
}

impl Sheet {
    /// From the purses before the order and after the last claim.
    #[must_use]
    pub fn of(before: &Purses, after: &Purses, deposit: Micro) -> Self {
        let paid = before.tenant - after.tenant;
        let fee = after.fees - before.fees;
        Self {
            deposit,
            refund: deposit - paid,
            paid,
            claimed: after.payout - before.payout,
            fee,
            left: after.book - before.book - fee,
        }
    }

    /// A table for people.
    #[must_use]
    pub fn print(&self) -> String {
        let row = |what: &str, amount: Micro| format!("  {what:<34}{:>14}", amount.to_string());
        [
            "balance sheet (tUSD)".to_owned(),
            row("tenant put into escrow", self.deposit),
            row("  refund to the tenant", self.refund),
            row("  provider claimed", self.claimed),
            row("  protocol fee", self.fee),
            row("  difference", self.difference()),
            row("tenant paid", self.paid),
        ]
        .join("\n")
    }

    fn difference(&self) -> Micro {
        self.deposit - self.refund - self.claimed - self.fee
    }

    /// Whether it adds up to the last micro-unit and something was paid.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<()> {
        ensure!(self.paid > Micro(0), "nothing was paid");
        ensure!(
            self.difference() == Micro(0),
            "the sheet does not add up: {}",
            self.difference()
        );
        ensure!(
            self.left == Micro(0),
            "{} of this lease is left in the book",
            self.left
        );
        Ok(())
    }
}

/// Where to look at the metrics: at a Prometheus, where one is or can be installed, else how to get one.
fn metrics(scene: &mut Scene) -> String {
    match scene.start_prometheus() {
        Ok(prometheus) => format!(
            "Prometheus with the alerts of deploy/observability is at http://{}; the dashboards in charts/leaseport/files ask for it",
            prometheus.address
        ),
        Err(error) => format!(
            "the leading operator's metrics are at http://{}/metrics; no Prometheus beside the demo: {error:#}",
            scene.operator_ops
        ),
    }
}

fn hints(scene: &Scene, release: &Release) -> String {
    let state = scene.world.state();
    let tenant = [
        format!("LEASEPORT_RPC_URL={}", scene.ledger.rpc_url),
        format!("LEASEPORT_DIRECTORY={}", scene.market.directory),
        format!("LEASEPORT_KEY_FILE={}", scene.cast.tenant.key_file.display()),
        format!(
            "LEASEPORT_STATE_DIR={}",
            state.run_dir.join("home/.leaseport").display()
        ),
        "LEASEPORT_LOCAL=true".to_owned(),
    ];
    let program = scene.leaseport.path().display();
    let helm = release.helm.program().display();
    format!(
        "Everything still runs. As the administrator:\n  export KUBECONFIG={} PATH={}:$PATH\n  kubectl get leaseport -A\n  kubectl -n gpu-provider get \
         computetransactions,computeleases,events\n  kubectl -n leaseport-system logs deployment/leaseport-operator\n  {helm} -n leaseport-system status leaseport\nAs the tenant:\n  export {}\n  {program} request -f {} --wait 5s --yes\n  {program} lease ls --all\nLogs \
         of the world's own parts are in {}.\n`make down` ends it.",
        state.kubeconfig.display(),
        state.bin_dir.display(),
        tenant.join(" "),
        state.run_dir.join("home/needs.yaml").display(),
        state.log_dir.display(),
    )
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn purses(tenant: i128, payout: i128, fees: i128, book: i128) -> Purses {
        Purses {
            tenant: Micro(tenant),
            payout: Micro(payout),
            fees: Micro(fees),
            book: Micro(book),
        }
    }

    #[test]
    fn a_sheet_adds_up_when_all_that_was_paid_arrived() {
        let sheet = Sheet::of(&purses(1000, 0, 0, 0), &purses(900, 97, 3, 3), Micro(500));
        sheet.check().unwrap();
        assert!(sheet.print().contains("0.000400"), "{}", sheet.print());
    }

    #[test]
    fn a_lost_micro_unit_is_seen() {
        let lost = Sheet::of(&purses(1000, 0, 0, 0), &purses(900, 96, 3, 4), Micro(500));
        assert!(lost.check().unwrap_err().to_string().contains("0.000001"));
    }
}
