//! What the executor reports: events while a job runs, and figures when it has ended.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::limits::Limits;
use crate::domain::units::Bytes;
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

/// Something that happened in a running job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionEvent {
    /// When the executor saw it.
    pub at: DateTime<Utc>,
    /// What it was.
    pub body: ExecutionEventBody,
}

/// What happened in a running job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionEventBody {
    /// COMPILING or RUNNING; QUEUED and FINISHED are the worker's.
    StateChanged(AttemptState),
    /// A step began.
    StepStarted {
        /// Which.
        kind: StepKind,
        /// The limits in force.
        limits: Limits,
    },
    /// The program wrote something. Concatenated in order, the chunks of a stream are its stored
    /// output, byte for byte; a character of valid UTF-8 is never cut between two.
    Output {
        /// In which step.
        kind: StepKind,
        /// To which stream.
        stream: OutputStream,
        /// Offset of the first byte in the stream.
        offset: u64,
        /// What it wrote.
        bytes: Vec<u8>,
    },
    /// Input was accepted.
    Input {
        /// Offset of the first byte in standard input.
        offset: u64,
        /// What was typed.
        bytes: Vec<u8>,
        /// Whether standard input was closed behind it.
        is_end: bool,
    },
    /// A step ended.
    StepFinished(StepResult),
}

/// A stream as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredOutput {
    /// The first bytes, up to the limit.
    pub bytes: Vec<u8>,
    /// All that was written, what was thrown away included.
    pub total_bytes: u64,
}

/// A step that has ended, with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// Which step.
    pub kind: StepKind,
    /// How it ended.
    pub verdict: Verdict,
    /// The exit code, unless a signal ended it or it never started.
    pub exit_code: Option<i32>,
    /// The signal that ended it, without SIG: `SEGV`.
    pub signal: Option<String>,
    /// Processor time of the whole process tree.
    pub cpu_time: Duration,
    /// Time on the clock, without waiting for input where the job is interactive.
    pub wall_time: Duration,
    /// Peak of the whole process tree.
    pub peak_memory: Bytes,
    /// The limits that were in force.
    pub limits: Limits,
    /// Standard output.
    pub stdout: StoredOutput,
    /// Standard error.
    pub stderr: StoredOutput,
    /// For people: which limit was hit and what was measured, or what went wrong.
    pub reason: Option<String>,
    /// Whether an earlier compilation of the same input was reused; the output is that of then.
    pub is_cached: bool,
}

/// A job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How it ended.
    pub verdict: Verdict,
    /// What the toolchain answered for its version; `None` where the language is not offered.
    pub language_version: Option<String>,
    /// The steps that began, in order. A job can end before its first one.
    pub steps: Vec<StepResult>,
}
