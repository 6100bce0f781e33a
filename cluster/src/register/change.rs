//! What people change: each command gives the configuration to propose, or says why there is none.

use super::configuration::{Configuration, FORCED_EPOCHS};
use super::error::ConfigurationError;
use super::member::{Contact, Member, Role};
use super::set::{MemberSet, SetCode, VOTERS_MAX};
use super::voter::Voter;
use crate::members::CATALOG_NODES_DEFAULT;
use crate::version::{Life, NodeId};

/// Why a command gives no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Another change of the members is half-way.
    #[error("two sets are in force since epoch {0}, expected one: finish that change, or take it back")]
    Joint(u64),
    /// No change of the members is half-way.
    #[error("one set is in force in epoch {0}, expected two: there is nothing to finish or to take back")]
    NotJoint(u64),
    /// Nobody of this id.
    #[error("{0} is no member, expected one")]
    Unknown(NodeId),
    /// Somebody of this id is there.
    #[error("{node} is a member already, `{name}`, expected a new id")]
    Known {
        /// The id.
        node: NodeId,
        /// What the member is called.
        name: String,
    },
    /// The member does something else.
    #[error("{node} is {found}, expected {expected}")]
    Role {
        /// The member.
        node: NodeId,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// What comes of it is no configuration: too few members are left for the code, too many have votes, and the like.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Configuration {
    /// Adds a member that learns, and holds nothing yet.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn add(&self, newcomer: Member) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            let node = newcomer.voter.node;
            if let Some(member) = set.member(node) {
                return Err(ChangeError::Known { node, name: member.contact.name.clone() });
            }
            let place = set.members.partition_point(|member| member.voter.node < node);
            set.members.insert(place, Member { role: Role::Learner, weight: 0, ..newcomer });
            Ok(())
        })
    }

    /// Makes a learner active, with so many votes; `None`: with one, as long as there is room among the voters.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn promote(&self, node: NodeId, weight: Option<u8>) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            let usual = u8::from(set.voters().count() < VOTERS_MAX);
            let member = in_role(set, node, Role::Learner)?;
            (member.role, member.weight) = (Role::Active, weight.unwrap_or(usual));
            Ok(())
        })
    }

    /// Makes another code that of new titles.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn code(&self, code: SetCode) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            set.code = code;
            Ok(())
        })
    }

    /// Chooses a member for nothing any more: its votes and marks go, its columns move.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn drain(&self, node: NodeId) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            let member = in_role(set, node, Role::Active)?;
            (member.role, member.weight) = (Role::Draining, 0);
            Ok(())
        })
    }

    /// Puts another life of a member in the place of the one it has, which is over from then on.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn replace(&self, node: NodeId, life: Life) -> Result<Self, ChangeError> {
        self.next(|set, retired| {
            let member = member_of(set, node)?;
            retire(retired, member.voter);
            member.voter.life = life;
            Ok(())
        })
    }

    /// Takes a member out, and ends its life: one that is drained, or lost for good.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn forget(&self, node: NodeId) -> Result<Self, ChangeError> {
        self.next(|set, retired| {
            retire(retired, member_of(set, node)?.voter);
            set.members.retain(|member| member.voter.node != node);
            Ok(())
        })
    }

    /// Gives an active member so many votes.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn weight(&self, node: NodeId, weight: u8) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            in_role(set, node, Role::Active)?.weight = weight;
            Ok(())
        })
    }

    /// Says what a member shares a rack and a room with.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn label(&self, node: NodeId, rack: String, room: String) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            let member = member_of(set, node)?;
            (member.rack, member.room) = (rack, room);
            Ok(())
        })
    }

    /// Says what a member is called, and how it is reached.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn contact(&self, node: NodeId, contact: Contact) -> Result<Self, ChangeError> {
        self.next(|set, _| {
            member_of(set, node)?.contact = contact;
            Ok(())
        })
    }

    /// Ends a change of the members: from then on the new set alone is in force.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn finish(&self) -> Result<Self, ChangeError> {
        self.settle(|_, new| new.clone())
    }

    /// Takes a change of the members back: from then on the old set alone is in force. One that ended lives goes on only.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn abort(&self) -> Result<Self, ChangeError> {
        self.settle(|old, _| old.clone())
    }

    /// What is left without these members, whose lives are over, with another code of new titles where one is named: for when they are lost for good and no majority is left
    /// without them. Nobody agrees to it but the voters that it leaves: a person has to know that the lost ones do not go
    /// on by themselves.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn force(&self, given_up: &[Voter], code: Option<SetCode>) -> Result<Self, ChangeError> {
        let epoch = self.epoch + FORCED_EPOCHS;
        let mut forced = Self { epoch, old: None, note: String::new(), ..self.clone() };
        for voter in given_up {
            if !self.sets().flat_map(|set| &set.members).any(|member| member.voter == *voter) {
                return Err(ChangeError::Unknown(voter.node));
            }
            retire(&mut forced.retired, *voter);
        }
        forced.new.members.retain(|member| !given_up.contains(&member.voter));
        if let Some(code) = code {
            forced.new.code = code;
        }
        settle_numbers(&mut forced.new, &self.new);
        forced.since = forced.since_behind(self);
        forced.check()?;
        Ok(forced)
    }

    /// The same with words of people about it.
    #[must_use]
    pub fn with_note(self, note: String) -> Self {
        Self { note, ..self }
    }

    fn next(
        &self,
        alter: impl FnOnce(&mut MemberSet, &mut Vec<Voter>) -> Result<(), ChangeError>,
    ) -> Result<Self, ChangeError> {
        if self.old.is_some() {
            return Err(ChangeError::Joint(self.epoch));
        }
        let (mut new, mut retired) = (self.new.clone(), self.retired.clone());
        alter(&mut new, &mut retired)?;
        settle_numbers(&mut new, &self.new);
        let old = if new.has_quorums_of(&self.new) { None } else { Some(self.new.clone()) };
        self.step(old, new, retired)
    }

    fn settle(&self, choose: impl FnOnce(&MemberSet, &MemberSet) -> MemberSet) -> Result<Self, ChangeError> {
        let old = self.old.as_ref().ok_or(ChangeError::NotJoint(self.epoch))?;
        let (new, retired) = (choose(old, &self.new), self.retired.clone());
        self.step(None, new, retired)
    }

    fn step(&self, old: Option<MemberSet>, new: MemberSet, retired: Vec<Voter>) -> Result<Self, ChangeError> {
        let mut next = Self { epoch: self.epoch + 1, since: 0, old, new, retired, note: String::new() };
        next.since = next.since_behind(self);
        next.check()?;
        Ok(next)
    }
}

/// Adds a life that is over, in its place.
fn retire(retired: &mut Vec<Voter>, voter: Voter) {
    if let Err(place) = retired.binary_search(&voter) {
        retired.insert(place, voter);
    }
}

fn member_of(set: &mut MemberSet, node: NodeId) -> Result<&mut Member, ChangeError> {
    set.members.iter_mut().find(|member| member.voter.node == node).ok_or(ChangeError::Unknown(node))
}

fn in_role(set: &mut MemberSet, node: NodeId, role: Role) -> Result<&mut Member, ChangeError> {
    let member = member_of(set, node)?;
    if member.role == role {
        return Ok(member);
    }
    Err(ChangeError::Role { node, found: member.role.name(), expected: role.name() })
}

/// Who has the vote that breaks ties, and how many catalog nodes there are: the usual number follows the members, another
/// one stays as long as there are as many.
fn settle_numbers(set: &mut MemberSet, before: &MemberSet) {
    let usual = |set: &MemberSet| {
        let count = set.with_data().count();
        (u8::try_from(count.min(CATALOG_NODES_DEFAULT)).unwrap_or(u8::MAX), u8::try_from(count).unwrap_or(u8::MAX))
    };
    let (catalog, most) = usual(set);
    set.catalog = if before.catalog == usual(before).0 { catalog } else { before.catalog.min(most) };
    set.settle_tie();
}
