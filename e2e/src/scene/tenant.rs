//! A tenant at its command line: needs and manifest as files, then `request`, `bids`, `accept`, `lease`, `logs`, `close`.

use super::cast::Actor;
use super::stage::Scene;

/// A tenant and the scene it rents in.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a> {
    scene: &'a Scene,
    actor: &'a Actor,
}

impl<'a> Tenant<'a> {
    pub(super) fn new(scene: &'a Scene, actor: &'a Actor) -> Self {
        Self { scene, actor }
    }
}
