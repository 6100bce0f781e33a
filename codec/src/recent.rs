//! What was made lately, so that it need not be made again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values by what they were made for, at most so many; the one unused for longest goes when there are too many.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    most: usize,
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    values: HashMap<K, (Arc<V>, u64)>,
    /// Counts uses, and so tells which one was earlier.
    uses: u64,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, entries: Mutex::new(Entries { values: HashMap::new(), uses: 0 }) }
    }

    /// Finds a value, or makes it and keeps it. It is made outside the lock: two threads may make the same one, and
    /// neither waits for the other.
    ///
    /// # Errors
    /// As `make`; nothing is kept then.
    pub(crate) fn find_or<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some(value) = self.find(key) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        self.keep(key.clone(), Arc::clone(&value));
        Ok(value)
    }

    fn find(&self, key: &K) -> Option<Arc<V>> {
        let entries = &mut *self.entries();
        entries.uses += 1;
        let (value, last_use) = entries.values.get_mut(key)?;
        *last_use = entries.uses;
        Some(Arc::clone(value))
    }

    fn keep(&self, key: K, value: Arc<V>) {
        let entries = &mut *self.entries();
        if entries.values.len() >= self.most && !entries.values.contains_key(&key) {
            let oldest = entries.values.iter().min_by_key(|(_, (_, last_use))| *last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.values.remove(&oldest);
            }
        }
        entries.uses += 1;
        let uses = entries.uses;
        entries.values.insert(key, (value, uses));
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        // The table is whole between any two calls, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_used_stays() {
        let recent = Recent::new(3);
        let mut made = 0;
        for key in [1, 2, 3, 1, 4, 1, 5, 1, 2] {
            let value = recent.find_or(&key, || {
                made += 1;
                Ok::<i32, ()>(key * 10)
            });
            assert_eq!(value, Ok(Arc::new(key * 10)));
            assert!(recent.entries().values.len() <= 3);
        }
        // 1 was in use all along; 2 had to go for 4, and is made again.
        assert_eq!(made, 6);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let recent = Recent::new(2);
        assert_eq!(recent.find_or(&1, || Err::<i32, &str>("no")), Err("no"));
        assert_eq!(recent.find_or(&1, || Ok::<i32, &str>(7)), Ok(Arc::new(7)));
    }
}
