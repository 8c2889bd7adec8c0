//! Resource limits of a step: always set, whatever the control groups do as well.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::fault::{During, Fault, Step};
use crate::spec::StepLimits;

/// What the kernel itself counts per process or per user.
///
/// No `RLIMIT_AS`: it counts address space, of which java, node and go map gigabytes for a hello world.
pub(crate) fn apply(limits: &StepLimits, nproc_slack: u64) -> Result<(), Fault> {
    for (resource, value) in [
        // No core dumps: they would fill the work directory.
        (Resource::RLIMIT_CORE, 0),
        // Backstop of the keeper's clock: per process, whole seconds.
        (Resource::RLIMIT_CPU, limits.cpu_time.as_secs() + 2),
        // Backstop of the pids controller: per user of the host, hence the slack.
        (Resource::RLIMIT_NPROC, u64::from(limits.processes) + nproc_slack),
        // A sparse file takes no room on the disk.
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_NOFILE, u64::from(limits.open_files)),
        (Resource::RLIMIT_STACK, limits.stack_bytes),
        // Locked memory cannot be reclaimed; programs that need a little get a little.
        (Resource::RLIMIT_MEMLOCK, 64 * 1024),
        // POSIX message queues hold kernel memory.
        (Resource::RLIMIT_MSGQUEUE, 64 * 1024),
        (Resource::RLIMIT_SIGPENDING, 1024),
        (Resource::RLIMIT_NICE, 0),
        (Resource::RLIMIT_RTPRIO, 0),
    ] {
        // The keeper may have less than that and may be unable to raise it.
        let (_, hard) = getrlimit(resource).during(Step::ResourceLimit)?;
        let value = value.min(hard);
        setrlimit(resource, value, value).during(Step::ResourceLimit)?;
    }
    Ok(())
}
