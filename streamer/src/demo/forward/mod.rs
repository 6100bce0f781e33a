//! The user-space network between the nodes of a demo: for each cable of a node an address that the others see, held
//! here. What comes in there is sent on to the node, as long as a way leads from the sender's cable to the receiver's.

mod tamper;
mod tcp;
mod udp;
mod weather;

pub(super) use weather::Weather;

use super::addresses::Addresses;
use super::network::Network;
use rain_cluster::topology::Topology;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// What the kernel keeps of a stream at each end of the forwarder: a cut must not be followed by megabytes that were
/// already past it.
const KERNEL_BUFFER_BYTES: usize = 256 << 10;
const BACKLOG: i32 = 1024;

/// The addresses that the others see, taken.
#[derive(Debug)]
pub(super) struct Sockets {
    tcp: Vec<std::net::TcpListener>,
    udp: Vec<std::net::UdpSocket>,
}

impl Sockets {
    /// Takes the addresses of every cable of a node.
    ///
    /// # Errors
    /// What the system says; nothing stays taken.
    pub(super) fn bind(addresses: Addresses, topology: &Topology) -> io::Result<Self> {
        let seen: Vec<_> = topology.attachments.iter().map(|attachment| addresses.seen(*attachment)).collect();
        let tcp = seen.iter().copied().map(listen).collect::<io::Result<_>>()?;
        let udp = seen.iter().copied().map(open_udp).collect::<io::Result<_>>()?;
        Ok(Self { tcp, udp })
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Accepted connections inherit both.
    socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES)?;
    socket.set_send_buffer_size(KERNEL_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn open_udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What every flow needs to know.
#[derive(Debug)]
struct Ways {
    addresses: Addresses,
    network: Arc<Network>,
    weather: Weather,
    /// So many streams, and pieces of streams, were tampered with.
    tampered: AtomicU64,
}

/// The forwarder at work; it ends when the value goes.
#[derive(Debug)]
pub(super) struct Forwarder {
    ways: Arc<Ways>,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    /// Forwards between the cables of a network from now on. Must be called within a runtime.
    ///
    /// # Errors
    /// When the sockets cannot be watched.
    pub(super) fn start(
        sockets: Sockets,
        addresses: Addresses,
        network: Arc<Network>,
        weather: Weather,
    ) -> io::Result<Self> {
        let ways = Arc::new(Ways { addresses, network, weather, tampered: AtomicU64::new(0) });
        let mut tasks = JoinSet::new();
        for (to, listener) in sockets.tcp.into_iter().enumerate() {
            tasks.spawn(tcp::serve(tokio::net::TcpListener::from_std(listener)?, to, Arc::clone(&ways)));
        }
        let sockets = sockets.udp.into_iter().map(tokio::net::UdpSocket::from_std).collect::<io::Result<Vec<_>>>()?;
        let sockets: Arc<[_]> = sockets.into();
        for to in 0..sockets.len() {
            tasks.spawn(udp::serve(Arc::clone(&sockets), to, Arc::clone(&ways)));
        }
        Ok(Self { ways, _tasks: tasks })
    }

    /// How many streams, and pieces of streams, were tampered with; datagrams are not counted.
    pub(super) fn tampered(&self) -> u64 {
        self.ways.tampered.load(Ordering::Relaxed)
    }
}
