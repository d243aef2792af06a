//! The messages of one direction of an HTTP/1.1 connection, cut out of its bytes as they pass (RFC 9112). It keeps bodies and no more; what
//! it cannot read it says, since a count with a hole in it would be a lie.

use std::fmt;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its first line: of a request or of an answer.
    pub(super) start: String,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// Bytes that are no message this reader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not HTTP/1.1 as expected: {}", self.0)
    }
}

/// The bytes that are not a whole message yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    waiting: Vec<u8>,
}

enum Length {
    Known(usize),
    Chunked,
}

impl Reader {
    /// Takes bytes in and returns the messages that are whole now.
    ///
    /// # Errors
    /// The bytes are no such messages.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Message>, Unreadable> {
        self.waiting.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some((message, used)) = whole(&self.waiting)? {
            self.waiting.drain(..used);
            messages.push(message);
        }
        Ok(messages)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The first message and how many bytes it takes; none while some are missing.
fn whole(bytes: &[u8]) -> Result<Option<(Message, usize)>, Unreadable> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let rest = bytes.get(end + 4..).unwrap_or_default();
    let mut lines = head.lines();
    let start = lines.next().unwrap_or_default().to_owned();
    if !start.contains("HTTP/1.1") {
        return Err(Unreadable(start));
    }
    let body = match length(lines)? {
        Length::Known(length) => rest.get(..length).map(|body| (body.to_vec(), length)),
        Length::Chunked => unchunked(rest)?,
    };
    Ok(body.map(|(body, used)| (Message { start, body }, end + 4 + used)))
}

fn length<'a>(headers: impl Iterator<Item = &'a str>) -> Result<Length, Unreadable> {
    let mut found = Length::Known(0);
    for header in headers {
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().map_err(|_| Unreadable(header.to_owned()))?;
            found = Length::Known(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(Unreadable(header.to_owned()));
            }
            found = Length::Chunked;
        } else if name.eq_ignore_ascii_case("content-encoding") || name.eq_ignore_ascii_case("upgrade") {
            return Err(Unreadable(header.to_owned()));
        }
    }
    Ok(found)
}

/// A chunked body and how many bytes it takes; none while some are missing.
fn unchunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Unreadable> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line_end) = find(rest, b"\r\n") else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(rest.get(..line_end).unwrap_or_default()).into_owned();
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| Unreadable(line.clone()))?;
        let from = line_end + 2;
        let Some(chunk) = rest.get(from..from + size + 2) else {
            return Ok(None);
        };
        at += from + size + 2;
        // Trailers are as rare as they are legal: an end without them is two bytes.
        match (size, chunk) {
            (0, b"\r\n") => return Ok(Some((body, at))),
            (0, _) => return Err(Unreadable("trailers after a chunked body".into())),
            (_, _) => body.extend_from_slice(chunk.get(..size).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const TWO: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nonePOST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nother";

    #[test]
    fn messages_are_whole_however_their_bytes_are_cut() {
        for piece in 1..TWO.len() {
            let mut reader = Reader::default();
            let messages: Vec<Message> = TWO
                .chunks(piece)
                .flat_map(|bytes| reader.take(bytes).unwrap())
                .collect();
            let bodies: Vec<&[u8]> = messages.iter().map(|message| message.body.as_slice()).collect();
            assert_eq!(bodies, [b"one".as_slice(), b"other"], "pieces of {piece}");
        }
    }

    #[test]
    fn a_chunked_answer_is_put_together() {
        let answer =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3;x=y\r\n:1}\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let mut reader = Reader::default();
        let messages: Vec<Message> = answer
            .chunks(7)
            .flat_map(|bytes| reader.take(bytes).unwrap())
            .collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].body, b"{\"a\":1}");
        assert_eq!(messages[1].start, "HTTP/1.1 204 No Content");
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        for bytes in [
            b"PRI * HTTP/2.0\r\n\r\n".as_slice(),
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(Reader::default().take(bytes).is_err());
        }
    }
}
