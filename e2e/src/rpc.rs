//! One JSON-RPC call to an EVM node over plain HTTP: for readiness and for a test's own questions and faults
//! (`anvil_reorg`, `evm_snapshot`), without a client library. No TLS, no connection reuse, no retries.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(5);

/// Calls a method and returns its `result`. `url` is `http://host:port`.
///
/// # Errors
/// If there is no connection within 5 s, or the node answers with an error, which is then the error's text.
pub fn call(url: &str, method: &str, parameters: &Value) -> io::Result<Value> {
    let authority = url
        .strip_prefix("http://")
        .map(|rest| rest.split('/').next().unwrap_or_default())
        .ok_or_else(|| io::Error::other(format!("{url}: only http:// is spoken here")))?;
    let address = authority
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other(format!("{authority} has no address")))?;
    let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // Version 1.0 of HTTP keeps the answer in one piece.
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{question}",
        question.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let mut body: Value = serde_json::from_str(body)
        .map_err(|error| io::Error::other(format!("{url} is no EVM node: {error}")))?;
    if let Some(error) = body.get("error") {
        return Err(io::Error::other(format!("{method}: {error}")));
    }
    Ok(body.get_mut("result").map(Value::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// A server that answers one request with this body.
    fn answering(body: &'static str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Closing with bytes unread would reset the connection before the answer is read.
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 4096];
                let length = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..length]);
            }
            write!(
                stream,
                "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        });
        url
    }

    #[test]
    fn the_result_is_taken_out_of_the_answer() {
        let url = answering(r#"{"jsonrpc":"2.0","id":1,"result":"0x1b"}"#);
        assert_eq!(call(&url, "eth_blockNumber", &json!([])).unwrap(), json!("0x1b"));
    }

    #[test]
    fn an_error_of_the_node_names_the_method() {
        let url = answering(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown"}}"#);
        let error = call(&url, "anvil_frobnicate", &json!([]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("anvil_frobnicate") && error.contains("unknown"),
            "{error}"
        );
    }

    #[test]
    fn something_else_than_a_node_is_told_apart() {
        let url = answering("<html>hello</html>");
        assert!(
            call(&url, "eth_blockNumber", &json!([]))
                .unwrap_err()
                .to_string()
                .contains("no EVM node")
        );
    }

    #[test]
    fn a_chain_that_is_not_there_is_an_error() {
        assert!(call("http://127.0.0.1:1", "eth_blockNumber", &json!([])).is_err());
    }
}
