//! Who is invited to come to the cluster, by way of this node; and how they come.

use super::{Node, RegisterError, Roster};
use crate::peer::NotTaken;
use bytes::Bytes;
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::register::{ChangeError, Configuration, Contact, Member, Role};
use rain_config::{Interface, Member as Known};
use rain_session::{Invitation, PublicKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many are open at once at most.
const OPEN_MAX: usize = 64;

/// Those that are open: by the key of whoever comes with one, who that is until then, and how long it is good.
#[derive(Debug, Default)]
pub(super) struct Invitations(Mutex<BTreeMap<PublicKey, (NodeId, Instant)>>);

impl Invitations {
    fn open(&self) -> MutexGuard<'_, BTreeMap<PublicKey, (NodeId, Instant)>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, until)| Instant::now() < *until);
        open
    }

    /// The keys by which somebody may come, and the ids under which they do.
    pub(super) fn keys(&self) -> BTreeMap<PublicKey, NodeId> {
        self.open().iter().map(|(key, (guest, _))| (*key, *guest)).collect()
    }

    fn take(&self, key: &PublicKey) -> Option<(NodeId, Instant)> {
        self.open().remove(key)
    }

    fn put_back(&self, key: PublicKey, invited: (NodeId, Instant)) {
        self.open().insert(key, invited);
    }

    fn is_guest(&self, who: NodeId) -> bool {
        self.open().values().any(|(guest, _)| *guest == who)
    }
}

/// An invitation, as it is told once.
#[derive(Debug, Clone)]
pub struct Invited {
    /// Where the node comes to: where this one listens for peers, by switch.
    pub addresses: Vec<(String, SocketAddr)>,
    /// By which it knows this node.
    pub key: PublicKey,
    /// With which it comes.
    pub invitation: Invitation,
}

/// Too many invitations are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{OPEN_MAX} invitations are open, expected fewer: wait until one is used or too old")]
pub struct TooManyInvited;

impl Node {
    /// Invites a node to come to the cluster by way of this one, once, within a while.
    ///
    /// # Errors
    /// [`TooManyInvited`].
    pub fn invite(&self, good_for: Duration) -> Result<Invited, TooManyInvited> {
        let invitation = Invitation::fresh();
        {
            let mut open = self.invitations.open();
            if open.len() >= OPEN_MAX {
                return Err(TooManyInvited);
            }
            let guest = super::mint_id();
            open.insert(invitation.key_pair().public(), (guest, Instant::now() + good_for));
        }
        self.follow_anew();
        let interfaces = self.config.interfaces.iter();
        let reached_at = |interface: &Interface| interface.reached_at.unwrap_or(interface.address);
        let addresses = interfaces.map(|interface| (interface.switch.clone(), reached_at(interface))).collect();
        let key = self.settings.watch().borrow().keys.own.public();
        Ok(Invited { addresses, key, invitation })
    }

    /// Takes a node in that comes with an invitation, or is a member already and has lost its data folder, or is reached in
    /// another way by now.
    pub(super) async fn take_in(self: &Arc<Self>, who: NodeId, key: PublicKey, body: Bytes) -> Result<Bytes, NotTaken> {
        let never = NotTaken::Never;
        let member = Member::parse(&body).map_err(|error| never(error.to_string()))?;
        let known = self.read_configuration().await.map_err(|error| not_taken(&error))?;
        let id = member.voter.node;
        let is_guest = self.invitations.is_guest(who);
        if !is_guest && known.new.member(who).is_none() {
            return Err(never("the invitation is not good any more".to_owned()));
        }
        if !is_guest && id != who {
            return Err(never(format!("the key is that of node {who}, expected node {id}, who wants to come")));
        }
        let changed = match known.new.member(id) {
            // It was taken in before, and has not heard of it; who comes by its own key is somebody for sure.
            Some(there) if is_guest && (there.voter, &there.contact) != (member.voter, &member.contact) => {
                return Err(never(format!("the id {id} is that of {}, expected a new one", there.contact.name)));
            }
            Some(there) if there.role == Role::Learner && there.voter.life != member.voter.life => {
                let life = member.voter.life;
                self.change_configuration(move |known| known.replace(id, life)).await
            }
            Some(there) if !is_guest && there.voter == member.voter && there.contact != member.contact => {
                check_contact(&self.roster(), &member).map_err(never)?;
                let contact = member.contact;
                let told = move |known: &Configuration| -> Result<Configuration, ChangeError> {
                    let note = format!("how {} is reached", contact.name);
                    known.contact(id, contact.clone()).map(|next| next.with_note(note))
                };
                self.change_configuration(told).await
            }
            Some(_) => Ok(known),
            None => {
                let [_] = member.contact.keys[..] else {
                    return Err(never(format!("{} keys, expected one", member.contact.keys.len())));
                };
                check_contact(&self.roster(), &member).map_err(never)?;
                // Good once: whoever comes with it meanwhile is told so.
                let Some(used) = self.invitations.take(&key) else {
                    return Err(never("the invitation is not good any more".to_owned()));
                };
                let newcomer = Member { role: Role::Learner, weight: 0, witness: false, ..member };
                let add = move |known: &Configuration| -> Result<Configuration, ChangeError> {
                    known.add(newcomer.clone()).map(|next| next.with_note(format!("{} joins", newcomer.contact.name)))
                };
                let added = self.change_configuration(add).await;
                if added.as_ref().is_err_and(|error| matches!(not_taken(error), NotTaken::NotNow(_))) {
                    self.invitations.put_back(key, used);
                }
                added
            }
        };
        let changed = changed.map_err(|error| not_taken(&error))?;
        self.follow_anew();
        Ok(changed.to_bytes().into())
    }
}

/// Whether it is for good that the configuration cannot be changed so.
fn not_taken(error: &RegisterError) -> NotTaken {
    match error {
        RegisterError::Change(ChangeError::Joint(_))
        | RegisterError::Unfounded { .. }
        | RegisterError::NoMajority { .. }
        | RegisterError::Outrun
        | RegisterError::Undecided(_)
        | RegisterError::Late
        | RegisterError::Busy
        | RegisterError::Gone => NotTaken::NotNow(error.to_string()),
        RegisterError::Change(_) | RegisterError::Propose(_) => NotTaken::Never(error.to_string()),
    }
}

/// Whether somebody can be spoken with, and is nobody else who is known.
fn check_contact(roster: &Roster, member: &Member) -> Result<(), String> {
    let Contact { name, http, addresses, keys } = &member.contact;
    let id = member.voter.node;
    let others = || roster.members().iter().filter(move |known| known.id != id);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("the name `{name}`, expected letters, digits and signs in ASCII, without spaces"));
    }
    let is_same = |known: &&Known| known.name == *name || known.http == *http;
    if let Some(known) = others().find(is_same) {
        let (what, found) = if known.name == *name { ("name", name) } else { ("URL", http) };
        return Err(format!("the {what} {found} is that of {}, expected another one", known.name));
    }
    if !http.starts_with("http://") && !http.starts_with("https://") {
        return Err(format!("the URL {http}, expected one of http or https"));
    }
    if keys.iter().any(|key| roster.owner(&PublicKey::from(*key)).is_some_and(|owner| owner != id)) {
        return Err("the key of a member, expected a key of its own".to_owned());
    }
    let mut switches = Vec::new();
    for address in addresses {
        let parsed = address.split_once('=').and_then(|(switch, at)| Some((switch, at.parse::<SocketAddr>().ok()?)));
        let (switch, at) = parsed.ok_or_else(|| format!("`{address}`, expected SWITCH=ADDRESS:PORT"))?;
        let of = others().find(|known| known.addresses.values().any(|other| *other == at));
        if let Some(known) = of {
            return Err(format!("the address {at} is that of {}, expected another one", known.name));
        }
        switches.push(switch);
    }
    if switches.is_empty() {
        return Err("no address, expected one on each switch that leads to the others".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::Life;
    use rain_cluster::register::Voter;
    use rain_config::Config;
    use std::path::Path;

    #[test]
    fn what_is_too_old_is_no_invitation() {
        let (invitations, now) = (Invitations::default(), Instant::now());
        let [good, old] = [1, 2].map(|byte| PublicKey::from([byte; 32]));
        invitations.open().insert(good, (NodeId(1), now + Duration::from_mins(1)));
        invitations.open().insert(old, (NodeId(2), now));
        assert_eq!(invitations.keys(), [(good, NodeId(1))].into());
        assert!(invitations.is_guest(NodeId(1)) && !invitations.is_guest(NodeId(2)));
    }

    #[test]
    fn a_newcomer_has_nothing_that_is_anothers() {
        let text = "node = \"A\"\nid = \"0000000a\"\ndata = [\"/\"]\ncode = \"replica:2\"\nlisten = \"127.0.0.1:80\"\n\
             interfaces = [{ switch = \"s\", address = \"127.0.0.1:9\" }]\n\
             peers = [{ name = \"B\", id = \"0000000b\", http = \"http://b\", addresses = { s = \"127.0.0.2:9\" } }]";
        let config = Config::parse(Path::new("a.toml"), text, core::iter::empty()).unwrap();
        let roster = Roster::of_file(&config, &config.reloadable.keys);
        let (of_b, _) = config.reloadable.keys.peers.first_key_value().unwrap();
        let contact = Contact {
            name: "E".to_owned(),
            http: "http://e".to_owned(),
            addresses: vec!["s=127.0.0.3:9".to_owned()],
            keys: vec![[7; 32]],
        };
        let check = |id: u32, alter: &dyn Fn(&mut Contact)| {
            let mut contact = contact.clone();
            alter(&mut contact);
            let voter = Voter { node: NodeId(id), life: Life(1) };
            let (rack, room) = (String::new(), String::new());
            check_contact(
                &roster,
                &Member { voter, contact, role: Role::Learner, weight: 0, witness: false, rack, room },
            )
        };
        assert_eq!(check(14, &|_| {}), Ok(()));
        for (alter, expected) in [
            (&(|it: &mut Contact| it.name = "B".to_owned()) as &dyn Fn(&mut Contact), "the name B is that of B"),
            (&|it| it.name = "two words".to_owned(), "without spaces"),
            (&|it| it.name.clear(), "the name ``"),
            (&|it| it.http = "http://b".to_owned(), "the URL http://b is that of B"),
            (&|it| it.http = "ftp://e".to_owned(), "expected one of http or https"),
            (&|it| it.addresses = vec!["s=127.0.0.2:9".to_owned()], "the address 127.0.0.2:9 is that of B"),
            (&|it| it.addresses = vec!["127.0.0.3:9".to_owned()], "expected SWITCH=ADDRESS:PORT"),
            (&|it| it.addresses.clear(), "no address"),
            (&|it| it.keys.push(of_b.bytes()), "the key of a member"),
        ] {
            let found = check(14, alter).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
        // What is its own it may keep.
        let of_b = of_b.bytes();
        let own = |it: &mut Contact| {
            *it = Contact { name: "B".to_owned(), http: "http://b".to_owned(), keys: vec![of_b], ..it.clone() };
            it.addresses = vec!["s=127.0.0.2:9".to_owned()];
        };
        assert_eq!(check(11, &own), Ok(()));
        assert!(check(14, &own).is_err());
    }
}
