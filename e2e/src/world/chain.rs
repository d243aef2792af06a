//! The local chain: anvil with a block a second and tags that move, so that `safe` and `finalized` mean something.

use super::control_plane::part;
use super::part::{Part, Place, Ready, Stop};
use super::state::WorldState;

/// The chain. It writes its state down when it is asked to end, and goes on from there.
pub(super) fn anvil(world: &WorldState, place: Place, address: &str, port: u16) -> Part {
    let arguments = vec![
        format!("--host={address}"),
        format!("--port={port}"),
        "--block-time=1".into(),
        // Blocks become safe after one epoch and final after two.
        "--slots-in-an-epoch=1".into(),
        format!("--state={}", world.run_dir.join("chain.json").display()),
    ];
    let ready = Ready::Chain(world.rpc_url.clone());
    Part {
        stop: Stop::Interrupt,
        ..part(world, place, "anvil", ready, arguments)
    }
}
