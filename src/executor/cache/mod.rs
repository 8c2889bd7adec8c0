//! Compiled programs, kept by what they were made from.
//!
//! The key is a digest of everything that went into the compilation, so an entry can never be the
//! answer to another question. Only the worker writes entries, from what it took out of a box between two steps,
//! and each is verified when it is read: a damaged file is a miss. The least recently used go when
//! the cache is full.

mod entry;
mod key;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::entry::Compilation;
pub use self::key::{Key, KeyBuilder, hex};

/// An entry is written in less time than this.
const ABANDONED: Duration = Duration::from_mins(1);

/// So much, and so many files, of the most recent compilations stay in memory. Each file is a descriptor.
const RECENT_BYTES: u64 = 32 << 20;
const RECENT_FILES: usize = 256;

#[derive(Debug, Default)]
struct Index {
    entries: HashMap<Key, Entry>,
    total_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    used_at: SystemTime,
}

/// Compilations that were made or asked for of late, the latest last, in memory: read and verified already.
#[derive(Debug, Default)]
struct Recent(Vec<(Key, Arc<Compilation>)>);

impl Recent {
    fn get(&mut self, key: Key) -> Option<Arc<Compilation>> {
        let index = self.0.iter().position(|(other, _)| *other == key)?;
        let entry = self.0.remove(index);
        let compilation = Arc::clone(&entry.1);
        self.0.push(entry);
        Some(compilation)
    }

    /// Adds one, and drops the oldest until the rest is as little as it has to be.
    fn put(&mut self, key: Key, compilation: Arc<Compilation>) {
        self.0.retain(|(other, _)| *other != key);
        if compilation.bytes() > RECENT_BYTES / 2 {
            return;
        }
        self.0.push((key, compilation));
        let (mut bytes, mut files) = (0, 0);
        let kept = self.0.iter().rev().take_while(|(_, compilation)| {
            bytes += compilation.bytes();
            files += compilation.files.len();
            bytes <= RECENT_BYTES && files <= RECENT_FILES
        });
        let dropped = self.0.len() - kept.count();
        self.0.drain(..dropped);
    }
}

/// The cache: a directory of entries, an index of it in memory, and the most recent entries themselves.
#[derive(Debug)]
pub struct ArtefactCache {
    directory: PathBuf,
    max_bytes: u64,
    index: Mutex<Index>,
    recent: Mutex<Recent>,
}

impl ArtefactCache {
    /// Opens the cache, and makes its directory if there is none.
    pub fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut index = Index::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            match entry.file_name().to_str().and_then(Key::parse) {
                Some(key) => {
                    index.total_bytes += metadata.len();
                    index.entries.insert(key, Entry { bytes: metadata.len(), used_at: metadata.modified()? });
                }
                // Left behind by a worker that was killed while it wrote, unless one is at it right now.
                None if metadata.modified()?.elapsed().is_ok_and(|age| age > ABANDONED) => {
                    fs::remove_file(entry.path())?;
                }
                None => {}
            }
        }
        let cache =
            Self { directory: directory.to_owned(), max_bytes, index: Mutex::new(index), recent: Mutex::default() };
        cache.evict()?;
        Ok(cache)
    }

    /// A compilation that is in memory. That it was used is forgotten when the worker ends: to note it on the disk would take
    /// longer than this.
    pub fn recall(&self, key: Key) -> Option<Arc<Compilation>> {
        let found = self.recent().get(key)?;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = index.entries.get_mut(&key) {
            entry.used_at = SystemTime::now();
        }
        Some(found)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a compilation up on the disk. Reads a file: not for the event loop.
    pub fn find(&self, key: Key) -> Option<Arc<Compilation>> {
        {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.entries.get_mut(&key)?.used_at = SystemTime::now();
        }
        let path = self.directory.join(key.file_name());
        let Some(found) = fs::read(&path).ok().and_then(|bytes| entry::decode(key, &bytes)).map(Arc::new) else {
            // Damaged or gone: the next compilation writes it again.
            self.forget(key);
            return None;
        };
        self.recent().put(key, Arc::clone(&found));
        // For the next start; that it fails costs nothing but the order.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(found)
    }

    /// Keeps a compilation. Writes a file: not for the event loop.
    pub fn insert(&self, key: Key, compilation: &Arc<Compilation>) -> io::Result<()> {
        self.recent().put(key, Arc::clone(compilation));
        let bytes = entry::encode(key, compilation)?;
        if bytes.len() as u64 > self.max_bytes / 4 {
            return Ok(());
        }
        // A name that no other writer has: two jobs may have compiled the same.
        let temporary = self.directory.join(format!(".{}", uuid::Uuid::new_v4().simple()));
        let written = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&temporary, self.directory.join(key.file_name())));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = Entry { bytes: bytes.len() as u64, used_at: SystemTime::now() };
            index.total_bytes += entry.bytes;
            if let Some(older) = index.entries.insert(key, entry) {
                index.total_bytes -= older.bytes;
            }
        }
        self.evict()
    }

    fn forget(&self, key: Key) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = index.entries.remove(&key) {
            index.total_bytes -= entry.bytes;
        }
        let _ = fs::remove_file(self.directory.join(key.file_name()));
    }

    /// Removes the least recently used entries until the rest fits.
    fn evict(&self) -> io::Result<()> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if index.total_bytes <= self.max_bytes {
            return Ok(());
        }
        let mut by_use: Vec<(SystemTime, Key)> =
            index.entries.iter().map(|(key, entry)| (entry.used_at, *key)).collect();
        by_use.sort_by_key(|&(used_at, _)| used_at);
        for (_, key) in by_use {
            // Room for some more, so that a full cache is not sorted at every insertion.
            if index.total_bytes <= self.max_bytes / 10 * 9 {
                break;
            }
            if let Some(entry) = index.entries.remove(&key) {
                index.total_bytes -= entry.bytes;
                fs::remove_file(self.directory.join(key.file_name()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::entry::MAGIC;
    use super::*;
    use crate::executor::content::Content;
    use crate::executor::execution::StoredOutput;
    use crate::executor::slot::PlacedFile;

    fn key(name: &str) -> Key {
        KeyBuilder::default().with(name.as_bytes()).finish()
    }

    fn compilation(bytes: usize) -> Arc<Compilation> {
        let content = Content::seal(&vec![7; bytes]).unwrap();
        Arc::new(Compilation {
            files: vec![PlacedFile { path: "main".into(), content, is_executable: true }],
            stdout: StoredOutput::default(),
            stderr: StoredOutput { bytes: b"warning".to_vec(), total_bytes: 9000 },
        })
    }

    /// All of a compilation's contents, one behind the other.
    fn told(compilation: &Compilation) -> String {
        let file = |file: &PlacedFile| {
            let mut bytes = Vec::new();
            file.content.write_to(&mut bytes).unwrap();
            (file.path.clone(), bytes, file.is_executable)
        };
        let files: Vec<_> = compilation.files.iter().map(file).collect();
        format!("{files:?} {:?} {:?}", compilation.stdout, compilation.stderr)
    }

    #[test]
    fn an_entry_survives_a_restart_and_answers_to_its_key_alone() {
        let directory = tempfile::tempdir().unwrap();
        ArtefactCache::open(directory.path(), 1 << 20).unwrap().insert(key("a"), &compilation(100)).unwrap();
        let cache = ArtefactCache::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(told(&cache.find(key("a")).unwrap()), told(&compilation(100)));
        assert!(cache.find(key("b")).is_none());

        let [a, b] = [key("a"), key("b")].map(|key| directory.path().join(key.file_name()));
        fs::rename(a, b).unwrap();
        let cache = ArtefactCache::open(directory.path(), 1 << 20).unwrap();
        assert!(cache.find(key("b")).is_none(), "an entry under another name is not believed");
    }

    #[test]
    fn a_damaged_entry_is_a_miss_and_can_be_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(directory.path(), 1 << 20).unwrap();
        cache.insert(key("a"), &compilation(100)).unwrap();
        let path = directory.path().join(key("a").file_name());
        let sound = fs::read(&path).unwrap();
        for damage in [0, MAGIC.len(), MAGIC.len() + 40, sound.len() - 1] {
            let mut bytes = sound.clone();
            bytes[damage] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(cache.find(key("a")).is_none());
            cache.insert(key("a"), &compilation(100)).unwrap();
        }
        fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        assert!(cache.find(key("a")).is_none());
    }

    #[test]
    fn the_most_recent_stay_in_memory_and_no_more_than_fit() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(directory.path(), 1 << 30).unwrap();
        let third = usize::try_from(RECENT_BYTES / 3).unwrap() - 100;
        for name in ["a", "b", "c"] {
            cache.insert(key(name), &compilation(third)).unwrap();
        }
        assert!(cache.recall(key("a")).is_some(), "now the most recently used");
        cache.insert(key("d"), &compilation(third)).unwrap();
        let recalled = ["a", "b", "c", "d"].map(|name| cache.recall(key(name)).is_some());
        assert_eq!(recalled, [true, false, true, true]);
        // What is on the disk comes back, and what is too big for memory is on the disk alone.
        assert!(cache.find(key("b")).is_some() && cache.recall(key("b")).is_some());
        cache.insert(key("e"), &compilation(2 * third)).unwrap();
        assert!(cache.recall(key("e")).is_none() && cache.find(key("e")).is_some());
    }

    #[test]
    fn the_least_recently_used_entries_go_when_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(directory.path(), 10_000).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            cache.insert(key(name), &compilation(1_500)).unwrap();
        }
        assert!(cache.find(key("a")).is_some(), "now the most recently used");
        cache.insert(key("f"), &compilation(1_500)).unwrap();
        cache.insert(key("g"), &compilation(1_500)).unwrap();
        assert!(cache.find(key("a")).is_some());
        assert!(cache.find(key("b")).is_none());
        let on_disk: u64 = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(on_disk <= 10_000);
    }
}
