//! A WebSocket says that a block came, and we ask over HTTP. Nothing it says is believed, so losing it only costs a poll's delay.

use std::{sync::Arc, time::Duration};

use alloy::{
    providers::{Provider, ProviderBuilder, WsConnect},
    transports::TransportError,
};
use tokio::sync::Notify;

use crate::chain_io::endpoint::EndpointConfig;

/// Pauses between connections.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// A header is due within this time, else the connection is made anew: some servers keep a dead subscription open.
const SILENCE: Duration = Duration::from_secs(120);

/// What hints tell the follower.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// A block came.
    pub(super) block: Notify,
    /// No connection is left.
    pub(super) lost: Notify,
}

/// Listens until dropped; connects again whenever the connection ends.
pub(super) async fn listen(config: EndpointConfig, hints: Arc<Hints>) {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Ok(heard) = listen_once(&config, &hints).await
            && heard > 0
        {
            pause = FIRST_PAUSE;
        }
        hints.lost.notify_one();
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LAST_PAUSE);
    }
}

/// One connection's life; how many hints it brought.
async fn listen_once(config: &EndpointConfig, hints: &Hints) -> Result<u64, TransportError> {
    // No reconnects of alloy's: after those its service is dead without a word (facts: B3).
    let connect = WsConnect::new(config.url.expose().as_str()).with_max_retries(0);
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_ws(connect)
        .await?;
    let mut blocks = provider.subscribe_blocks().await?;
    let mut heard = 0_u64;
    while let Ok(Ok(_)) = tokio::time::timeout(SILENCE, blocks.recv()).await {
        heard = heard.saturating_add(1);
        hints.block.notify_one();
    }
    Ok(heard)
}
