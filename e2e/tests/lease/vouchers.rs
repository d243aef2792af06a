//! What tenant and provider settle by agreement while a lease runs: a voucher that is claimable at once, and seconds that are given away.

use anyhow::{Context as _, Result, bail, ensure};
use leaseport_e2e::scene::{Micro, Scene, eventually};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, reported, small, started};

/// The provider's duties while a scenario looks, and as they were before when it is over.
struct Duties<'a> {
    scene: &'a Scene,
    before: Value,
}

impl<'a> Duties<'a> {
    /// Nothing is settled, so that what is paid was vouched for, and a voucher is redeemed as soon as it is there.
    fn only_vouchers(scene: &'a Scene) -> Result<Self> {
        let before = scene.object("computeprovider/main")?["spec"]["duties"].clone();
        let duties = Self { scene, before };
        duties.set(&json!({ "settleEvery": "720h", "redeemAbove": "0.000001" }))?;
        Ok(duties)
    }

    fn set(&self, duties: &Value) -> Result<()> {
        patch(
            self.scene,
            "computeprovider/main",
            &json!({ "spec": { "duties": duties } }),
        )
    }
}

impl Drop for Duties<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.set(&self.before) {
            println!("the provider's duties are not as they were: {error:#}");
        }
    }
}

fn patch(scene: &Scene, name: &str, change: &Value) -> Result<()> {
    scene.world.kubectl(&[
        "--namespace=gpu-provider",
        "patch",
        name,
        "--type=merge",
        &format!("--patch={change}"),
    ])?;
    Ok(())
}

/// All that the provider has earned and not claimed.
fn earned(scene: &Scene) -> Result<(Micro, Micro)> {
    Ok((scene.ledger.claimable()?, scene.ledger.vesting()?))
}

pub(crate) fn redeemed(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (tenant, ledger) = (scene.tenant(), &scene.ledger);
    let _duties = Duties::only_vouchers(scene)?;
    let (_, opened) = tenant.rent("voucher", &small())?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 3)?;
    let before = ledger.lease_at(opened.lane)?;
    ensure!(before.settled == 0, "{before:?}");
    let ((claimable, vesting), fees) = (earned(scene)?, ledger.fees()?);

    let refused = tenant.run(&["lease", "voucher", &opened.lease, "--seconds", "100000"]);
    let Err(refused) = refused else {
        bail!("it signed for seconds that cannot have passed");
    };
    ensure!(
        format!("{refused:#}").contains("nothing was signed"),
        "{refused:#}"
    );

    let vouched = tenant.run(&["lease", "voucher", &opened.lease])?;
    let seconds = vouched["seconds"].as_u64().context("seconds")?;
    ensure!(
        seconds >= 3 && Some(seconds) <= vouched["signedSeconds"].as_u64(),
        "{vouched}"
    );
    let lower = tenant.run(&["lease", "voucher", &opened.lease, "--seconds", "1"])?;
    ensure!(lower["seconds"] == vouched["seconds"], "{lower}");
    let name = scene.lease_object(&opened.lease)?;
    let object = scene.object(&name)?;
    ensure!(
        object["status"]["voucher"]["cum"] == seconds,
        "{}",
        object["status"]
    );

    let paid = eventually("the voucher is redeemed", || {
        let lease = ledger.lease_at(opened.lane)?;
        Ok((lease.settled > 0).then_some(lease))
    })?;
    ensure!(
        paid.settled == seconds,
        "{} s paid, {seconds} s vouched",
        paid.settled
    );
    let rent = Micro(i128::from(seconds) * i128::from(paid.rate) / 3600);
    ensure!(before.balance - paid.balance == rent, "{paid:?}");
    let (after, still_vesting) = earned(scene)?;
    let fee = ledger.fees()? - fees;
    ensure!(
        after + still_vesting + fee == claimable + vesting + rent,
        "{after} claimable and {still_vesting} vesting after a rent of {rent}"
    );
    ensure!(still_vesting <= vesting, "none of it vests");
    ensure!(after - claimable >= rent - fee, "all of it is claimable");

    // The same voucher brings nothing more, and what is left is closed by agreement.
    let redeemed = scene
        .objects("computetransactions")?
        .into_iter()
        .filter(|object| object["spec"]["intent"]["kind"] == "Redeem")
        .filter(|object| {
            object["spec"]["intent"]["epoch"]
                .as_str()
                .is_some_and(|epoch| epoch.starts_with(&format!("{}/", opened.lease)))
        })
        .count();
    ensure!(redeemed == 1, "{redeemed} redemptions of one voucher");
    let billed = close(scene, &opened.lease)?;
    ensure!(
        billed >= seconds,
        "{billed} s billed, {seconds} s were vouched for"
    );
    Ok(())
}

pub(crate) fn waived(shared: &mut Shared) -> Result<()> {
    const GIVEN: u64 = 5;
    let scene = &shared.scene;
    let (tenant, ledger) = (scene.tenant(), &scene.ledger);
    let _duties = Duties::only_vouchers(scene)?;
    let (_, opened) = tenant.rent("waive", &small())?;
    let live = started(scene, opened.lane)?;
    reported(scene, opened.lane, GIVEN + 3)?;
    let name = scene.lease_object(&opened.lease)?;
    patch(scene, &name, &json!({ "spec": { "waivedSeconds": GIVEN } }))?;
    let lowered = eventually("the count on chain begins later", || {
        let lease = ledger.lease_at(opened.lane)?;
        Ok((lease.lane_base > live.lane_base).then_some(lease))
    })?;
    ensure!(
        lowered.lane_base - live.lane_base <= GIVEN,
        "more was given away than said: {lowered:?}"
    );
    // Taken back it cannot be.
    let back = patch(scene, &name, &json!({ "spec": { "waivedSeconds": 1 } }));
    ensure!(
        back.is_err_and(|error| format!("{error:#}").contains("may only grow")),
        "waivedSeconds fell"
    );
    reported(scene, opened.lane, lowered.reported() + 3)?;
    let usage = tenant.usage(&opened.lease)?;
    ensure!(usage["covered"] == true, "{usage}");
    let billed = close(scene, &opened.lease)?;
    let (_, now) = ledger.head()?;
    ensure!(
        billed + GIVEN <= now - live.start_at,
        "{billed} s billed of {} s with {GIVEN} s given away",
        now - live.start_at
    );
    Ok(())
}
