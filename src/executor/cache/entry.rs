//! A compilation as it is written down: a line that names the format, the digest of all that follows, the length of a header in
//! JSON as 8 bytes, the header, and the contents that it tells the lengths of.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::Key;
use crate::executor::content::Content;
use crate::executor::execution::StoredOutput;
use crate::executor::slot::PlacedFile;

/// Starts every entry; another format has another line.
pub(super) const MAGIC: &[u8] = b"codecanvas artefact 1\n";

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
    pub(super) fn bytes(&self) -> u64 {
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

/// Writes a compilation down.
pub(super) fn encode(key: Key, compilation: &Compilation) -> io::Result<Vec<u8>> {
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
pub(super) fn decode(key: Key, bytes: &[u8]) -> Option<Compilation> {
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
