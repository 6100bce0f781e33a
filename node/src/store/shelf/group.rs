//! One sync of a folder for all that wait for it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
struct State {
    /// How often somebody asked.
    asked: u64,
    /// What the last sync covered, whether it succeeded or not.
    covered: u64,
    /// Up to here all is durable.
    durable: u64,
    syncing: bool,
    error: Option<Arc<io::Error>>,
}

/// Callers of the same sync: of those that wait, one does it for all.
#[derive(Debug, Default)]
pub(in crate::store) struct GroupSync {
    state: Mutex<State>,
    changed: Condvar,
}

impl GroupSync {
    /// Returns once a sync that began after this call has ended.
    ///
    /// # Errors
    /// Those of that sync.
    pub(in crate::store) fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let lock = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock();
        state.asked += 1;
        let mine = state.asked;
        while state.covered < mine {
            if state.syncing {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            let covers = state.asked;
            drop(state);
            let synced = sync();
            state = lock();
            state.syncing = false;
            state.covered = covers;
            match synced {
                Ok(()) => (state.durable, state.error) = (covers, None),
                Err(error) => state.error = Some(Arc::new(error)),
            }
            self.changed.notify_all();
        }
        match &state.error {
            // A later sync that succeeds has made durable what an earlier one has not.
            Some(error) if state.durable < mine => Err(io::Error::new(error.kind(), Arc::clone(error))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn everybody_gets_a_sync_that_began_after_its_call() {
        let (group, begun, written) = (GroupSync::default(), AtomicU64::new(0), AtomicU64::new(0));
        let durable = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                        let synced = group.sync(|| {
                            begun.fetch_add(1, Ordering::SeqCst);
                            let seen = written.load(Ordering::SeqCst);
                            std::thread::yield_now();
                            durable.fetch_max(seen, Ordering::SeqCst);
                            Ok(())
                        });
                        synced.unwrap();
                        assert!(durable.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
        assert!(begun.load(Ordering::SeqCst) < 1600, "some waited for one sync together");
    }

    #[test]
    fn an_error_is_told_to_those_who_waited_for_it_only() {
        let group = GroupSync::default();
        let failed = group.sync(|| Err(io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        group.sync(|| Ok(())).unwrap();
    }
}
