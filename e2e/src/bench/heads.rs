//! When each block arrived at the endpoint, by a subscription of our own at the same place: a WebSocket client (RFC 6455) with just enough
//! to say one thing and listen.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::instant::At;

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;

/// Blocks as they came.
#[derive(Default)]
struct Seen {
    arrived: Mutex<BTreeMap<u64, At>>,
    another: Condvar,
}

/// A running subscription; it ends with the connection.
pub(super) struct Heads {
    seen: Arc<Seen>,
}

impl Heads {
    /// Subscribes at `ws://host:port`.
    ///
    /// # Errors
    /// There is no connection, or it is refused.
    pub(super) fn subscribe(url: &str) -> Result<Self> {
        let authority = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split('/').next())
            .with_context(|| format!("{url}: only ws:// is spoken here"))?;
        let mut stream = TcpStream::connect(authority).with_context(|| url.to_owned())?;
        stream.set_nodelay(true)?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: bGVhc2Vwb3J0LWJlbmNoIQ==\r\n\r\n"
        )?;
        let rest = upgraded(&mut stream)?;
        stream.write_all(&text_frame(SUBSCRIBE.as_bytes()))?;
        let seen = Arc::new(Seen::default());
        let heads = Self {
            seen: Arc::clone(&seen),
        };
        thread::spawn(move || listen(stream, rest, &seen).ok());
        Ok(heads)
    }

    /// When a block arrived.
    pub(super) fn arrival(&self, block: u64) -> Option<At> {
        let arrived = self.seen.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.get(&block).copied()
    }

    /// The numbers of the blocks that arrived in `from..to`.
    pub(super) fn between(&self, from: At, to: At) -> usize {
        let arrived = self.seen.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.values().filter(|at| **at >= from && **at < to).count()
    }

    /// Waits for the next block.
    ///
    /// # Errors
    /// None comes within 15 s.
    pub(super) fn next(&self) -> Result<u64> {
        let limit = Duration::from_secs(15);
        let began = Instant::now();
        let mut arrived = self.seen.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let before = arrived.last_key_value().map(|(number, _)| *number);
        loop {
            let newest = arrived.last_key_value().map(|(number, _)| *number);
            match newest {
                Some(number) if newest > before => return Ok(number),
                Some(_) | None => {}
            }
            if began.elapsed() > limit {
                bail!(
                    "the chain's subscription told of no block for {} s",
                    limit.as_secs()
                );
            }
            arrived = self
                .seen
                .another
                .wait_timeout(arrived, limit)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Reads the answer to the upgrade and returns what came after it.
fn upgraded(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece)?;
        if length == 0 {
            bail!("the endpoint closed the connection instead of upgrading it");
        }
        bytes.extend(piece.iter().take(length));
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
            if !head.starts_with("HTTP/1.1 101") {
                bail!("no WebSocket: {}", head.lines().next().unwrap_or_default());
            }
            return Ok(bytes.get(end + 4..).unwrap_or_default().to_vec());
        }
    }
}

fn listen(mut stream: TcpStream, mut bytes: Vec<u8>, seen: &Seen) -> Result<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        while let Some((opcode, payload, used)) = frame(&bytes) {
            let at = At::now();
            bytes.drain(..used);
            match opcode {
                0x1 => {
                    if let Some(number) = head_number(&payload) {
                        let mut arrived = seen.arrived.lock().unwrap_or_else(PoisonError::into_inner);
                        arrived.entry(number).or_insert(at);
                        seen.another.notify_all();
                    }
                }
                0x8 => return Ok(()),
                0x9 => stream.write_all(&client_frame(0xA, &payload))?,
                _ => {}
            }
        }
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        bytes.extend(piece.iter().take(length));
    }
}

fn head_number(payload: &[u8]) -> Option<u64> {
    let told: Value = serde_json::from_slice(payload).ok()?;
    let number = told["params"]["result"]["number"].as_str()?.strip_prefix("0x")?;
    u64::from_str_radix(number, 16).ok()
}

fn text_frame(payload: &[u8]) -> Vec<u8> {
    client_frame(0x1, payload)
}

/// A client's frame; its mask is zero, which leaves the payload as it is. Only for payloads below 64 KiB.
fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        Ok(_) | Err(_) => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A server's first frame, with how many bytes it takes; none while some are missing. Servers send unmasked and, here, unfragmented.
fn frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let opcode = bytes.first()? & 0x0f;
    let short = bytes.get(1)? & 0x7f;
    let (length, from): (usize, usize) = match short {
        126 => (big_endian(bytes.get(2..4)?), 4),
        127 => (big_endian(bytes.get(2..10)?), 10),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(from..from.checked_add(length)?)?;
    Some((opcode, payload.to_vec(), from + length))
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number: usize, byte| (number << 8) | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn server_frame(payload: &str) -> Vec<u8> {
        let mut frame = vec![0x81, 126];
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload.as_bytes());
        frame
    }

    #[test]
    fn a_frame_is_whole_or_not_there_yet() {
        let bytes = server_frame("hello");
        for cut in 0..bytes.len() {
            assert_eq!(frame(&bytes[..cut]), None);
        }
        assert_eq!(frame(&bytes), Some((1, b"hello".to_vec(), bytes.len())));
        assert_eq!(frame(&[0x81, 1, b'x', 0x81]), Some((1, b"x".to_vec(), 3)));
    }

    #[test]
    fn a_clients_frame_is_masked_with_zeroes() {
        assert_eq!(client_frame(1, b"ab"), [0x81, 0x82, 0, 0, 0, 0, b'a', b'b']);
        assert_eq!(client_frame(1, &[7; 200])[..4], [0x81, 0x80 | 126, 0, 200]);
    }

    #[test]
    fn blocks_are_noted_when_they_first_come() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                let mut piece = [0; 512];
                let length = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..length]);
            }
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
                .unwrap();
            // The subscription's own answer tells of no block.
            stream
                .write_all(&server_frame(r#"{"id":1,"result":"0x1"}"#))
                .unwrap();
            for number in ["0x7", "0x8", "0x7"] {
                thread::sleep(Duration::from_millis(20));
                let told = format!(
                    r#"{{"method":"eth_subscription","params":{{"result":{{"number":"{number}"}}}}}}"#
                );
                stream.write_all(&server_frame(&told)).unwrap();
            }
            thread::sleep(Duration::from_secs(5));
        });
        let heads = Heads::subscribe(&url).unwrap();
        let first = heads.next().unwrap();
        assert!(first == 7 || first == 8);
        while heads.arrival(8).is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(heads.arrival(7).unwrap() < heads.arrival(8).unwrap());
        assert_eq!(heads.arrival(9), None);
        assert_eq!(heads.between(At(0), At(u64::MAX)), 2);
    }
}
