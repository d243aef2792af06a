//! `leaseport-world`: starts, shows and takes away the real parts that tests and the demo run on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use leaseport_e2e::prepare::{self, Need};
use leaseport_e2e::progress::Progress;
use leaseport_e2e::world::{
    Health, Keep, Machine, NodeChoice, Options, Phase, Services, World, WorldState, choose_lane,
    default_run_dir,
};

/// Real parts on one machine: etcd, a Kubernetes control plane, a node with GPUs, a chain.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The world's name; worlds of different names run side by side.
    #[arg(long, global = true, default_value = "default")]
    name: String,
    /// Where the world is kept [default: .leaseport/<name>].
    #[arg(long, global = true)]
    run_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a world, or show it if it runs already.
    Up(Up),
    /// Take a world away: processes, mounts, namespaces, links, cgroups, files.
    Down {
        /// Keep the logs.
        #[arg(long)]
        keep_logs: bool,
    },
    /// Show what runs. Exits with 1 if there is no world or a part of it has ended.
    Status {
        /// How to print it.
        #[arg(long, short, default_value = "text")]
        output: Output,
    },
    /// Install and build what a world needs, without starting one.
    Prepare {
        /// Everything, kwok and kube-proxy too.
        #[arg(long)]
        all: bool,
    },
    /// Run a command where the node's parts run, such as `enter -- ip route`, or a shell.
    Enter {
        /// The command.
        #[arg(trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Load an image archive (as `docker save` or `buildah push docker-archive:` write it) into the node.
    Load {
        /// The archive.
        archive: PathBuf,
    },
    /// Make a GPU of the node healthy or not.
    Gpu {
        /// Its id, `GPU-<uuid>`.
        uuid: String,
        /// What the device plugin is to say of it.
        health: HealthArgument,
    },
    /// Stop one part, such as kube-apiserver.
    StopPart {
        /// Its name, as in `status`.
        part: String,
    },
    /// Play one lease from order to balance sheet on a fresh world, tell it, and leave all of it running.
    Demo,
    /// Measure every bar of docs/benchmarks.md on a fresh world, print the figures and write them there.
    Bench {
        /// Measure this part only and write nothing.
        #[arg(long)]
        only: Option<leaseport_e2e::bench::Measure>,
    },
    /// Start a stopped part again.
    StartPart {
        /// Its name, as in `status`.
        part: String,
    },
}

#[derive(Args)]
struct Up {
    /// Nodes that exist in the API only, kept by kwok.
    #[arg(long, default_value_t = 0, value_name = "N")]
    kwok_nodes: u32,
    /// No real node.
    #[arg(long, conflicts_with = "require_node")]
    kwok_only: bool,
    /// Fail where a real node is not possible, instead of doing without.
    #[arg(long)]
    require_node: bool,
    /// Run kube-proxy on the node, so that Service addresses work.
    #[arg(long)]
    kube_proxy: bool,
    /// GPUs of the real node.
    #[arg(long, default_value_t = 8, value_name = "N")]
    gpus: u32,
    /// An image archive to load into the node; can be given again.
    #[arg(long, value_name = "TAR")]
    image: Vec<PathBuf>,
    /// Use the cluster that KUBECONFIG names instead of an own one.
    #[arg(long, env = "LEASEPORT_USE_KUBECONFIG", value_parser = clap::builder::BoolishValueParser::new())]
    use_kubeconfig: bool,
    /// Use this chain instead of an own one.
    #[arg(long, env = "LEASEPORT_RPC_URL", value_name = "URL")]
    rpc_url: Option<String>,
    /// Run this device plugin instead of the stub, such as NVIDIA's own.
    #[arg(long, env = "LEASEPORT_DEVICE_PLUGIN", value_name = "PATH")]
    device_plugin: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum HealthArgument {
    Healthy,
    Unhealthy,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let run_dir = cli.run_dir.clone().unwrap_or_else(|| default_run_dir(&cli.name));
    match &cli.command {
        Command::Up(up) => {
            let mut world = World::up(&options(cli, run_dir, up)?)?;
            world.keep();
            print_text(world.state());
            Ok(ExitCode::SUCCESS)
        }
        Command::Down { keep_logs } => down(&run_dir, if *keep_logs { Keep::Logs } else { Keep::Nothing }),
        Command::Status { output } => status(&run_dir, *output),
        Command::Prepare { all } => {
            let needs = if *all {
                BTreeSet::from(Need::ALL)
            } else {
                default_needs(&cli.name)
            };
            let cache = prepare::cache_folder();
            let tools = prepare::prepare(&cache, &needs, Progress::lines())?;
            for (name, path) in tools.programs() {
                println!("{name:<24} {}", path.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Enter { command } => enter(&run_dir, command),
        Command::Load { archive } => {
            World::attach(&run_dir)?.load_image(archive)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Gpu { uuid, health } => {
            let health = match health {
                HealthArgument::Healthy => Health::Healthy,
                HealthArgument::Unhealthy => Health::Unhealthy,
            };
            World::attach(&run_dir)?.set_gpu_health(uuid, health)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::StopPart { part } => {
            World::attach(&run_dir)?.stop_part(part)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo => {
            let world = Options {
                run_dir,
                ..Options::from_env(&cli.name)
            };
            leaseport_e2e::scene::demo::play(world)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench { only } => {
            let world = Options {
                run_dir,
                ..Options::from_env(&cli.name)
            };
            leaseport_e2e::bench::run(world, *only)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::StartPart { part } => {
            World::attach(&run_dir)?.start_part(part)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn options(cli: &Cli, run_dir: PathBuf, up: &Up) -> anyhow::Result<Options> {
    let kubeconfig = if up.use_kubeconfig {
        let path = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
        Some(path.map(PathBuf::from).ok_or_else(|| {
            anyhow::anyhow!(
                "--use-kubeconfig: KUBECONFIG is not set; export the path of your cluster's kubeconfig"
            )
        })?)
    } else {
        None
    };
    let node = match (up.kwok_only, up.require_node) {
        (true, _) => NodeChoice::Never,
        (false, true) => NodeChoice::Required,
        (false, false) => NodeChoice::IfPossible,
    };
    Ok(Options {
        run_dir,
        node,
        kwok_nodes: up.kwok_nodes,
        services: if up.kube_proxy {
            Services::KubeProxy
        } else {
            Services::Off
        },
        gpus: up.gpus,
        images: up.image.clone(),
        kubeconfig,
        rpc_url: up.rpc_url.clone(),
        device_plugin: up.device_plugin.clone(),
        ..Options::from_env(&cli.name)
    })
}

/// What `up` without flags needs on this machine.
fn default_needs(name: &str) -> BTreeSet<Need> {
    let options = Options {
        kubeconfig: None,
        ..Options::from_env(name)
    };
    match choose_lane(&options, Machine::look()) {
        Ok((lane, lacks)) => {
            for one in lacks {
                eprintln!("no real node on this machine: {one}");
            }
            options.needs(lane)
        }
        Err(_) => BTreeSet::from(Need::ALL),
    }
}

fn down(run_dir: &Path, keep: Keep) -> anyhow::Result<ExitCode> {
    match World::attach(run_dir) {
        Ok(world) => world.down_keeping(keep)?,
        Err(leaseport_e2e::world::Error::NoWorld(folder)) => {
            if keep == Keep::Nothing {
                World::discard_logs(&folder)?;
            }
            println!("no world in {}: nothing to take down", folder.display());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn status(run_dir: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let world = World::attach(run_dir)?;
    match output {
        Output::Text => print_text(world.state()),
        Output::Json => println!("{}", serde_json::to_string_pretty(world.state())?),
    }
    let whole = world.state().phase == Phase::Up && world.state().parts.iter().all(|part| part.alive());
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_text(world: &WorldState) {
    use std::io::Write as _;
    // Whoever reads may stop reading, as `head` does.
    std::io::stdout().write_all(describe(world).as_bytes()).ok();
}

fn describe(world: &WorldState) -> String {
    let phase = match world.phase {
        Phase::Starting => "starting or interrupted",
        Phase::Up => "up",
    };
    let mut lines = vec![format!(
        "world {} ({phase}) in {}",
        world.name,
        world.run_dir.display()
    )];
    for part in &world.parts {
        let life = match part.process {
            Some(process) if process.alive() => format!("pid {}", process.pid),
            Some(process) => format!("ENDED (was pid {}), see {}", process.pid, part.log.display()),
            None => "stopped".to_owned(),
        };
        lines.push(format!("  {:<24} {life}", part.name));
    }
    if let Some(node) = &world.node {
        let gpus = if node.gpus.is_empty() {
            "the GPUs of an own device plugin".to_owned()
        } else {
            format!("{} GPUs", node.gpus.len())
        };
        lines.push(format!("  node {} at {} with {gpus}", node.name, node.ip));
    }
    if let Some(sandbox) = &world.sandbox {
        lines.push(format!(
            "  pods {} and Services {} are routed from this machine",
            sandbox.pod_subnet, sandbox.service_subnet
        ));
        lines.push(format!("  pods reach this machine at {}", sandbox.host_ip));
    }
    if world.kwok_nodes > 0 {
        lines.push(format!("  {} kwok nodes", world.kwok_nodes));
    }
    lines.push(format!("  logs in {}", world.log_dir.display()));
    lines.push(format!("export KUBECONFIG={}", world.kubeconfig.display()));
    lines.push(format!("export LEASEPORT_RPC_URL={}", world.rpc_url));
    lines.push(format!("export PATH={}:$PATH\n", world.bin_dir.display()));
    lines.join("\n")
}

fn enter(run_dir: &Path, command: &[String]) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let world = World::attach(run_dir)?;
    let shell = [String::from("sh")];
    let line = world.inside_line(if command.is_empty() { &shell } else { command })?;
    let (program, arguments) = line.split_first().context("an empty command line")?;
    let error = std::process::Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", world.kubeconfig())
        .env(
            "PATH",
            format!(
                "{}:{}",
                world.state().bin_dir.display(),
                std::env::var("PATH").unwrap_or_default()
            ),
        )
        .exec();
    Err(anyhow::Error::new(error).context(program.clone()))
}
