//! Contents that can be made again, and storing them.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Instant;

use rain_harness::{Head, Server, Transfer};

const BUFFER_BYTES: usize = 1 << 20;

/// Gives bytes that nothing can compress, the same for the same seed, from any place on.
pub fn content(seed: u64) -> blake3::OutputReader {
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof()
}

/// Stores so many bytes of [`content`].
///
/// # Errors
/// The connection's; the title is refused.
pub fn put_content(server: impl Into<Server>, title: &str, bytes: u64, seed: u64) -> io::Result<Transfer> {
    let started = Instant::now();
    let Server { address, token } = server.into();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "PUT /v/{title} HTTP/1.1\r\nHost: {address}\r\n{token}Content-Length: {bytes}\r\n\r\n")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut random = content(seed);
    let mut left = bytes;
    while left > 0 {
        random.fill(&mut buffer);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        stream.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    Head::read(&mut stream)?.expect(&[201, 204])?;
    Ok(Transfer { bytes, first_byte: started.elapsed(), whole: started.elapsed() })
}
