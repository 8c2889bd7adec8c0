//! Compiled programs, kept by what they were made from.
//!
//! The key is a digest of everything that went into the compilation, so an entry can never be the
//! answer to another question. Only the worker writes entries, from what it took out of a box between two steps,
//! and each is verified when it is read: a damaged file is a miss. The least recently used go when
//! the cache is full.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::content::Content;
use super::execution::StoredOutput;
use super::slot::PlacedFile;

/// Starts every entry; another format has another line.
const MAGIC: &[u8] = b"codecanvas artefact 1\n";

/// An entry is written in less time than this.
const ABANDONED: Duration = Duration::from_mins(1);

/// So much, and so many files, of the most recent compilations stay in memory. Each file is a descriptor.
const RECENT_BYTES: u64 = 32 << 20;
const RECENT_FILES: usize = 256;

/// What a compilation was made from, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    fn file_name(self) -> String {
        hex(&self.0)
    }
}

/// Builds a [`Key`] from parts, each with its length in front, so that no two lists of parts look alike.
#[derive(Debug, Clone, Default)]
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Adds how many parts there are, then each of them.
    #[must_use]
    pub fn with_all<'a>(mut self, parts: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        self.0.update((parts.len() as u64).to_le_bytes());
        parts.fold(self, Self::with)
    }

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().into())
    }
}

/// A successful compilation.
#[derive(Debug)]
pub struct Compilation {
    /// What it left.
    pub files: Vec<PlacedFile>,
    /// What the compiler wrote to its standard output.
    pub stdout: StoredOutput,
    /// What the compiler wrote to its standard error.
    pub stderr: StoredOutput,
}

impl Compilation {
    /// What it takes of memory.
    fn bytes(&self) -> u64 {
        let files: u64 = self.files.iter().map(|file| file.content.length()).sum();
        files + (self.stdout.bytes.len() + self.stderr.bytes.len()) as u64
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    files: Vec<FileHeader>,
    stdout: StreamHeader,
    stderr: StreamHeader,
}

#[derive(Serialize, Deserialize)]
struct FileHeader {
    path: PathBuf,
    length: u64,
    is_executable: bool,
}

#[derive(Serialize, Deserialize)]
struct StreamHeader {
    length: usize,
    total_bytes: u64,
}

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
            match entry.file_name().to_str().and_then(parse_key) {
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
        let Some(found) = fs::read(&path).ok().and_then(|bytes| decode(key, &bytes)).map(Arc::new) else {
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
        let bytes = encode(key, compilation)?;
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

fn encode(key: Key, compilation: &Compilation) -> io::Result<Vec<u8>> {
    let stream = |output: &StoredOutput| StreamHeader { length: output.bytes.len(), total_bytes: output.total_bytes };
    let header = serde_json::to_vec(&Header {
        key: key.file_name(),
        files: compilation
            .files
            .iter()
            .map(|file| FileHeader {
                path: file.path.clone(),
                length: file.content.length(),
                is_executable: file.is_executable,
            })
            .collect(),
        stdout: stream(&compilation.stdout),
        stderr: stream(&compilation.stderr),
    })?;
    let mut content = (header.len() as u64).to_le_bytes().to_vec();
    content.extend(header);
    for file in &compilation.files {
        file.content.write_to(&mut content)?;
    }
    content.extend_from_slice(&compilation.stdout.bytes);
    content.extend_from_slice(&compilation.stderr.bytes);
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&Sha256::digest(&content));
    bytes.extend(content);
    Ok(bytes)
}

/// Reads an entry; `None` where it is not exactly what was written for this key.
fn decode(key: Key, bytes: &[u8]) -> Option<Compilation> {
    let (digest, content) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
    if Sha256::digest(content).as_slice() != digest {
        return None;
    }
    let (length, rest) = content.split_first_chunk::<8>()?;
    let (header, mut rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    if header.key != key.file_name() {
        return None;
    }
    let mut take = |length: usize| {
        let (part, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(part)
    };
    let mut files = Vec::with_capacity(header.files.len());
    for file in header.files {
        let content = Content::seal(take(usize::try_from(file.length).ok()?)?).ok()?;
        files.push(PlacedFile { path: file.path, content, is_executable: file.is_executable });
    }
    let stdout = StoredOutput { bytes: take(header.stdout.length)?.to_vec(), total_bytes: header.stdout.total_bytes };
    let stderr = StoredOutput { bytes: take(header.stderr.length)?.to_vec(), total_bytes: header.stderr.total_bytes };
    Some(Compilation { files, stdout, stderr })
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse_key(name: &str) -> Option<Key> {
    let mut key = [0; 32];
    if name.len() != 64 || !name.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn keys_tell_lists_of_parts_apart() {
        let parts = |parts: &[&str]| {
            KeyBuilder::default().with_all(parts.iter().map(|part| part.as_bytes())).with(b"x").finish()
        };
        assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
        assert_ne!(parts(&["a"]), parts(&["a", "x"]));
    }
}
