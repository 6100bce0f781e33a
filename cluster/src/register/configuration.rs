//! What the register holds.

use super::error::{ConfigurationError, SHORT, StepError, bounds, check_text, end, take_flag, take_text, within};
use super::set::MemberSet;
use super::voter::Voter;
use crate::bytes::{Fields, put_short};
use crate::members::{Members, MembersError};
use crate::version::NodeId;

/// Longest encoded configuration.
pub const CONFIGURATION_BYTES_MAX: usize = 32 << 10;
/// Most lives that are over.
pub const RETIRED_MAX: usize = 1000;
/// Longest note, in bytes of UTF-8.
pub const NOTE_BYTES_MAX: usize = 256;
/// Highest epoch: one above it is of no honest node.
pub const EPOCH_MAX: u64 = 1 << 62;
/// So many epochs a configuration skips that is forced where the majority is gone.
pub const FORCED_EPOCHS: u64 = 1000;

/// Who belongs to the cluster, and what each of them is: the one value of the register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Configuration {
    /// Grows by one with each change, and by [`FORCED_EPOCHS`] with one that is forced.
    pub epoch: u64,
    /// In which epoch it became so who holds catalogs and takes columns; 0 of what the founders' files said. What changes votes,
    /// lives and labels alone leaves those who read and write titles as they are.
    pub since: u64,
    /// The set that is in force beside `new`, while the configuration is *joint*.
    pub old: Option<MemberSet>,
    /// The members, or those that there will be.
    pub new: MemberSet,
    /// Lives that are over, in order.
    pub retired: Vec<Voter>,
    /// What the change was for, in words of people.
    pub note: String,
}

impl Configuration {
    /// The sets in force: one, or two.
    pub fn sets(&self) -> impl Iterator<Item = &MemberSet> {
        self.old.iter().chain([&self.new])
    }

    /// Who holds catalogs and takes columns: of two sets that differ in lives alone, or in votes, one is as good as both.
    ///
    /// # Errors
    /// [`MembersError`]: not of one that was [checked](Self::check).
    pub fn members(&self) -> Result<Members, MembersError> {
        let all = self.sets().flat_map(|set| &set.members).map(|member| member.voter.node).collect();
        let old = self.old.as_ref().map(|old| (old.with_data().map(|voter| voter.node).collect(), old.catalog.into()));
        let new = self.new.with_data().map(|voter| (voter.node, voter.life)).collect();
        Members::in_force(self.since, all, old, (new, self.new.catalog.into()))
    }

    /// The sets that are in force for titles: of two that differ in lives alone, or in votes, one is as good as both.
    fn for_titles(&self) -> impl Iterator<Item = (u8, Vec<NodeId>)> + '_ {
        let set = |set: &MemberSet| (set.catalog, set.with_data().map(|voter| voter.node).collect());
        let old = self.old.as_ref().map(set);
        let new = set(&self.new);
        old.filter(|old| *old != new).into_iter().chain([new])
    }

    /// In which epoch it became so who holds catalogs and takes columns, if it follows `base`.
    pub(super) fn since_behind(&self, base: &Self) -> u64 {
        if self.for_titles().eq(base.for_titles()) { base.since } else { self.epoch }
    }

    /// Whether the newer of two sets may be in force alone as soon as majorities agree: where the same nodes keep data. Else some
    /// have to learn first.
    pub fn may_end(&self) -> bool {
        self.old.is_some() && self.for_titles().count() == 1
    }

    /// Whether a life is over.
    pub fn is_retired(&self, voter: Voter) -> bool {
        self.retired.binary_search(&voter).is_ok()
    }

    /// Whether it was forced, and not agreed on, behind `base`.
    pub fn is_forced(&self, base: &Self) -> bool {
        self.epoch == base.epoch + FORCED_EPOCHS
    }

    /// Whether it holds to its bounds; one that [`parse`](Self::parse) gave does.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn check(&self) -> Result<(), ConfigurationError> {
        if !(1..=EPOCH_MAX).contains(&self.epoch) {
            return Err(bounds("epoch", self.epoch, format!("1 to {EPOCH_MAX}")));
        }
        if self.since > self.epoch {
            return Err(bounds("since", self.since, format!("0 to {}, the epoch", self.epoch)));
        }
        self.sets().try_for_each(MemberSet::check)?;
        within("retired lives", self.retired.len(), 0..=RETIRED_MAX)?;
        if let Some(pair) = self.retired.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(ConfigurationError::RetiredOrder(pair[1]));
        }
        // In the old set a replaced life stands until that set goes.
        if let Some(member) = self.new.members.iter().find(|member| self.is_retired(member.voter)) {
            return Err(ConfigurationError::Retired(member.voter));
        }
        check_text("bytes of note", &self.note, 0..=NOTE_BYTES_MAX)?;
        within("bytes of configuration", self.to_bytes().len(), 0..=CONFIGURATION_BYTES_MAX)
    }

    /// Whether it may come next behind `base`.
    ///
    /// From one set leads a way only to two, the old one and another, or to one with the same quorums; from two only to
    /// one of both. So two configurations, one behind the other, have a set in common, and a majority.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn follows(&self, base: &Self) -> Result<(), StepError> {
        let is_forced = self.is_forced(base);
        if self.epoch != base.epoch + 1 && !is_forced {
            return Err(StepError::Epoch { found: self.epoch, base: base.epoch });
        }
        if let Some(voter) = base.retired.iter().find(|voter| !self.is_retired(**voter)) {
            return Err(StepError::Returned(*voter));
        }
        match (&base.old, &self.old) {
            (_, None) if is_forced => Ok(()),
            (None, None) if !self.new.has_quorums_of(&base.new) => Err(StepError::Quorums(base.epoch)),
            (None, Some(old)) if *old != base.new => Err(StepError::OtherSet(base.epoch)),
            (Some(old), None) if self.new != base.new && self.new != *old => Err(StepError::OtherSet(base.epoch)),
            (Some(_), Some(_)) => Err(StepError::Joint(base.epoch)),
            (None, Some(_)) if is_forced => Err(StepError::Joint(base.epoch)),
            _ => Ok(()),
        }?;
        match self.since_behind(base) {
            since if since == self.since => Ok(()),
            expected => Err(StepError::Since { found: self.since, expected }),
        }
    }

    /// Its bytes, the only ones: epoch u64, since u64, whether there is an old set u8, the sets, and behind its u16 count each
    /// retired life (node u32, life u32), then the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.since.to_le_bytes());
        bytes.push(u8::from(self.old.is_some()));
        self.sets().for_each(|set| set.put(&mut bytes));
        bytes.extend_from_slice(&u16::try_from(self.retired.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.retired.iter().for_each(|voter| voter.put(&mut bytes));
        put_short(&mut bytes, self.note.as_bytes());
        bytes
    }

    /// A configuration from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        within("bytes of configuration", bytes.len(), 0..=CONFIGURATION_BYTES_MAX)?;
        let mut fields = Fields::of(bytes);
        let (epoch, since) = (fields.u64().ok_or(SHORT)?, fields.u64().ok_or(SHORT)?);
        let is_joint = take_flag("old set", &mut fields)?;
        let old = if is_joint { Some(MemberSet::take(&mut fields)?) } else { None };
        let new = MemberSet::take(&mut fields)?;
        let count = fields.u16().ok_or(SHORT)?;
        within("retired lives", count.into(), 0..=RETIRED_MAX)?;
        let retired = (0..count).map(|_| Voter::take(&mut fields).ok_or(SHORT)).collect::<Result<_, _>>()?;
        let note = take_text("note", &mut fields)?;
        end(&fields)?;
        let configuration = Self { epoch, since, old, new, retired, note };
        configuration.check()?;
        Ok(configuration)
    }
}
