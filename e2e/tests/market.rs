//! A market's founding on a real chain: killed after every step it comes to the same market with the same transactions, none sent
//! twice; what is not founded is refused; what was founded is found whole, and changed power is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use leaseport_e2e::prepare::{Need, cache_folder, prepare};
use leaseport_e2e::progress::Progress;
use leaseport_e2e::rpc;
use leaseport_e2e::scene::Leaseport;
use serde_json::{Value, json};

/// Account 0 of anvil's published mnemonic.
const DEPLOYER: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const FACTORY: &str = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

/// A chain that mines each transaction at once, and has no deployment factory unless told.
struct Chain {
    anvil: Child,
    url: String,
}

impl Drop for Chain {
    fn drop(&mut self) {
        // It may be gone already; nothing else can be done about it here.
        let _ = self.anvil.kill();
        let _ = self.anvil.wait();
    }
}

impl Chain {
    fn start() -> Self {
        let needs = BTreeSet::from([Need::Chain]);
        let tools = prepare(&cache_folder(), &needs, Progress::lines()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let anvil = Command::new(tools.program("anvil").unwrap())
            .args(["--host=127.0.0.1", &format!("--port={port}"), "--silent"])
            .arg("--disable-default-create2-deployer")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let chain = Self {
            anvil,
            url: format!("http://127.0.0.1:{port}"),
        };
        let began = Instant::now();
        while rpc::call(&chain.url, "eth_chainId", &json!([])).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "anvil does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        chain
    }

    fn nonce(&self) -> u64 {
        let count = rpc::call(&self.url, "eth_getTransactionCount", &json!([DEPLOYER, "latest"])).unwrap();
        u64::from_str_radix(count.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    fn code(&self, address: &str) -> String {
        let code = rpc::call(&self.url, "eth_getCode", &json!([address, "latest"])).unwrap();
        code.as_str().unwrap().to_owned()
    }
}

struct Founder {
    folder: tempfile::TempDir,
    leaseport: Leaseport,
}

impl Founder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), KEY).unwrap();
        let leaseport = Leaseport::find(folder.path()).unwrap();
        Self { folder, leaseport }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, chain: &Chain) -> Vec<String> {
        let key = self.path("key").display().to_string();
        let fixed = [
            "market",
            "deploy",
            "--json",
            "--key-file",
            &key,
            "--rpc",
            &chain.url,
        ];
        fixed.map(str::to_owned).to_vec()
    }

    fn deploy(&self, chain: &Chain) -> Value {
        self.leaseport.json(self.arguments(chain)).unwrap()
    }

    fn look<'a>(&self, verb: &'a str, chain: &'a Chain, directory: &'a str) -> [&'a str; 7] {
        [
            "market",
            verb,
            "--json",
            "--rpc",
            &chain.url,
            "--directory",
            directory,
        ]
    }
}

#[test]
fn a_founding_killed_after_each_step_ends_in_the_same_market_without_one_transaction_more() {
    let founder = Founder::new();
    let whole = Chain::start();
    let once = founder.deploy(&whole);
    let directory = once["directory"].as_str().unwrap().to_owned();
    let steps = whole.nonce();
    assert_ne!(whole.code(FACTORY), "0x", "the factory was put there");

    let broken = Chain::start();
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 100, "it does not end");
        let before = broken.nonce();
        let mut run = founder
            .leaseport
            .command(founder.arguments(&broken))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break Some(status);
            }
            if broken.nonce() > before {
                run.kill().unwrap();
                run.wait().unwrap();
                break None;
            }
            thread::sleep(Duration::from_millis(2));
        };
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        if broken.nonce() < steps && broken.code(&directory) != "0x" {
            // A market that is not founded is none.
            founder
                .leaseport
                .refusal(founder.look("verify", &broken, &directory))
                .unwrap();
        }
    }
    assert!(runs > 4, "it was killed between steps, {runs} runs");
    assert_eq!(broken.nonce(), steps, "nothing was sent twice");
    let again = founder.deploy(&broken);
    assert_eq!(broken.nonce(), steps, "all is there");
    assert!(again.get("transactions").is_none(), "{again}");
    for field in ["directory", "leaseBook", "stakeVault", "params"] {
        assert_eq!(again[field], once[field], "{field}");
    }
    let verified = founder
        .leaseport
        .json(founder.look("verify", &broken, &directory))
        .unwrap();
    let held = verified["checks"].as_array().unwrap();
    assert!(
        held.len() > 30 && held.iter().all(|check| check["holds"] == true),
        "{verified}"
    );
}

#[test]
fn a_published_manifest_matches_and_another_salt_is_another_market() {
    let founder = Founder::new();
    let chain = Chain::start();
    let manifest = founder.path("31337.json").display().to_string();
    let mut arguments = founder.arguments(&chain);
    arguments.extend(["--manifest".into(), manifest.clone()]);
    let first = founder.leaseport.json(&arguments).unwrap();
    let directory = first["directory"].as_str().unwrap().to_owned();
    let mut verify = founder.look("verify", &chain, &directory).to_vec();
    verify.extend(["--manifest", &manifest]);
    founder.leaseport.json(&verify).unwrap();

    let mut other = founder.arguments(&chain);
    other.extend(["--salt".into(), "another".into()]);
    let second = founder.leaseport.json(&other).unwrap();
    assert_ne!(second["leaseBook"], first["leaseBook"]);
    let another = second["directory"].as_str().unwrap().to_owned();
    let mut verify = founder.look("verify", &chain, &another).to_vec();
    verify.extend(["--manifest", &manifest]);
    let refused = founder.leaseport.refusal(&verify).unwrap();
    assert!(
        refused.said.contains("do not use this market"),
        "{}",
        refused.said
    );

    for verb in ["params", "status", "show"] {
        founder
            .leaseport
            .json(founder.look(verb, &chain, &directory))
            .unwrap();
    }
}
