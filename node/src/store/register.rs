//! What a store keeps of the configuration register: what its node must not forget as a voter, and the newest configuration
//! that it knows.

use super::change::Change;
use super::names::{CONFIGURATION, REGISTER};
use super::{Disk, Identity, Store, lock, publish, read_small};
use rain_cluster::register::{CONFIGURATION_BYTES_MAX, Configuration, RECORD_BYTES_MAX, Record, Save, Voter};
use rain_cluster::{Life, NodeId, Time};
use std::io;

/// What was found of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRegister {
    /// Whose.
    pub me: Voter,
    /// `None` where there is none of this life, or it cannot be read: the voter has forgotten what it promised.
    pub record: Option<Record>,
    /// `None` where none is known.
    pub configuration: Option<Configuration>,
}

impl<D: Disk> Store<D> {
    /// What the disk has of the register.
    ///
    /// # Errors
    /// Those of the disk, but that there is nothing.
    pub fn kept_register(&self) -> io::Result<KeptRegister> {
        let _turn = lock(&self.register);
        let whose = self.whose();
        let me = Voter { node: whose.node, life: whose.life };
        let record = kept(&*self.disk, REGISTER, RECORD_BYTES_MAX, Record::parse)?;
        let record = record.filter(|record| record.voter == me);
        let configuration = find_configuration(&*self.disk)?;
        Ok(KeptRegister { me, record, configuration })
    }

    /// The newest configuration that the disk has; `None` where there is none, or it cannot be read.
    pub fn known_configuration(&self) -> Option<Configuration> {
        find_configuration(&*self.disk).ok().flatten()
    }

    /// Makes durable what the register of this life wants to keep.
    ///
    /// # Errors
    /// Those of the disk, or that the store is in another life by now; what was kept is as it was.
    pub fn keep_register(&self, me: Voter, save: &Save) -> io::Result<()> {
        let _turn = lock(&self.register);
        let whose = self.whose();
        if (whose.node, whose.life) != (me.node, me.life) {
            return Err(io::Error::other("the store began a new life"));
        }
        match save {
            Save::Record(bytes) => {
                // One more change of this store: an old copy of its disk has made fewer than others remember.
                let incarnation = lock(&self.index).incarnation;
                self.change(Time::default(), [Change::Incarnation(incarnation)])?;
                publish(&*self.disk, REGISTER, bytes)
            }
            Save::Configuration(bytes) => publish(&*self.disk, CONFIGURATION, bytes),
        }
    }

    /// From now on these lives are over, as a configuration says: nobody waits for what they know.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end_lives(&self, retired: &[Voter]) -> io::Result<()> {
        let me = self.whose().node;
        let news: Vec<_> = {
            let index = lock(&self.index);
            let is_news = |voter: &&Voter| voter.node != me && !index.retired.contains_key(&(voter.node, voter.life));
            retired.iter().filter(is_news).map(|voter| Change::Retired(voter.node, voter.life)).collect()
        };
        if news.is_empty() { Ok(()) } else { self.change(Time::default(), news) }
    }

    /// In which life a node was heard of last; `None` of one that was never heard of.
    pub fn life_of(&self, node: NodeId) -> Option<Life> {
        let whose = self.whose();
        if whose.node == node {
            return Some(whose.life);
        }
        lock(&self.index).remembered.get(&node).map(|memory| memory.said.life)
    }
}

impl<D: Disk> Store<D> {
    /// A folder from before there were voters becomes one of a voter that was never asked.
    pub(super) fn begin_to_vote(&self) -> io::Result<()> {
        let _turn = lock(&self.register);
        let mut identity = lock(&self.identity);
        begin(&*self.disk, Voter { node: identity.node, life: identity.life })?;
        let voter = Identity { votes: true, ..identity.clone() };
        self.publish_identity(&voter)?;
        *identity = voter;
        Ok(())
    }
}

/// The configuration that a disk has; `None` where there is none, or it cannot be read.
pub(super) fn find_configuration<D: Disk>(disk: &D) -> io::Result<Option<Configuration>> {
    kept(disk, CONFIGURATION, CONFIGURATION_BYTES_MAX, Configuration::parse)
}

/// Gives a folder that is nobody's yet the configuration of the cluster that its node joins.
///
/// # Errors
/// Those of the disk.
pub fn plant_configuration<D: Disk>(disk: &D, configuration: &Configuration) -> io::Result<()> {
    publish(disk, CONFIGURATION, &configuration.to_bytes())
}

/// Whether a folder knows of the configuration of its cluster.
///
/// # Errors
/// Those of the disk.
pub fn has_configuration<D: Disk>(disk: &D) -> io::Result<bool> {
    find_configuration(disk).map(|found| found.is_some())
}

fn kept<D: Disk, T, E: core::fmt::Display>(
    disk: &D,
    name: &str,
    bytes_max: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> io::Result<Option<T>> {
    let bytes = match read_small(disk, name, bytes_max + 1) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let parsed = parse(&bytes).inspect_err(|error| tracing::error!(file = name, %error, "not to be used"));
    Ok(parsed.ok())
}

/// Writes down that the voter of a life that begins has promised nothing. Before the life has begun: one without a record has
/// forgotten what it promised.
pub(super) fn begin<D: Disk>(disk: &D, me: Voter) -> io::Result<()> {
    publish(disk, REGISTER, &Record::blank(me).to_bytes())
}
