//! A node as a process: its listeners, its tasks, and how it ends.

use super::Node;
use super::links;
use crate::config::Config;
use crate::http::{Shutdown, serve_node};
use crate::store::{FolderError, OpenError, SystemDisk};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its store.
    #[error("data folder {folder}: {error}")]
    Store {
        /// The folder.
        folder: String,
        /// What is wrong.
        error: OpenError,
    },
    /// An address.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The thread that watches the paths.
    #[error("cannot watch the paths: {0}")]
    Links(std::io::Error),
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })
}

/// Runs a node until `shutdown`, then drains.
///
/// # Errors
/// [`StartError`], before it serves anything.
///
/// Cancel safety: dropping it ends the node at once, as a crash would.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), StartError> {
    let disk = SystemDisk::take(&config.data)?;
    let players = listen(config.listen).await?;
    let (mut interfaces, mut sockets) = (Vec::new(), Vec::new());
    for interface in &config.interfaces {
        let address = interface.address;
        interfaces.push((listen(address).await?, address));
        sockets.push(UdpSocket::bind(address).map_err(|error| StartError::Listen { address, error })?);
    }
    let folder = config.data.display().to_string();
    let node = Node::open(config, disk).map_err(|error| StartError::Store { folder, error })?;
    let mut tasks = JoinSet::new();
    let links = links::watch(&node, sockets).map_err(StartError::Links)?;
    tasks.spawn(links::plant_wrong_downs(Arc::clone(&node), links.hints()));
    for (listener, address) in interfaces {
        tasks.spawn(crate::peer::server::serve(Arc::clone(&node), listener, address));
    }
    tasks.spawn(Arc::clone(&node).keep_house());
    let peers = Arc::clone(&node);
    tasks.spawn(async move { peers.peers.close_dead_pools().await });
    tasks.spawn(Arc::clone(&node.reads).keep_seconds());
    serve_node(node, players, shutdown).await;
    tasks.shutdown().await;
    Ok(())
}
