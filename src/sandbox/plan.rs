//! What all processes of a keeper know.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::fault::{During, Fault, Step};
use crate::layout::BoxLayout;
use crate::rlimit::Ceilings;
use crate::seccomp::Filters;

/// What all processes of a keeper know.
pub(crate) struct Plan {
    pub(crate) layout: BoxLayout,
    pub(crate) filters: Filters,
    /// Processes of the box's user that are not the step's; see [`crate::rlimit`].
    pub(crate) nproc_slack: u64,
    pub(crate) ceilings: Ceilings,
    /// The box's user, if pid 1 has to be that user to kill their processes.
    pub(crate) kill_as: Option<u32>,
    /// The host's `/proc`, which no box sees.
    pub(crate) host_proc: OwnedFd,
}

impl Plan {
    /// Makes the kernel choose this process when memory is short, never ours.
    pub(crate) fn prefer_when_memory_is_short(&self) -> Result<(), Fault> {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.host_proc, "self/oom_score_adj", flags, Mode::empty()).during(Step::OomScore)?;
        File::from(file).write_all(b"1000").during(Step::OomScore)
    }
}
