//! What the real gateway refuses of a real lease, asked by a client that checks nothing itself: each refusal is a problem document that
//! names field, value and remedy, and leaves everything as it was.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leaseport_e2e::scene::{Opened, Scene, hex, keccak};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, small, started};
use crate::raw::{Answer, Pass, Session, now};

/// What a refusal must say.
struct Refusal<'a> {
    status: u16,
    title: &'a str,
    /// Field, value, remedy.
    says: Vec<String>,
}

fn refused(what: &str, answer: &Answer, wanted: &Refusal<'_>) -> Result<()> {
    ensure!(answer.status == wanted.status, "{what}: {answer:?}");
    ensure!(answer.kind == "application/problem+json", "{what}: {answer:?}");
    let body = &answer.body;
    ensure!(
        body["title"] == wanted.title && body["status"] == wanted.status,
        "{what}: {body}"
    );
    ensure!(
        body["type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("urn:leaseport:problem:")),
        "{what}: {body}"
    );
    let detail = body["detail"].as_str().unwrap_or_default();
    for word in &wanted.says {
        ensure!(detail.contains(word.as_str()), "{what}: not {word:?} in {body}");
    }
    Ok(())
}

/// All that a refused request must leave alone: the lease on chain, its object, and what lies in its namespace.
fn ground(scene: &Scene, opened: &Opened, object: &str, namespace: &str) -> Result<Value> {
    let lease = scene.ledger.lease_at(opened.lane)?;
    let found = scene.object(object)?;
    let secrets = scene
        .world
        .kubectl_json(&["--namespace", namespace, "get", "secrets"])?;
    let secrets: Vec<Value> = secrets["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|secret| {
            json!([
                secret["metadata"]["name"],
                secret["metadata"]["resourceVersion"],
                secret["data"]
            ])
        })
        .collect();
    Ok(json!({
        "chain": format!("{lease:?}"),
        "spec": found["spec"],
        "phase": found["status"]["phase"],
        "manifest": found["status"]["manifest"],
        "closeRequest": found["status"]["closeRequest"],
        "voucher": found["status"]["voucher"],
        "usage": found["status"]["usage"],
        "secrets": secrets,
        "pods": scene.pods(namespace)?.len(),
    }))
}

pub(crate) fn refusals(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = tenant.request("raw", &small())?;
    tenant.a_bid(&posted.order)?;
    let opened = tenant.accept_without_manifest(&posted.order)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let object = scene.lease_object(&opened.lease)?;

    let kept: Value = serde_json::from_str(&fs::read_to_string(
        posted.printed["stateFile"].as_str().context("no stateFile")?,
    )?)?;
    let manifest = kept["manifest"].as_str().context("no manifest")?.to_owned();
    let other = manifest.replace("sleep 1", "sleep 2");
    ensure!(other != manifest, "{manifest}");
    let parcel = |manifest: &str| json!({ "manifest": STANDARD.encode(manifest) }).to_string();
    let right = parcel(&manifest);
    let wrong = parcel(&other);
    let path = format!("/v1/leases/{}/manifest", opened.lease);
    let put = |pass: &Pass<'_>, body: &str, signed: &str| {
        Session::open(scene, pass)?.send(scene, "PUT", &path, body.as_bytes(), signed.as_bytes())
    };
    let good = Pass {
        wallet: scene.cast.tenant.address,
        lease: &opened.lease,
        scopes: &["manifest"],
        lasts: 600,
    };

    let before = ground(scene, &opened, &object, &namespace)?;
    ensure!(before["manifest"].is_null(), "{before}");
    let ended = now()? - 5;
    let expired = put(
        &Pass {
            lasts: -5,
            ..good.clone()
        },
        &right,
        &right,
    )?;
    // The wallet's clock is a moment later than ours was.
    let said = [ended, ended + 1, ended + 2]
        .into_iter()
        .find(|at| {
            expired.body["detail"]
                .as_str()
                .is_some_and(|text| text.contains(&at.to_string()))
        })
        .unwrap_or(ended);
    refused(
        "an expired session",
        &expired,
        &Refusal {
            status: 401,
            title: "ExpiredSession",
            says: vec!["session".into(), said.to_string(), "sign a new one".into()],
        },
    )?;
    let stranger = scene.cast.stranger.address;
    refused(
        "a stranger's wallet",
        &put(
            &Pass {
                wallet: stranger,
                ..good.clone()
            },
            &right,
            &right,
        )?,
        &Refusal {
            status: 403,
            title: "WrongSigner",
            says: vec![
                "wallet".into(),
                stranger.into(),
                opened.lease.clone(),
                "sign the session with one of them".into(),
            ],
        },
    )?;
    refused(
        "another manifest",
        &put(&good, &wrong, &wrong)?,
        &Refusal {
            status: 422,
            title: "WrongManifestHash",
            says: vec![
                "manifest".into(),
                hex(&keccak(other.as_bytes())),
                hex(&keccak(manifest.as_bytes())),
                "send the bytes that were hashed".into(),
            ],
        },
    )?;
    refused(
        "another body than was signed",
        &put(&good, &wrong, &right)?,
        &Refusal {
            status: 401,
            title: "DigestMismatch",
            says: vec!["Content-Digest".into(), "send the body that was signed".into()],
        },
    )?;
    refused(
        "a session for something else",
        &put(
            &Pass {
                scopes: &["logs"],
                ..good.clone()
            },
            &right,
            &right,
        )?,
        &Refusal {
            status: 403,
            title: "MissingScope",
            says: vec!["\"manifest\"".into(), "sign one that does".into()],
        },
    )?;
    let elsewhere = format!("{}-900-1", scene.ledger.provider);
    refused(
        "a session for another lease",
        &put(
            &Pass {
                lease: &elsewhere,
                ..good.clone()
            },
            &right,
            &right,
        )?,
        &Refusal {
            status: 403,
            title: "WrongLease",
            says: vec![elsewhere.clone(), opened.lease.clone(), "sign one for it".into()],
        },
    )?;
    refused(
        "a session for too long",
        &put(
            &Pass {
                lasts: 13 * 3600,
                ..good.clone()
            },
            &right,
            &right,
        )?,
        &Refusal {
            status: 401,
            title: "TooLongSession",
            says: vec!["12 h".into(), "sign a shorter one".into()],
        },
    )?;
    refused(
        "a body that is no parcel",
        &put(&good, "{", "{")?,
        &Refusal {
            status: 400,
            title: "BadParcel",
            says: vec!["line 1".into(), "{manifest, secrets}".into()],
        },
    )?;
    let after = ground(scene, &opened, &object, &namespace)?;
    ensure!(after == before, "something changed:\n{before}\n{after}");

    // The same client with the right pass and the right bytes is served, and the lease runs.
    let taken = put(&good, &right, &right)?;
    ensure!(
        taken.status == 201 && taken.body["manifestHash"] == hex(&keccak(manifest.as_bytes())),
        "{taken:?}"
    );
    let again = put(&good, &right, &right)?;
    ensure!(again.status == 200 && again.body == taken.body, "{again:?}");
    scene.running_pod(&opened.lease)?;
    started(scene, opened.lane)?;
    // A running lease keeps what it has, too.
    let pod = scene.running_pod(&opened.lease)?;
    refused(
        "another manifest, later",
        &put(&good, &wrong, &wrong)?,
        &Refusal {
            status: 422,
            title: "WrongManifestHash",
            says: vec!["manifest".into()],
        },
    )?;
    ensure!(
        crate::flow::identity(&scene.running_pod(&opened.lease)?) == crate::flow::identity(&pod),
        "the pod was touched"
    );
    close(scene, &opened.lease)?;
    Ok(())
}
