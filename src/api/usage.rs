//! Who holds how many connections and subscriptions: counted per key, given back on drop.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what is held per key. Clones share the counts.
#[derive(Debug)]
pub struct Usage<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Clone for Usage<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Usage<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Usage<K> {
    /// How many are held by all together.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes one for `key`, or `None` where `maximum` are already held.
    pub fn take(&self, key: K, maximum: usize) -> Option<Held<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= maximum {
            return None;
        }
        *count += 1;
        Some(Held { usage: self.clone(), key })
    }
}

/// One that is held; dropping it gives it back.
#[derive(Debug)]
pub struct Held<K: Eq + Hash + Clone> {
    usage: Usage<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Drop for Held<K> {
    fn drop(&mut self) {
        let mut counts = self.usage.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again_and_keys_do_not_share() {
        let usage = Usage::default();
        let first = usage.take("ada", 1);
        assert!(first.is_some());
        assert!(usage.take("ada", 1).is_none());
        assert!(usage.take("bob", 1).is_some());
        drop(first);
        assert!(usage.take("ada", 1).is_some());
    }
}
