//! The served pair follows its files, so that a renewed certificate needs no restart: looked at at a steady pace, taken for new
//! connections once it fits. Never serves a pair that does not, and never ends what is connected.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;
use tokio::{sync::watch, task::JoinError, time::sleep};

use super::tls::{ServingKey, TlsError};
use crate::telemetry::Metrics;

/// How often the files are looked at. The kubelet brings a changed Secret to them within about a minute.
pub const PACE: Duration = Duration::from_secs(30);
/// How soon a pair that does not fit is looked at again before it is told: whoever writes two files writes one first.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Why the files hold no pair to serve.
#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    // Without its source, whose words are others at each look.
    #[error("looking at the certificate broke off")]
    Broken(#[from] JoinError),
}

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The pair that is served.
    Same,
    /// Another pair, which new connections get from now on.
    Taken,
    /// No pair to serve, for the first time: it may be in the midst of being written.
    Doubted,
    /// No pair to serve, still or for another reason; told.
    Refused,
    /// No pair to serve, as was told.
    StillRefused,
}

/// How the files stood at the last look.
#[derive(Debug)]
enum Files {
    Fit,
    Doubted,
    /// With the words that were told.
    Refused(String),
}

/// Follows the files of one pair.
pub struct Renewal {
    served: watch::Sender<Arc<ServingKey>>,
    files: Files,
    metrics: Metrics,
}

impl Renewal {
    /// Serves this pair until its files hold another one.
    #[must_use]
    pub fn new(key: ServingKey, metrics: Metrics) -> Self {
        metrics.gateway_certificate(key.not_after());
        Self {
            served: watch::Sender::new(Arc::new(key)),
            files: Files::Fit,
            metrics,
        }
    }

    /// The pair for new connections, whichever it is by then.
    #[must_use]
    pub fn served(&self) -> watch::Receiver<Arc<ServingKey>> {
        self.served.subscribe()
    }

    /// Looks for ever.
    pub async fn run(mut self) {
        let mut wait = PACE;
        loop {
            sleep(wait).await;
            wait = match self.look().await {
                Look::Doubted => A_MOMENT,
                Look::Same | Look::Taken | Look::Refused | Look::StillRefused => PACE,
            };
        }
    }

    /// Looks once.
    pub async fn look(&mut self) -> Look {
        let served = Arc::clone(&self.served.borrow());
        match read(Arc::clone(&served)).await {
            Ok(None) => {
                if let Files::Refused(_) = self.files {
                    tracing::info!(
                        pin = served.pin(),
                        "the certificate's files hold the pair again that is served"
                    );
                }
                self.files = Files::Fit;
                Look::Same
            }
            Ok(Some(key)) => {
                tracing::info!(
                    pin = key.pin(),
                    ends = date(key.not_after()),
                    "new connections get another certificate"
                );
                self.metrics.gateway_certificate(key.not_after());
                self.served.send_replace(Arc::new(key));
                self.files = Files::Fit;
                Look::Taken
            }
            Err(error) => self.refuse(&served, error.to_string()),
        }
    }

    fn refuse(&mut self, served: &ServingKey, words: String) -> Look {
        let (files, look) = match &self.files {
            Files::Fit => (Files::Doubted, Look::Doubted),
            Files::Refused(told) if *told == words => (Files::Refused(words), Look::StillRefused),
            Files::Doubted | Files::Refused(_) => {
                tracing::warn!(
                    pin = served.pin(),
                    ends = date(served.not_after()),
                    "{words}. Connections go on getting the certificate that was served until now; put a chain and its key into {} and {}, \
                     which are looked at every {} s",
                    served.files().cert.display(),
                    served.files().key.display(),
                    PACE.as_secs()
                );
                (Files::Refused(words), Look::Refused)
            }
        };
        self.files = files;
        look
    }
}

/// Off the threads that serve: a file system may take its time.
async fn read(served: Arc<ServingKey>) -> Result<Option<ServingKey>, LookError> {
    Ok(tokio::task::spawn_blocking(move || served.again()).await??)
}

/// An end as people read it.
fn date(not_after: Option<i64>) -> String {
    let Some(seconds) = not_after else {
        return "unknown".to_owned();
    };
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s after 1970"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use tokio::time::Instant;

    use super::*;

    /// Time stands still but where everything waits, so none passes here.
    #[tokio::test(start_paused = true)]
    async fn a_renewed_pair_is_found_at_the_next_look_and_one_that_is_half_written_a_moment_later() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = ServingKey::self_signed(here.path(), vec!["a".into()]).unwrap();
        let other = ServingKey::self_signed(there.path(), vec!["a".into()]).unwrap();
        let bring = |name: &str| fs::copy(there.path().join(name), here.path().join(name)).unwrap();
        let renewal = Renewal::new(key, Metrics::new().unwrap());
        let mut served = renewal.served();
        let begun = Instant::now();
        let looking = tokio::spawn(renewal.run());

        bring("tls.crt");
        sleep(PACE + A_MOMENT / 2).await;
        assert!(!served.has_changed().unwrap());
        bring("tls.key");
        served.changed().await.unwrap();
        assert_eq!(served.borrow_and_update().pin(), other.pin());
        let took = begun.elapsed();
        assert!(took < PACE + A_MOMENT * 2, "{took:?}");

        // A renewal that changes nothing but its bytes is one too.
        let chain = fs::read_to_string(here.path().join("tls.crt")).unwrap();
        fs::write(here.path().join("tls.crt"), format!("renewed\n{chain}")).unwrap();
        served.changed().await.unwrap();
        assert!(begun.elapsed() < took + PACE + A_MOMENT);
        looking.abort();
    }
}
