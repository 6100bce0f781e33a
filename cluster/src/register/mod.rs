//! The configuration register: who belongs to the cluster, one value that a majority changes.
//!
//! [`Configuration`] is changed by compare-and-set: a command computes the next one from the one in force, and a
//! [`Proposer`] of any node brings it into force, or says which other one is. [`Acceptor`]s of the voters remember durably
//! what they promised and accepted; [`Learner`]s of all members keep the newest that they were told. None of them owns a
//! socket, clock, disk or thread.
//!
//! # Why it is safe
//! Each step from a configuration to the next one is a consensus of its own (Paxos, over one register without a log): the
//! acceptors are the voters of the configuration that is replaced, of both of its sets while it is *joint*, by majority of
//! votes in each. A proposal names its base, which is in force or was, so that whoever is shown one knows with whose
//! voters to go on. Hence:
//!
//! * Of one epoch at most one configuration comes into force: by induction, as the voters for the next one are those of
//!   the only one before it.
//! * Majorities of the *proposed* configuration must promise and accept too. That they promise keeps a proposal from being
//!   accepted whose own voters do not answer; that they accept keeps it while a majority of its voters keep their lives.
//! * Two configurations, one behind the other, have a set in common ([`Configuration::follows`]), and majorities of it
//!   meet. So whoever asks the voters of an old one is shown a later one, and a read for which nobody shows one was of the
//!   newest.
//! * Ballots repeat never: they carry the incarnation of the proposer. A voter is a node *in a life of its store*: one
//!   whose record is gone is another voter, and has a vote when a change has named its new life.
//!
//! No lease and no clock decides anything; time makes proposers ask again, and give up.
//!
//! Source: Lamport, "Paxos Made Simple" (ACM SIGACT News 32(4), 2001); Rystsov, "`CASPaxos`: Replicated State Machines without
//! logs" (arXiv:1802.07000, 2018), for the register changed by compare-and-set; Ongaro, Ousterhout, "In Search of an
//! Understandable Consensus Algorithm" (USENIX ATC 2014), section 6, for joint sets. Lives, weights, the base in a proposal,
//! and retired lives are ours.

mod acceptor;
mod attempt;
mod ballot;
mod change;
mod configuration;
mod electorate;
mod error;
mod founding;
mod learner;
mod member;
mod message;
mod outcome;
mod proposer;
mod readiness;
mod record;
mod registrar;
mod set;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod voter;

pub use acceptor::{ANSWERS_MAX, Acceptor};
pub use ballot::{BALLOT_NUMBER_MAX, Ballot};
pub use change::ChangeError;
pub use configuration::{
    CONFIGURATION_BYTES_MAX, Configuration, EPOCH_MAX, FORCED_EPOCHS, NOTE_BYTES_MAX, RETIRED_MAX,
};
pub use electorate::Electorate;
pub use error::{ConfigurationError, StepError};
pub use founding::Founders;
pub use learner::Learner;
pub use member::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, Contact, KEYS_MAX, LABEL_BYTES_MAX, Member, NAME_BYTES_MAX, Role};
pub use message::{REGISTER_MESSAGE_BYTES_MAX, RegisterAnswer, RegisterMessage, RegisterQuestion, Told, Verdict};
pub use outcome::{Absence, Missing, Outcome, ProposeError};
pub use proposer::Proposer;
pub use readiness::Progress;
pub use record::{Accepted, RECORD_BYTES_MAX, Record};
pub use registrar::{Registrar, Save};
pub use set::{MemberSet, SetCode, VOTERS_MAX};
pub use voter::Voter;
