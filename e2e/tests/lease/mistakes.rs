//! Mistakes at the command line, for every verb: each gives one error that names the field, the value and the remedy, with the exit code
//! that scripts tell wrong flags from failures by. Nothing is sent, nothing is written, no key is shown.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use leaseport_e2e::scene::{Scene, eventually};
use serde_json::{Value, json};

use crate::Shared;

/// Nothing listens on port 1 of this machine.
const DEAD: &str = "http://127.0.0.1:1";
const NO_ORDER: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
/// A verb that does not say no within this long did not notice.
const PATIENCE: Duration = Duration::from_secs(30);
/// The command line is wrong.
const USAGE: i32 = 2;
/// What was asked for cannot be done.
const FAILED: i32 = 1;

/// One mistake.
struct Mistake {
    line: Vec<String>,
    kubeconfig: Option<PathBuf>,
    exit: i32,
    /// Field, value and remedy: all of it must be said.
    says: Vec<String>,
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|&word| word.to_owned()).collect()
}

fn mistake(line: Vec<String>, exit: i32, says: &[&str]) -> Mistake {
    Mistake {
        line,
        kubeconfig: None,
        exit,
        says: words(says),
    }
}

/// A verb with what it needs beside chain, market and key.
struct Verb {
    line: &'static str,
    rest: Vec<String>,
    key: Key,
    directory: Directory,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Needed,
    NotAsked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directory {
    Read,
    MadeByTheVerb,
}

impl Verb {
    fn line(&self, given: &Given<'_>) -> Vec<String> {
        let mut line: Vec<String> = self.line.split(' ').map(str::to_owned).collect();
        line.extend(self.rest.iter().cloned());
        line.extend(words(&["--rpc", given.rpc]));
        if self.directory == Directory::Read {
            line.extend(words(&["--directory", given.directory]));
        }
        if self.key == Key::Needed
            && let Some(key) = given.key
        {
            line.extend(words(&["--key-file", key]));
        }
        line
    }
}

/// What every verb is given.
#[derive(Clone, Copy)]
struct Given<'a> {
    rpc: &'a str,
    directory: &'a str,
    key: Option<&'a str>,
}

fn verbs(scene: &Scene, needs: &str) -> Vec<Verb> {
    let verb = |line, rest: &[&str]| Verb {
        line,
        rest: words(rest),
        key: Key::Needed,
        directory: Directory::Read,
    };
    let stranger = scene.cast.stranger.address;
    let provider = scene.ledger.provider.to_string();
    vec![
        Verb {
            directory: Directory::MadeByTheVerb,
            ..verb("market deploy", &[])
        },
        Verb {
            key: Key::NotAsked,
            ..verb("market show", &[])
        },
        verb("market mint", &["--to", stranger, "--amount", "1"]),
        verb(
            "provider register",
            &["--operator-key", &format!("{stranger}:bid")],
        ),
        verb("provider stake", &["--provider", &provider, "--amount", "1"]),
        verb("provider claim", &["--provider", &provider]),
        verb(
            "provider payout",
            &["--provider", &provider, "--payout", stranger],
        ),
        verb("provider unbond", &["--provider", &provider, "--amount", "1"]),
        verb("provider withdraw", &["--provider", &provider]),
        Verb {
            key: Key::NotAsked,
            ..verb("provider show", &["--provider", &provider])
        },
        verb("request", &["--yes", "--file", needs]),
        Verb {
            key: Key::NotAsked,
            ..verb("bids", &[NO_ORDER])
        },
        verb("accept", &[NO_ORDER, "--cheapest"]),
        Verb {
            key: Key::NotAsked,
            ..verb("lease get", &["9-9-9"])
        },
        verb("manifest push", &["9-9-9"]),
        verb("logs", &["9-9-9"]),
        verb("close", &["9-9-9"]),
        verb("finalize", &["9-9-9"]),
    ]
}

/// What is wrong in the same way wherever it is written.
fn common(verb: &Verb, right: &Given<'_>, stranger: &str, no_key: &str) -> Vec<Mistake> {
    let with = |given: Given<'_>, more: &[&str]| {
        let mut line = verb.line(&given);
        line.extend(words(more));
        line
    };
    let mut found = vec![
        mistake(with(*right, &["--frobnicate"]), USAGE, &["--frobnicate"]),
        mistake(
            with(Given { rpc: DEAD, ..*right }, &[]),
            FAILED,
            &["--rpc", "connection refused", "check that the node runs"],
        ),
        mistake(
            with(
                Given {
                    rpc: "not a url",
                    ..*right
                },
                &[],
            ),
            FAILED,
            &["--rpc", "write http://"],
        ),
        mistake(
            with(*right, &["--chain-id", "1"]),
            FAILED,
            &["--chain-id says 1", "serves chain 31337", "correct one of them"],
        ),
        mistake(
            with(*right, &["--chain-id", "one"]),
            USAGE,
            &["--chain-id", "'one'", "decimal digits"],
        ),
    ];
    if verb.directory == Directory::Read {
        found.push(mistake(
            with(
                Given {
                    directory: stranger,
                    ..*right
                },
                &[],
            ),
            FAILED,
            &["--directory", stranger, "no contract on chain 31337", "correct"],
        ));
        found.push(mistake(
            with(
                Given {
                    directory: "banana",
                    ..*right
                },
                &[],
            ),
            USAGE,
            &["--directory", "'banana'", "40 hexadecimal digits"],
        ));
    }
    if verb.key == Key::Needed {
        let key = |key| Given { key, ..*right };
        found.push(mistake(with(key(None), &[]), USAGE, &["--key-file"]));
        found.push(mistake(
            with(key(Some("/nonexistent.key")), &[]),
            FAILED,
            &["--key-file", "/nonexistent.key", "name a file"],
        ));
        found.push(mistake(
            with(key(Some(no_key)), &[]),
            FAILED,
            &["--key-file", no_key, "64 hexadecimal digits"],
        ));
    }
    found
}

/// What only one verb can be told wrongly.
fn special(scene: &Scene, right: &Given<'_>, files: &Files) -> Vec<Mistake> {
    let (owner, stranger) = (
        scene.cast.owner.key_file.display().to_string(),
        scene.cast.stranger.address,
    );
    let at = |line: &[&str]| {
        let mut line = words(line);
        line.extend(words(&["--rpc", right.rpc, "--directory", right.directory]));
        line
    };
    let owned = |line: &[&str]| {
        let mut line = at(line);
        line.extend(words(&["--key-file", &owner]));
        line
    };
    let deploy = |more: &[&str]| {
        let mut line = words(&["market", "deploy", "--rpc", right.rpc, "--key-file", &owner]);
        line.extend(words(more));
        line
    };
    let register = |more: &[&str]| {
        let bid = format!("{stranger}:bid");
        let mut line = words(&["provider", "register", "--operator-key", &bid]);
        line.extend(words(more));
        owned(&line.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mistyped = stranger.replace("0aa9", "0aa8");
    let provider = scene.ledger.provider.to_string();
    let mut found = vec![
        mistake(
            deploy(&["--token", stranger]),
            FAILED,
            &["--token", stranger, "no contract", "name the token's address"],
        ),
        mistake(
            deploy(&["--windows", "1s"]),
            USAGE,
            &["--windows", "1s", "two durations"],
        ),
        mistake(deploy(&["--fee", "11"]), USAGE, &["--fee", "11", "0 to 10"]),
        mistake(
            deploy(&["--council", &mistyped]),
            USAGE,
            &["--council", &mistyped, "checksum"],
        ),
        mistake(
            at(&["market", "show"])
                .into_iter()
                .map(|word| {
                    if word == right.directory {
                        scene.ledger.lease_book.clone()
                    } else {
                        word
                    }
                })
                .collect(),
            FAILED,
            &["--directory", "not as a Leaseport Directory", "correct"],
        ),
        mistake(
            owned(&["market", "mint", "--to", stranger, "--amount", "-5"]),
            USAGE,
            &["--amount", "-5", "decimal number"],
        ),
        mistake(
            register(&["--operator-key", &format!("{stranger}:sing")]),
            USAGE,
            &["--operator-key", "\"sing\"", "bid, start, report"],
        ),
        mistake(
            register(&["--operator-key", &format!("{stranger}:report")]),
            FAILED,
            &["--operator-key", stranger, "all its roles at once"],
        ),
        mistake(
            register(&["--gateway-url", "http://gpu.example.org"]),
            USAGE,
            &["--gateway-url", "\"http\"", "only https"],
        ),
        mistake(
            register(&["--stake", "1000000000"]),
            FAILED,
            &["needs 1000000000", "send it more, or stake less"],
        ),
        mistake(
            register(&["--stake", "1", "--token", "7"]),
            FAILED,
            &["--token 7", "numbered from 0"],
        ),
        mistake(
            owned(&["provider", "stake", "--provider", "99", "--amount", "1"]),
            FAILED,
            &["--provider 99", "provider register"],
        ),
        mistake(
            owned(&["provider", "stake", "--provider", "x", "--amount", "1"]),
            USAGE,
            &["--provider", "'x'", "decimal digits"],
        ),
        mistake(
            owned(&["provider", "claim", "--provider", "99"]),
            FAILED,
            &["--provider 99", "provider register"],
        ),
        mistake(
            owned(&["provider", "claim", "--provider", &provider, "--token", "9"]),
            FAILED,
            &["--token 9", "numbered from 0"],
        ),
        mistake(
            owned(&[
                "provider",
                "unbond",
                "--provider",
                &provider,
                "--amount",
                "1000000000",
            ]),
            FAILED,
            &["--amount 1000000000", "is free of"],
        ),
        mistake(
            owned(&["provider", "withdraw", "--provider", &provider]),
            FAILED,
            &["no stake was asked back", "leaseport provider unbond"],
        ),
        mistake(
            at(&["provider", "show", "--provider", "99"]),
            FAILED,
            &["--provider 99", "provider register"],
        ),
        mistake(at(&["bids", "0x12"]), USAGE, &["ORDER", "0x12", "64 hexadecimal"]),
        mistake(
            at(&["bids", NO_ORDER]),
            FAILED,
            &[NO_ORDER, "not in this market", "check"],
        ),
        mistake(
            owned(&["accept", NO_ORDER, "--cheapest"]),
            FAILED,
            &[NO_ORDER, "not in this market", "check"],
        ),
    ];
    for verb in ["manifest push", "logs", "close", "finalize", "lease get"] {
        let line = |lease: &str| {
            let mut line: Vec<&str> = verb.split(' ').collect();
            line.push(lease);
            owned(&line)
        };
        found.push(mistake(
            line("nine"),
            USAGE,
            &["LEASE", "\"nine\"", "provider-lane-generation"],
        ));
        found.push(mistake(
            line("9-9-9"),
            FAILED,
            &["lease 9-9-9", "not in this market", "lease ls"],
        ));
    }
    for (file, says) in &files.bad {
        let path = file.display().to_string();
        let mut says: Vec<&str> = says.clone();
        says.push(&path);
        found.push(mistake(
            owned(&["request", "--yes", "--file", &path]),
            FAILED,
            &says,
        ));
    }
    found
}

/// Needs files.
struct Files {
    good: PathBuf,
    bad: Vec<(PathBuf, Vec<&'static str>)>,
}

fn files(scene: &Scene) -> Result<Files> {
    let tenant = scene.tenant();
    let good = crate::flow::small().yaml();
    let swapped = |from: &str, to: &str| -> Result<String> {
        ensure!(good.contains(from), "{from} is not in {good}");
        Ok(good.replace(from, to))
    };
    let bad = [
        ("not-yaml", "needs: [".to_owned(), vec!["line 2 column 1"]),
        ("empty", String::new(), vec!["0 documents", "give exactly one"]),
        (
            "two",
            format!("{good}---\n{good}"),
            vec!["documents", "exactly one"],
        ),
        (
            "unknown-field",
            swapped("startWindow", "startWidow")?,
            vec!["startWidow", "expected one of", "`startWindow`"],
        ),
        (
            "missing-field",
            swapped("duration:\n  min: 1m\n  max: 1h\n", "")?,
            vec!["missing field `duration`"],
        ),
        (
            "wrong-type",
            swapped("count: 1", "count: many")?,
            vec!["needs.gpu.count", "many"],
        ),
        (
            "money",
            swapped("maxPerHour: \"5\"", "maxPerHour: \"5,0\"")?,
            vec!["price.maxPerHour", "5,0", "decimal number"],
        ),
        (
            "time",
            swapped("max: 1h", "max: 1 hour")?,
            vec!["duration.max", "1 hour", "\"1h30m\""],
        ),
        (
            "quantity",
            swapped("cpu: 100m", "cpu: lots")?,
            vec!["needs.cpu", "lots", "Kubernetes quantity"],
        ),
    ];
    let mut paths = Vec::new();
    for (name, text, says) in bad {
        paths.push((tenant.write(name, &text)?, says));
    }
    paths.push((
        PathBuf::from("/nonexistent.yaml"),
        vec!["No such file or directory"],
    ));
    Ok(Files {
        good: tenant.write("mistakes", &good)?,
        bad: paths,
    })
}

/// What the two programs that serve can be told wrongly: they say so and end, and do not begin.
fn servers(scene: &Scene, folder: &Path) -> Result<Vec<Mistake>> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let here = taken.local_addr()?.to_string();
    // Kept open until the process ends, so that the port stays taken.
    std::mem::forget(taken);
    let bad = folder.join("bad.kubeconfig");
    fs::write(&bad, "apiVersion: [")?;
    let junk = folder.join("junk.pem");
    fs::write(&junk, "junk")?;
    let junk = junk.display().to_string();
    let tls = folder.join("mistakes-tls").display().to_string();
    let cluster = scene.world.kubeconfig().to_owned();
    let gone = PathBuf::from("/nonexistent.kubeconfig");
    let none = "no cluster to talk to";
    let operator = |more: &[&str], exit, says: &[&str]| Mistake {
        kubeconfig: Some(cluster.clone()),
        ..mistake([words(&["operator"]), words(more)].concat(), exit, says)
    };
    let gateway = |more: &[&str], exit, says: &[&str]| Mistake {
        kubeconfig: Some(cluster.clone()),
        ..mistake(
            [words(&["gateway", "--provider", "main"]), words(more)].concat(),
            exit,
            says,
        )
    };
    let on = |kubeconfig: Option<&PathBuf>, mistake: Mistake| Mistake {
        kubeconfig: kubeconfig.cloned(),
        ..mistake
    };
    let kept = ["--tls-dir", tls.as_str()];
    Ok(vec![
        operator(&["--frobnicate"], USAGE, &["--frobnicate"]),
        on(None, operator(&[], FAILED, &[none, "set KUBECONFIG"])),
        on(
            Some(&gone),
            operator(&[], FAILED, &[none, "/nonexistent.kubeconfig", "set KUBECONFIG"]),
        ),
        on(Some(&bad), operator(&[], FAILED, &[none, "set KUBECONFIG"])),
        operator(
            &["--ops-address", "nine"],
            USAGE,
            &["--ops-address", "'nine'", "IP address and a port"],
        ),
        operator(
            &["--ops-address", &here],
            FAILED,
            &["--ops-address", &here, "name another"],
        ),
        operator(
            &["--deny-egress", "10.0.0.0/99"],
            USAGE,
            &["--deny-egress", "10.0.0.0/99", "block of addresses"],
        ),
        operator(
            &["--namespace", "Bad Name"],
            USAGE,
            &["--namespace", "Bad Name", "lower-case"],
        ),
        operator(
            &["--pause-image", ""],
            USAGE,
            &["--pause-image", "image reference"],
        ),
        operator(
            &["--dns", "nowhere"],
            USAGE,
            &["--dns", "nowhere", "cluster, node"],
        ),
        operator(&["--log", "[[["], FAILED, &["--log", "[[[", "leaseport=debug"]),
        gateway(&["--frobnicate"], USAGE, &["--frobnicate"]),
        mistake(words(&["gateway"]), USAGE, &["--provider"]),
        on(None, gateway(&kept, FAILED, &[none, "set KUBECONFIG"])),
        on(
            Some(&gone),
            gateway(
                &kept,
                FAILED,
                &[none, "/nonexistent.kubeconfig", "set KUBECONFIG"],
            ),
        ),
        gateway(
            &["--listen", "nine"],
            USAGE,
            &["--listen", "'nine'", "IP address and a port"],
        ),
        gateway(
            &["--tls-dir", &tls, "--listen", &here],
            FAILED,
            &["--listen", &here, "choose another"],
        ),
        gateway(
            &["--ops-address", "nine"],
            USAGE,
            &["--ops-address", "'nine'", "IP address and a port"],
        ),
        gateway(
            &[
                "--tls-dir",
                &tls,
                "--listen",
                "127.0.0.1:0",
                "--ops-address",
                &here,
            ],
            FAILED,
            &["--ops-address", &here, "name another"],
        ),
        gateway(
            &["--tls-dir", "/proc/none"],
            FAILED,
            &["--tls-dir", "/proc/none", "name a"],
        ),
        gateway(
            &["--tls-cert", &junk, "--tls-key", &junk],
            FAILED,
            &["--tls-cert", &junk, "PEM is needed"],
        ),
        gateway(&["--tls-cert", &junk], USAGE, &["--tls-key"]),
        gateway(
            &["--namespace", "Bad Name"],
            USAGE,
            &["--namespace", "Bad Name", "lower-case"],
        ),
        gateway(
            &["--authority", "https://gpu.example.org/"],
            USAGE,
            &["--authority", "without scheme"],
        ),
        gateway(
            &["--trust-forwarded-from", "banana"],
            USAGE,
            &["--trust-forwarded-from", "'banana'", "block of addresses"],
        ),
    ])
}

/// Runs the line and waits for its end; one that goes on instead is a mistake that was not noticed.
fn told(scene: &Scene, mistake: &Mistake) -> Result<(i32, String)> {
    let mut command = scene.leaseport.command(&mistake.line);
    command.env("RUST_BACKTRACE", "1");
    if let Some(kubeconfig) = &mistake.kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = child.stderr.take().context("no stderr")?;
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("it goes on for {} s as if nothing were wrong", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = reader
        .join()
        .map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    Ok((status.code().unwrap_or(-1), said))
}

fn check(scene: &Scene, mistake: &Mistake, keys: &[String]) -> Result<()> {
    let (exit, said) = told(scene, mistake)?;
    ensure!(
        exit == mistake.exit,
        "exit code {exit}, not {}: {said}",
        mistake.exit
    );
    for word in &mistake.says {
        ensure!(said.contains(word.as_str()), "it does not say {word:?}: {said}");
    }
    let errors = said
        .lines()
        .filter(|line| {
            line.starts_with("leaseport:") || line.starts_with("error:") || line.contains(" ERROR ")
        })
        .count();
    ensure!(errors == 1, "not one error but {errors}: {said}");
    for never in ["panicked", "stack backtrace", "Caused by"] {
        ensure!(!said.contains(never), "{never}: {said}");
    }
    ensure!(
        !keys.iter().any(|key| said.contains(key.trim())),
        "it shows a key: {said}"
    );
    Ok(())
}

/// All that must be as it was: nonces of everybody who could have signed, and the files of the tenant.
fn ground(scene: &Scene) -> Result<(Vec<Value>, BTreeSet<PathBuf>)> {
    let cast = &scene.cast;
    let mut nonces = Vec::new();
    for actor in [&cast.deployer, &cast.owner, &cast.stranger] {
        nonces.push(
            scene
                .ledger
                .rpc("eth_getTransactionCount", &json!([actor.address, "pending"]))?,
        );
    }
    let mut kept = BTreeSet::new();
    let mut folders = vec![scene.world.state().run_dir.join("home/.leaseport")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                kept.insert(entry.path());
            }
        }
    }
    Ok((nonces, kept))
}

/// The whole table. It needs the chain and the API server and no operator, so it can run while the operator is cut off; the key is the
/// owner's, who sends nothing else meanwhile.
pub(crate) fn table(scene: &Scene) -> Result<usize> {
    let folder = scene.world.state().run_dir.join("home");
    let files = files(scene)?;
    let no_key = scene.tenant().write("no-key", "not a key")?.display().to_string();
    let owner = scene.cast.owner.key_file.display().to_string();
    let right = Given {
        rpc: &scene.ledger.rpc_url,
        directory: &scene.market.directory,
        key: Some(&owner),
    };
    let mut mistakes = special(scene, &right, &files);
    for verb in verbs(scene, &files.good.display().to_string()) {
        mistakes.extend(common(&verb, &right, scene.cast.stranger.address, &no_key));
    }
    mistakes.extend(servers(scene, &folder)?);

    let keys: Vec<String> = [&scene.cast.owner, &scene.cast.tenant]
        .iter()
        .map(|actor| fs::read_to_string(&actor.key_file))
        .collect::<std::io::Result<_>>()?;
    let before = ground(scene)?;
    let wrong: Vec<String> = mistakes
        .iter()
        .filter_map(|mistake| {
            let error = check(scene, mistake, &keys).err()?;
            Some(format!("leaseport {}\n    {error:#}", mistake.line.join(" ")))
        })
        .collect();
    ensure!(
        wrong.is_empty(),
        "{} of {} mistakes:\n{}",
        wrong.len(),
        mistakes.len(),
        wrong.join("\n")
    );
    let after = ground(scene)?;
    ensure!(
        after.0 == before.0,
        "something was sent: {:?}, {:?}",
        before.0,
        after.0
    );
    ensure!(
        after.1.is_superset(&before.1),
        "files are gone: {before:?} {after:?}"
    );
    Ok(mistakes.len())
}

/// A gateway whose provider is not there yet waits, since an admin may make it later; it says once what it waits for.
fn patient_gateway(scene: &Scene) -> Result<()> {
    let folder = scene.world.state().run_dir.join("home");
    let log = folder.join("patient-gateway.log");
    let tls = folder.join("patient-tls").display().to_string();
    let mut child = scene
        .leaseport
        .command([
            "gateway",
            "--namespace",
            "gpu-provider",
            "--provider",
            "absent",
            "--listen",
            "127.0.0.1:0",
            "--ops-address",
            "127.0.0.1:0",
            "--tls-dir",
            &tls,
        ])
        .env("KUBECONFIG", scene.world.kubeconfig())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let seen = eventually("the gateway says what it waits for", || {
        let said = fs::read_to_string(&log)?;
        Ok(said.contains("absent").then_some(()))
    });
    // Two more looks of it, which have nothing new to say.
    std::thread::sleep(Duration::from_secs(5));
    let alive = child.try_wait()?.is_none();
    child.kill()?;
    child.wait()?;
    seen?;
    let said = fs::read_to_string(&log)?;
    ensure!(alive, "it ended: {said}");
    ensure!(
        said.contains("create it, or correct --namespace and --provider"),
        "{said}"
    );
    ensure!(said.lines().count() == 1, "it says it again and again: {said}");
    Ok(())
}

pub(crate) fn each_names_the_field(shared: &mut Shared) -> Result<()> {
    // The outage of the chain's endpoint had time for the table.
    let ran = match shared.table.take() {
        Some(result) => result?,
        None => table(&shared.scene)?,
    };
    println!("    {ran} mistakes");
    patient_gateway(&shared.scene)
}
