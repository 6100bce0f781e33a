//! The members that are in force together, and their majorities.

use super::error::{ConfigurationError, SHORT, check_text, take_flag, take_text, within};
use super::member::Member;
use super::voter::Voter;
use crate::bytes::{Fields, put_short};
use crate::manifest::{CODE_BYTES_MAX, COLUMNS_MAX};
use crate::members::MEMBERS_MAX;
use crate::version::NodeId;
use core::cmp::Reverse;

/// Most members that vote.
pub const VOTERS_MAX: usize = 7;

/// The code of new titles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetCode {
    /// Its name.
    pub name: String,
    /// Its columns: so many members with data there must be.
    pub columns: u8,
}

/// Members, with the votes and catalog nodes among them: one side of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberSet {
    /// The members, by id.
    pub members: Vec<Member>,
    /// Who has one vote more, where all weights together are even. Of two nodes of one vote each it is the one that must
    /// live.
    pub tie: Option<NodeId>,
    /// The code of new titles.
    pub code: SetCode,
    /// Catalog nodes of a title: C.
    pub catalog: u8,
}

impl MemberSet {
    /// The member of this id.
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.voter.node == node)
    }

    /// Who votes, with how many votes.
    pub fn voters(&self) -> impl Iterator<Item = (Voter, u32)> + '_ {
        self.members.iter().filter(|member| member.weight > 0).map(|member| {
            let more = u32::from(self.tie == Some(member.voter.node));
            (member.voter, u32::from(member.weight) + more)
        })
    }

    /// Members that hold marks and take new columns.
    pub fn with_data(&self) -> impl Iterator<Item = Voter> + '_ {
        self.members.iter().filter(|member| member.takes_data()).map(|member| member.voter)
    }

    /// Whether these voters have more than half of all votes.
    pub fn has_majority(&self, mut has: impl FnMut(Voter) -> bool) -> bool {
        let (mut all, mut those) = (0, 0);
        for (voter, votes) in self.voters() {
            all += votes;
            those += if has(voter) { votes } else { 0 };
        }
        2 * those > all
    }

    /// The voters without any one of which no majority is left. Of two nodes it is one: people are told which.
    pub fn must_live(&self) -> impl Iterator<Item = Voter> + '_ {
        self.voters().map(|(voter, _)| voter).filter(|voter| !self.has_majority(|other| other != *voter))
    }

    /// Whether every majority of votes and every quorum of catalog nodes is one of the other set too.
    pub fn has_quorums_of(&self, other: &Self) -> bool {
        self.catalog == other.catalog && self.voters().eq(other.voters()) && self.with_data().eq(other.with_data())
    }

    /// Gives the vote that breaks ties to whom it belongs: nobody where the weights are odd, else who has it, else the
    /// heaviest voter of the lowest id.
    pub(super) fn settle_tie(&mut self) {
        let tie = self.tie.take();
        if self.voters().map(|(_, votes)| votes).sum::<u32>() % 2 == 0 {
            let voters = || self.voters().map(|(voter, votes)| (Reverse(votes), voter.node));
            let kept = tie.filter(|tie| voters().any(|(_, node)| node == *tie));
            self.tie = kept.or(voters().min().map(|(_, node)| node));
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        within("members", self.members.len(), 1..=MEMBERS_MAX)?;
        if let Some(pair) = self.members.windows(2).find(|pair| pair[0].voter.node >= pair[1].voter.node) {
            return Err(ConfigurationError::Order(pair[1].voter.node));
        }
        self.members.iter().try_for_each(Member::check)?;
        within("voters", self.voters().count(), 1..=VOTERS_MAX)?;
        self.check_tie()?;
        check_text("bytes of code", &self.code.name, 1..=CODE_BYTES_MAX)?;
        within("columns", self.code.columns.into(), 1..=COLUMNS_MAX)?;
        let (found, expected) = (self.with_data().count(), usize::from(self.code.columns));
        if found < expected {
            return Err(ConfigurationError::TooFew { found, expected, code: self.code.name.clone() });
        }
        within("catalog nodes", self.catalog.into(), 1..=found)
    }

    fn check_tie(&self) -> Result<(), ConfigurationError> {
        let has_vote = |node| self.member(node).is_some_and(|member| member.weight > 0);
        let is_odd = self.voters().map(|(_, votes)| votes).sum::<u32>() % 2 == 1;
        let (found, expected) = match self.tie {
            Some(tie) if !has_vote(tie) => (tie.to_string(), "a voter"),
            Some(tie) if !is_odd => (tie.to_string(), "nobody: without it the weights are odd"),
            None if !is_odd => ("nobody".to_owned(), "a voter: the weights together are even"),
            _ => return Ok(()),
        };
        Err(ConfigurationError::Tie { found, expected })
    }

    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.tie.is_some()));
        if let Some(tie) = self.tie {
            bytes.extend_from_slice(&tie.0.to_le_bytes());
        }
        put_short(bytes, self.code.name.as_bytes());
        let count = u8::try_from(self.members.len()).unwrap_or(u8::MAX);
        bytes.extend_from_slice(&[self.code.columns, self.catalog, count]);
        self.members.iter().for_each(|member| member.put(bytes));
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        let has_tie = take_flag("tie", fields)?;
        let tie = if has_tie { Some(NodeId(fields.u32().ok_or(SHORT)?)) } else { None };
        let name = take_text("code", fields)?;
        let code = SetCode { name, columns: fields.u8().ok_or(SHORT)? };
        let (catalog, count) = (fields.u8().ok_or(SHORT)?, fields.u8().ok_or(SHORT)?);
        within("members", count.into(), 1..=MEMBERS_MAX)?;
        let members = (0..count).map(|_| Member::take(fields)).collect::<Result<_, _>>()?;
        Ok(Self { members, tie, code, catalog })
    }
}
