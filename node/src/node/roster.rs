//! Who the members are, and how this node reaches them: by the configuration of the cluster, and by the node's file.

use super::Node;
use crate::peer::PathChange;
use rain_cluster::NodeId;
use rain_cluster::register::{Configuration, Contact};
use rain_codec::Code;
use rain_config::{Config, Interface, Member, NodeKeys};
use rain_session::PublicKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use tokio::sync::watch;

/// The members, as this node knows them.
#[derive(Debug, Clone)]
pub struct Roster {
    /// By id.
    members: Vec<Member>,
    /// This node, and its key.
    own: (NodeId, PublicKey),
    /// By which the others are known.
    keys: BTreeMap<PublicKey, NodeId>,
    /// The array code of new titles.
    code: Arc<Code>,
}

impl Roster {
    /// Before the cluster has a configuration, as far as is known here: what the file says.
    pub(super) fn of_file(config: &Config, keys: &NodeKeys) -> Self {
        let own = (config.id, keys.own.public());
        Self { members: config.members.clone(), own, keys: keys.peers.clone(), code: Arc::clone(&config.code) }
    }

    /// The members of a configuration. What the node's file says of a member counts, and of those that it does not name what the
    /// configuration says.
    pub(super) fn of(config: &Config, keys: &NodeKeys, configuration: &Configuration) -> Self {
        let (mut members, mut known) = (BTreeMap::new(), BTreeMap::new());
        // The newer set comes last, and counts.
        for member in configuration.sets().flat_map(|set| &set.members) {
            let (id, contact) = (member.voter.node, &member.contact);
            let by_file = config.member(id);
            members.insert(id, by_file.cloned().unwrap_or_else(|| of_contact(id, contact)));
            let own = keys.peers.iter().filter(|(_, node)| **node == id && by_file.is_some()).map(|(key, _)| *key);
            let own: BTreeSet<_> = own.collect();
            let theirs = contact.keys.iter().copied().map(PublicKey::from);
            let keys: Vec<_> = if own.is_empty() { theirs.collect() } else { own.into_iter().collect() };
            for key in keys.into_iter().filter(|_| id != config.id) {
                known.entry(key).or_insert(id);
            }
        }
        let code = Code::named(&configuration.new.code.name).inspect_err(|error| {
            tracing::error!(%error, "the code of new titles cannot be made: the one of the node's file is used");
        });
        Self {
            members: members.into_values().collect(),
            own: (config.id, keys.own.public()),
            keys: known,
            code: code.map_or_else(|_| Arc::clone(&config.code), Arc::new),
        }
    }

    /// All members, by id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// All members in the order of their names, for people.
    pub fn by_name(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_by_key(|member| &member.name);
        members
    }

    /// A member; `None` when there is no such one.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Whose key it is.
    pub fn owner(&self, key: &PublicKey) -> Option<NodeId> {
        if *key == self.own.1 { Some(self.own.0) } else { self.keys.get(key).copied() }
    }

    /// The keys of the members but this node.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.keys()
    }

    /// The array code of new titles.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }
}

/// What a node follows: whoever changes that holds it.
#[derive(Debug)]
pub(super) struct Following {
    /// The keys in force.
    pub(super) keys: NodeKeys,
    /// The newest configuration that was seen.
    pub(super) newest: Option<Arc<Configuration>>,
}

/// What a contact says, as far as it can be understood.
fn of_contact(id: NodeId, contact: &Contact) -> Member {
    let address = |text: &String| {
        let (switch, address) = text.split_once('=')?;
        Some((switch.to_owned(), address.parse::<SocketAddr>().ok()?))
    };
    let addresses = contact.addresses.iter().filter_map(address).collect();
    Member { name: contact.name.clone(), id, http: contact.http.clone(), addresses }
}

/// How the node that has this file is reached, as its file says.
pub(super) fn own_contact(config: &Config, keys: &NodeKeys) -> Contact {
    let me = config.me();
    let reached_at = |interface: &Interface| interface.reached_at.unwrap_or(interface.address);
    let addresses = config.interfaces.iter().map(|it| format!("{}={}", it.switch, reached_at(it)));
    let (addresses, keys) = (addresses.collect(), vec![keys.own.public().bytes()]);
    Contact { name: me.name.clone(), http: me.http.clone(), addresses, keys }
}

impl Node {
    /// The members as they are now.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.borrow())
    }

    /// The members, and all that follow.
    pub fn watch_roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    /// From now on the members are those of a configuration, if it is the newest, or what it says is looked at anew: whoever is new is
    /// spoken with, whoever is gone no more.
    pub(super) fn follow(&self, configuration: Option<Arc<Configuration>>) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let Following { keys: in_force, newest } = &mut *following;
        let epoch = newest.as_ref().map_or(0, |newest| newest.epoch);
        if let Some(newer) = configuration.filter(|configuration| configuration.epoch > epoch) {
            *newest = Some(newer);
        }
        let own = self.settings.watch().borrow().keys.clone();
        let roster = Arc::new(match newest {
            Some(newest) => Roster::of(&self.config, &own, newest),
            None => Roster::of_file(&self.config, &own),
        });
        // Guests come first: a key of a member is the member's.
        let mut peers = self.invitations.keys();
        peers.extend(&roster.keys);
        let keys = NodeKeys { own: own.own, peers };
        if *in_force != keys {
            self.peers.set_keys(&keys);
            *in_force = keys;
        }
        let changes = self.peers.set_members(&self.config, &roster.members);
        self.commons(|commons| commons.set_nodes(roster.members.iter().map(|member| member.id)));
        self.count_paths(&roster, &changes);
        self.watch_paths(&changes);
        self.roster.send_replace(roster);
        self.set_limits(&self.settings.watch().borrow().limits);
    }

    fn count_paths(&self, roster: &Roster, changes: &[PathChange]) {
        for change in changes {
            if let PathChange::Added(peer, _, addresses) = change {
                let name = roster.member(*peer).map_or_else(|| peer.to_string(), |member| member.name.clone());
                self.reads.add_path(*peer, &name, addresses.switch.as_deref());
            }
        }
    }

    /// What the node's file and the configuration say by now.
    pub(super) fn follow_anew(&self) {
        self.follow(None);
    }
}
