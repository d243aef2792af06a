//! Somebody else uses the bidding key, as a restored backup or a copied key would: the operator sees it, stands still, and goes on with
//! the next nonce when nothing that was signed before can bind any more. This sets the chain's clock ahead, so little comes after it.

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{Scene, Wish, condition, eventually};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, small, started};

/// The longest a bid binds, in seconds (protocol: 10 minutes), and a block.
const QUARANTINE: u64 = 605;

fn nonce(scene: &Scene) -> Result<Value> {
    scene.ledger.rpc(
        "eth_getTransactionCount",
        &json!([scene.cast.bids.address, "pending"]),
    )
}

fn bids_wallet(scene: &Scene, status: &str) -> Result<Value> {
    eventually(&format!("wallet bids is Ready {status}"), || {
        let wallet = scene.object("computewallet/bids")?;
        let ready = condition(&wallet, "Ready").cloned().unwrap_or_default();
        ensure!(ready["status"] == status, "{ready}");
        Ok(Some(wallet))
    })
}

pub(crate) fn moved_by_a_stranger(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    // A key that never sent anything is ours at any nonce: it has sent, if only for this scenario.
    if nonce(scene)? == "0x0" {
        let (_, opened) = tenant.rent("nonce-first", &small())?;
        started(scene, opened.lane)?;
        close(scene, &opened.lease)?;
    }
    let bids = scene.cast.bids.address;
    let call = json!([{ "from": bids, "to": bids, "value": "0x0", "gas": "0x5208" }]);
    let hash = scene.ledger.rpc("eth_sendTransaction", &call)?;
    let hash = hash.as_str().unwrap_or_default().to_owned();
    eventually("the stranger's transaction is mined", || {
        scene.ledger.receipt(&hash)
    })?;
    let after = nonce(scene)?;

    let wallet = bids_wallet(scene, "False")?;
    let ready = condition(&wallet, "Ready").cloned().unwrap_or_default();
    ensure!(
        ready["reason"] == "NonceForeign" && ready["message"].to_string().contains("give the key one user"),
        "{ready}"
    );
    ensure!(
        condition(&wallet, "NonceForeign").is_some_and(|one| one["status"] == "True"),
        "{wallet}"
    );
    crate::kinds::told(scene, "ComputeWallet", "bids", &json!("NonceForeign"))?;
    // The duty key is another one: leases would still be started, reported and closed.
    let duty = scene.object("computewallet/duty")?;
    ensure!(
        condition(&duty, "Ready").is_some_and(|one| one["status"] == "True"),
        "{duty}"
    );

    // The order outlives the pause.
    let wish = Wish {
        expiry: "1h".into(),
        ..small()
    };
    let posted = tenant.request("nonce", &wish)?;
    crate::outages::chain_seconds(scene, 8)?;
    ensure!(nonce(scene)? == after, "something was sent meanwhile");
    let offer = scene.object("computeoffer/gpus")?;
    ensure!(
        condition(&offer, "Ready").is_some_and(|ready| ready["reason"] == "WalletNotReady"),
        "{}",
        offer["status"]
    );
    ensure!(
        !tenant.bids(&posted.order)?.iter().any(|bid| bid["valid"] == true),
        "something was signed meanwhile"
    );

    scene.ledger.rpc("evm_increaseTime", &json!([QUARANTINE]))?;
    scene.ledger.rpc("evm_mine", &json!([]))?;
    bids_wallet(scene, "True")?;
    tenant.a_bid(&posted.order)?;
    let opened = tenant.accept(&posted.order)?;
    started(scene, opened.lane)?;
    close(scene, &opened.lease)?;
    Ok(())
}
