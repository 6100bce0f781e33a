//! A node as a process: its listeners, its tasks, and how it ends.

use super::desks::SHARDS;
use super::membership::NoMember;
use super::roster::own_contact;
use super::tasks::keep;
use super::{Node, greetings, path_watch, random_u64};
use crate::peer::join::{JoinError, join, way_to};
use crate::peer::server::{Door, serve as serve_peers};
use crate::store::{FolderError, OpenError, SystemDisk, find_life, has_configuration, plant_configuration};
use core::time::Duration;
use rain_cluster::Life;
use rain_cluster::register::{Configuration, Member, Role, Voter};
use rain_config::{Config, PathAddresses};
use rain_session::{Invitation, KeyPair, PublicKey};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A node that joins asks again for so long, so often, where nobody was reached, or could say.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
const JOIN_AGAIN: Duration = Duration::from_millis(500);

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
    /// The cluster did not take it in.
    #[error("cannot join the cluster: {0}")]
    Join(#[from] JoinError),
    /// The cluster has forgotten it.
    #[error(transparent)]
    NoMember(#[from] NoMember),
    /// The thread that watches the paths.
    #[error("cannot watch the paths: {0}")]
    Links(std::io::Error),
}

/// What a node of this file, in this life, wants to be.
fn newcomer(config: &Config, life: Life) -> Member {
    Member {
        voter: Voter { node: config.id, life },
        contact: own_contact(config, &config.reloadable.keys),
        role: Role::Learner,
        weight: 0,
        witness: false,
        rack: String::new(),
        room: String::new(),
    }
}

/// Joins, again for a while where nobody was reached, or could say.
async fn join_soon(
    ways: &[PathAddresses],
    keys: &[PublicKey],
    known_by: (&KeyPair, Option<Invitation>),
    member: &Member,
) -> Result<Configuration, JoinError> {
    let until = Instant::now() + JOIN_PATIENCE;
    loop {
        match join(ways, keys, known_by, member).await {
            Err(error @ (JoinError::Unreachable(_) | JoinError::NotYet(..))) if Instant::now() < until => {
                tracing::warn!(%error, "not joined yet");
                sleep(JOIN_AGAIN).await;
            }
            joined => return joined,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })
}

/// Runs a node as long as `serve` serves players at its listener.
///
/// # Errors
/// [`StartError`], before it serves anything.
///
/// Cancel safety: dropping it ends the node at once, as a crash would.
pub async fn run<S: Future<Output = ()>>(
    config: Config,
    serve: impl FnOnce(Arc<Node>, TcpListener) -> S,
) -> Result<(), StartError> {
    let disk = SystemDisk::take(&config.data)?;
    let players = listen(config.listen).await?;
    let (mut interfaces, mut sockets) = (Vec::new(), Vec::new());
    for interface in &config.interfaces {
        let address = interface.address;
        interfaces.push((listen(address).await?, address));
        sockets.push(UdpSocket::bind(address).map_err(|error| StartError::Listen { address, error })?);
    }
    let folder = config.data.display().to_string();
    let fresh_life = Life(super::low_half(random_u64()));
    if let Some(by) = &config.join
        && !has_configuration(&disk).unwrap_or(false)
    {
        let store = |error| StartError::Store { folder: folder.clone(), error };
        // Whoever has a store is in the life that it says.
        let life = find_life(&disk).map_err(store)?.unwrap_or(fresh_life);
        let ways: Vec<_> = by.addresses.iter().copied().map(way_to).collect();
        let known_by = (&config.reloadable.keys.own, by.invitation);
        let configuration = join_soon(&ways, &by.keys, known_by, &newcomer(&config, life)).await?;
        let planting = "writing the configuration".to_owned();
        plant_configuration(&disk, &configuration).map_err(|error| store(OpenError::Disk { what: planting, error }))?;
    }
    let node = Node::open(config, disk, fresh_life).map_err(|error| StartError::Store { folder, error })?;
    node.check_known()?;
    let mut tasks = JoinSet::new();
    let _links = path_watch::watch(&node, sockets).map_err(StartError::Links)?;
    let planting = Arc::clone(&node);
    tasks.spawn(keep("wrong downs", move || path_watch::plant_wrong_downs(Arc::clone(&planting))));
    node.open_desks();
    for shard in 0..SHARDS {
        let node = Arc::clone(&node);
        tasks.spawn(keep("desk", move || Arc::clone(&node).keep_time(shard)));
    }
    let returns = Arc::clone(&node);
    tasks.spawn(keep("returns", move || Arc::clone(&returns).watch_returns()));
    for (listener, address) in interfaces {
        let (peers, gate) = (Arc::clone(&node.peers), Arc::clone(&node.gates.peers));
        let door = Arc::new(Door { listener, address, peers, gate });
        let office = Arc::clone(&node);
        tasks.spawn(keep("peers", move || serve_peers(Arc::clone(&door), Arc::clone(&office))));
    }
    let register = Arc::clone(&node);
    tasks.spawn(keep("register", move || Arc::clone(&register).keep_register()));
    let contact = Arc::clone(&node);
    tasks.spawn(keep("contact", move || Arc::clone(&contact).keep_contact()));
    let greeting = Arc::clone(&node);
    tasks.spawn(keep("greetings", move || greetings::greet_all(Arc::clone(&greeting))));
    let pools = Arc::clone(&node);
    let close = move || {
        let node = Arc::clone(&pools);
        async move { node.peers.close_dead_pools().await }
    };
    tasks.spawn(keep("pools", close));
    let clocks = Arc::clone(&node);
    let watch = move || {
        let node = Arc::clone(&clocks);
        async move { node.peers.clocks.watch().await }
    };
    tasks.spawn(keep("clocks", watch));
    let reads = Arc::clone(&node.reads);
    tasks.spawn(keep("seconds", move || Arc::clone(&reads).keep_seconds()));
    serve(Arc::clone(&node), players).await;
    tasks.shutdown().await;
    node.close_desks();
    Ok(())
}
