//! Whether this node is a member, and whether the others know how it is reached.

use super::Node;
use super::roster::own_contact;
use crate::peer::join::{JoinError, join, way_to};
use core::time::Duration;
use rain_cluster::register::{Configuration, Contact, Member};
use rain_config::{Config, NodeKeys};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::sleep;

/// A node that has just begun hears first what has changed while it was away.
const MOMENT: Duration = Duration::from_secs(1);
/// How the node is reached is compared, and told, so often.
const AGAIN: Duration = Duration::from_secs(10);

/// The node is a member of the cluster no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "node {name} ({id}) is no member of the cluster any more: the configuration of epoch {epoch} does not name it. Under this id \
     it never comes back: with another folder, `rain cluster invite` at a member and `rain join` here make another node of this \
     machine"
)]
pub struct NoMember {
    /// What its file calls it.
    pub name: String,
    /// Its id.
    pub id: rain_cluster::NodeId,
    /// In this epoch it was none any more, at the latest.
    pub epoch: u64,
}

/// Whether a configuration that is known names the node of this file.
pub(super) fn check_member(config: &Config, known: &Configuration) -> Result<(), NoMember> {
    if known.sets().any(|set| set.member(config.id).is_some()) {
        return Ok(());
    }
    Err(NoMember { name: config.me().name.clone(), id: config.id, epoch: known.epoch })
}

/// How the node of this file is reached, where the configuration says `before`: what the file does not say stays.
fn contact_now(config: &Config, keys: &NodeKeys, before: &Contact) -> Contact {
    let mut now = own_contact(config, keys);
    let sorted = |contact: &Contact| contact.addresses.iter().cloned().collect::<BTreeSet<_>>();
    if sorted(&now) == sorted(before) {
        now.addresses.clone_from(&before.addresses);
    }
    if config.http.is_none() {
        now.http.clone_from(&before.http);
    }
    // A key that is to be used next stands behind the one in use.
    if before.keys.first() == now.keys.first() {
        now.keys.clone_from(&before.keys);
    }
    now
}

impl Node {
    /// That the node is a member no more, if that is known here.
    pub fn no_member(&self) -> Option<NoMember> {
        let known = self.configuration().borrow().configuration.clone()?;
        check_member(&self.config, &known).err()
    }

    /// Whether the cluster still has this node, by what its disk knows.
    pub(super) fn check_known(&self) -> Result<(), NoMember> {
        self.store.known_configuration().map_or(Ok(()), |known| check_member(&self.config, &known))
    }

    /// Tells the others how this node is reached, where the configuration says otherwise, until the task is aborted.
    ///
    /// Cancel safety: somebody may have been told.
    pub(super) async fn keep_contact(self: Arc<Self>) {
        sleep(MOMENT).await;
        loop {
            if let Some(member) = self.moved() {
                match self.tell_contact(&member).await {
                    Ok(known) => {
                        tracing::info!(epoch = known.epoch, "the others know how this node is reached");
                        self.take_news(known).await;
                    }
                    Err(error) => tracing::warn!(%error, "the others do not know yet how this node is reached"),
                }
            }
            sleep(AGAIN).await;
        }
    }

    /// What this node should be to the others, where the configuration says that it is reached in another way, or nobody is where
    /// the configuration says.
    fn moved(&self) -> Option<Member> {
        let known = self.configuration().borrow().configuration.clone()?;
        // Whoever has moved hears nothing from the others before they know.
        let others = self.others();
        let is_alone = !others.is_empty() && others.iter().all(|node| self.peers.paths.is_up(*node) != Some(true));
        if known.old.is_some() || !(self.store.is_sure() || is_alone) {
            return None;
        }
        let there = known.new.member(self.config.id).filter(|there| there.voter.life == self.store.me().life)?;
        let contact = contact_now(&self.config, &self.settings.watch().borrow().keys, &there.contact);
        (is_alone || contact != there.contact).then(|| Member { contact, ..there.clone() })
    }

    /// Tells one of the others: it makes the change, for it is reached by those that must agree. The configuration then.
    async fn tell_contact(&self, member: &Member) -> Result<Configuration, JoinError> {
        let roster = self.roster();
        let others = roster.members().iter().filter(|other| other.id != self.config.id);
        let mut ways: Vec<_> = others.flat_map(|other| self.config.paths_to(other)).collect();
        // All others may have moved, too.
        ways.extend(self.config.join.iter().flat_map(|join| &join.addresses).copied().map(way_to));
        let keys: Vec<_> = roster.keys().copied().collect();
        let own = self.settings.watch().borrow().keys.own.clone();
        join(&ways, &keys, (&own, None), member).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::NodeId;
    use std::path::Path;

    fn config(more: &str) -> Config {
        let text = format!(
            "node = \"A\"\nid = \"0000000a\"\ndata = [\"/\"]\ncode = \"replica:2\"\nlisten = \"127.0.0.1:80\"\n{more}\n\
             interfaces = [{{ switch = \"t\", address = \"127.0.0.1:9\", reached_at = \"127.0.0.9:9\" }}, \
             {{ switch = \"s\", address = \"127.0.0.2:9\" }}]\n\
             peers = [{{ name = \"B\", id = \"0000000b\", http = \"http://b\", addresses = {{ s = \"127.0.0.3:9\" }} }}]"
        );
        Config::parse(Path::new("a.toml"), &text, core::iter::empty()).unwrap()
    }

    #[test]
    fn what_the_file_does_not_say_stays() {
        let (plain, with_url) = (config(""), config("http = \"http://new\""));
        let own = plain.reloadable.keys.own.public().bytes();
        let before = Contact {
            name: "A".to_owned(),
            http: "http://seen".to_owned(),
            addresses: vec!["s=127.0.0.2:9".to_owned(), "t=127.0.0.9:9".to_owned()],
            keys: vec![own, [7; 32]],
        };
        let now = |config: &Config, before: &Contact| contact_now(config, &config.reloadable.keys, before);
        assert_eq!(now(&plain, &before), before);
        assert_eq!(now(&with_url, &before), Contact { http: "http://new".to_owned(), ..before.clone() });
        let elsewhere = Contact { addresses: vec!["s=127.0.0.4:9".to_owned()], ..before.clone() };
        let found = now(&plain, &elsewhere).addresses;
        assert_eq!(found, ["t=127.0.0.9:9", "s=127.0.0.2:9"]);
        let rotated = Contact { keys: vec![[7; 32], own], ..before.clone() };
        assert_eq!(now(&plain, &rotated).keys, [own]);
        let renamed = Contact { name: "Z".to_owned(), ..before };
        assert_eq!(now(&plain, &renamed).name, "A");
    }

    #[test]
    fn who_is_not_named_is_no_member() {
        let told = NoMember { name: "A".to_owned(), id: NodeId(10), epoch: 7 }.to_string();
        assert!(told.starts_with("node A (0000000a) is no member"), "{told}");
        assert!(told.contains("epoch 7"), "{told}");
    }
}
