//! Stripes shared out among threads, each with buffers of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::FileError;

/// Lets every thread of the pool work on stripes until there are no more, or one fails: `new` makes what a thread
/// works with, `next` says which stripe is next, `work` does it. `failed` is called once, when a stripe has failed.
/// Gives back what the threads worked with.
///
/// # Errors
/// That of the first stripe that failed.
pub(super) fn run<S: Send>(
    new: impl Fn() -> S + Sync,
    next: impl Fn(&mut S) -> Result<Option<u64>, FileError> + Sync,
    work: impl Fn(&mut S, u64) -> Result<(), FileError> + Sync,
    failed: impl Fn() + Sync,
) -> Result<Vec<S>, FileError> {
    let stopped = AtomicBool::new(false);
    let first: Mutex<Option<(u64, FileError)>> = Mutex::new(None);
    let fail = |stripe: u64, error: FileError| {
        let mut first = lock(&first);
        if first.as_ref().is_none_or(|(earliest, _)| stripe < *earliest) {
            *first = Some((stripe, error));
        }
        if !stopped.swap(true, Ordering::AcqRel) {
            failed();
        }
    };
    let states = rayon::broadcast(|_| {
        let mut state = new();
        while !stopped.load(Ordering::Acquire) {
            match next(&mut state) {
                Ok(None) => break,
                Ok(Some(stripe)) => {
                    if let Err(error) = work(&mut state, stripe) {
                        fail(stripe, error);
                    }
                }
                Err(error) => fail(u64::MAX, error),
            }
        }
        state
    });
    match lock(&first).take() {
        Some((_, error)) => Err(error),
        None => Ok(states),
    }
}

/// The numbers of `count` stripes, in order.
pub(super) fn each<S>(count: u64) -> impl Fn(&mut S) -> Result<Option<u64>, FileError> + Sync {
    let next = AtomicU64::new(0);
    move |_| {
        let stripe = next.fetch_add(1, Ordering::Relaxed);
        Ok((stripe < count).then_some(stripe))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole between any two calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
