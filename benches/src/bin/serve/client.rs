//! A plain blocking HTTP client: one request, one connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const BUFFER_BYTES: usize = 1 << 20;

/// How one transfer went.
pub(crate) struct Transfer {
    pub(crate) bytes: u64,
    pub(crate) first_byte: Duration,
    pub(crate) whole: Duration,
}

impl Transfer {
    pub(crate) fn gb_per_s(&self) -> f64 {
        let bytes = Duration::from_nanos(self.bytes);
        // A nanosecond for a byte: GB are counted as seconds are.
        bytes.as_secs_f64() / self.whole.as_secs_f64()
    }
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn expect_status(head: &str, good: &[&str]) -> io::Result<()> {
    let status = head.split(' ').nth(1).unwrap_or_default();
    if good.contains(&status) { Ok(()) } else { Err(io::Error::other(format!("found {head}, expected {good:?}"))) }
}

/// Reads a whole body and hands it on.
pub(crate) fn get(port: u16, path: &str, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Transfer> {
    let started = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let head = read_head(&mut stream)?;
    expect_status(&head, &["200"])?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: u64 = length.ok_or_else(|| io::Error::other("no Content-Length"))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut bytes, mut first_byte) = (0, started.elapsed());
    while bytes < length {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::other(format!("{bytes} bytes, expected {length}")));
        }
        if bytes == 0 {
            first_byte = started.elapsed();
        }
        bytes += count as u64;
        sink(&buffer[..count])?;
    }
    Ok(Transfer { bytes, first_byte, whole: started.elapsed() })
}

/// Stores so many bytes that nothing can compress.
pub(crate) fn put_random(port: u16, title: &str, bytes: u64) -> io::Result<Transfer> {
    let started = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    write!(stream, "PUT /v/{title} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {bytes}\r\n\r\n")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut random = blake3::Hasher::new().finalize_xof();
    let mut left = bytes;
    while left > 0 {
        random.fill(&mut buffer);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        stream.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    expect_status(&read_head(&mut stream)?, &["201", "204"])?;
    Ok(Transfer { bytes, first_byte: started.elapsed(), whole: started.elapsed() })
}
