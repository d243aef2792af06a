//! `leaseport logs`: a container's output, from the provider's gateway, as it comes.

use std::io::{self, Write};

use clap::Args;
use futures::{StreamExt, pin_mut};

use super::{
    manifest::{gateway_url, session},
    tenant::{TenantArgs, TenantError, find_lease},
};
use crate::{
    core::{documents::session::Scope, ids::LeaseId},
    outbound::{LogQuery, gateway_client::LogEnd},
};

/// Print a container's output.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Wait for more until the lease or the session ends.
    #[arg(long, short)]
    pub follow: bool,
    /// The manifest's container; its first when left out.
    #[arg(long, short, value_name = "NAME")]
    pub container: Option<String>,
    /// Which replica, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub replica: u16,
    /// Begin with so many of the last lines; all that is kept when left out.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &LogsArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let lease = find_lease(&view.head.book, args.lease)?;
    let url = gateway_url(&view.head.book, lease)?;
    let client = session(&market, &url, lease, &key, &[Scope::Logs]).await?;
    let query = LogQuery {
        container: args.container.as_deref(),
        replica: args.replica,
        end: if args.follow { LogEnd::Follow } else { LogEnd::Stop },
        tail: args.tail,
    };
    let parts = client.logs(args.lease, query).await?;
    pin_mut!(parts);
    while let Some(part) = parts.next().await {
        let mut out = io::stdout().lock();
        match out.write_all(&part?).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}
