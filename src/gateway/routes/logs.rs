//! `GET …/logs?container=&replica=&tail=&follow=`: a container's output, passed on as it comes. Ends with the session; never buffered
//! whole.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderValue, StatusCode, header};

use super::admit;
use crate::{
    core::documents::session::Scope,
    gateway::{
        directory::{LeaseDirectory, LogEnd, LogRequest},
        problem::Refusal,
        state::Gateway,
    },
};

/// The most lines `tail` may ask for.
const MOST_LINES: u32 = 100_000;

/// Streams a log.
pub(super) async fn get<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let (_, allowed, lease) = admit(&gateway, &parts, &id, Scope::Logs).await?;
    let wanted = read(parts.uri.query().unwrap_or_default())?;
    let place = gateway.streams.enter(allowed.wallet).ok_or_else(|| {
        Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyLogs",
            "too many logs are open: end one first",
        )
        .after(Duration::from_secs(5))
    })?;
    let log = gateway.directory.logs(&lease, &wanted).await?;
    let now = u64::try_from(gateway.now().0.div_euclid(1000)).unwrap_or(0);
    let left = Duration::from_secs(allowed.not_after.saturating_sub(now));
    let bounded = log.take_until(tokio::time::sleep(left)).map(move |part| {
        let _held_while_streaming = &place;
        part
    });
    let mut response = Body::from_stream(bounded).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Ok(response)
}

fn read(query: &str) -> Result<LogRequest, Refusal> {
    let mut wanted = LogRequest {
        container: None,
        replica: 0,
        end: LogEnd::Stop,
        tail: None,
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let bad = |what: &str| {
            let value: String = value.chars().take(64).collect();
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "BadQuery",
                format!("{name}={value}: {what}"),
            )
        };
        match name.as_ref() {
            "container" if is_label(&value) => wanted.container = Some(value.into_owned()),
            "container" => return Err(bad("write the name of one of the manifest's containers")),
            "replica" => wanted.replica = value.parse().map_err(|_| bad("write a number from 0"))?,
            "tail" => {
                wanted.tail = Some(
                    value
                        .parse()
                        .ok()
                        .filter(|n| *n <= MOST_LINES)
                        .ok_or_else(|| bad("write a number of lines up to 100000"))?,
                );
            }
            "follow" => {
                wanted.end = match value.as_ref() {
                    "" | "true" | "1" => LogEnd::Follow,
                    "false" | "0" => LogEnd::Stop,
                    _ => return Err(bad("write true or false")),
                }
            }
            _ => {
                let name: String = name.chars().take(64).collect();
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "BadQuery",
                    format!("{name:?} is none of container, replica, tail, follow"),
                ));
            }
        }
    }
    Ok(wanted)
}

/// RFC 1123, as container names are.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_says_which_log_and_how_much() {
        let wanted = read("container=main&replica=2&tail=10&follow=true").unwrap();
        assert_eq!(
            wanted,
            LogRequest {
                container: Some("main".into()),
                replica: 2,
                end: LogEnd::Follow,
                tail: Some(10)
            }
        );
        assert_eq!(
            read("").unwrap(),
            LogRequest {
                container: None,
                replica: 0,
                end: LogEnd::Stop,
                tail: None
            }
        );
        assert_eq!(read("follow").unwrap().end, LogEnd::Follow);
    }

    #[test]
    fn a_query_that_is_not_understood_is_refused_rather_than_guessed() {
        for query in [
            "tail=-1",
            "tail=100001",
            "replica=x",
            "replica=70000",
            "follow=maybe",
            "container=..%2Fx",
            "container=",
            "previous=1",
        ] {
            assert_eq!(read(query).unwrap_err().reason(), "BadQuery", "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(query in "[ -~]{0,80}") {
            prop_assert!(read(&query).is_ok() || read(&query).is_err());
        }
    }
}
