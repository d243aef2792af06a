//! Parses arguments, installs the TLS provider and runs the chosen verb; decides nothing.

use std::{env, process::ExitCode, thread::available_parallelism};

use clap::FromArgMatches;
use leaseport::cli::{self, Cli};

/// Threads at most: the work is waiting for answers, and each thread of a machine with a hundred cores would cost memory for nothing.
const MOST_THREADS: usize = 4;

fn main() -> ExitCode {
    let matches = cli::called(env::args_os().next().as_deref()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Two providers in one process panic at the first handshake; ours is chosen before anything speaks TLS.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!(
            "leaseport: another TLS provider was installed first; this is a bug in how the binary was built"
        );
        return ExitCode::FAILURE;
    }
    let threads = available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("leaseport: cannot start worker threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leaseport: {}", told(&error));
            ExitCode::from(cli::exit_code(&error))
        }
    }
}

/// An error and its causes, each once: our own texts name their cause already.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.is_empty() {
            true => cause,
            false if text.contains(&cause) => text,
            false => format!("{text}: {cause}"),
        }
    })
}
