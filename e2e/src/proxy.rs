//! A TCP proxy that can be cut and restored, to put an outage between two parts without touching either. It copies
//! bytes and understands none of them, so TLS passes through it.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running proxy; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<Acceptor>>,
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Vec<(u64, TcpStream, TcpStream)>>,
    next: AtomicU64,
    accepted: AtomicU64,
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

    /// Closes every connection and refuses new ones until [`Proxy::restore`].
    pub fn cut(&self) {
        let acceptor = self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(acceptor) = acceptor {
            acceptor.stop.store(true, Ordering::SeqCst);
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
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, target, stopped) = (Arc::clone(&self.shared), self.target, Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) => {
                        shared.accepted.fetch_add(1, Ordering::SeqCst);
                        let (shared, stopped) = (Arc::clone(&shared), Arc::clone(&stopped));
                        thread::spawn(move || shared.forward(client, target, &stopped).ok());
                    }
                    Err(_) => thread::sleep(ACCEPT_PAUSE),
                }
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
        client.set_nonblocking(false)?;
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
        let upstream = thread::spawn(move || copy(from_client, to_server));
        copy(server, client);
        upstream.join().ok();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::io::{Read as _, Write as _};

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
}
