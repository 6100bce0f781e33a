//! Who is invited to come to the cluster, by way of this node; and how they come.

use super::{Node, Roster};
use bytes::Bytes;
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::register::{ChangeError, Configuration, Contact, Member, Role};
use rain_config::Member as Known;
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
        let addresses = interfaces.map(|interface| (interface.switch.clone(), interface.address)).collect();
        let key = self.settings.watch().borrow().keys.own.public();
        Ok(Invited { addresses, key, invitation })
    }

    /// Takes a node in that comes with an invitation, or is a member already and has lost its data folder.
    pub(super) async fn take_in(self: &Arc<Self>, who: NodeId, key: PublicKey, body: Bytes) -> Result<Bytes, String> {
        let member = Member::parse(&body).map_err(|error| error.to_string())?;
        let known = self.read_configuration().await.map_err(|error| error.to_string())?;
        let id = member.voter.node;
        let is_guest = self.invitations.is_guest(who);
        if !is_guest && id != who {
            return Err(format!("the key is that of node {who}, expected node {id}, who wants to come"));
        }
        let same_key = |there: &Member| there.contact.keys.iter().any(|key| member.contact.keys.contains(key));
        let changed = match known.new.member(id) {
            // It was taken in before, and has not heard of it.
            Some(there) if is_guest && !same_key(there) => {
                return Err(format!("the id {id} is that of {}, expected a new one", there.contact.name));
            }
            Some(there) if there.role == Role::Learner && there.voter.life != member.voter.life => {
                let life = member.voter.life;
                self.change_configuration(move |known| known.replace(id, life)).await
            }
            Some(_) => Ok(known),
            None => {
                check_newcomer(&self.roster(), &member)?;
                let newcomer = Member { role: Role::Learner, weight: 0, witness: false, ..member };
                let add = move |known: &Configuration| -> Result<Configuration, ChangeError> {
                    known.add(newcomer.clone()).map(|next| next.with_note(format!("{} joins", newcomer.contact.name)))
                };
                self.change_configuration(add).await
            }
        };
        let changed = changed.map_err(|error| error.to_string())?;
        self.invitations.open().remove(&key);
        self.follow_anew();
        Ok(changed.to_bytes().into())
    }
}

/// Whether somebody can be spoken with, and is nobody who is known.
fn check_newcomer(roster: &Roster, member: &Member) -> Result<(), String> {
    let Contact { name, http, addresses, keys } = &member.contact;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("the name `{name}`, expected letters, digits and signs in ASCII, without spaces"));
    }
    let is_same = |known: &&Known| known.name == *name || known.http == *http;
    if let Some(known) = roster.members().iter().find(is_same) {
        let (what, found) = if known.name == *name { ("name", name) } else { ("URL", http) };
        return Err(format!("the {what} {found} is that of {}, expected another one", known.name));
    }
    if !http.starts_with("http://") && !http.starts_with("https://") {
        return Err(format!("the URL {http}, expected one of http or https"));
    }
    let [key] = keys[..] else { return Err(format!("{} keys, expected one", keys.len())) };
    if roster.is_known(&PublicKey::from(key)) {
        return Err("the key of a member, expected a key of its own".to_owned());
    }
    let mut switches = Vec::new();
    for address in addresses {
        let parsed = address.split_once('=').and_then(|(switch, at)| Some((switch, at.parse::<SocketAddr>().ok()?)));
        let (switch, at) = parsed.ok_or_else(|| format!("`{address}`, expected SWITCH=ADDRESS:PORT"))?;
        let of = roster.members().iter().find(|known| known.addresses.values().any(|other| *other == at));
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
