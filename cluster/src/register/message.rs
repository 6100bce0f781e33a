//! What proposers, acceptors and learners say to each other.

use super::ballot::Ballot;
use super::configuration::Configuration;
use super::error::{ConfigurationError, SHORT, bounds, end, take_flag, within};
use super::readiness::Progress;
use super::record::{Accepted, RECORD_BYTES_MAX};
use super::voter::Voter;
use crate::bytes::{Fields, put_long};
use std::sync::Arc;

/// Longest encoded message.
pub const REGISTER_MESSAGE_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// What members say to each other of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisterMessage {
    /// Of a proposer.
    Question(RegisterQuestion),
    /// Of an acceptor.
    Answer(RegisterAnswer),
    /// What do you know?
    Ask,
    /// That.
    Told(Told),
}

/// What a member knows, and who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Told {
    /// Who says it: a node in a life.
    pub voter: Voter,
    /// It has not forgotten what it promised.
    pub can_vote: bool,
    /// How far its store is.
    pub progress: Progress,
    /// The newest configuration that it knows to be in force.
    pub known: Option<Arc<Configuration>>,
}

/// What a proposer says to a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisterQuestion {
    /// Answer no lower ballot any more, and say what you accepted last.
    Prepare {
        /// Who is asked: a node in a life.
        to: Voter,
        /// The attempt.
        ballot: Ballot,
    },
    /// Accept this configuration.
    Accept {
        /// Who is asked: a node in a life.
        to: Voter,
        /// The configuration, its base and the attempt.
        proposal: Accepted,
    },
    /// This configuration is in force. Nobody answers.
    Learned(Arc<Configuration>),
}

/// What an acceptor answers, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterAnswer {
    /// Who answers: a node in a life.
    pub voter: Voter,
    /// The ballot that was asked for.
    pub ballot: Ballot,
    /// The answer.
    pub verdict: Verdict,
}

/// An acceptor's answer to a ballot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It answers no lower ballot any more; this is what it accepted last.
    Promised(Option<Accepted>),
    /// It has accepted.
    Accepted,
    /// It has promised a higher ballot, or accepted a configuration of a higher epoch.
    Refused {
        /// The highest ballot it promised.
        promised: Ballot,
        /// What it accepted last.
        accepted: Option<Accepted>,
    },
    /// Another life of the node was asked for, or it has forgotten what it promised in this one.
    NotI,
}

impl RegisterMessage {
    /// Its bytes: kind u8 (0 question, 1 answer, 2 ask, 3 told), then those of what it is; of what is told the voter, u8
    /// whether it can vote, u8 whether there is a configuration, the epoch its store goes by u64, u8 whether it has learnt, and the
    /// configuration.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Question(question) => [&[0], &*question.to_bytes()].concat(),
            Self::Answer(answer) => [&[1], &*answer.to_bytes()].concat(),
            Self::Ask => vec![2],
            Self::Told(Told { voter, can_vote, progress, known }) => {
                let mut bytes = vec![3];
                voter.put(&mut bytes);
                bytes.extend([*can_vote, known.is_some()].map(u8::from));
                progress.put(&mut bytes);
                if let Some(known) = known {
                    put_long(&mut bytes, &known.to_bytes());
                }
                bytes
            }
        }
    }

    /// A message from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        let (kind, rest) = bytes.split_first().ok_or(SHORT)?;
        let mut fields = Fields::of(rest);
        let message = match kind {
            0 => return RegisterQuestion::parse(rest).map(Self::Question),
            1 => return RegisterAnswer::parse(rest).map(Self::Answer),
            2 => Self::Ask,
            3 => {
                let voter = Voter::take(&mut fields).ok_or(SHORT)?;
                let can_vote = take_flag("vote", &mut fields)?;
                let is_known = take_flag("configuration", &mut fields)?;
                let progress = Progress::take(&mut fields)?;
                let mut configuration = || Configuration::parse(fields.long().ok_or(SHORT)?).map(Arc::new);
                let known = if is_known { Some(configuration()?) } else { None };
                Self::Told(Told { voter, can_vote, progress, known })
            }
            other => return Err(bounds("message", (*other).into(), "0 to 3")),
        };
        end(&fields)?;
        Ok(message)
    }
}

impl RegisterQuestion {
    /// Its bytes: kind u8 (0 prepare, 1 accept, 2 learned), then the fields.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Self::Prepare { to, ballot } => {
                bytes.push(0);
                to.put(&mut bytes);
                ballot.put(&mut bytes);
            }
            Self::Accept { to, proposal } => {
                bytes.push(1);
                to.put(&mut bytes);
                proposal.put(&mut bytes);
            }
            Self::Learned(value) => {
                bytes.push(2);
                put_long(&mut bytes, &value.to_bytes());
            }
        }
        bytes
    }

    /// A question from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        within("bytes of message", bytes.len(), 0..=REGISTER_MESSAGE_BYTES_MAX)?;
        let mut fields = Fields::of(bytes);
        let question = match fields.u8().ok_or(SHORT)? {
            0 => Self::Prepare { to: Voter::take(&mut fields).ok_or(SHORT)?, ballot: Ballot::take(&mut fields)? },
            1 => Self::Accept { to: Voter::take(&mut fields).ok_or(SHORT)?, proposal: Accepted::take(&mut fields)? },
            2 => Self::Learned(Arc::new(Configuration::parse(fields.long().ok_or(SHORT)?)?)),
            other => return Err(bounds("question", other.into(), "0 to 2")),
        };
        end(&fields)?;
        Ok(question)
    }
}

impl RegisterAnswer {
    /// Its bytes: voter, ballot, kind u8 (0 promised, 1 accepted, 2 refused, 3 not I), then the fields.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        self.voter.put(&mut bytes);
        self.ballot.put(&mut bytes);
        match &self.verdict {
            Verdict::Promised(accepted) => {
                bytes.push(0);
                Accepted::put_option(accepted.as_ref(), &mut bytes);
            }
            Verdict::Accepted => bytes.push(1),
            Verdict::Refused { promised, accepted } => {
                bytes.push(2);
                promised.put(&mut bytes);
                Accepted::put_option(accepted.as_ref(), &mut bytes);
            }
            Verdict::NotI => bytes.push(3),
        }
        bytes
    }

    /// An answer from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        within("bytes of message", bytes.len(), 0..=REGISTER_MESSAGE_BYTES_MAX)?;
        let mut fields = Fields::of(bytes);
        let (voter, ballot) = (Voter::take(&mut fields).ok_or(SHORT)?, Ballot::take(&mut fields)?);
        let verdict = match fields.u8().ok_or(SHORT)? {
            0 => Verdict::Promised(Accepted::take_option(&mut fields)?),
            1 => Verdict::Accepted,
            2 => {
                Verdict::Refused { promised: Ballot::take(&mut fields)?, accepted: Accepted::take_option(&mut fields)? }
            }
            3 => Verdict::NotI,
            other => return Err(bounds("answer", other.into(), "0 to 3")),
        };
        end(&fields)?;
        Ok(Self { voter, ballot, verdict })
    }
}
