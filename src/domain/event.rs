//! What happens in an attempt, as the log keeps it.
//!
//! The log of an attempt is append-only and its sequence is dense from 0. Event 0 is
//! `StateChanged(QUEUED)`; the last is `AttemptFinished`. When a worker is lost the attempt goes back
//! to the queue with another `StateChanged(QUEUED)`: whatever stands before it is superseded and the
//! offsets of the streams start at 0 again. Everybody reads the same history, whenever they read it.

use chrono::{DateTime, Utc};

use super::attempt::InvalidCursor;
use super::verdict::{AttemptState, OutputStream, StepKind};

/// One entry of an attempt's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Dense from 0 within the attempt.
    pub sequence: i32,
    /// When it happened, by the clock of the one who saw it happen.
    pub at: DateTime<Utc>,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBody {
    /// The attempt came into another state, `FINISHED` excepted.
    StateChanged(AttemptState),
    /// A step began.
    StepStarted(StepKind),
    /// The program wrote something.
    OutputChunk {
        /// In which step.
        kind: StepKind,
        /// To which stream.
        stream: OutputStream,
        /// Offset of the first byte in that step's stream.
        offset: u64,
        /// What it wrote, exactly. A character of valid UTF-8 is never cut between two chunks.
        bytes: Vec<u8>,
    },
    /// Somebody typed something.
    InputChunk {
        /// Offset of the first byte in standard input.
        offset: u64,
        /// What was typed.
        bytes: Vec<u8>,
        /// Whether standard input was closed behind it.
        is_end: bool,
    },
    /// A step ended; its figures are in the row of the step.
    StepFinished(StepKind),
    /// The attempt has its verdict. Always the last.
    AttemptFinished,
}

impl EventBody {
    /// Whether the log ends here.
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::AttemptFinished)
    }
}

/// A place in the log of an attempt: just behind the event with this sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor(pub i32);

impl std::fmt::Display for EventCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "e{:x}", self.0)
    }
}

impl std::str::FromStr for EventCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let digits = text.strip_prefix('e').ok_or(InvalidCursor)?;
        let cursor = Self(i32::from_str_radix(digits, 16).map_err(|_| InvalidCursor)?);
        // Only the one way to write it, without signs and leading zeros: clients compare cursors as text.
        if cursor.0 >= 0 && cursor.to_string() == text { Ok(cursor) } else { Err(InvalidCursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_itself() {
        assert_eq!(EventCursor(300).to_string().parse(), Ok(EventCursor(300)));
        for wrong in ["", "e", "12", "e-1", "e+1", "e80000000", "eg"] {
            assert_eq!(wrong.parse::<EventCursor>(), Err(InvalidCursor), "{wrong:?}");
        }
    }
}
