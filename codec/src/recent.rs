//! What was made lately, so that it need not be made again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values by what they were made for, at most so many, and of so much weight together; those unused for longest go when
/// there are too many. A value that is heavier than all may be is kept alone.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    most: usize,
    heaviest: usize,
    weigh: fn(&V) -> usize,
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    values: HashMap<K, (Arc<V>, u64)>,
    /// Counts uses, and so tells which one was earlier.
    uses: u64,
    /// What the values weigh together.
    weight: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    /// Bounds the number of values, and their weight together in any unit.
    pub(crate) fn new(most: usize, heaviest: usize, weigh: fn(&V) -> usize) -> Self {
        let entries = Entries { values: HashMap::new(), uses: 0, weight: 0 };
        Self { most, heaviest, weigh, entries: Mutex::new(entries) }
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
        if let Some((replaced, _)) = entries.values.remove(&key) {
            entries.weight -= (self.weigh)(&replaced);
        }
        let weight = (self.weigh)(&value);
        while entries.values.len() >= self.most || entries.weight + weight > self.heaviest {
            let oldest = entries.values.iter().min_by_key(|(_, (_, last_use))| *last_use).map(|(key, _)| key.clone());
            let Some((removed, _)) = oldest.and_then(|oldest| entries.values.remove(&oldest)) else { break };
            entries.weight -= (self.weigh)(&removed);
        }
        entries.weight += weight;
        entries.uses += 1;
        let uses = entries.uses;
        entries.values.insert(key, (value, uses));
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        // The table is whole between any two calls, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries().values.len()
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.entries().weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_used_stays() {
        let recent = Recent::new(3, usize::MAX, |_| 1);
        let mut made = 0;
        for key in [1, 2, 3, 1, 4, 1, 5, 1, 2] {
            let value = recent.find_or(&key, || {
                made += 1;
                Ok::<i32, ()>(key * 10)
            });
            assert_eq!(value, Ok(Arc::new(key * 10)));
            assert!(recent.len() <= 3);
        }
        // 1 was in use all along; 2 had to go for 4, and is made again.
        assert_eq!(made, 6);
    }

    #[test]
    fn what_is_kept_is_bounded_by_its_weight() {
        let recent = Recent::new(10, 12, |&value: &usize| value);
        let find = |key: usize| recent.find_or(&key, || Ok::<usize, ()>(key)).unwrap();
        let kept: Vec<(usize, usize)> = [3, 4, 5, 3, 6, 2, 20, 1, 11, 12]
            .map(|key| {
                find(key);
                (recent.len(), recent.weight())
            })
            .into();
        // 6 drives out 4 and 5, for 3 was in use; 20 is too heavy, drives out all, and goes for the next one.
        let expected = [(1, 3), (2, 7), (3, 12), (3, 12), (2, 9), (3, 11), (1, 20), (1, 1), (2, 12), (1, 12)];
        assert_eq!(kept, expected);
        // Two threads that made the same: it counts once.
        recent.keep(12, Arc::new(7));
        assert_eq!((recent.len(), recent.weight()), (1, 7));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let recent = Recent::new(2, usize::MAX, |_| 1);
        assert_eq!(recent.find_or(&1, || Err::<i32, &str>("no")), Err("no"));
        assert_eq!(recent.find_or(&1, || Ok::<i32, &str>(7)), Ok(Arc::new(7)));
    }
}
