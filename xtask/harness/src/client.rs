//! A plain blocking HTTP client: one request, one connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

const BUFFER_BYTES: usize = 1 << 20;
/// A head is never longer; more is not HTTP.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// So much is told of why a request was refused.
const REASON_BYTES_MAX: u64 = 400;
/// What is asked in between is answered within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a node serves players, and what lets us write there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// A token that it knows, for writes.
    pub token: Option<String>,
}

/// One that wants no token.
impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { address, token: None }
    }
}

/// A port of this machine's loopback.
impl From<u16> for Server {
    fn from(port: u16) -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), token: None }
    }
}

impl From<&Server> for Server {
    fn from(server: &Server) -> Self {
        server.clone()
    }
}

/// How one transfer went.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Bytes of the body.
    pub bytes: u64,
    /// From the start to the first byte of the body.
    pub first_byte: Duration,
    /// From the start to the end.
    pub whole: Duration,
}

impl Transfer {
    /// The speed over the whole of it; GB are 1e9 bytes.
    pub fn gb_per_s(&self) -> f64 {
        let bytes = Duration::from_nanos(self.bytes);
        // A nanosecond for a byte: GB are counted as seconds are.
        bytes.as_secs_f64() / self.whole.as_secs_f64()
    }
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    status: u16,
    line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head, and nothing of the body behind it.
    ///
    /// # Errors
    /// The connection's; what comes is no head of HTTP/1.1, or has no end.
    pub fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("a head of more than 64 KiB"));
            }
        }
        Self::parse(&String::from_utf8_lossy(&head))
    }

    fn parse(head: &str) -> io::Result<Self> {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let header = |line| header(line).ok_or_else(|| io::Error::other(format!("no header: {line:?}")));
        let headers = lines.filter(|line| !line.is_empty()).map(header).collect::<io::Result<_>>()?;
        Ok(Self { status, line, headers })
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Names and values of all headers, as they came.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body's length in bytes.
    ///
    /// # Errors
    /// The answer does not tell it.
    pub fn length(&self) -> io::Result<u64> {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        length.ok_or_else(|| io::Error::other(format!("no Content-Length in {} {:?}", self.line, self.headers)))
    }

    /// Checks the status.
    ///
    /// # Errors
    /// It is another one.
    pub fn expect(&self, good: &[u16]) -> io::Result<()> {
        if good.contains(&self.status) {
            return Ok(());
        }
        Err(io::Error::other(format!("found {}, expected one of {good:?}", self.line)))
    }
}

/// Reads a whole body and hands it on.
///
/// # Errors
/// The connection's, the sink's; another status than 200; a body that ends early.
pub fn get(server: impl Into<Server>, path: &str, sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Transfer> {
    get_within(server, path, None, sink)
}

/// Reads a whole body, with a limit to how long nothing may come.
///
/// # Errors
/// Those of [`get`], and a silence that is too long.
pub fn get_within(
    server: impl Into<Server>,
    path: &str,
    silence_max: Option<Duration>,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Transfer> {
    let started = Instant::now();
    let Server { address, .. } = server.into();
    let mut stream = match silence_max {
        Some(silence_max) => TcpStream::connect_timeout(&address, silence_max)?,
        None => TcpStream::connect(address)?,
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(silence_max)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let head = Head::read(&mut stream)?;
    head.expect(&[200]).map_err(|error| with_reason(&error, &mut stream))?;
    let length = head.length()?;
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

/// Adds what the body of a refusal says.
fn with_reason(error: &io::Error, stream: &mut TcpStream) -> io::Error {
    let mut reason = Vec::new();
    // A body that cannot be read says nothing; the status is told anyway.
    let _ = stream.take(REASON_BYTES_MAX).read_to_end(&mut reason);
    io::Error::other(format!("{error}: {}", String::from_utf8_lossy(&reason)))
}

/// Asks for something short.
///
/// # Errors
/// Those of [`get`]; no answer within 5 s.
pub fn ask(server: impl Into<Server>, path: &str) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    get_within(server, path, Some(PATIENCE), |bytes| {
        body.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(body)
}

/// Posts a JSON object.
///
/// # Errors
/// The connection's; another status than 200; no answer within 5 s.
pub fn post(port: u16, path: &str, object: &Value) -> io::Result<()> {
    let body = object.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let head = Head::read(&mut stream)?;
    let refused = head.expect(&[200]).map_err(|error| with_reason(&error, &mut stream));
    refused.map_err(|error| io::Error::other(format!("POST {path} {body}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_the_body_begins() {
        let mut answer: &[u8] = b"HTTP/1.1 206 Partial Content\r\ncontent-Length: 12\r\n\r\nbody";
        let head = Head::read(&mut answer).unwrap();
        assert_eq!((head.status(), head.length().unwrap(), answer), (206, 12, &b"body"[..]));
        assert_eq!((head.header("Content-length"), head.headers().len()), (Some("12"), 1));
        assert!(head.expect(&[200]).unwrap_err().to_string().contains("206 Partial Content"));
        for wrong in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 2\r\n\r\n", "HTTP/1.1 200 OK\r\nx\r\n\r\n", "HTTP/1.1 200"] {
            assert!(Head::read(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
