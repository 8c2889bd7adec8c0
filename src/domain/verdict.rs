//! How far an attempt is and how it ended: two types, so that "running but already failed" cannot
//! be written. Each enum is a Postgres enum of the same variants and a GraphQL enum.

use serde::{Deserialize, Serialize};

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "attempt_state", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptState {
    /// Waits for a worker.
    Queued,
    /// The compile hook runs.
    Compiling,
    /// The program runs.
    Running,
    /// Has a verdict; nothing changes any more.
    Finished,
}

impl AttemptState {
    /// Every state, in order.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Compiling, Self::Running, Self::Finished];

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finished)
    }
}

/// How a finished step or attempt ended: exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "verdict", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Ended with exit code 0 within all limits.
    Ok,
    /// The compile hook ended with an error of any kind; its step tells which.
    CompileError,
    /// Non-zero exit code or killed by a signal of its own making.
    RuntimeError,
    /// Used more processor time than allowed.
    CpuTimeLimit,
    /// Took longer than allowed.
    WallTimeLimit,
    /// Used more memory than allowed.
    MemoryLimit,
    /// Wrote far more than is kept.
    OutputLimit,
    /// Stopped by a person.
    Cancelled,
    /// Our fault, never the program's.
    SystemError,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::CompileError,
        Self::RuntimeError,
        Self::CpuTimeLimit,
        Self::WallTimeLimit,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::Cancelled,
        Self::SystemError,
    ];

    /// The name that the API and the database use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::CompileError => "COMPILE_ERROR",
            Self::RuntimeError => "RUNTIME_ERROR",
            Self::CpuTimeLimit => "CPU_TIME_LIMIT",
            Self::WallTimeLimit => "WALL_TIME_LIMIT",
            Self::MemoryLimit => "MEMORY_LIMIT",
            Self::OutputLimit => "OUTPUT_LIMIT",
            Self::Cancelled => "CANCELLED",
            Self::SystemError => "SYSTEM_ERROR",
        }
    }
}

/// Which part of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "step_kind", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepKind {
    /// The language's compile hook.
    Compile,
    /// The submitted program.
    Run,
}

/// Which stream of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "output_stream", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutputStream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}
