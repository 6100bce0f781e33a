//! Writing a title: ingest of the body, then the two phases.

use super::ReadError;
use super::drive::Drive;
use super::{Node, random_u64, unix_time};
use crate::peer::{PeerError, PeerRequest};
use crate::store::{DecideError, Decision, UploadError, title_version};
use crate::title;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use rain_cluster::commit::{Abort, Begin, Condition, Put, PutEvent, PutRequest};
use rain_cluster::{Content, Manifest, NodeId, Placement};
use rain_codec::column::{DEFAULT_BLOCK_BYTES, StripeEncoder, default_cell_bytes};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

/// So many bytes of each column are sent at once.
const BATCH_BYTES: usize = 1 << 20;
/// A participant that takes no batch for so long is done without.
const APPEND: Duration = Duration::from_secs(10);

/// A decision that may or may not have been written is written again after so long.
const DECIDE_AGAIN: Duration = Duration::from_secs(1);

/// What must hold of the present version, decided when its manifest is known.
pub type Precondition = Box<dyn Fn(Option<&Manifest>) -> bool + Send + Sync>;

/// A title was written, or deleted.
#[derive(Debug, Clone)]
pub struct Written {
    /// Whether it replaced something.
    pub replaced: bool,
    /// How many columns may be lost.
    pub tolerates: usize,
    /// The version.
    pub manifest: Manifest,
}

/// Why nothing was written, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too few placement nodes.
    #[error("{found} placement nodes take part, expected at least {expected}")]
    TooFewNodes {
        /// Nodes that do.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Too few nodes have room.
    #[error("too few nodes have room for the columns")]
    NoSpace,
    /// The precondition does not hold.
    #[error("the title is not what the condition says")]
    Precondition,
    /// Another conditional write of the title was under way, and the condition still holds: to be tried again.
    #[error("another conditional write of the title was under way; nothing was stored")]
    Conflict,
    /// A DELETE of what is not there.
    #[error("there is no such title")]
    Absent,
    /// The body broke off.
    #[error("the body broke off after {0} bytes")]
    BrokenBody(u64),
    /// The decision was made, or may have been, but W marks are not durable: the title may or may not be seen.
    #[error("the nodes did not confirm in time: the change may or may not be seen")]
    Unconfirmed,
    /// The node's own store failed.
    #[error("the node's store failed")]
    Store,
}

impl From<Abort> for WriteError {
    fn from(abort: Abort) -> Self {
        match abort {
            Abort::TooFewNodes { found, expected } => Self::TooFewNodes { found, expected },
            Abort::NoSpace => Self::NoSpace,
            Abort::ConditionFailed => Self::Precondition,
            Abort::Driver => Self::Store,
        }
    }
}

/// What a PUT or DELETE is to do.
struct Task<B> {
    title: String,
    /// The body and its media type; `None` for a DELETE.
    body: Option<(B, String)>,
    precondition: Option<Precondition>,
}

impl Node {
    /// Stores the bytes of `body` under a title. The task goes on when the future is dropped, until it is decided.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was stored.
    ///
    /// Cancel safety: dropping it does not stop the write.
    pub async fn put<B>(
        self: &Arc<Self>,
        title: String,
        body: B,
        media_type: String,
        precondition: Option<Precondition>,
    ) -> Result<Written, WriteError>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        self.write(Task { title, body: Some((body, media_type)), precondition }).await
    }

    /// Deletes a title.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was changed.
    ///
    /// Cancel safety: dropping it does not stop the deletion.
    pub async fn delete(
        self: &Arc<Self>,
        title: String,
        precondition: Option<Precondition>,
    ) -> Result<Written, WriteError> {
        self.write(Task { title, body: None::<(http_body_util::Empty<Bytes>, String)>, precondition }).await
    }

    async fn write<B>(self: &Arc<Self>, task: Task<B>) -> Result<Written, WriteError>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (told, tell) = oneshot::channel();
        let node = Arc::clone(self);
        tokio::spawn(async move { node.coordinate(task, told).await });
        tell.await.unwrap_or(Err(WriteError::Store))
    }

    /// Coordinates one version from its beginning to the end of its marks.
    async fn coordinate<B>(self: Arc<Self>, task: Task<B>, told: oneshot::Sender<Result<Written, WriteError>>)
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
    {
        let Task { title, body, precondition } = task;
        let placement = self.placement(&title);
        let request = PutRequest {
            title: title.clone(),
            placement: placement.clone(),
            coordinator: self.config.id,
            life: self.store.life(),
            random: (random_u64() >> 32) as u32,
        };
        let mut drive = Drive::new(&self, Put::new(self.now(), request));
        let begin = match drive.next(Put::poll_event).await {
            PutEvent::Begin(begin) => begin,
            PutEvent::Aborted(abort) => return drop(told.send(Err(abort.into()))),
            PutEvent::Decide(..) | PutEvent::Acknowledged { .. } | PutEvent::Unconfirmed | PutEvent::Settled => {
                unreachable!("a put begins with Begin or Aborted")
            }
        };
        self.store.begin(&title, begin.version);
        let present = begin.current.as_ref().filter(|current| current.content.is_some());
        let replaced = present.is_some();
        let refused = match &precondition {
            Some(holds) if !holds(present) => Some(WriteError::Precondition),
            _ if body.is_none() && !replaced => Some(WriteError::Absent),
            _ => None,
        };
        let uploaded = match (refused, body) {
            (Some(refused), _) => Err(refused),
            (None, Some((body, media_type))) => self.ingest(&title, &placement, &begin, body, media_type).await,
            (None, None) => {
                let manifest = Manifest { title: title.clone(), version: begin.version, content: None };
                Ok((manifest, begin.participants.clone()))
            }
        };
        let (manifest, participants) = match uploaded {
            Ok(uploaded) => uploaded,
            Err(error) => {
                drive.machine.abort();
                self.store.aborted(&title, begin.version);
                drive.flush_then(|| drop(told.send(Err(error)))).await;
                return;
            }
        };
        let condition = if precondition.is_some() { Condition::Unchanged } else { Condition::None };
        drive.machine.prepare(self.now(), manifest.clone(), participants, condition);
        self.commit(drive, manifest, replaced, precondition, told).await;
    }

    async fn commit(
        self: &Arc<Self>,
        mut drive: Drive<'_, Put>,
        manifest: Manifest,
        replaced: bool,
        precondition: Option<Precondition>,
        told: oneshot::Sender<Result<Written, WriteError>>,
    ) {
        let mut told = Some(told);
        let mut tell = |result| {
            if let Some(told) = told.take() {
                // The client may have gone away.
                let _ = told.send(result);
            }
        };
        loop {
            match drive.next(Put::poll_event).await {
                PutEvent::Begin(_) => unreachable!("a put begins once"),
                PutEvent::Decide(manifest, prepared) => {
                    let decision = Arc::new(Decision { manifest, prepared });
                    let mut may_be_written = false;
                    loop {
                        let decision = Arc::clone(&decision);
                        match self.blocking(move |node| node.store.decide(&decision)).await {
                            Ok(()) => break drive.machine.decided(self.now()),
                            Err(DecideError::Clean(error)) if !may_be_written => {
                                tracing::error!(%error, "a commit was given up");
                                break drive.machine.abort();
                            }
                            Err(error) => {
                                tracing::error!(%error, "a commit is undecided");
                                may_be_written = true;
                                tell(Err(WriteError::Unconfirmed));
                                sleep(DECIDE_AGAIN).await;
                            }
                        }
                    }
                }
                PutEvent::Acknowledged { columns } => {
                    let tolerates = columns - self.config.quorum().data_columns();
                    tell(Ok(Written { replaced, tolerates, manifest: manifest.clone() }));
                }
                PutEvent::Unconfirmed => {
                    tell(Err(WriteError::Unconfirmed));
                }
                PutEvent::Settled => {
                    let (title, version) = (manifest.title, manifest.version);
                    return self.blocking(move |node| node.store.settled(&title, version)).await;
                }
                PutEvent::Aborted(abort) => {
                    self.store.aborted(&manifest.title, manifest.version);
                    let error = match (abort, &precondition) {
                        (Abort::ConditionFailed, Some(holds)) if self.still_holds(&manifest.title, holds).await => {
                            WriteError::Conflict
                        }
                        (abort, _) => abort.into(),
                    };
                    drive.flush_then(|| tell(Err(error))).await;
                    return;
                }
            }
        }
    }

    /// Whether a condition holds of what is the newest version now.
    async fn still_holds(self: &Arc<Self>, title: &str, holds: &Precondition) -> bool {
        match self.open_title(title).await {
            Ok(delivery) => holds(Some(&delivery.manifest)),
            Err(ReadError::Absent) => holds(None),
            Err(_) => false,
        }
    }

    /// Encodes a body stripe by stripe and sends the columns to the participants; those that fail are left out.
    async fn ingest<B>(
        self: &Arc<Self>,
        title: &str,
        placement: &Placement,
        begin: &Begin,
        mut body: B,
        media_type: String,
    ) -> Result<(Manifest, Vec<NodeId>), WriteError>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
    {
        let code = &self.config.code;
        let codec = self.codec(code.name()).map_err(|_| WriteError::Store)?;
        let (cell_bytes, block_bytes) = (default_cell_bytes(code), DEFAULT_BLOCK_BYTES);
        let stripe_bytes = cell_bytes as usize * code.data_cell_count();
        let mut encoder = StripeEncoder::new(codec, cell_bytes, block_bytes, title, title_version(begin.version));
        let mut upload = Upload::new(self, title, placement, begin);
        let mut hasher = blake3::Hasher::new();
        let (mut stripe, mut index, mut bytes) = (BytesMut::with_capacity(stripe_bytes), 0, 0_u64);
        upload.send_begin().await?;
        while let Some(frame) = body.frame().await.map(Result::ok) {
            let Some(frame) = frame else { return Err(WriteError::BrokenBody(bytes)) };
            let Ok(mut data) = frame.into_data() else { continue };
            bytes += data.len() as u64;
            while !data.is_empty() {
                let part = data.split_to(data.len().min(stripe_bytes - stripe.len()));
                stripe.extend_from_slice(&part);
                if stripe.len() == stripe_bytes {
                    upload.encode(&mut encoder, &mut hasher, index, &stripe);
                    index += 1;
                    stripe.clear();
                    upload.send_if_due().await?;
                }
            }
        }
        if !stripe.is_empty() {
            upload.encode(&mut encoder, &mut hasher, index, &stripe);
        }
        upload.send().await?;
        upload.send_trees(encoder).await?;
        let participants = upload.finish().await?;
        let mut etag = [0; 16];
        etag.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let content = Content {
            bytes,
            etag,
            code: code.name().to_owned(),
            cell_bytes,
            block_bytes,
            modified_ms: u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX),
            media_type,
        };
        Ok((Manifest { title: title.to_owned(), version: begin.version, content: Some(content) }, participants))
    }
}

/// A participant on the way.
struct Participant {
    node: NodeId,
    column: u16,
    /// Bytes sent so far.
    offset: u64,
    alive: bool,
    no_space: bool,
}

/// The columns of one version on their way to the participants.
struct Upload<'a> {
    node: &'a Arc<Node>,
    title: &'a str,
    version: rain_cluster::Version,
    write_quorum: usize,
    participants: Vec<Participant>,
    batches: Vec<BytesMut>,
    /// The batch under way, while the next one is filled.
    sending: Option<tokio::task::JoinHandle<Vec<Participant>>>,
}

impl<'a> Upload<'a> {
    fn new(node: &'a Arc<Node>, title: &'a str, placement: &Placement, begin: &Begin) -> Self {
        let participant = |node: &NodeId| {
            let column = placement.column_of(*node).and_then(|column| u16::try_from(column).ok());
            column.map(|column| Participant { node: *node, column, offset: 0, alive: true, no_space: false })
        };
        Self {
            node,
            title,
            version: begin.version,
            write_quorum: placement.quorum().write(),
            participants: begin.participants.iter().filter_map(participant).collect(),
            batches: vec![BytesMut::new(); placement.nodes().len()],
            sending: None,
        }
    }

    fn encode(&mut self, encoder: &mut StripeEncoder, hasher: &mut blake3::Hasher, index: u64, stripe: &[u8]) {
        let batches = &mut self.batches;
        // A stripe takes a few hundred microseconds.
        block_in_place(|| {
            hasher.update(stripe);
            for (batch, record) in batches.iter_mut().zip(encoder.encode_stripe(index, stripe)) {
                batch.extend_from_slice(record);
            }
        });
    }

    /// Opens the upload at every participant, before the body is asked for.
    async fn send_begin(&mut self) -> Result<(), WriteError> {
        self.send().await?;
        self.wait().await
    }

    async fn send_if_due(&mut self) -> Result<(), WriteError> {
        if self.batches.iter().any(|batch| batch.len() >= BATCH_BYTES) { self.send().await } else { Ok(()) }
    }

    /// Sends what has gathered, once the batch before it is through.
    async fn send(&mut self) -> Result<(), WriteError> {
        self.wait().await?;
        let batches: Vec<Bytes> = self.batches.iter_mut().map(|batch| batch.split().freeze()).collect();
        let (node, title, version) = (Arc::clone(self.node), self.title.to_owned(), self.version);
        let participants = core::mem::take(&mut self.participants);
        self.sending = Some(tokio::spawn(async move {
            let send = participants.into_iter().map(|participant| {
                let batch = batches[usize::from(participant.column)].clone();
                participant.append(&node, &title, version, batch)
            });
            join_all(send).await
        }));
        Ok(())
    }

    /// Sends what is behind the last record of each column.
    async fn send_trees(&mut self, encoder: StripeEncoder) -> Result<(), WriteError> {
        let trees: Vec<Vec<u8>> =
            block_in_place(|| encoder.finish().iter().map(rain_codec::column::ColumnTree::to_bytes).collect());
        // All columns have as many cells, so their trees have one length.
        let length = trees.first().map_or(0, Vec::len);
        for start in (0..length).step_by(BATCH_BYTES) {
            for (batch, tree) in self.batches.iter_mut().zip(&trees) {
                batch.extend_from_slice(&tree[start..length.min(start + BATCH_BYTES)]);
            }
            self.send().await?;
        }
        Ok(())
    }

    /// Waits for the batch under way.
    async fn wait(&mut self) -> Result<(), WriteError> {
        let Some(sending) = self.sending.take() else { return Ok(()) };
        self.participants = sending.await.map_err(|_| WriteError::Store)?;
        let found = self.participants.iter().filter(|participant| participant.alive).count();
        if found >= self.write_quorum {
            Ok(())
        } else if self.participants.iter().any(|participant| participant.no_space) {
            Err(WriteError::NoSpace)
        } else {
            Err(WriteError::TooFewNodes { found, expected: self.write_quorum })
        }
    }

    async fn finish(mut self) -> Result<Vec<NodeId>, WriteError> {
        self.wait().await?;
        Ok(self
            .participants
            .iter()
            .filter(|participant| participant.alive)
            .map(|participant| participant.node)
            .collect())
    }
}

impl Participant {
    /// Sends a batch; a participant that fails is alive no more.
    async fn append(mut self, node: &Arc<Node>, title: &str, version: rain_cluster::Version, batch: Bytes) -> Self {
        // The first call opens the upload, with or without bytes.
        if !self.alive || (batch.is_empty() && self.offset > 0) {
            return self;
        }
        let length = batch.len() as u64;
        let appended = timeout(APPEND, self.append_once(node, title, version, batch)).await;
        match appended {
            Ok(Ok(())) => self.offset += length,
            Ok(Err(full)) => {
                self.alive = false;
                self.no_space = full;
            }
            Err(_) => self.alive = false,
        }
        self
    }

    /// The error says whether the participant's disk is full.
    async fn append_once(
        &self,
        node: &Arc<Node>,
        title: &str,
        version: rain_cluster::Version,
        batch: Bytes,
    ) -> Result<(), bool> {
        if self.node == node.config.id {
            let taken = node.take_upload(title.to_owned(), version, self.column, self.offset, batch).await;
            return taken.map_err(|error| {
                tracing::warn!(%error, "the own store does not take the upload");
                matches!(error, UploadError::Disk(error) if error.kind() == std::io::ErrorKind::StorageFull)
            });
        }
        let (segment, column, offset) = (title::to_segment(title), self.column, self.offset);
        let path = format!("/peer/v1/uploads/{segment}/{version}/{column}/{offset}");
        let request = PeerRequest { method: Method::POST, path, body: batch, patience: APPEND, hope: None };
        let sent = node.peers.ask(self.node, request).await;
        sent.map(drop).map_err(|error| {
            tracing::warn!(%error, "a participant does not take the upload");
            matches!(error, PeerError::Refused { status: StatusCode::INSUFFICIENT_STORAGE, .. })
        })
    }
}
