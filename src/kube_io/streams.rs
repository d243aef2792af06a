//! Container logs as a stream of bytes, never buffered whole. May not parse them, nor decide who may read them.

use futures::{AsyncBufReadExt, Stream, stream};
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};

use super::{KubeError, within};

/// Whether the stream ends at what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Until the container ends or the reader goes.
    Yes,
    /// What is there now.
    No,
}

/// Which lines of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The container, none for the only one.
    pub container: Option<String>,
    /// Whether it goes on.
    pub follow: Follow,
    /// So many lines from the end, none for all.
    pub tail_lines: Option<u32>,
    /// At most so many bytes, none for no limit.
    pub limit_bytes: Option<u32>,
    /// The run before the last restart instead of the current one.
    pub previous: Previous,
}

/// Which run of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// The one before the last restart.
    Yes,
    /// The current one.
    No,
}

/// Opens a container's log. The answer begins within 5 s; what follows takes as long as it takes.
///
/// # Errors
/// The pod or container is not there, or nothing runs in it yet (Invalid), or the request failed.
pub async fn logs(
    client: &Client,
    namespace: &str,
    pod: &str,
    query: &LogQuery,
) -> Result<impl Stream<Item = Result<Bytes, KubeError>> + Send + use<>, KubeError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = LogParams {
        container: query.container.clone(),
        follow: query.follow == Follow::Yes,
        tail_lines: query.tail_lines.map(i64::from),
        limit_bytes: query.limit_bytes.map(i64::from),
        previous: query.previous == Previous::Yes,
        ..LogParams::default()
    };
    let what = format!("logs of {namespace}/{pod}");
    let reader = within(&what, api.log_stream(pod, &params)).await?;
    let state = (Box::pin(reader), what);
    Ok(stream::try_unfold(state, |(mut reader, what)| async move {
        let chunk = match reader.fill_buf().await {
            Ok(chunk) => Bytes::copy_from_slice(chunk),
            Err(source) => return Err(KubeError::Stream { what, source }),
        };
        if chunk.is_empty() {
            return Ok(None);
        }
        reader.consume_unpin(chunk.len());
        Ok(Some((chunk, (reader, what))))
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::TryStreamExt;
    use serde_json::json;

    use super::*;
    use crate::kube_io::{error::Class, mock};

    fn query() -> LogQuery {
        LogQuery {
            container: Some("main".into()),
            follow: Follow::Yes,
            tail_lines: Some(10),
            limit_bytes: None,
            previous: Previous::No,
        }
    }

    #[tokio::test]
    async fn a_log_is_passed_on_as_it_comes() {
        let (client, log) = mock::client(|_| (200, json!("line")));
        let bytes: Vec<Bytes> = logs(&client, "n", "p", &query())
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(bytes.concat(), b"\"line\"");
        assert_eq!(
            log.seen(),
            ["GET /api/v1/namespaces/n/pods/p/log?&container=main&follow=true&tailLines=10"]
        );
    }

    #[tokio::test]
    async fn a_log_that_is_not_there_is_told_before_the_stream_begins() {
        let (client, _) = mock::client(|_| mock::failure(404, "NotFound"));
        let refused = logs(&client, "n", "p", &query()).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.class(), Class::NotFound);
    }
}
