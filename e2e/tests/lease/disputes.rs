//! A tenant contests seconds it paid for: once the operator answers by itself and wins, once it is told not to and what was frozen goes to the tenant.
//! Every balance is looked at; the court's times are those of a local chain: 30 s to answer, 60 s to rule, 20 s to veto.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{Micro, Opened, Scene, condition, eventually, hex, keccak, within};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, small, started};

/// Bond and court fee of a contest about little rent.
const BOND: Micro = Micro(20_000_000);
/// Longer than any of the court's times.
const COURT: Duration = Duration::from_secs(120);

/// Who has what, and what stands behind the provider.
#[derive(Debug)]
struct Sums {
    tenant: Micro,
    duty: Micro,
    court: Micro,
    staked: Micro,
    reserved: Micro,
}

impl Sums {
    fn read(scene: &Scene) -> Result<Self> {
        Ok(Self {
            tenant: scene.ledger.balance_of(scene.cast.tenant.address)?,
            duty: scene.ledger.balance_of(scene.cast.duty.address)?,
            court: scene.ledger.balance_of(&contract(scene, "disputeCourt")?)?,
            staked: of_vault(scene, "stakeOf(uint32,uint8)")?,
            reserved: of_vault(scene, "reservedOf(uint32,uint8)")?,
        })
    }
}

fn contract(scene: &Scene, name: &str) -> Result<String> {
    let address = scene.market.printed[name].as_str();
    Ok(address
        .with_context(|| format!("market deploy printed no {name}"))?
        .to_owned())
}

/// The first word that the vault answers about the provider's stake in the first token.
fn of_vault(scene: &Scene, function: &str) -> Result<Micro> {
    let mut data = keccak(function.as_bytes());
    data.truncate(4);
    data.extend([0; 28]);
    data.extend(scene.ledger.provider.to_be_bytes());
    data.extend([0; 32]);
    let call = json!([{ "to": contract(scene, "stakeVault")?, "data": hex(&data) }, "latest"]);
    let answer = scene.ledger.rpc("eth_call", &call)?;
    let word = answer.as_str().unwrap_or_default().get(2..66).unwrap_or_default();
    Ok(Micro(i128::from_str_radix(word, 16)?))
}

fn money(value: &Value) -> Result<Micro> {
    let text = value.as_str().with_context(|| format!("{value} is no amount"))?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let micro = format!("{part:0<6}").parse::<i128>()?;
    Ok(Micro(whole.parse::<i128>()? * 1_000_000 + micro))
}

/// A lease with a few settled seconds, so that money of it vests.
fn paid(scene: &Scene, name: &str) -> Result<Opened> {
    let (_, opened) = scene.tenant().rent(name, &small())?;
    started(scene, opened.lane)?;
    within(COURT, "some seconds are settled", || {
        let lease = scene.ledger.lease_at(opened.lane)?;
        ensure!(lease.settled >= 5, "{lease:?}");
        Ok(Some(()))
    })?;
    Ok(opened)
}

/// The lease's condition `Disputed`, once it has this reason.
fn disputed(scene: &Scene, lease: &str, reason: &str) -> Result<Value> {
    let name = scene.lease_object(lease)?;
    eventually(&format!("the ComputeLease says {reason}"), || {
        let object = scene.object(&name)?;
        let found = condition(&object, "Disputed").cloned();
        ensure!(
            found.as_ref().is_some_and(|found| found["reason"] == reason),
            "{found:?}"
        );
        Ok(found)
    })
}

pub(crate) fn answered_and_won(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let arbiter = tenant.posing_as(&scene.cast.deployer);
    mint(scene, scene.cast.duty.address)?;
    let opened = paid(scene, "contest")?;
    let lease = opened.lease.as_str();
    let statement = tenant
        .write("statement", "half of the GPUs stood still\n")?
        .display()
        .to_string();

    let before = Sums::read(scene)?;
    let plan = tenant.run(&["contest", lease, "--all", "--statement", &statement, "--dry-run"])?;
    ensure!(plan["sent"] == false && money(&plan["bond"])? == BOND, "{plan}");
    let strange = tenant.posing_as(&scene.cast.stranger);
    let refused = strange.refusal(&["contest", lease, "--all", "--statement", &statement, "--yes"])?;
    ensure!(refused.said.contains("neither tenant"), "{}", refused.said);
    let said = tenant.run(&["contest", lease, "--all", "--statement", &statement, "--yes"])?;
    ensure!(
        said["sent"] == true && money(&said["frozen"])? > Micro(0),
        "{said}"
    );

    let answered = within(COURT, "the operator answers", || {
        let found = tenant.run(&["dispute", "get", lease])?;
        Ok((found["phase"] != "Contested").then_some(found))
    })
    .with_context(|| scene.log_tail(leaseport_e2e::scene::OPERATOR))?;
    ensure!(answered["phase"] == "Answered", "{answered}");
    ensure!(
        answered["answeredSeconds"].as_u64() >= said["seconds"][1].as_u64(),
        "{answered}"
    );
    let bonded = Sums::read(scene)?;
    ensure!(
        bonded.tenant == before.tenant - BOND,
        "{bonded:?} after {before:?}"
    );
    ensure!(bonded.duty == before.duty - BOND, "{bonded:?} after {before:?}");
    ensure!(
        bonded.court == before.court + BOND + BOND,
        "{bonded:?} after {before:?}"
    );
    let condition = disputed(scene, lease, "Answered")?;
    ensure!(condition["status"] == "True", "{condition}");

    let rule = [
        "dispute",
        "rule",
        lease,
        "--for",
        "provider",
        "--reasons",
        statement.as_str(),
    ];
    let refused = strange.refusal(&rule)?;
    ensure!(refused.said.contains("no arbiter"), "{}", refused.said);
    let ruled = arbiter.run(&rule)?;
    ensure!(
        ruled["phase"] == "Ruled" && ruled["ruling"]["award"] == "0",
        "{ruled}"
    );
    let early = tenant.refusal(&["dispute", "execute", lease])?;
    ensure!(early.said.contains("run it again"), "{}", early.said);

    // The operator's own bond waits in it, so it carries the ruling out and fetches what it won.
    let ended = within(COURT, "the operator executes the ruling", || {
        let found = tenant.run(&["dispute", "get", lease])?;
        Ok((found["phase"] == "Ended").then_some(found))
    })
    .with_context(|| scene.log_tail(leaseport_e2e::scene::OPERATOR))?;
    ensure!(
        ended["outcome"] == "Provider" && money(&ended["frozen"])? == Micro(0),
        "{ended}"
    );
    let after = eventually("the duty wallet has its bond back", || {
        let sums = Sums::read(scene)?;
        // Both bonds less the court fee, which is as large as one of them.
        ensure!(sums.duty == before.duty, "{sums:?} after {before:?}");
        Ok(Some(sums))
    })?;
    ensure!(after.tenant == before.tenant - BOND, "{after:?} after {before:?}");
    ensure!(
        after.court == before.court + BOND,
        "the court fee: {after:?} after {before:?}"
    );
    ensure!(
        after.staked == before.staked && after.reserved == Micro(0),
        "{after:?}"
    );
    let condition = disputed(scene, lease, "Won")?;
    ensure!(condition["status"] == "False", "{condition}");
    close(scene, lease)?;
    // What the tenant lost to the court is no rent of the sheet at the end.
    shared.before.tenant = shared.before.tenant - BOND;
    Ok(())
}

pub(crate) fn silence_pays_the_tenant(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    answer(scene, "Never")?;
    let opened = paid(scene, "silence")?;
    let lease = opened.lease.as_str();
    let statement = tenant.write("silence", "nothing ran\n")?.display().to_string();

    let before = Sums::read(scene)?;
    let said = tenant.run(&["contest", lease, "--all", "--statement", &statement, "--yes"])?;
    let frozen = money(&said["frozen"])?;
    ensure!(frozen > Micro(0), "{said}");
    // Told at once, not when it is too late.
    let condition = disputed(scene, lease, "AnswerOff")?;
    ensure!(
        condition["status"] == "True" && condition["message"].to_string().contains("Always"),
        "{condition}"
    );
    ensure!(
        scene.ledger.head()?.1 < said["answerBy"].as_u64().unwrap_or_default(),
        "told too late: {said}"
    );
    let early = tenant.refusal(&["dispute", "expire", lease])?;
    ensure!(early.said.contains("run it again"), "{}", early.said);

    within(COURT, "the time to answer is over", || {
        let due = said["answerBy"].as_u64().unwrap_or(u64::MAX);
        Ok((scene.ledger.head()?.1 > due).then_some(()))
    })?;
    let ended = tenant.run(&["dispute", "expire", lease])?;
    ensure!(ended["outcome"] == "Silence", "{ended}");
    ensure!(money(&ended["ruling"]["award"])? == frozen, "{ended}");
    let after = Sums::read(scene)?;
    ensure!(
        after.tenant == before.tenant + frozen,
        "{after:?} after {before:?}, {frozen} frozen"
    );
    ensure!(
        after.duty == before.duty && after.court == before.court,
        "{after:?} after {before:?}"
    );
    ensure!(
        after.staked == before.staked && after.reserved == Micro(0),
        "{after:?}"
    );
    let condition = disputed(scene, lease, "LostBySilence")?;
    ensure!(condition["status"] == "False", "{condition}");
    answer(scene, "Always")?;
    close(scene, lease)?;
    Ok(())
}

pub(crate) fn vetoed(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    // On a local market the deployer is the arbiter, and the council that proposes to the timelock.
    let council = tenant.posing_as(&scene.cast.deployer);
    mint(scene, scene.cast.duty.address)?;
    let opened = paid(scene, "veto")?;
    let lease = opened.lease.as_str();
    let statement = tenant.write("veto", "nothing ran\n")?.display().to_string();

    let before = Sums::read(scene)?;
    tenant.run(&["contest", lease, "--all", "--statement", &statement, "--yes"])?;
    within(COURT, "the operator answers", || {
        let found = tenant.run(&["dispute", "get", lease])?;
        Ok((found["phase"] == "Answered").then_some(()))
    })?;
    let ruled = council.run(&[
        "dispute",
        "rule",
        lease,
        "--for",
        "tenant",
        "--reasons",
        &statement,
    ])?;
    ensure!(money(&ruled["ruling"]["award"])? > Micro(0), "{ruled}");
    let refused = tenant.refusal(&["dispute", "veto", lease])?;
    ensure!(
        refused.said.contains("neither veto nor propose"),
        "{}",
        refused.said
    );
    council.run(&["dispute", "veto", lease])?;
    // The same verb proposes, then waits for the timelock, then carries out.
    let vetoed = within(COURT, "the veto is carried out", || {
        let said = council.run(&["dispute", "veto", lease])?;
        Ok((said["phase"] == "Ended").then_some(said))
    })?;
    ensure!(vetoed["outcome"] == "Vetoed", "{vetoed}");
    // The dispute is over; what the court owes the tenant waits until somebody has it paid.
    let paid_out = tenant.run(&["dispute", "execute", lease])?;
    ensure!(money(&paid_out["paid"][0])? == BOND, "{paid_out}");
    let after = eventually("both have their bonds back", || {
        let sums = Sums::read(scene)?;
        ensure!(
            sums.duty == before.duty && sums.tenant == before.tenant,
            "{sums:?} after {before:?}"
        );
        Ok(Some(sums))
    })?;
    ensure!(
        after.court == before.court && after.reserved == Micro(0),
        "{after:?} after {before:?}"
    );
    disputed(scene, lease, "Vetoed")?;
    close(scene, lease)?;
    Ok(())
}

/// Tells the provider's operator whether to answer.
fn answer(scene: &Scene, when: &str) -> Result<()> {
    let patch = json!({ "spec": { "duties": { "disputes": { "answer": when } } } });
    scene.world.kubectl(&[
        "--namespace",
        "gpu-provider",
        "patch",
        "computeprovider/main",
        "--type=merge",
        &format!("--patch={patch}"),
    ])?;
    Ok(())
}

fn mint(scene: &Scene, to: &str) -> Result<()> {
    let key_file = scene.cast.deployer.key_file.display().to_string();
    scene.leaseport.run([
        "market",
        "mint",
        "--rpc",
        &scene.ledger.rpc_url,
        "--key-file",
        &key_file,
        "--directory",
        &scene.market.directory,
        "--to",
        to,
        "--amount",
        "50",
    ])?;
    Ok(())
}
