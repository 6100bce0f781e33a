//! Clients that store titles.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rain_harness::Head;

use super::{CLIENTS, NODES, PORT, number};

const TITLE_BYTES: usize = 1 << 10;

/// Stores new titles by way of all nodes, each over a connection that stays, up to number `end` or for so long. PUTs a
/// second.
pub(super) fn put_titles(next: &AtomicU64, end: u64, time: Option<Duration>) -> io::Result<f64> {
    let (began, done) = (Instant::now(), AtomicU64::new(0));
    let client = |number: usize| {
        let port = PORT + u16::try_from(number % usize::from(NODES)).unwrap_or(0);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        let mut body = [0; TITLE_BYTES];
        while time.is_none_or(|time| began.elapsed() < time) {
            let title = next.fetch_add(1, Ordering::Relaxed);
            if title >= end {
                next.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            rain_benches::content(title).fill(&mut body);
            put(&mut stream, &format!("small-{title:08}"), &body)?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| io::Error::other("a client panicked"))?)
    })
    .map(|()| number(done.load(Ordering::Relaxed)) / began.elapsed().as_secs_f64())
}

fn put(stream: &mut TcpStream, title: &str, body: &[u8]) -> io::Result<()> {
    let host: SocketAddr = stream.peer_addr()?;
    let length = body.len();
    let mut request =
        format!("PUT /v/{title} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request)?;
    let head = Head::read(stream)?;
    head.expect(&[201, 204])?;
    let mut rest = vec![0; usize::try_from(head.length().unwrap_or(0)).unwrap_or(0)];
    stream.read_exact(&mut rest)
}
