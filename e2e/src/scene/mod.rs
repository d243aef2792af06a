//! A market at work on a world: contracts on its chain, a provider registered, the operator and the gateway running under their own
//! service accounts, and a tenant at its command line. It stages and looks; it may not do what the product should do by itself.

mod admin;
mod binary;
mod cast;
mod container_image;
pub mod demo;
mod founding;
mod ledger;
pub mod page;
mod patience;
mod pod;
pub mod prometheus;
mod release;
mod sight;
mod stage;
mod tenant;

pub use admin::fill;
pub use binary::{Leaseport, Refused};
pub use cast::{Actor, Cast};
pub use container_image::{Builder, ContainerImage, IMAGE};
pub use founding::Market;
pub use ledger::{LeaseOnChain, Ledger, Micro, Receipt, hex, keccak, unhex};
pub use patience::{eventually, within};
pub use release::Release;
pub use sight::{condition, devices, get as body};
pub use stage::{Cuts, Ends, GATEWAY, OPERATOR, PROVIDER_NAMESPACE, STANDBY, Scene, SceneOptions};
pub use tenant::{Opened, Posted, Sent, Tenant, Wish};
