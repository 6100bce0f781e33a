//! How many may come at once, where the configuration does not say: by the files that the process may open.

use crate::gate::{Gate, GateBounds};
use rain_config::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;

/// More connections than this are not granted by themselves: the head of a request may be 64 KiB for each.
const CONNECTIONS_MAX: u64 = 2048;
/// More uploads at once are not granted by themselves: each has up to a stripe of its title in memory, and leaves gaps there.
const UPLOADS_MAX: u64 = 32;

/// How many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections of players.
    pub players: GateBounds,
    /// Connections of peers.
    pub peers: GateBounds,
    /// Uploads of more than a moment.
    pub uploads: GateBounds,
    /// Titles that are read to verify them.
    pub verifications: GateBounds,
}

impl Bounds {
    /// What the configuration says, and where it says nothing: of `descriptors` files a half for players, a quarter for
    /// peers, and the rest for the disk, on which each upload of each of `members` nodes has one open.
    pub fn new(limits: &Limits, descriptors: u64, members: usize) -> Self {
        let small = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let players = limits.connections.unwrap_or(small((descriptors / 2).clamp(8, CONNECTIONS_MAX)));
        let peers = small((descriptors / 4).clamp(8, CONNECTIONS_MAX));
        let uploads = descriptors / 8 / (members as u64).max(1);
        let uploads = limits.uploads.unwrap_or(small(uploads.clamp(4, UPLOADS_MAX)));
        let gate = |all: usize, said: Option<usize>| {
            let per_address = said.unwrap_or((all / 2).max(1)).min(all);
            GateBounds { all, per_address }
        };
        Self {
            players: gate(players, limits.connections_per_address),
            peers: GateBounds { all: peers, per_address: peers },
            uploads: gate(uploads, limits.uploads_per_address),
            verifications: GateBounds { all: limits.verifications, per_address: 1 },
        }
    }
}

/// The gates of a node, by their bounds.
#[derive(Debug)]
pub struct Gates {
    /// Before the listener for players.
    pub players: Arc<Gate>,
    /// Before those for peers.
    pub peers: Arc<Gate>,
    /// Before uploads of more than a moment.
    pub uploads: Arc<Gate>,
    /// Before what is read to verify it.
    pub verifications: Arc<Gate>,
}

impl Gates {
    /// With nobody inside.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            players: Gate::new("players", bounds.players),
            peers: Gate::new("peers", bounds.peers),
            uploads: Gate::new("uploads", bounds.uploads),
            verifications: Gate::new("verifications", bounds.verifications),
        }
    }

    /// From now on these are the bounds; whoever is inside stays.
    pub fn set_bounds(&self, bounds: &Bounds) {
        let Self { players, peers, uploads, verifications } = self;
        players.set_bounds(bounds.players);
        peers.set_bounds(bounds.peers);
        uploads.set_bounds(bounds.uploads);
        verifications.set_bounds(bounds.verifications);
    }
}

/// How many files this process may open, raised as far as the system lets it.
pub fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let (Some(now), Some(most)) = (current, maximum)
        && now < most
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
    {
        tracing::warn!(%error, now, most, "the limit of open files cannot be raised");
        return now;
    }
    maximum.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_back_for_the_disk_and_for_peers() {
        let bounds = Bounds::new(&Limits::default(), 1024, 4);
        assert_eq!(bounds.players, GateBounds { all: 512, per_address: 256 });
        assert_eq!(bounds.peers.all, 256);
        // 128 files of uploads, at one node as many as at each of the others.
        assert_eq!(bounds.uploads, GateBounds { all: 32, per_address: 16 });
        let plenty = Bounds::new(&Limits::default(), 1 << 20, 4);
        assert_eq!((plenty.players.all, plenty.uploads.all), (2048, 32));
        assert_eq!(plenty.verifications, GateBounds { all: 4, per_address: 1 });
    }

    #[test]
    fn what_is_said_holds() {
        let said =
            Limits { connections: Some(50), uploads: Some(3), uploads_per_address: Some(9), ..Limits::default() };
        let bounds = Bounds::new(&said, 1024, 4);
        assert_eq!(bounds.players, GateBounds { all: 50, per_address: 25 });
        assert_eq!(bounds.uploads, GateBounds { all: 3, per_address: 3 });
    }

    #[test]
    fn the_limit_of_open_files_is_raised() {
        let raised = raise_descriptors();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(now.current.unwrap_or(u64::MAX), raised);
    }
}
