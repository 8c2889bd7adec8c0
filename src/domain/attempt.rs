//! One execution of a submission, and its steps.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::ids::{AttemptId, CourseId, SubmissionId, UserId};
use super::limits::Limits;
use super::units::Bytes;
use super::verdict::{AttemptState, StepKind, Verdict};

/// One execution of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    /// Sorts by time of creation.
    pub id: AttemptId,
    /// What is executed.
    pub submission_id: SubmissionId,
    /// 1 for the first of its submission.
    pub number: i32,
    /// Who asked for it.
    pub requested_by: UserId,
    /// How far it is.
    pub state: AttemptState,
    /// How it ended; `None` until it has.
    pub verdict: Option<Verdict>,
    /// What the worker's toolchain answered for its version; `None` until it has ended.
    pub language_version: Option<String>,
    /// When it was asked for.
    pub queued_at: DateTime<Utc>,
    /// When a worker took it, by Postgres' clock.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, by Postgres' clock.
    pub finished_at: Option<DateTime<Utc>>,
}

/// One sandboxed process tree of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Of which attempt.
    pub attempt_id: AttemptId,
    /// Which part.
    pub kind: StepKind,
    /// The limits in force.
    pub limits: Limits,
    /// How it ended; `None` until it has. The figures below are `None` until then, too.
    pub verdict: Option<Verdict>,
    /// The exit code, unless a signal ended it or it never started.
    pub exit_code: Option<i32>,
    /// The signal that ended it, without SIG.
    pub signal: Option<String>,
    /// Processor time of the whole process tree in milliseconds.
    pub cpu_time_ms: Option<i32>,
    /// Time on the clock in milliseconds.
    pub wall_time_ms: Option<i32>,
    /// Peak of the whole process tree.
    pub peak_memory: Option<Bytes>,
    /// For people: which limit was hit and what was measured.
    pub reason: Option<String>,
    /// Whether an earlier compilation of the same input was reused.
    pub is_cached: bool,
    /// Standard output; empty until the step has ended.
    pub stdout: Output,
    /// Standard error; empty until the step has ended.
    pub stderr: Output,
}

/// A stored stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// What is kept of it, or the beginning and the end of that, put together.
    pub bytes: Vec<u8>,
    /// How much of what is kept was left out between them; see [`OutputExtent`].
    pub left_out: u64,
    /// All that was written.
    pub total: Bytes,
}

/// How much of a stored stream is read. Outputs can be long, and lists show a line of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputExtent {
    /// So many characters from its beginning and from its end can be told.
    Ends(u16),
    /// All that is kept.
    Whole,
}

impl OutputExtent {
    /// How many bytes of either end are read at most.
    pub fn end_bytes(self) -> i32 {
        match self {
            Self::Ends(characters) => i32::from(characters) * i32::try_from(LONGEST_CHARACTER).unwrap_or(i32::MAX),
            // Twice as much is a number still.
            Self::Whole => i32::MAX / 2,
        }
    }
}

impl Output {
    /// Whether more was written than is kept.
    pub fn is_truncated(&self) -> bool {
        self.total.0 > self.bytes.len() as u64 + self.left_out
    }

    /// What is kept of it as text; U+FFFD stands for what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// At most so many characters from the beginning of the text.
    pub fn beginning(&self, characters: usize) -> String {
        // Enough for them all, and what may be cut stands behind the last one.
        let enough = characters.saturating_mul(LONGEST_CHARACTER).min(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[..enough]).chars().take(characters).collect()
    }

    /// At most so many characters from the end of the text.
    pub fn end(&self, characters: usize) -> String {
        // Enough for them all, and what may be cut stands in front of the first one.
        let skipped = self.bytes.len().saturating_sub(characters.saturating_mul(LONGEST_CHARACTER));
        let text = String::from_utf8_lossy(&self.bytes[skipped..]);
        let surplus = text.chars().count().saturating_sub(characters);
        text.chars().skip(surplus).collect()
    }
}

/// So many bytes a character takes at most in UTF-8 (RFC 3629, section 3).
const LONGEST_CHARACTER: usize = 4;

/// A change of state of an attempt, in the feed of its author and of its course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Where the feed goes on behind this one.
    pub cursor: ActivityCursor,
    /// When it was recorded, by Postgres' clock.
    pub at: DateTime<Utc>,
    /// Which attempt.
    pub attempt_id: AttemptId,
    /// Of which submission.
    pub submission_id: SubmissionId,
    /// Made by whom.
    pub author_id: UserId,
    /// In which course.
    pub course_id: Option<CourseId>,
    /// The state it came into.
    pub state: AttemptState,
    /// Its verdict, where that state is FINISHED.
    pub verdict: Option<Verdict>,
}

/// A place in a feed: the transaction that wrote the row, then the row.
///
/// Transactions commit in another order than they take their numbers. A reader takes only rows of
/// transactions that are older than all running ones, so nothing can appear behind a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActivityCursor {
    /// Postgres' 64-bit transaction number.
    pub transaction: u64,
    /// The row's number.
    pub row: i64,
}

impl std::fmt::Display for ActivityCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}.{:x}", self.transaction, self.row)
    }
}

/// The text is not a cursor that this server gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursor;

impl std::str::FromStr for ActivityCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (transaction, row) = text.split_once('.').ok_or(InvalidCursor)?;
        let cursor = Self {
            transaction: u64::from_str_radix(transaction, 16).map_err(|_| InvalidCursor)?,
            row: i64::from_str_radix(row, 16).map_err(|_| InvalidCursor)?,
        };
        // Only the one way to write it, without signs and leading zeros: clients compare cursors as text.
        if cursor.row >= 0 && cursor.to_string() == text { Ok(cursor) } else { Err(InvalidCursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes: &[u8]) -> Output {
        Output { bytes: bytes.to_vec(), left_out: 0, total: Bytes(bytes.len() as u64) }
    }

    #[test]
    fn the_ends_of_an_output_are_those_of_its_text() {
        for bytes in [&b""[..], b"abc", "aß€😀".as_bytes(), "😀😀😀".as_bytes(), b"a\xffb\xf0\x9f\x98", b"\x80\x80"]
        {
            let output = output(bytes);
            let text: Vec<char> = output.text().chars().collect();
            for characters in [0, 1, 2, 3, 4, 10, usize::MAX] {
                let shown = characters.min(text.len());
                assert_eq!(output.beginning(characters), text[..shown].iter().collect::<String>(), "{bytes:?}");
                assert_eq!(output.end(characters), text[text.len() - shown..].iter().collect::<String>(), "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_cursor_reads_back_as_itself() {
        let cursor = ActivityCursor { transaction: 0x1_0000_0001, row: 77 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", ".", "1", "1.", ".1", "g.1", "1.1.1", "11111111111111111.1", "1.-1", "+1.1", "01.1", "A.1"] {
            assert_eq!(wrong.parse::<ActivityCursor>(), Err(InvalidCursor), "{wrong:?}");
        }
    }
}
