//! How a step ended and what it used: measured facts. What they mean for the submitter (the verdict)
//! is for the executor to say.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;
use serde::{Deserialize, Serialize};

/// One finished step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How its main process ended.
    pub ended: Ended,
    /// Processes of the step that the kernel killed because the memory limit was reached. The main process
    /// may have survived that, and even have exited with 0.
    pub oom_kills: u64,
    /// How often a fork was refused because the limit of processes was reached.
    pub refused_forks: u64,
    /// Processor time of the whole process tree. May be a little over the limit: the clock is looked at
    /// every few milliseconds.
    pub cpu_time: Duration,
    /// From the start to the end of the main process.
    pub wall_time: Duration,
    /// The part of `wall_time` spent waiting for input; zero unless the step was interactive.
    pub idle_time: Duration,
    /// Most memory used at once; `None` where nothing counts it (see [`crate::probe`]).
    pub peak_memory_bytes: Option<u64>,
}

impl Outcome {
    /// The wall time that counts against the limit.
    pub fn charged_wall_time(&self) -> Duration {
        self.wall_time.saturating_sub(self.idle_time)
    }
}

/// How the main process of a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with this exit code.
    Exited(u8),
    /// By a signal that the keeper did not send: its own doing, another process of the step, or the kernel
    /// (see [`Outcome::oom_kills`]).
    Signaled(Signal),
    /// Stopped by the keeper, for this reason.
    Stopped(StopReason),
    /// Nothing was run: the program cannot be executed.
    ExecFailed {
        /// Why, as errno(3).
        errno: i32,
        /// What was to be run: `argv[0]`.
        program: String,
        /// The interpreter that `program` names in its first line, if it is that which is missing.
        interpreter: Option<String>,
    },
}

/// Why a running step was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// More than [`crate::StepLimits::cpu_time`].
    CpuTime,
    /// More than [`crate::StepLimits::wall_time`].
    WallTime,
    /// More than [`crate::StepLimits::idle_time`].
    IdleTime,
    /// The executor asked: somebody cancelled.
    Cancelled,
    /// The executor asked: too much output.
    OutputLimit,
}

/// A signal by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(pub i32);

impl Signal {
    /// Its name without `SIG`, such as `SEGV`; `RT34` for a real-time signal.
    pub fn name(self) -> String {
        match NixSignal::try_from(self.0) {
            Ok(signal) => signal.as_str().trim_start_matches("SIG").to_owned(),
            Err(_) => format!("RT{}", self.0),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(Signal(11).name(), "SEGV");
        assert_eq!(Signal(9).to_string(), "KILL");
        assert_eq!(Signal(34).name(), "RT34");
    }
}
