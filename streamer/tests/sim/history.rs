//! What clients did and saw, and whether it can be.

use rain_cluster::{Manifest, Time, Version};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Put { content: Vec<u8>, conditional: bool },
    Delete,
    Get,
}

/// What the client was told; `None` while it was told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Acknowledged {
        columns: usize,
    },
    /// Nothing was stored.
    Refused,
    /// It may or may not be seen.
    Unconfirmed,
    Found {
        version: Version,
        content: Vec<u8>,
        confirmed: bool,
        settled: bool,
    },
    Absent {
        tombstone: Option<Version>,
    },
    Unavailable,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub title: usize,
    pub action: Action,
    pub start: Time,
    pub end: Option<Time>,
    pub answer: Option<Answer>,
    /// The version that a PUT or DELETE wrote, once it was chosen.
    pub version: Option<Version>,
    /// The version that was the newest then.
    pub base: Option<Version>,
}

#[derive(Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
}

impl History {
    pub fn begin(&mut self, now: Time, title: usize, action: Action) -> usize {
        let operation = Operation { title, action, start: now, end: None, answer: None, version: None, base: None };
        self.operations.push(operation);
        self.operations.len() - 1
    }

    pub fn chose(&mut self, operation: usize, version: Version, current: Option<&Manifest>) {
        self.operations[operation].version = Some(version);
        self.operations[operation].base = current.map(|current| current.version);
    }

    pub fn end(&mut self, now: Time, operation: usize, answer: Answer) {
        let operation = &mut self.operations[operation];
        assert!(operation.answer.is_none(), "a client was told twice");
        operation.end = Some(now);
        operation.answer = Some(answer);
    }

    /// The acknowledged operation with the highest version that ended before `time`.
    pub fn newest_acknowledged(&self, title: usize, time: Time) -> Option<&Operation> {
        let acknowledged = |operation: &&Operation| {
            operation.title == title
                && matches!(operation.answer, Some(Answer::Acknowledged { .. }))
                && operation.end.is_some_and(|end| end < time)
        };
        self.operations.iter().filter(acknowledged).max_by_key(|operation| operation.version)
    }

    /// The first thing in the history that must not be.
    pub fn check(&self) -> Result<(), String> {
        let writes: BTreeMap<(usize, Version), &Operation> = self
            .operations
            .iter()
            .filter_map(|operation| Some(((operation.title, operation.version?), operation)))
            .collect();
        for get in self.operations.iter().filter(|operation| operation.action == Action::Get) {
            self.check_get(get, &writes).map_err(|what| format!("title {}: {what}", get.title))?;
        }
        self.check_conditions()
    }

    fn check_get(&self, get: &Operation, writes: &BTreeMap<(usize, Version), &Operation>) -> Result<(), String> {
        let floor = self.newest_acknowledged(get.title, get.start);
        let at_least = floor.and_then(|operation| operation.version);
        match &get.answer {
            Some(Answer::Found { version, content, confirmed, .. }) => {
                let write = writes.get(&(get.title, *version)).ok_or(format!("version {version} was never written"))?;
                let Action::Put { content: written, .. } = &write.action else {
                    return Err(format!("version {version} is a tombstone, and was read"));
                };
                if content != written {
                    return Err(format!("version {version} was read with another content"));
                }
                if write.answer == Some(Answer::Refused) {
                    return Err(format!("version {version} was refused, and was read"));
                }
                if *confirmed && Some(*version) < at_least {
                    return Err(format!("version {version} was read after {at_least:?} was acknowledged"));
                }
                let settled = self.operations.iter().filter(|other| other.end.is_some_and(|end| end < get.start));
                for other in settled.filter(|other| other.title == get.title) {
                    if let Some(Answer::Found { version: before, settled: true, .. }) = &other.answer
                        && *confirmed
                        && before > version
                    {
                        return Err(format!("version {version} was read after settled version {before}"));
                    }
                }
            }
            Some(Answer::Absent { tombstone }) => {
                let deleted = self.operations.iter().any(|other| {
                    other.title == get.title
                        && other.action == Action::Delete
                        && other.start < get.end.unwrap()
                        && other.version.is_some()
                        && other.version >= at_least
                });
                if at_least.is_some() && !deleted {
                    return Err(format!("absent after {at_least:?} was acknowledged"));
                }
                if tombstone.is_some() && *tombstone < at_least {
                    return Err(format!("tombstone {tombstone:?} was read after {at_least:?} was acknowledged"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Of several conditional PUTs on one version at most one may have been acknowledged.
    fn check_conditions(&self) -> Result<(), String> {
        let mut winners = BTreeMap::new();
        for put in &self.operations {
            let conditional = matches!(put.action, Action::Put { conditional: true, .. });
            if conditional
                && put.base.is_some()
                && matches!(put.answer, Some(Answer::Acknowledged { .. }))
                && let Some(other) = winners.insert((put.title, put.base), put.version)
            {
                return Err(format!("both {other:?} and {:?} replaced {:?}", put.version, put.base));
            }
        }
        Ok(())
    }
}
