//! Where a viewer's bytes come from: a node over HTTP, or `rain get`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rain_benches::rain_program;
use rain_harness::{Head, Process, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use rustix::pipe::fcntl_setpipe_size;

/// The receive buffer asked for before connecting, and the size of the pipe behind `rain get`: larger ones hide stalls.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;
/// An answer's head comes within this time; a stream under k columns breaks off after 10 s.
const HEAD: Duration = Duration::from_secs(15);
/// `rain get` ends so soon after the last byte.
const END: Duration = Duration::from_secs(10);
/// How often a viewer looks whether it is to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What a viewer reads: so many bytes of the pseudo-random content of a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Title {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    pub(crate) seed: u64,
}

/// Where a viewer's bytes come from.
pub(crate) trait ViewerSource: Send + 'static {
    /// Opens the title at a position.
    fn open(&mut self, title: Title, position: u64) -> io::Result<()>;
    /// Whether the title can be opened elsewhere than at its start.
    fn can_resume(&self) -> bool;
    /// Waits a little while for bytes.
    fn is_readable(&mut self) -> io::Result<bool>;
    /// Reads what is there.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Makes sure that the stream ended as it should.
    fn finish(&mut self) -> io::Result<()>;
}

fn is_readable(source: &impl AsFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(source, PollFlags::IN)];
    match poll(&mut polled, Some(&LOOK)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn closed() -> io::Error {
    io::Error::other("the source is closed")
}

/// A player that asks one node.
pub(crate) struct HttpSource {
    server: Server,
    stream: Option<TcpStream>,
}

impl HttpSource {
    pub(crate) fn new(server: impl Into<Server>) -> Self {
        Self { server: server.into(), stream: None }
    }

    /// Connects with a small receive buffer: it must be small before the window is told to the other side.
    fn connect(&self) -> io::Result<TcpStream> {
        let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES)?;
        connect(&socket, &self.server.address)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl ViewerSource for HttpSource {
    fn open(&mut self, title: Title, position: u64) -> io::Result<()> {
        self.stream = None;
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(HEAD))?;
        let Title { name, bytes, .. } = title;
        let range = if position > 0 { format!("Range: bytes={position}-\r\n") } else { String::new() };
        let request = format!("GET /v/{name} HTTP/1.1\r\nHost: {}\r\n{range}\r\n", self.server.address);
        stream.write_all(request.as_bytes())?;
        let head = Head::read(&mut stream)?;
        head.expect(if position > 0 { &[206] } else { &[200] })?;
        let length = head.length()?;
        if length != bytes - position {
            return Err(io::Error::other(format!("a length of {length}, expected {}", bytes - position)));
        }
        self.stream = Some(stream);
        Ok(())
    }

    fn can_resume(&self) -> bool {
        true
    }

    fn is_readable(&mut self) -> io::Result<bool> {
        is_readable(self.stream.as_ref().ok_or_else(closed)?)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.as_mut().ok_or_else(closed)?.read(buffer)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.stream = None;
        Ok(())
    }
}

/// `rain get` with several servers, read through a small pipe.
pub(crate) struct GetSource {
    servers: String,
    running: Option<(Process, ChildStdout)>,
}

impl GetSource {
    /// Asks the nodes at these ports, in this order.
    pub(crate) fn new(ports: &[u16]) -> Self {
        let servers: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        Self { servers: servers.join(","), running: None }
    }
}

impl ViewerSource for GetSource {
    fn open(&mut self, title: Title, _position: u64) -> io::Result<()> {
        self.running = None;
        let program: PathBuf = rain_program()?;
        let mut command = Command::new(program);
        command.args(["get", title.name, "-o", "-", "--server", &self.servers]);
        command.args(["--receive-buffer", &BUFFER_BYTES.to_string()]);
        let running = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()))?;
        let stdout = running.take_stdout().ok_or_else(closed)?;
        fcntl_setpipe_size(&stdout, BUFFER_BYTES)?;
        self.running = Some((running, stdout));
        Ok(())
    }

    fn can_resume(&self) -> bool {
        false
    }

    fn is_readable(&mut self) -> io::Result<bool> {
        is_readable(&self.running.as_ref().ok_or_else(closed)?.1)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.running.as_mut().ok_or_else(closed)?.1.read(buffer)
    }

    fn finish(&mut self) -> io::Result<()> {
        let until = Instant::now() + END;
        while !self.is_readable()? {
            if Instant::now() > until {
                return Err(io::Error::other(format!("rain get runs on {END:?} after the last byte")));
            }
        }
        let (running, mut stdout) = self.running.take().ok_or_else(closed)?;
        if stdout.read(&mut [0])? > 0 {
            return Err(io::Error::other("more bytes than the title has"));
        }
        let status = running.wait(END)?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("rain get: {status}"))) }
    }
}
