//! Resource limits of a step: always set, whatever the control groups do as well.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::fault::{During, Fault, Step};
use crate::spec::StepLimits;

/// The same for every step.
const FIXED: [(Resource, rlim_t); 6] = [
    // No core dumps: they would fill the work directory.
    (Resource::RLIMIT_CORE, 0),
    // Locked memory cannot be reclaimed; programs that need a little get a little.
    (Resource::RLIMIT_MEMLOCK, 64 * 1024),
    // POSIX message queues hold kernel memory.
    (Resource::RLIMIT_MSGQUEUE, 64 * 1024),
    (Resource::RLIMIT_SIGPENDING, 1024),
    (Resource::RLIMIT_NICE, 0),
    (Resource::RLIMIT_RTPRIO, 0),
];

/// What [`apply`] sets.
const OF_A_STEP: [Resource; 5] = [
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_STACK,
];

/// The most that a step can get: the keeper's own hard limits, which it may be unable to raise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ceilings([rlim_t; OF_A_STEP.len()]);

/// Sets what is the same for every step.
pub(crate) fn apply_fixed() -> Result<(), Fault> {
    for (resource, value) in FIXED {
        let (_, hard) = getrlimit(resource).during(Step::ResourceLimit)?;
        set(resource, value.min(hard))?;
    }
    Ok(())
}

/// The ceilings of this process.
pub(crate) fn ceilings() -> Result<Ceilings, Fault> {
    let mut ceilings = Ceilings([0; OF_A_STEP.len()]);
    for (ceiling, resource) in ceilings.0.iter_mut().zip(OF_A_STEP) {
        (_, *ceiling) = getrlimit(resource).during(Step::ResourceLimit)?;
    }
    Ok(ceilings)
}

/// Sets what the kernel itself counts per process or per user.
///
/// No `RLIMIT_AS`: it counts address space, of which java, node and go map gigabytes for a hello world.
pub(crate) fn apply(limits: &StepLimits, nproc_slack: u64, ceilings: &Ceilings) -> Result<(), Fault> {
    let values = [
        // Backstop of the keeper's clock: per process, whole seconds.
        limits.cpu_time.as_secs() + 2,
        // Backstop of the pids controller: per user of the host, hence the slack.
        u64::from(limits.processes) + nproc_slack,
        // A sparse file takes no room on the disk.
        limits.file_bytes,
        u64::from(limits.open_files),
        limits.stack_bytes,
    ];
    for ((resource, value), ceiling) in OF_A_STEP.into_iter().zip(values).zip(ceilings.0) {
        set(resource, value.min(ceiling))?;
    }
    Ok(())
}

fn set(resource: Resource, value: rlim_t) -> Result<(), Fault> {
    setrlimit(resource, value, value).during(Step::ResourceLimit)
}
