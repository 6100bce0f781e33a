//! Writing a title: ingest of the body, between the two ends of what the desk does of a write.

use super::desks::Begun;
use super::titles::etag_text;
use super::upload_budget::Grant;
use super::{Node, UploadPart, random_u64};
use crate::clock::{modified_ms, unix_time};
use crate::peer::{PeerError, PeerRequest, uploads};
use crate::store::{UploadError, UploadPlan, title_version};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use futures_util::future::join_all;
use futures_util::stream::Empty;
use futures_util::{Stream, StreamExt};
use hyper::{Method, StatusCode};
use rain_cluster::manifest::MEDIA_TYPE;
use rain_cluster::{Attributes, Columns, Content, EtagKind, Manifest, NodeId, Record, Version};
use rain_codec::Code;
use rain_codec::column::{DEFAULT_BLOCK_BYTES, StripeEncoder, default_cell_bytes, default_group_bytes};
use rain_desk::{Abort, Begin, Condition, Event, Shape, Shares, Task, Told};
use rain_titles::{NewContent, Precondition, ReadError, WriteError, Written, title};
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// So many bytes of each column are sent at once.
const BATCH_BYTES: usize = 1 << 20;
/// A title of so many bytes is sent with the question whether it is prepared; a longer one is uploaded before.
const CARRIED_BYTES_MAX: u64 = 64 << 10;
/// An upload that brings nothing for so long keeps nothing in memory but the stripe that it has begun.
const STANDSTILL: Duration = Duration::from_secs(1);
/// A participant that takes no batch for so long is done without.
const APPEND: Duration = Duration::from_secs(10);

/// Why nothing was written.
fn why(abort: Abort) -> WriteError {
    match abort {
        Abort::TooFewNodes { found, expected } => WriteError::TooFewNodes { found, expected },
        Abort::NoSpace => WriteError::NoSpace,
        Abort::ConditionFailed => WriteError::Precondition,
        Abort::Superseded => WriteError::Conflict,
        Abort::Epoch => WriteError::ConfigurationChanged,
        Abort::Driver => WriteError::Store,
    }
}

/// What a PUT or DELETE is to do.
struct Work<S> {
    title: String,
    /// `None` for a DELETE.
    content: Option<NewContent<S>>,
    precondition: Precondition,
}

impl Node {
    /// Stores a new content of a title. The task goes on when the future is dropped, until it is decided.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was stored.
    ///
    /// Cancel safety: dropping it does not stop the write.
    pub(super) async fn put<S>(
        self: &Arc<Self>,
        title: String,
        content: NewContent<S>,
        precondition: Precondition,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    {
        self.write(Work { title, content: Some(content), precondition }).await
    }

    /// Deletes a title.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was changed.
    ///
    /// Cancel safety: dropping it does not stop the deletion.
    pub(super) async fn delete(
        self: &Arc<Self>,
        title: String,
        precondition: Precondition,
    ) -> Result<Written, WriteError> {
        self.write(Work { title, content: None::<NewContent<Empty<_>>>, precondition }).await
    }

    async fn write<S>(self: &Arc<Self>, work: Work<S>) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    {
        let (told, tell) = oneshot::channel();
        let node = Arc::clone(self);
        self.desks.spawn("write", async move {
            // The client may have gone away.
            let _ = told.send(node.coordinate(work).await);
        });
        // It was interrupted, nobody knows where.
        tell.await.unwrap_or(Err(WriteError::Unconfirmed))
    }

    /// Coordinates one version until the client may be told; what remains the desk does.
    async fn coordinate<S>(self: &Arc<Self>, work: Work<S>) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let Work { title, content, precondition } = work;
        let code = Arc::clone(self.roster().code());
        let shape = content.is_some().then(|| Shape { columns: code.columns(), data_columns: code.data_columns() });
        let random = super::low_half(random_u64());
        let mut task = self.begin_task(&title, Task::Write { title: title.clone(), shape, random });
        let begin = match task.next().await {
            Some(Event::Begin(begin)) => begin,
            Some(Event::Aborted(abort)) => return Err(why(abort)),
            _ => return Err(WriteError::Store),
        };
        let present =
            begin.current.as_ref().map(|current| &*current.manifest).filter(|current| !current.is_tombstone());
        let replaced = present.is_some();
        let is_conditional = precondition.is_some();
        let refused = if !precondition.holds(etag_of(present).as_deref()) {
            Some(WriteError::Precondition)
        } else if content.is_none() && !replaced {
            Some(WriteError::Absent)
        } else {
            None
        };
        let ingested = match (refused, content) {
            (Some(refused), _) => Err(refused),
            (None, Some(content)) => self.ingest(&title, &begin, content, code).await,
            (None, None) => Ok(Ingested::nothing()),
        };
        let Ingested { content, attributes, shares } = match ingested {
            Ok(ingested) => ingested,
            Err(error) => {
                task.tell(Told::GiveUp);
                // The client hears of it once nobody has anything of it any more, or soon.
                let _ = task.next().await;
                return Err(error);
            }
        };
        let (version, epoch) = (begin.version, begin.epoch);
        let manifest = Arc::new(Manifest { title, version, epoch, conditional: is_conditional, content, attributes });
        let record = Record { manifest: Arc::clone(&manifest), placement: Arc::new(begin.placement) };
        let condition = if is_conditional { Condition::Unchanged } else { Condition::None };
        task.tell(Told::Uploaded { record, shares, condition });
        self.committed(task, manifest, replaced, precondition).await
    }

    /// Waits until the client may be told what became of a version.
    async fn committed(
        self: &Arc<Self>,
        mut task: Begun,
        manifest: Arc<Manifest>,
        replaced: bool,
        precondition: Precondition,
    ) -> Result<Written, WriteError> {
        match task.next().await {
            Some(Event::Acknowledged { tolerates, .. }) => Ok(Written {
                replaced,
                tolerates,
                etag: etag_of(Some(&manifest)).unwrap_or_default(),
                version: manifest.version.to_string(),
            }),
            Some(Event::Aborted(Abort::ConditionFailed))
                if precondition.is_some() && self.still_holds(&manifest.title, &precondition).await =>
            {
                Err(WriteError::Conflict)
            }
            Some(Event::Aborted(abort)) => Err(why(abort)),
            // It may be committed: the desk was interrupted, or says so itself.
            _ => Err(WriteError::Unconfirmed),
        }
    }

    /// Whether a condition holds of what is the newest version now.
    async fn still_holds(self: &Arc<Self>, title: &str, precondition: &Precondition) -> bool {
        match self.open_title(title).await {
            Ok(delivery) => precondition.holds(etag_of(Some(&delivery.manifest)).as_deref()),
            Err(ReadError::Absent { .. }) => precondition.holds(None),
            Err(_) => false,
        }
    }

    /// Encodes a content stripe by stripe and sends the columns to those that are to hold them; those that fail are left out.
    async fn ingest<S>(
        self: &Arc<Self>,
        title: &str,
        begin: &Begin,
        new: NewContent<S>,
        code: Arc<Code>,
    ) -> Result<Ingested, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let codec = self.codec(code.name()).map_err(|_| WriteError::Store)?;
        let (cell_bytes, block_bytes) = (default_cell_bytes(&code), DEFAULT_BLOCK_BYTES);
        let mut encoder = StripeEncoder::new(codec, cell_bytes, block_bytes, title, title_version(begin.version));
        let stripe_bytes = encoder.stripe_data_bytes();
        let mut upload = Upload::new(self, title, begin, &code, cell_bytes);
        let NewContent { mut stream, bytes: expected, media_type } = new;
        let is_carried = expected.is_some_and(|bytes| (1..=CARRIED_BYTES_MAX).contains(&bytes));
        let mut hasher = blake3::Hasher::new();
        let (mut stripe, mut index, mut bytes) = (BytesMut::new(), 0, 0_u64);
        if !is_carried {
            upload.send_begin().await?;
            stripe.reserve(stripe_bytes);
        }
        loop {
            let data = if is_carried {
                stream.next().await
            } else if let Ok(data) = timeout(STANDSTILL, stream.next()).await {
                data
            } else {
                // What waits for a client that brings nothing is sent, so that it is in nobody's memory.
                upload.release(&mut encoder).await?;
                stream.next().await
            };
            let Some(data) = data else { break };
            let Ok(mut data) = data else { return Err(WriteError::BrokenBody(bytes)) };
            bytes += data.len() as u64;
            while !data.is_empty() {
                let part = data.split_to(data.len().min(stripe_bytes - stripe.len()));
                stripe.extend_from_slice(&part);
                if stripe.len() == stripe_bytes {
                    if !is_carried {
                        upload.make_room(&mut encoder, stripe.len(), false).await?;
                    }
                    upload.encode(&mut encoder, &mut hasher, index, &stripe);
                    index += 1;
                    stripe.clear();
                    if !is_carried {
                        upload.send_if_due().await?;
                    }
                }
            }
            if !is_carried && self.upload_budget.is_wanted() {
                upload.release(&mut encoder).await?;
            }
        }
        if expected.is_some_and(|expected| bytes != expected) {
            return Err(WriteError::BrokenBody(bytes));
        }
        if !stripe.is_empty() {
            if !is_carried {
                upload.make_room(&mut encoder, stripe.len(), true).await?;
            }
            upload.encode(&mut encoder, &mut hasher, index, &stripe);
        }
        let shares = if is_carried {
            upload.carried()
        } else {
            upload.send().await?;
            Shares::Uploaded(upload.finish().await?)
        };
        let mut etag = [0; 16];
        etag.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        // The trees of long columns have many thousands of hashes.
        let roots = || encoder.finish().iter().map(rain_codec::column::ColumnTree::root).collect();
        let roots = if is_carried { roots() } else { block_in_place(roots) };
        let replaced = begin.current.as_ref().and_then(|current| current.manifest.columns());
        let content = Content::Columns(Columns {
            bytes,
            etag_kind: EtagKind::Content,
            etag,
            code: code.name().to_owned(),
            columns: count(code.columns()),
            data_columns: count(code.data_columns()),
            layout: 0,
            cell_bytes,
            block_bytes,
            group_bytes: default_group_bytes(cell_bytes),
            modified_ms: modified_ms(unix_time(), replaced.map(|columns| columns.modified_ms)),
            roots,
        });
        let mut attributes = Attributes::default();
        if !media_type.is_empty() {
            attributes.insert(MEDIA_TYPE, media_type.as_bytes());
        }
        Ok(Ingested { content, attributes, shares })
    }
}

/// The entity tag of a version, if it has one.
fn etag_of(manifest: Option<&Manifest>) -> Option<String> {
    manifest.and_then(Manifest::columns).map(|columns| etag_text(&columns.etag))
}

/// A number of columns; codes have few.
fn count(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

/// What a column's record of a stripe with so many bytes has at most: cells, their checksums, and what rounding adds.
fn record_bytes_max(stripe_bytes: usize, code: &Code) -> usize {
    let cells = stripe_bytes.div_ceil(code.data_columns());
    cells + cells / 256 + 4096
}

/// What is to be committed.
struct Ingested {
    content: Content,
    attributes: Attributes,
    shares: Shares,
}

impl Ingested {
    /// A deletion.
    fn nothing() -> Self {
        Self { content: Content::None, attributes: Attributes::default(), shares: Shares::Uploaded(Vec::new()) }
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
    what: Arc<Uploading>,
    /// Fewer than so many participants are too few.
    needed: usize,
    participants: Vec<Participant>,
    batches: Vec<BytesMut>,
    /// What the encoder's records have of the budget; with the first stripe.
    record_grant: Option<Grant>,
    /// A record of a full stripe has no more.
    record_bytes: usize,
    /// A batch of one column has no more.
    batch_bytes: usize,
    /// What the batches have of it.
    batch_grant: Option<Grant>,
    /// The batch under way, while the next one is filled.
    sending: Option<tokio::task::JoinHandle<Vec<Participant>>>,
}

/// What all columns of an upload have in common.
struct Uploading {
    title: String,
    version: Version,
    code: Arc<Code>,
    cell_bytes: u32,
    block_bytes: u32,
    group_bytes: u32,
}

impl Uploading {
    fn plan(&self, column: u16) -> UploadPlan {
        UploadPlan {
            title: self.title.clone(),
            version: self.version,
            column,
            code: self.code.name().to_owned(),
            cell_bytes: self.cell_bytes,
            block_bytes: self.block_bytes,
            group_bytes: self.group_bytes,
        }
    }
}

impl<'a> Upload<'a> {
    fn new(node: &'a Arc<Node>, title: &str, begin: &Begin, code: &Arc<Code>, cell_bytes: u32) -> Self {
        let participant = |(node, column): &(NodeId, u16)| Participant {
            node: *node,
            column: *column,
            offset: 0,
            alive: true,
            no_space: false,
        };
        let shape = Shape { columns: code.columns(), data_columns: code.data_columns() };
        let what = Uploading {
            title: title.to_owned(),
            version: begin.version,
            code: Arc::clone(code),
            cell_bytes,
            block_bytes: DEFAULT_BLOCK_BYTES,
            group_bytes: default_group_bytes(cell_bytes),
        };
        Self {
            node,
            what: Arc::new(what),
            needed: shape.needed(),
            participants: begin.uploads.iter().map(participant).collect(),
            batches: vec![BytesMut::new(); shape.columns],
            record_grant: None,
            record_bytes: 0,
            batch_bytes: 0,
            batch_grant: None,
            sending: None,
        }
    }

    fn encode(&mut self, encoder: &mut StripeEncoder, hasher: &mut blake3::Hasher, index: u64, stripe: &[u8]) {
        let batches = &mut self.batches;
        let mut encode = || {
            hasher.update(stripe);
            for (batch, record) in batches.iter_mut().zip(encoder.encode_stripe(index, stripe)) {
                batch.extend_from_slice(record);
            }
        };
        // A whole stripe takes a few hundred microseconds; to hand this thread's other work over takes ten.
        if stripe.len() as u64 <= CARRIED_BYTES_MAX { encode() } else { block_in_place(encode) }
    }

    /// Opens the upload at every participant, before the body is asked for.
    async fn send_begin(&mut self) -> Result<(), WriteError> {
        self.send().await?;
        self.wait().await
    }

    /// Takes of the budget what a stripe of so many bytes needs once it is encoded: records of it, and where a batch begins
    /// all that the batch may get. Where there is little, it waits for its turn with nothing in memory but the stripe, and
    /// the batch is of that stripe alone; so is that of the `last` one.
    async fn make_room(
        &mut self,
        encoder: &mut StripeEncoder,
        stripe_bytes: usize,
        last: bool,
    ) -> Result<(), WriteError> {
        if self.batch_grant.is_some() {
            return Ok(());
        }
        let code = &self.what.code;
        let (columns, record_bytes) = (code.columns(), record_bytes_max(stripe_bytes, code));
        let full = if last { record_bytes } else { BATCH_BYTES.next_multiple_of(record_bytes) };
        let records = if self.record_grant.is_none() { record_bytes } else { 0 };
        let budget = &self.node.upload_budget;
        let (mut grant, batch_bytes) = if let Some(grant) = budget.try_take((columns * (records + full)) as u64) {
            (grant, full)
        } else {
            self.release(encoder).await?;
            (budget.take((columns * 2 * record_bytes) as u64).await, record_bytes)
        };
        if self.record_grant.is_none() {
            self.record_grant = grant.split(grant.num_permits() * record_bytes / (record_bytes + batch_bytes));
        }
        self.batch_grant = Some(grant);
        (self.record_bytes, self.batch_bytes) = (record_bytes, batch_bytes);
        self.batches.fill_with(|| BytesMut::with_capacity(batch_bytes));
        Ok(())
    }

    /// Sends what has gathered, waits until it is taken, and gives all memory back.
    async fn release(&mut self, encoder: &mut StripeEncoder) -> Result<(), WriteError> {
        if self.batch_grant.is_some() {
            self.send().await?;
        }
        self.wait().await?;
        if self.record_grant.take().is_some() {
            encoder.release_records();
        }
        Ok(())
    }

    async fn send_if_due(&mut self) -> Result<(), WriteError> {
        let gathered = self.batches.iter().map(BytesMut::len).max().unwrap_or_default();
        if gathered + self.record_bytes > self.batch_bytes { self.send().await } else { Ok(()) }
    }

    /// Sends what has gathered, once the batch before it is through.
    async fn send(&mut self) -> Result<(), WriteError> {
        self.wait().await?;
        let batches: Vec<Bytes> = self.batches.iter_mut().map(|batch| core::mem::take(batch).freeze()).collect();
        let grant = self.batch_grant.take();
        let (node, what) = (Arc::clone(self.node), Arc::clone(&self.what));
        let participants = core::mem::take(&mut self.participants);
        self.sending = Some(tokio::spawn(async move {
            let send = participants.into_iter().map(|participant| {
                let batch = batches[usize::from(participant.column)].clone();
                participant.append(&node, &what, batch)
            });
            let participants = join_all(send).await;
            drop((batches, grant));
            participants
        }));
        Ok(())
    }

    /// Waits for the batch under way.
    async fn wait(&mut self) -> Result<(), WriteError> {
        let Some(sending) = self.sending.take() else { return Ok(()) };
        self.participants = sending.await.map_err(|_| WriteError::Store)?;
        let found = self.participants.iter().filter(|participant| participant.alive).count();
        if found >= self.needed {
            Ok(())
        } else if self.participants.iter().any(|participant| participant.no_space) {
            Err(WriteError::NoSpace)
        } else {
            Err(WriteError::TooFewNodes { found, expected: self.needed })
        }
    }

    /// The columns, of which nothing was sent.
    fn carried(self) -> Shares {
        Shares::Carried(self.batches.iter().map(|batch| (&**batch).into()).collect())
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
    async fn append(mut self, node: &Arc<Node>, what: &Uploading, batch: Bytes) -> Self {
        // The first call opens the upload, with or without bytes.
        if !self.alive || (batch.is_empty() && self.offset > 0) {
            return self;
        }
        let length = batch.len() as u64;
        let appended = timeout(APPEND, self.append_once(node, what, batch)).await;
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
    async fn append_once(&self, node: &Arc<Node>, what: &Uploading, batch: Bytes) -> Result<(), bool> {
        let begin = (self.offset == 0).then(|| what.plan(self.column));
        if self.node == node.config.id {
            let part = UploadPart { title: what.title.clone(), version: what.version, offset: self.offset };
            return node.take_upload(part, begin, batch).await.map_err(|error| {
                tracing::warn!(%error, "the own store does not take the upload");
                matches!(error, UploadError::Disk(error) if error.kind() == io::ErrorKind::StorageFull)
            });
        }
        let (segment, version, column, offset) =
            (title::to_segment(&what.title), what.version, self.column, self.offset);
        let query = begin.as_ref().map(|plan| format!("?{}", uploads::to_query(plan))).unwrap_or_default();
        let path = format!("/peer/v1/uploads/{segment}/{version}/{column}/{offset}{query}");
        let request = PeerRequest { method: Method::POST, path, body: batch, patience: APPEND, hope: None };
        let sent = node.peers.ask(self.node, request).await;
        sent.map(drop).map_err(|error| {
            tracing::warn!(%error, "a participant does not take the upload");
            matches!(error, PeerError::Refused { status: StatusCode::INSUFFICIENT_STORAGE, .. })
        })
    }
}
