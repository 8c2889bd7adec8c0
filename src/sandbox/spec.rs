//! One step to run: a command and what it may use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One command in a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// Program and arguments. A program without `/` is looked up in `PATH` of `env`, inside the box.
    pub argv: Vec<String>,
    /// The whole environment: nothing is added to it.
    pub env: BTreeMap<String, String>,
    /// Where it starts, relative to the work directory; empty for the work directory itself.
    pub cwd: PathBuf,
    /// What it may use.
    pub limits: StepLimits,
}

/// What one step may use. All of them are always in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLimits {
    /// Processor time of the whole process tree.
    pub cpu_time: Duration,
    /// Time on the clock. If `idle_time` is set, time spent waiting for input is not charged.
    pub wall_time: Duration,
    /// `Some` makes the step interactive: how long it may wait for input, all waits together.
    pub idle_time: Option<Duration>,
    /// Memory of the whole process tree, its files in memory included.
    pub memory_bytes: u64,
    /// Processes and threads at the same time.
    pub processes: u32,
    /// All files in the work directory, `/tmp` and `/dev/shm` together, those written before the step included.
    pub disk_bytes: u64,
    /// The longest file. To be more than `disk_bytes`: who fills the disk is to get the error for that, not a signal.
    pub file_bytes: u64,
    /// Open files of one process.
    pub open_files: u32,
    /// Stack of a process's first thread. The default is 64 MiB.
    pub stack_bytes: u64,
}

impl StepLimits {
    /// Whether a process that was started under these limits may go on under the others: what counts per process can only be
    /// set by the process itself. How much the disk holds is set from outside.
    pub fn are_those_of(&self, others: &Self) -> bool {
        Self { disk_bytes: others.disk_bytes, ..self.clone() } == *others
    }
}

impl Default for StepLimits {
    /// Ten seconds, 512 MiB of memory, 64 processes, 64 MiB of files.
    fn default() -> Self {
        Self {
            cpu_time: Duration::from_secs(10),
            wall_time: Duration::from_secs(20),
            idle_time: None,
            memory_bytes: 512 << 20,
            processes: 64,
            disk_bytes: 64 << 20,
            file_bytes: 80 << 20,
            open_files: 256,
            stack_bytes: 64 << 20,
        }
    }
}
