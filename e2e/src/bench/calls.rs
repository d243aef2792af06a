//! What a program asks of a chain's endpoint, overheard on a proxy: each JSON-RPC call with the moments it left and was answered. A batch
//! counts as many calls as it holds, since that is how endpoints count.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::http::{Message, Reader};
use super::instant::At;
use crate::proxy::{Direction, Tap};

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Such as `eth_getLogs`.
    pub(super) method: String,
    /// Its first parameter if that is a text: a block's tag, a signed transaction.
    pub(super) first: String,
    /// When all of it had left.
    pub(super) asked: At,
    /// When all of the answer had come; none while it has not.
    pub(super) answered: Option<At>,
    /// The answer's `number` or `blockNumber`, if it has one.
    pub(super) block: Option<u64>,
    /// Whether the endpoint took it.
    pub(super) accepted: bool,
}

#[derive(Default)]
struct Connection {
    requests: Reader,
    answers: Reader,
    /// Of each request that is not answered yet, where its calls are; in the order asked.
    open: VecDeque<Vec<usize>>,
}

#[derive(Default)]
struct Heard {
    calls: Vec<Call>,
    connections: BTreeMap<u64, Connection>,
    unreadable: Vec<String>,
}

/// All calls that passed a proxy.
#[derive(Default)]
pub(super) struct Calls {
    heard: Mutex<Heard>,
}

impl Calls {
    /// Calls that left in `from..to`, in the order in which they left.
    ///
    /// # Errors
    /// Something passed that could not be read, so that a count would be wrong.
    pub(super) fn between(&self, from: At, to: At) -> anyhow::Result<Vec<Call>> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = heard.unreadable.first() {
            anyhow::bail!("the operator's calls cannot be counted: {what}");
        }
        Ok(heard
            .calls
            .iter()
            .filter(|call| call.asked >= from && call.asked < to)
            .cloned()
            .collect())
    }
}

impl Tap for Calls {
    fn passed(&self, connection: u64, direction: Direction, bytes: &[u8]) {
        let at = At::now();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let Heard {
            calls,
            connections,
            unreadable,
        } = &mut *heard;
        let connection = connections.entry(connection).or_default();
        let read = match direction {
            Direction::ToServer => connection.requests.take(bytes).map(|messages| {
                for message in messages {
                    connection.open.push_back(asked(calls, &message, at));
                }
            }),
            Direction::ToClient => connection.answers.take(bytes).map(|messages| {
                for message in messages {
                    answered(
                        calls,
                        &connection.open.pop_front().unwrap_or_default(),
                        &message,
                        at,
                    );
                }
            }),
        };
        if let Err(error) = read {
            unreadable.push(error.to_string());
        }
    }

    fn ended(&self, connection: u64) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.connections.remove(&connection);
    }
}

fn each(body: &[u8]) -> Vec<Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    }
}

fn asked(calls: &mut Vec<Call>, message: &Message, at: At) -> Vec<usize> {
    let mut places = Vec::new();
    for call in each(&message.body) {
        places.push(calls.len());
        calls.push(Call {
            method: call["method"].as_str().unwrap_or("unknown").to_owned(),
            first: call["params"][0].as_str().unwrap_or_default().to_owned(),
            asked: at,
            answered: None,
            block: None,
            accepted: false,
        });
    }
    places
}

fn answered(calls: &mut [Call], places: &[usize], message: &Message, at: At) {
    let answers = each(&message.body);
    for (nth, place) in places.iter().enumerate() {
        let Some(call) = calls.get_mut(*place) else {
            continue;
        };
        call.answered = Some(at);
        // A batch may be answered in another order; only single calls are looked into.
        let result = answers
            .get(nth)
            .filter(|_| places.len() == 1)
            .map(|answer| &answer["result"]);
        call.accepted = result.is_some_and(|result| !result.is_null());
        call.block = result.and_then(|result| number(&result["number"]));
    }
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// How many calls of each method.
pub(super) fn by_method(calls: &[Call]) -> BTreeMap<&str, usize> {
    calls.iter().fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(call.method.as_str()).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const EVER: (At, At) = (At(0), At(u64::MAX));

    fn http(start: &str, body: &str) -> Vec<u8> {
        format!("{start}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn request(body: &str) -> Vec<u8> {
        http("POST / HTTP/1.1", body)
    }

    fn answer(body: &str) -> Vec<u8> {
        http("HTTP/1.1 200 OK", body)
    }

    #[test]
    fn a_call_is_counted_once_and_meets_its_answer() {
        let calls = Calls::default();
        let question = request(r#"{"id":1,"method":"eth_getBlockByNumber","params":["latest",false]}"#);
        let (first, second) = question.split_at(20);
        calls.passed(1, Direction::ToServer, first);
        assert!(calls.between(EVER.0, EVER.1).unwrap().is_empty());
        calls.passed(1, Direction::ToServer, second);
        let open = calls.between(EVER.0, EVER.1).unwrap();
        assert_eq!(open[0].answered, None);
        calls.passed(
            1,
            Direction::ToClient,
            &answer(r#"{"id":1,"result":{"number":"0x1b"}}"#),
        );
        let done = calls.between(EVER.0, EVER.1).unwrap();
        assert_eq!(done.len(), 1);
        assert_eq!((done[0].block, done[0].first.as_str()), (Some(27), "latest"));
        assert!(done[0].answered.unwrap() >= done[0].asked);
    }

    #[test]
    fn connections_do_not_take_each_others_answers() {
        let calls = Calls::default();
        calls.passed(
            1,
            Direction::ToServer,
            &request(r#"{"method":"eth_sendRawTransaction","params":["0x02ab"]}"#),
        );
        calls.passed(
            2,
            Direction::ToServer,
            &request(r#"{"method":"eth_call","params":[{}]}"#),
        );
        calls.passed(2, Direction::ToClient, &answer(r#"{"result":"0x"}"#));
        let heard = calls.between(EVER.0, EVER.1).unwrap();
        assert_eq!((heard[0].accepted, heard[0].answered), (false, None));
        assert!(heard[1].accepted);
        calls.passed(
            1,
            Direction::ToClient,
            &answer(r#"{"error":{"code":-32000,"message":"nonce too low"}}"#),
        );
        let refused = calls.between(EVER.0, EVER.1).unwrap();
        assert!(!refused[0].accepted && refused[0].answered.is_some());
    }

    #[test]
    fn a_batch_is_as_many_calls_as_it_holds() {
        let calls = Calls::default();
        calls.passed(
            1,
            Direction::ToServer,
            &request(r#"[{"method":"a"},{"method":"b"},{"method":"a"}]"#),
        );
        calls.passed(
            1,
            Direction::ToClient,
            &answer(r#"[{"result":1},{"result":2},{"result":3}]"#),
        );
        let heard = calls.between(EVER.0, EVER.1).unwrap();
        assert_eq!(by_method(&heard), BTreeMap::from([("a", 2), ("b", 1)]));
        assert!(heard.iter().all(|call| call.answered.is_some()));
    }

    #[test]
    fn calls_are_found_by_when_they_left() {
        let calls = Calls::default();
        let before = At::now();
        calls.passed(1, Direction::ToServer, &request(r#"{"method":"a"}"#));
        let after = At(At::now().0 + 1);
        assert_eq!(calls.between(before, after).unwrap().len(), 1);
        assert!(calls.between(after, EVER.1).unwrap().is_empty());
    }

    #[test]
    fn a_connection_that_cannot_be_read_spoils_the_count() {
        let calls = Calls::default();
        calls.passed(1, Direction::ToServer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(calls.between(EVER.0, EVER.1).is_err());
    }
}
