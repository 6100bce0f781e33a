//! An HTTP/1.1 client over a plain socket: it can break off, pace itself, say less than it promised.

use super::PATIENCE;
use rain_harness::Head;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

/// A request; sent by [`Request::to`], or piece by piece over a [`Connection`].
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

pub(crate) fn get(path: impl Into<String>) -> Request {
    Request { method: "GET", path: path.into(), headers: Vec::new(), body: None }
}

pub(crate) fn head(path: impl Into<String>) -> Request {
    Request { method: "HEAD", ..get(path) }
}

pub(crate) fn delete(path: impl Into<String>) -> Request {
    Request { method: "DELETE", ..get(path) }
}

/// A PUT; its `Content-Length` is that of the body.
pub(crate) fn put(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    Request { method: "PUT", body: Some(body.into()), ..get(path) }
}

/// A POST; its `Content-Length` is that of the body.
pub(crate) fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    Request { method: "POST", ..put(path, body) }
}

impl Request {
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The head as it goes over the wire; `Host` is the port's own unless the request names one.
    fn head(&self, port: u16) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let named = |name: &str| self.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
        if !named("host") {
            let _ = write!(text, "host: 127.0.0.1:{port}\r\n");
        }
        if let Some(body) = self.body.as_ref().filter(|_| !named("content-length") && !named("transfer-encoding")) {
            let _ = write!(text, "content-length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n"
    }

    /// The answer of the listener at `port`.
    #[track_caller]
    pub(crate) fn to(&self, port: u16) -> Response {
        self.try_to(port).unwrap_or_else(|error| panic!("{} {} of {port}: {error}", self.method, self.path))
    }

    /// The answer, unless the listener cannot be reached or breaks off.
    pub(crate) fn try_to(&self, port: u16) -> io::Result<Response> {
        let mut connection = Connection::try_open(port)?;
        connection.send_head(self)?;
        // A server that refuses may stop reading: what it says is read all the same.
        let sent = connection.send(self.body.as_deref().unwrap_or_default());
        connection.receive(self.method).map_err(|error| sent.err().unwrap_or(error))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: Head,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, text()))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.head, self.beginning());
        self
    }

    /// As much of the body as a message can hold.
    pub(crate) fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(1000)]).into_owned()
    }

    /// Checks that it is an error object (docs/operating.md, what is promised) with this short code.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        let object = response.json();
        assert_eq!(object["error"], code, "{object}");
        assert!(object["message"].as_str().is_some_and(|message| !message.is_empty()), "{object}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        response
    }
}

/// A connection that stays open between requests.
pub(crate) struct Connection {
    port: u16,
    stream: BufReader<TcpStream>,
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(port: u16) -> Self {
        Self::try_open(port).unwrap_or_else(|error| panic!("port {port}: {error}"))
    }

    /// Opens one from another address of this machine: 127.0.0.`host`.
    pub(crate) fn open_from(host: u8, port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into())?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        Self::over(socket.into(), port)
    }

    fn try_open(port: u16) -> io::Result<Self> {
        Self::over(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?, port)
    }

    fn over(stream: TcpStream, port: u16) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { port, stream: BufReader::new(stream) })
    }

    /// A whole exchange.
    #[track_caller]
    pub(crate) fn exchange(&mut self, request: &Request) -> Response {
        self.send_head(request).expect("a connection that takes a request");
        self.send(request.body.as_deref().unwrap_or_default()).expect("a connection that takes a body");
        self.receive(request.method).expect("an answer")
    }

    /// Sends the head of a request, and no byte of its body.
    pub(crate) fn send_head(&mut self, request: &Request) -> io::Result<()> {
        let head = request.head(self.port);
        self.send(head.as_bytes())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One chunk of a chunked body; an empty one ends it.
    pub(crate) fn send_chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        self.send(bytes)?;
        self.send(b"\r\n")
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// The head of the next answer, interim or not.
    pub(crate) fn receive_head(&mut self) -> io::Result<Head> {
        Head::read(&mut self.stream)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next answer that is not interim, to a request of this method.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let head = self.receive_head()?;
            let status = head.status();
            if status >= 200 {
                let mut response = Response { status, head, body: Vec::new() };
                if method != "HEAD" && status != 204 && status != 304 {
                    response.body = self.receive_body(&response)?;
                }
                return Ok(response);
            }
        }
    }

    fn receive_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line()?;
                let length = u64::from_str_radix(&line, 16).map_err(io::Error::other)?;
                self.receive_exactly(length, &mut body)?;
                self.line()?;
                if length == 0 {
                    return Ok(body);
                }
            }
        }
        self.receive_exactly(response.head.length()?, &mut body)?;
        Ok(body)
    }

    /// The next chunk of a chunked body; an empty one ends it.
    pub(crate) fn receive_chunk(&mut self) -> io::Result<Vec<u8>> {
        let length = u64::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
        let mut chunk = Vec::new();
        self.receive_exactly(length, &mut chunk)?;
        self.line()?;
        Ok(chunk)
    }

    /// So many bytes of a body.
    pub(crate) fn receive_exactly(&mut self, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
        if (&mut self.stream).take(length).read_to_end(into)? as u64 == length {
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    /// Reads what there is of a body, at most as much as fits.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Fills the buffer from a body.
    pub(crate) fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.stream.read_exact(buffer)
    }
}
