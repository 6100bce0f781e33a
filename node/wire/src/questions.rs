//! Questions and answers as they travel: several in one body, each a head and its bytes.
//!
//! A frame is the length of the JSON u32, the length of what comes behind it u32, little-endian, then both. Behind a
//! question are the records of the column that come with it, behind an answer nothing.

use bytes::{Buf, Bytes};
use rain_cluster::{Reply, Request, SHARE_BYTES_MAX, Sender};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A question as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who asks.
    pub from: Sender,
    /// What.
    pub request: Request,
}

/// An answer as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who answers.
    pub from: Sender,
    /// What; none where the node could not do it.
    pub reply: Option<Reply>,
}

/// Why a body is none of questions, or of answers.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It ends in the midst of a frame.
    #[error("a frame of {expected} bytes, of which {found} are there")]
    Short {
        /// Bytes that are there.
        found: usize,
        /// Bytes of the frame.
        expected: usize,
    },
    /// A head is not one.
    #[error("{0}")]
    Head(#[from] serde_json::Error),
    /// Records where none belong, or too many.
    #[error("{found} bytes of records, expected at most {expected}")]
    Records {
        /// Bytes that are there.
        found: usize,
        /// As many as fit.
        expected: usize,
    },
}

const LENGTHS_BYTES: usize = 8;

impl Question {
    /// Appends its frame.
    pub fn push(&self, body: &mut Vec<u8>) {
        let share = if let Request::Prepare { share, .. } = &self.request { share.as_ref() } else { None };
        let records = share.and_then(|share| share.records.as_deref());
        push(body, self, records.unwrap_or_default());
    }

    /// The questions of a body, in their order.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse_all(body: Bytes) -> Result<Vec<Self>, FrameError> {
        parse_all(body, |question: &mut Self, records| {
            let Request::Prepare { share: Some(share), .. } = &mut question.request else {
                return Err(FrameError::Records { found: records.len(), expected: 0 });
            };
            if records.len() > SHARE_BYTES_MAX {
                return Err(FrameError::Records { found: records.len(), expected: SHARE_BYTES_MAX });
            }
            share.records = Some((&*records).into());
            Ok(())
        })
    }
}

impl Answer {
    /// Appends its frame.
    pub fn push(&self, body: &mut Vec<u8>) {
        push(body, self, &[]);
    }

    /// The answers of a body, in their order.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse_all(body: Bytes) -> Result<Vec<Self>, FrameError> {
        parse_all(body, |_, records| Err(FrameError::Records { found: records.len(), expected: 0 }))
    }
}

fn push(body: &mut Vec<u8>, head: &impl Serialize, records: &[u8]) {
    let start = body.len();
    body.resize(start + LENGTHS_BYTES, 0);
    serde_json::to_writer(&mut *body, head).expect("questions and answers are plain data");
    let head_bytes = body.len() - start - LENGTHS_BYTES;
    let lengths = [head_bytes, records.len()].map(|bytes| u32::try_from(bytes).expect("a frame is short"));
    body[start..start + LENGTHS_BYTES].copy_from_slice(lengths.map(u32::to_le_bytes).as_flattened());
    body.extend_from_slice(records);
}

/// Frames one by one; `attach` gets what is behind a head, if anything is.
fn parse_all<T: DeserializeOwned>(
    mut body: Bytes,
    attach: impl Fn(&mut T, Bytes) -> Result<(), FrameError>,
) -> Result<Vec<T>, FrameError> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let short = |found, expected| FrameError::Short { found, expected };
        if body.len() < LENGTHS_BYTES {
            return Err(short(body.len(), LENGTHS_BYTES));
        }
        let lengths = [body.get_u32_le(), body.get_u32_le()];
        let [head, records] = lengths.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let expected = head.saturating_add(records);
        if body.len() < expected {
            return Err(short(body.len(), expected));
        }
        let mut frame = serde_json::from_slice(&body.split_to(head))?;
        if records > 0 {
            attach(&mut frame, body.split_to(records))?;
        }
        frames.push(frame);
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::{Base, Content, Life, Manifest, NodeId, Placement, Record, Share, Signet, Ticket, Version};
    use std::sync::Arc;

    const FROM: Sender = Sender { node: NodeId(1), life: Life(2), serial: 3, epoch: 0, signet: Signet(0) };

    fn prepare(records: Option<&[u8]>) -> Request {
        let manifest = Manifest {
            title: "film".to_owned(),
            version: Version { counter: 1, node: NodeId(1), life: Life(2), random: 3 },
            epoch: 0,
            conditional: false,
            content: Content::None,
            attributes: rain_cluster::Attributes::default(),
        };
        let record = Record { manifest: Arc::new(manifest), placement: Arc::new(Placement::none()) };
        let share = Some(Share { column: 1, records: records.map(Into::into) });
        Request::Prepare { record, base: Base::Any, share, ticket: Ticket(4) }
    }

    fn body(questions: &[Question]) -> Vec<u8> {
        let mut body = Vec::new();
        for question in questions {
            question.push(&mut body);
        }
        body
    }

    #[test]
    fn questions_and_back() {
        let lookup = Request::Lookup { title: "film".to_owned() };
        let requests = [lookup, prepare(None), prepare(Some(b"records")), Request::Digest];
        let questions = requests.map(|request| Question { from: FROM, request });
        let bytes = body(&questions);
        assert_eq!(Question::parse_all(bytes.clone().into()).unwrap(), questions);
        let ends: Vec<usize> = (0..=4).map(|count| body(&questions[..count]).len()).collect();
        for cut in (0..bytes.len()).filter(|cut| !ends.contains(cut)) {
            Question::parse_all(bytes[..cut].to_vec().into()).unwrap_err();
        }
    }

    #[test]
    fn answers_and_back() {
        let replies = [Some(Reply::Prepared), None, Some(Reply::Digest(None))];
        let answers = replies.map(|reply| Answer { from: FROM, reply });
        let mut body = Vec::new();
        for answer in &answers {
            answer.push(&mut body);
        }
        assert_eq!(Answer::parse_all(body.into()).unwrap(), answers);
    }

    #[test]
    fn records_where_none_belong_are_refused() {
        let mut bytes = body(&[Question { from: FROM, request: Request::Digest }]);
        bytes[4] = 3;
        bytes.extend_from_slice(b"abc");
        let refused = Question::parse_all(bytes.into()).unwrap_err().to_string();
        assert_eq!(refused, "3 bytes of records, expected at most 0");
        let long = vec![0; SHARE_BYTES_MAX + 1];
        let long = body(&[Question { from: FROM, request: prepare(Some(&long)) }]);
        let refused = Question::parse_all(long.into()).unwrap_err().to_string();
        assert_eq!(refused, "131073 bytes of records, expected at most 131072");
    }
}
