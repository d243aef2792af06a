//! A documentation page as a person follows it: its `sh` blocks, word for word, in a folder that looks like the repository, with kubectl, helm and
//! leaseport in the PATH and what the page says the commands read. It prepares a world and a market; what the page tells to do, only the page does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::binary::{Leaseport, workspace};
use super::cast::Cast;
use super::container_image::{IMAGE, load};
use super::founding::{Market, deploy, printed};
use super::ledger::Ledger;
use crate::World;
use crate::chart::ChartTools;
use crate::world::{Options, Services};

/// A block that takes longer has stopped to do what it says.
const PATIENCE: Duration = Duration::from_secs(240);
/// The names under which the pages call our image and the one of placeholder pods; no registry answers to either here.
const NAMES: [(&str, &str); 2] = [
    (IMAGE, "registry.example.com/leaseport:0.1.0"),
    (crate::image::PAUSE, "registry.k8s.io/pause:3.10"),
];
/// What the pages name by a path from the repository's root.
const PARTS: [&str; 4] = ["charts", "crds", "deploy", "examples"];

/// A world with a market, an image on its node, and somebody in front of a shell.
#[derive(Debug)]
pub struct Desk {
    /// What the commands reach.
    pub world: World,
    /// Whose keys lie in the folder.
    pub cast: Cast,
    /// What the chain says, read beside the product; the provider is the first.
    pub ledger: Ledger,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Desk {
    /// A world, a market and an image; no provider is registered and nothing of ours is installed.
    ///
    /// # Errors
    /// The first step that failed, with what the program said.
    pub fn furnish(options: &Options, tenant_dollars: u32, say: &mut dyn FnMut(&str)) -> Result<Self> {
        let run_dir = std::path::absolute(&options.run_dir)?;
        let leaseport = Leaseport::find(&run_dir.join("home"))?;
        let tools = ChartTools::prepare(&run_dir.join("helm"))?;
        let world = World::up(&Options {
            services: Services::KubeProxy,
            ..options.clone()
        })?;
        fs::create_dir_all(run_dir.join("home"))?;
        load(&world, &leaseport)?;
        for (from, to) in NAMES {
            world.inside(&[
                "ctr",
                "--address",
                "/run/containerd/containerd.sock",
                "--namespace",
                "k8s.io",
                "images",
                "tag",
                "--force",
                from,
                to,
            ])?;
        }
        say("the world is up, with the image on its node under the names of the pages");
        let cast = Cast::gather(&run_dir.join("keys"))?;
        let rpc_url = world.rpc_url().to_owned();
        let market = deploy(&leaseport, &cast, &rpc_url, tenant_dollars, say)?;
        let ledger = Ledger {
            lease_book: printed(&market.printed, "/leaseBook")?,
            token: printed(&market.printed, "/tokens/0/address")?,
            rpc_url,
            provider: 1,
        };
        let folder = run_dir.join("desk");
        let bin = folder.join("bin");
        fs::create_dir_all(&bin)?;
        for name in PARTS {
            link(&workspace().join(name), &folder.join(name))?;
        }
        link(leaseport.path(), &bin.join("leaseport"))?;
        link(tools.helm.program(), &bin.join("helm"))?;
        link(&world.state().bin_dir.join("kubectl"), &bin.join("kubectl"))?;
        for (name, actor) in [
            ("owner.key", &cast.owner),
            ("tenant.key", &cast.tenant),
            ("duty.key", &cast.duty),
            ("bids.key", &cast.bids),
            ("next.key", &cast.stranger),
        ] {
            fs::copy(&actor.key_file, folder.join(name))?;
        }
        let environment = environment(&world, &cast, &market, &folder)?;
        Ok(Self {
            world,
            cast,
            ledger,
            folder,
            environment,
        })
    }

    /// Runs a block as it stands; what it sets stays set for later ones. Returns what it printed.
    ///
    /// # Errors
    /// It ended with another status than 0, or takes too long; with what it said.
    pub fn run(&self, block: &str) -> Result<String> {
        let state = self.folder.join("state");
        let script = format!(
            "set -a\n[ -f {0} ] && . {0}\n{block}\nexport -p > {0}\n",
            state.display()
        );
        let (printed, said) = (self.folder.join("printed"), self.folder.join("said"));
        let mut child = Command::new("sh")
            .args(["-eu", "-c", &script])
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&printed)?)
            .stderr(fs::File::create(&said)?)
            .spawn()
            .context("sh")?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("longer than {} s:\n{block}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let text = fs::read_to_string(&printed)?;
        if !status.success() {
            bail!("{status}:\n{block}\n{text}\n{}", fs::read_to_string(&said)?);
        }
        Ok(text)
    }

    /// A variable as the blocks so far left it.
    ///
    /// # Errors
    /// None of them set it.
    pub fn variable(&self, name: &str) -> Result<String> {
        Ok(self.run(&format!("printf %s \"${name}\""))?.trim().to_owned())
    }
}

/// What `docs/quickstart-provider.md` and `docs/rotation.md` say that their commands read.
fn environment(
    world: &World,
    cast: &Cast,
    market: &Market,
    folder: &Path,
) -> Result<BTreeMap<String, String>> {
    let nodes = world.kubectl_json(&["get", "nodes"])?;
    let product = &nodes["items"][0]["metadata"]["labels"]["nvidia.com/gpu.product"];
    let own = |name: &str| folder.join(name).display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let named = [
        ("PATH", format!("{}:{path}", own("bin"))),
        ("HOME", own("home")),
        ("KUBECONFIG", world.kubeconfig().display().to_string()),
        ("HELM_CACHE_HOME", own("helm/cache")),
        ("HELM_CONFIG_HOME", own("helm/config")),
        ("HELM_DATA_HOME", own("helm/data")),
        ("RPC_URL", world.rpc_url().to_owned()),
        ("CHAIN_ID", market.printed["chainId"].to_string()),
        ("DIRECTORY", market.directory.clone()),
        ("DUTY_ADDRESS", cast.duty.address.to_owned()),
        ("DUTY_KEY", cast.duty.key.to_owned()),
        ("BIDS_ADDRESS", cast.bids.address.to_owned()),
        ("BIDS_KEY", cast.bids.key.to_owned()),
        ("NEXT_ADDRESS", cast.stranger.address.to_owned()),
        ("PAYOUT_ADDRESS", cast.payout.address.to_owned()),
        ("GATEWAY_HOST", world.node()?.ip.clone()),
        (
            "GPU_PRODUCT",
            product.as_str().context("no node has a GPU's name")?.to_owned(),
        ),
        (
            "CURRENCY",
            printed(&market.printed, "/tokens/0/symbol")?.to_lowercase(),
        ),
    ];
    Ok(named
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    let from = std::path::absolute(from)?;
    std::os::unix::fs::symlink(&from, to).with_context(|| format!("{} to {}", to.display(), from.display()))
}

/// The `sh` blocks of a page of the repository, in order, but for those that say why they are not run here.
///
/// # Errors
/// There is no such page, or none is to be run.
pub fn blocks(page: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(workspace().join(page)).with_context(|| page.to_owned())?;
    let found = runnable(&text);
    if found.is_empty() {
        bail!("{page} has no block that is to be run");
    }
    Ok(found)
}

fn runnable(text: &str) -> Vec<String> {
    let (mut found, mut open, mut above) = (Vec::new(), None::<(usize, bool, Vec<&str>)>, "");
    for line in text.lines() {
        let word = line.trim_start();
        match (&mut open, word) {
            (None, "```sh") => {
                let runs = !above.starts_with("<!-- not run here: ");
                open = Some((line.len() - word.len(), runs, Vec::new()));
            }
            (Some((_, runs, lines)), "```") => {
                if *runs {
                    found.push(lines.join("\n"));
                }
                open = None;
            }
            (Some((indent, _, lines)), _) => lines.push(line.get(*indent..).unwrap_or(word)),
            (None, "") => {}
            (None, _) => above = word,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn blocks_come_in_order_without_their_indentation_and_without_those_that_say_why_not() {
        let page = "a\n```sh\none\n```\n1. b\n\n   ```sh\n   two \\\n     more\n   ```\n\n<!-- not run here: no moon -->\n```sh\nthree\n```\n```yaml\nfour: 4\n```\n";
        assert_eq!(runnable(page), ["one", "two \\\n  more"]);
    }

    #[test]
    fn a_page_without_a_block_to_run_is_an_error() {
        assert!(blocks("LICENSE").unwrap_err().to_string().contains("LICENSE"));
    }
}
