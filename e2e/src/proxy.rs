//! A TCP proxy that can be cut and restored, to put an outage between two parts without touching either. It copies
//! bytes and understands none of them, so TLS passes through it; who wants to understand them may listen in.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// After a connection that could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// What a copy takes in at once.
const PIECE: usize = 64 * 1024;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected.
    ToServer,
    /// To whoever connected.
    ToClient,
}

/// Somebody who listens in; bytes are shown before they are passed on, and cannot be changed.
pub trait Tap: Send + Sync {
    /// These bytes came on this connection.
    fn passed(&self, connection: u64, direction: Direction, bytes: &[u8]);

    /// Nothing more comes on this connection.
    fn ended(&self, connection: u64);
}

/// A running proxy; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<Acceptor>>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<(u64, TcpStream, TcpStream)>>,
    next: AtomicU64,
    accepted: AtomicU64,
    tap: Mutex<Option<Arc<dyn Tap>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Acceptor {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `target`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target)
    }

    /// Listens on `listen` (port 0 picks a free one) and forwards to `target`. Pods of a world reach it on the host's
    /// end of the world's link.
    ///
    /// # Errors
    /// If `listen` cannot be bound.
    pub fn start_at(listen: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let proxy = Self {
            address,
            target,
            shared: Arc::default(),
            acceptor: Mutex::new(None),
        };
        proxy.accept(listener)?;
        Ok(proxy)
    }

    /// Where clients connect; it stays the same over [`Proxy::cut`] and [`Proxy::restore`].
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// From now on somebody listens in. Connections that are open are closed, so that nothing passes unheard.
    pub fn tap(&self, tap: Arc<dyn Tap>) {
        *self.shared.tap.lock().unwrap_or_else(PoisonError::into_inner) = Some(tap);
        self.close_connections();
    }

    /// Closes every connection and refuses new ones until [`Proxy::restore`].
    pub fn cut(&self) {
        let acceptor = self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(acceptor) = acceptor {
            acceptor.stop.store(true, Ordering::SeqCst);
            // The listener waits for a connection; this one tells it to look.
            TcpStream::connect_timeout(&self.address, DIAL_TIMEOUT).ok();
            acceptor.thread.join().ok();
        }
        self.close_connections();
    }

    /// Closes every connection but goes on accepting, as a load balancer that is replaced does.
    pub fn close_connections(&self) {
        let open = std::mem::take(&mut *self.shared.open.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, client, server) in open {
            client.shutdown(Shutdown::Both).ok();
            server.shutdown(Shutdown::Both).ok();
        }
    }

    /// Accepts connections again, on the same address.
    ///
    /// # Errors
    /// If another process has taken the port in the meantime.
    pub fn restore(&self) -> io::Result<()> {
        if self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
        {
            return Ok(());
        }
        self.accept(TcpListener::bind(self.address)?)
    }

    fn accept(&self, listener: TcpListener) -> io::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, target, stopped) = (Arc::clone(&self.shared), self.target, Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else {
                    thread::sleep(ACCEPT_PAUSE);
                    continue;
                };
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                let (shared, stopped) = (Arc::clone(&shared), Arc::clone(&stopped));
                thread::spawn(move || shared.forward(client, target, &stopped).ok());
            }
        });
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = Some(Acceptor { stop, thread });
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    /// Connects one client to the target and copies until either side ends.
    fn forward(&self, client: TcpStream, target: SocketAddr, cut: &AtomicBool) -> io::Result<()> {
        let server = TcpStream::connect_timeout(&target, DIAL_TIMEOUT)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            // The cut may have come while the target was being dialled; it must not leave this one open.
            if cut.load(Ordering::SeqCst) {
                return Ok(());
            }
            open.push((number, client.try_clone()?, server.try_clone()?));
        }
        let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
        let tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match tap {
            None => {
                let upstream = thread::spawn(move || copy(from_client, to_server));
                copy(server, client);
                upstream.join().ok();
            }
            Some(tap) => {
                let listening = Arc::clone(&tap);
                let upstream = thread::spawn(move || {
                    overheard(from_client, to_server, &*listening, number, Direction::ToServer);
                });
                overheard(server, client, &*tap, number, Direction::ToClient);
                upstream.join().ok();
                tap.ended(number);
            }
        }
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(other, ..)| *other != number);
        Ok(())
    }
}

/// Copies one direction; its end closes that direction only, so that a half-closed connection still drains.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
    from.shutdown(Shutdown::Read).ok();
}

/// As [`copy`], with each piece shown to the tap before it is passed on.
fn overheard(mut from: TcpStream, mut to: TcpStream, tap: &dyn Tap, connection: u64, direction: Direction) {
    let mut piece = vec![0; PIECE];
    while let Ok(length) = from.read(&mut piece) {
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        tap.passed(connection, direction, bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
    from.shutdown(Shutdown::Read).ok();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut &stream).ok());
            }
        });
        address
    }

    fn say(stream: &mut TcpStream, text: &str) -> io::Result<String> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn bytes_pass_both_ways() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        assert_eq!(say(&mut stream, "hello").unwrap(), "hello");
        assert_eq!(proxy.accepted(), 1);
    }

    #[test]
    fn a_cut_ends_open_connections_and_refuses_new_ones() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        say(&mut stream, "hello").unwrap();
        proxy.cut();
        assert!(say(&mut stream, "still there?").is_err());
        let refused = TcpStream::connect(proxy.addr()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_restored_proxy_has_the_same_address() {
        let proxy = Proxy::start(echo()).unwrap();
        let before = proxy.addr();
        proxy.cut();
        proxy.restore().unwrap();
        assert_eq!(proxy.addr(), before);
        assert_eq!(
            say(&mut TcpStream::connect(before).unwrap(), "back").unwrap(),
            "back"
        );
    }

    #[test]
    fn closing_connections_keeps_the_listener() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut first = TcpStream::connect(proxy.addr()).unwrap();
        say(&mut first, "one").unwrap();
        proxy.close_connections();
        assert!(say(&mut first, "gone").is_err());
        assert_eq!(
            say(&mut TcpStream::connect(proxy.addr()).unwrap(), "two").unwrap(),
            "two"
        );
    }

    #[test]
    fn a_target_that_is_down_ends_the_clients_connection() {
        let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let proxy = Proxy::start(unused).unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        assert!(say(&mut stream, "anyone?").is_err());
    }

    #[derive(Default)]
    struct Notes(Mutex<Vec<(Direction, String)>>);

    impl Tap for Notes {
        fn passed(&self, _connection: u64, direction: Direction, bytes: &[u8]) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.lock().unwrap().push((direction, text));
        }

        fn ended(&self, _connection: u64) {}
    }

    #[test]
    fn a_tap_sees_both_ways_from_the_first_byte_and_changes_nothing() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut before = TcpStream::connect(proxy.addr()).unwrap();
        say(&mut before, "unheard").unwrap();
        let notes = Arc::new(Notes::default());
        proxy.tap(notes.clone());
        assert!(say(&mut before, "lost").is_err());
        let mut heard = TcpStream::connect(proxy.addr()).unwrap();
        assert_eq!(say(&mut heard, "heard").unwrap(), "heard");
        assert_eq!(
            *notes.0.lock().unwrap(),
            [
                (Direction::ToServer, "heard".to_owned()),
                (Direction::ToClient, "heard".to_owned())
            ]
        );
    }
}
