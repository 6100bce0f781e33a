//! Movies that were opened: kept until others need the room, and each opened once while others wait for it.

use super::edition::Edition;
use core::ops::Range;
use futures_util::TryStreamExt;
use rain_config::Reloadable;
use rain_media::{MediaError, Movie, Opening, Step};
use rain_titles::{OpenTitle, ReadError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::task::spawn_blocking;

/// Movies that are opened at once: each may have its whole `moov` in memory meanwhile.
const OPENINGS: usize = 2;

/// What a movie takes that is none.
const REFUSED_BYTES: usize = 1 << 10;

/// What an edition turned out to be. It is so for ever, also where it cannot be packaged.
pub(super) type Opened = Arc<Result<Movie, MediaError>>;

/// Movies that were opened, in so much memory as the configuration says.
#[derive(Debug)]
pub(in super::super) struct Movies {
    held: Mutex<Held>,
    turns: Semaphore,
    settings: watch::Receiver<Arc<Reloadable>>,
}

#[derive(Debug, Default)]
struct Held {
    movies: HashMap<Edition, Kept>,
    /// By when they were used last.
    by_use: BTreeMap<u64, Edition>,
    uses: u64,
    bytes: usize,
    /// Those that are being opened, as long as anybody waits for them.
    opening: HashMap<Edition, Weak<OnceCell<Opened>>>,
}

#[derive(Debug)]
struct Kept {
    opened: Opened,
    bytes: usize,
    used: u64,
}

impl Held {
    fn get(&mut self, edition: Edition) -> Option<Opened> {
        let kept = self.movies.get_mut(&edition)?;
        self.by_use.remove(&kept.used);
        self.uses += 1;
        kept.used = self.uses;
        self.by_use.insert(kept.used, edition);
        Some(Arc::clone(&kept.opened))
    }

    /// Keeps a movie, and lets those go that were not used for the longest time, down to `limit` bytes.
    fn keep(&mut self, edition: Edition, opened: Opened, limit: usize) {
        self.opening.remove(&edition);
        if self.movies.contains_key(&edition) {
            return;
        }
        let bytes = opened.as_ref().as_ref().map_or(REFUSED_BYTES, Movie::memory_bytes);
        self.uses += 1;
        self.by_use.insert(self.uses, edition);
        self.movies.insert(edition, Kept { opened, bytes, used: self.uses });
        self.bytes += bytes;
        while self.bytes > limit {
            let Some((_, edition)) = self.by_use.pop_first() else { break };
            self.bytes -= self.movies.remove(&edition).map_or(0, |kept| kept.bytes);
        }
    }

    /// What is, or will be, the movie of an edition that is not kept.
    fn cell(&mut self, edition: Edition) -> Arc<OnceCell<Opened>> {
        if let Some(cell) = self.opening.get(&edition).and_then(Weak::upgrade) {
            return cell;
        }
        self.opening.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::new(OnceCell::new());
        self.opening.insert(edition, Arc::downgrade(&cell));
        cell
    }
}

impl Movies {
    pub(in super::super) fn new(settings: watch::Receiver<Arc<Reloadable>>) -> Self {
        Self { held: Mutex::default(), turns: Semaphore::new(OPENINGS), settings }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The movie of an edition, opened if it is not kept.
    ///
    /// # Errors
    /// [`ReadError`]: then nothing is kept, and the next one tries again.
    ///
    /// Cancel safety: somebody else who waits goes on with it.
    pub(super) async fn get(&self, edition: Edition, title: &impl OpenTitle) -> Result<Opened, ReadError> {
        if let Some(opened) = self.held().get(edition) {
            return Ok(opened);
        }
        let cell = self.held().cell(edition);
        let opened = cell.get_or_try_init(|| self.open(title)).await?;
        let limit = usize::try_from(self.settings.borrow().limits.tables_bytes).unwrap_or(usize::MAX);
        let mut held = self.held();
        held.keep(edition, Arc::clone(opened), limit);
        metrics::gauge!("rain_movies_bytes").set(u32::try_from(held.bytes >> 10).map_or(f64::MAX, f64::from) * 1024.0);
        Ok(Arc::clone(opened))
    }

    async fn open(&self, title: &impl OpenTitle) -> Result<Opened, ReadError> {
        let _turn = self.turns.acquire().await.expect("turns are never closed");
        metrics::counter!("rain_movies_opened_total").increment(1);
        let mut opening = Opening::new(title.about().bytes);
        loop {
            // Tables are made of what has come: milliseconds of work.
            let polled = spawn_blocking(move || {
                let step = opening.poll();
                (opening, step)
            });
            let (next, step) = polled.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            opening = next;
            match step {
                Ok(Step::Read(range)) => opening.handle_bytes(read(title, range).await?),
                Ok(Step::Done(movie)) => return Ok(Arc::new(Ok(movie))),
                Err(error) => return Ok(Arc::new(Err(error))),
            }
        }
    }
}

async fn read(title: &impl OpenTitle, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let stream = title.bytes(range).await?;
    let gathered = Vec::with_capacity(length);
    stream
        .try_fold(gathered, |mut gathered, bytes| async move {
            gathered.extend_from_slice(&bytes);
            Ok(gathered)
        })
        .await
}
