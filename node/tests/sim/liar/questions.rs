//! Lies in questions, and questions that nobody asked for.

use super::{Liar, kinds::Lie};
use crate::wire::{Body, Message, Upload};
use rain_cluster::{Base, Request, Share, Ticket, Version};
use std::sync::Arc;

impl Liar {
    /// Tells this lie, if the question is one in which it can be told.
    pub(super) fn lie_in_question(&mut self, lie: Lie, message: &mut Message) -> bool {
        let Body::Ask(request) = &mut message.body else { return false };
        match (lie, request) {
            (
                Lie::Roots | Lie::Lengths | Lie::Codes | Lie::Seats,
                Request::Prepare { record, .. } | Request::Mark { record, .. },
            ) => {
                let Some(altered) = self.altered(lie, record) else { return false };
                *record = altered;
            }
            (Lie::Ticket, Request::Prepare { ticket, base, .. }) => {
                *ticket = Ticket(self.random.next());
                *base = self.random.pick(&[Base::Any, Base::Nothing, Base::Version(Version::LOWEST)]);
            }
            (Lie::Column | Lie::OtherColumn, Request::Prepare { share: Some(Share { column, records }), .. }) => {
                match records {
                    Some(records) if lie == Lie::Column && !records.is_empty() => {
                        let mut bytes = records.to_vec();
                        let at = self.random.below(bytes.len());
                        bytes[at] ^= 1;
                        *records = bytes.into();
                    }
                    _ => *column = u16::try_from(self.random.below(8)).unwrap(),
                }
            }
            (Lie::Digest, Request::Committed { known, from }) => {
                *known = None;
                *from = u16::try_from(self.random.below(2000)).unwrap();
            }
            _ => return false,
        }
        true
    }

    /// What it sends unasked, of this kind.
    pub(super) fn unasked(&mut self, lie: Lie) -> Option<Body> {
        let record = {
            let records: Vec<_> = self.records.values().collect();
            (!records.is_empty()).then(|| records[self.random.below(records.len())].clone())
        };
        let title = crate::history::title_name(self.random.below(self.plan.titles));
        let upload = self.uploads.last().filter(|_| self.random.one_in(2)).cloned();
        Some(match lie {
            Lie::Dropping => {
                let (title, version) = match upload {
                    Some(upload) => (upload.title.clone(), upload.version),
                    None => record.map(|record| (record.title().to_owned(), record.version()))?,
                };
                Body::Ask(Request::Drop { title, version })
            }
            Lie::Purging => {
                let record = record.filter(|record| record.manifest.is_tombstone())?;
                Body::Ask(Request::Purge { title, version: record.version() })
            }
            Lie::Closing => Body::Ask(Request::Close { title }),
            Lie::Retiring => {
                let other = self.random.below(self.cluster.ids.len());
                let sender = *self.lives.get(&other)?;
                Body::Ask(Request::Retire { title, node: sender.node, life: sender.life })
            }
            Lie::Marking => {
                let kind = self.random.pick(&[Lie::Roots, Lie::Seats, Lie::Codes, Lie::Create, Lie::CreateAs]);
                let record = match kind {
                    Lie::Create | Lie::CreateAs => self.invented(kind, &title, 1),
                    kind => self.altered(kind, &record?)?,
                };
                let spread = (!self.random.one_in(3)).then(|| self.ticket());
                Body::Ask(Request::Mark { record, spread })
            }
            Lie::Preparing => {
                let record = match record.filter(|_| self.random.one_in(2)) {
                    Some(record) => self.altered(Lie::Roots, &record)?,
                    None => self.invented(Lie::CreateAs, &title, 1),
                };
                Body::Ask(Request::Prepare { record, base: Base::Any, share: None, ticket: self.ticket() })
            }
            Lie::Uploading => {
                let upload = upload.or_else(|| self.uploads.last().cloned())?;
                let plan = Upload { column: u16::try_from(self.random.below(4)).unwrap(), ..(*upload).clone() };
                let length = self.random.below(20_000);
                Body::Upload { plan: Arc::new(plan), offset: 0, records: Arc::new(vec![0xee; length]) }
            }
            Lie::Inspecting => {
                let record = record?;
                Body::Damaged { title: record.title().into(), version: record.version() }
            }
            _ => return None,
        })
    }

    /// One that an honest node gave, most times.
    fn ticket(&mut self) -> Ticket {
        let known: Vec<Ticket> = self.tickets.values().copied().collect();
        if known.is_empty() || self.random.one_in(4) {
            Ticket(self.random.next())
        } else {
            known[self.random.below(known.len())]
        }
    }
}
