//! One output stream of a step: what is stored, what is counted, and when it is reported.
//!
//! The first byte is reported at once. What follows within [`BATCH_TIME`] is put together, so that a
//! program that prints byte by byte does not become an event per byte.

use std::time::Duration;

use tokio::time::Instant;

use super::execution::StoredOutput;
use crate::domain::text::incomplete_tail;
use crate::domain::units::Bytes;

/// How long output waits for more of it. A reader's eye does not notice three milliseconds.
pub const BATCH_TIME: Duration = Duration::from_millis(3);

/// A chunk is not longer than this, and so much output does not wait for more.
pub const CHUNK_BYTES: usize = 32 * 1024;

/// A part of a stream, to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of the first byte in the stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Takes what a program writes to one of its streams.
#[derive(Debug)]
pub struct Collector {
    /// Most bytes that are stored.
    limit: usize,
    stored: Vec<u8>,
    /// How many of the stored bytes were reported.
    reported: usize,
    total: u64,
    /// Whether something was thrown away: then nothing more is stored.
    is_cut: bool,
    reported_at: Option<Instant>,
}

impl Collector {
    /// A stream of which `limit` is stored.
    pub fn new(limit: Bytes) -> Self {
        Self {
            limit: usize::try_from(limit.0).unwrap_or(usize::MAX),
            stored: Vec::new(),
            reported: 0,
            total: 0,
            is_cut: false,
            reported_at: None,
        }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.is_cut {
            return;
        }
        let room = self.limit - self.stored.len();
        if bytes.len() <= room {
            self.stored.extend_from_slice(bytes);
            return;
        }
        self.is_cut = true;
        self.stored.extend_from_slice(&bytes[..room]);
        // What is stored ends between two characters, as everything that was reported does.
        self.stored.truncate(self.stored.len() - incomplete_tail(&self.stored));
    }

    /// All bytes written so far, those that were thrown away included.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// What is to be reported now.
    pub fn take_due(&mut self, now: Instant) -> Option<Chunk> {
        let is_due = self.reported_at.is_none_or(|at| at + BATCH_TIME <= now) || self.pending() >= CHUNK_BYTES;
        if is_due { self.take(now) } else { None }
    }

    /// When there is something to report, if nothing more is written.
    pub fn deadline(&self) -> Option<Instant> {
        if self.pending() == 0 {
            return None;
        }
        Some(self.reported_at.map_or_else(Instant::now, |at| at + BATCH_TIME))
    }

    /// What is left to report at the end: call it until it returns `None`.
    pub fn take_rest(&mut self) -> Option<Chunk> {
        let end = self.stored.len().min(self.reported + CHUNK_BYTES);
        let is_last = end == self.stored.len();
        let tail = if is_last { 0 } else { incomplete_tail(&self.stored[self.reported..end]) };
        self.take_until(end - tail)
    }

    /// The stream as it is stored.
    pub fn into_stored(self) -> StoredOutput {
        StoredOutput { bytes: self.stored, total_bytes: self.total }
    }

    /// How many bytes could be reported: a character whose rest may still come is held back.
    fn pending(&self) -> usize {
        let waiting = &self.stored[self.reported..];
        waiting.len() - incomplete_tail(waiting)
    }

    /// What can be reported, whether or not more may come soon: call it until it returns `None`.
    pub fn take(&mut self, now: Instant) -> Option<Chunk> {
        if self.pending() == 0 {
            return None;
        }
        self.reported_at = Some(now);
        let end = self.stored.len().min(self.reported + CHUNK_BYTES);
        self.take_until(end - incomplete_tail(&self.stored[self.reported..end]))
    }

    fn take_until(&mut self, end: usize) -> Option<Chunk> {
        if end == self.reported {
            return None;
        }
        let chunk = Chunk { offset: self.reported as u64, bytes: self.stored[self.reported..end].to_vec() };
        self.reported = end;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(limit: u64, writes: &[&[u8]]) -> (Vec<Chunk>, StoredOutput) {
        let mut stream = Collector::new(Bytes(limit));
        let mut chunks = Vec::new();
        let mut now = Instant::now();
        for write in writes {
            now += BATCH_TIME;
            stream.push(write);
            chunks.extend(stream.take_due(now));
        }
        while let Some(chunk) = stream.take_rest() {
            chunks.push(chunk);
        }
        (chunks, stream.into_stored())
    }

    fn check(chunks: &[Chunk], stored: &StoredOutput) {
        let joined: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
        assert_eq!(joined, stored.bytes);
        let mut offset = 0;
        for chunk in chunks {
            assert_eq!(chunk.offset, offset);
            assert!(!chunk.bytes.is_empty() && chunk.bytes.len() <= CHUNK_BYTES);
            offset += chunk.bytes.len() as u64;
        }
    }

    #[test]
    fn a_character_written_in_pieces_is_reported_whole() {
        let (chunks, stored) = collect(100, &[b"a\xe2", b"\x82", b"\xacb", b"\xf0\x9f"]);
        check(&chunks, &stored);
        let texts: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.bytes.as_slice()).collect();
        assert_eq!(texts, [&b"a"[..], "€b".as_bytes(), b"\xf0\x9f"]);
    }

    #[test]
    fn past_the_limit_output_is_counted_and_thrown_away() {
        let (chunks, stored) = collect(4, &[b"ab", "c€d".as_bytes(), b"more"]);
        check(&chunks, &stored);
        assert_eq!(stored, StoredOutput { bytes: b"abc".to_vec(), total_bytes: 11 });
    }

    #[test]
    fn exactly_the_limit_is_not_cut() {
        let (chunks, stored) = collect(4, &[b"abcd"]);
        check(&chunks, &stored);
        assert_eq!(stored, StoredOutput { bytes: b"abcd".to_vec(), total_bytes: 4 });
    }

    #[test]
    fn much_output_becomes_chunks_of_bounded_size_between_characters() {
        let text = "€".repeat(CHUNK_BYTES);
        let (chunks, stored) = collect(1 << 20, &[text.as_bytes()]);
        check(&chunks, &stored);
        assert!(chunks.iter().all(|chunk| std::str::from_utf8(&chunk.bytes).is_ok()));
    }

    #[test]
    fn the_first_byte_does_not_wait_and_the_next_ones_do() {
        let mut stream = Collector::new(Bytes(10));
        let start = Instant::now();
        stream.push(b"a");
        assert!(stream.take_due(Instant::now()).is_some());
        stream.push(b"b");
        assert!(stream.take_due(start).is_none());
        assert!(stream.deadline().is_some_and(|deadline| deadline >= start + BATCH_TIME));
        assert!(stream.take_due(Instant::now() + BATCH_TIME).is_some());
    }
}
