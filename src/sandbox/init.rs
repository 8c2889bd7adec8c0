//! Pid 1 of a box. It furnishes the box, makes each step's main process ahead, and after a step kills and reaps whatever is left.
//! It is never the program itself: as pid 1 that would ignore its own signals.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::setsid;
use serde::{Deserialize, Serialize};

use crate::channel::send;
use crate::fault::{During, Fault, Step};
use crate::inside;
use crate::message::{self, Received};
use crate::plan::Plan;
use crate::root;
use crate::sys::{self, Stacks};

/// From the keeper: make the next step's main process, which then waits for its orders. Answered by that, with
/// [`inside::FromMain::Ready`], as this process waits for its end by then. With version 2 of control groups a
/// descriptor is the group that it is to be born into.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepare;

/// To the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The box is furnished. With its `/proc`.
    Furnished,
    /// The main process has ended and no other process of the step is left.
    Ended(StepEnd),
    /// It cannot be done; pid 1 ends.
    Failed(Fault),
}

/// The end of a step as pid 1 saw it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StepEnd {
    /// Exit code of the main process, or the signal that killed it.
    pub(crate) status: Status,
    /// When it ended, on the monotonic clock.
    pub(crate) at: Duration,
    /// Processor time of all processes of the step, by wait4(2).
    pub(crate) cpu_time: Duration,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Exited(u8),
    Signaled(i32),
}

impl Status {
    fn of(status: libc::c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signaled(libc::WTERMSIG(status))
        } else {
            Self::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
        }
    }
}

/// Now, on the monotonic clock, which all our processes share.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

/// Pid 1.
pub(crate) fn run(plan: &Plan, disk: &OwnedFd, channel: &OwnedFd, program_channel: &OwnedFd) -> ! {
    match furnish(plan, disk).and_then(|proc| send(channel, &Report::Furnished, &[proc.as_fd()])) {
        Ok(()) => {}
        Err(fault) => fail(channel, fault),
    }
    let stacks = match Stacks::new().during(Step::Fork) {
        Ok(stacks) => stacks,
        Err(fault) => fail(channel, fault),
    };
    let mut is_first = true;
    loop {
        // At the end of the channel the keeper has destroyed this box.
        let Ok(Received { message: Prepare, descriptors }) = message::recv(channel.as_fd()) else {
            sys::exit_now(0);
        };
        // The main process before hid this memory when it became another user: in /proc everything of it belongs to the host's
        // root then, and the next one's score, too, is written there.
        if let Err(fault) = prctl::set_dumpable(true).during(Step::Fork) {
            fail(channel, fault);
        }
        let before = reaped_cpu_time();
        let group = descriptors.first().map(AsFd::as_fd);
        let ended = sys::run_in_this_memory(
            &stacks,
            group,
            || plan.prefer_when_memory_is_short(),
            || inside::run(plan, program_channel, is_first),
            |errno| Fault { step: Step::Fork, errno: errno as i32 },
        );
        let status = match ended {
            Ok(status) => Status::of(status),
            Err(fault) => fail(channel, fault),
        };
        let at = now();
        is_first = false;
        kill_the_rest();
        let cpu_time = reaped_cpu_time().saturating_sub(before);
        if send(channel, &Report::Ended(StepEnd { status, at, cpu_time }), &[]).is_err() {
            sys::exit_now(0);
        }
    }
}

fn fail(channel: &OwnedFd, fault: Fault) -> ! {
    let _ = send(channel, &Report::Failed(fault), &[]);
    sys::exit_now(1)
}

fn furnish(plan: &Plan, disk: &OwnedFd) -> Result<OwnedFd, Fault> {
    // The forker dies with the keeper, this with the forker, the box with this.
    prctl::set_pdeathsig(Signal::SIGKILL).during(Step::Fork)?;
    setsid().during(Step::Session)?;
    sys::kill_all_on_sigusr1(plan.kill_as).during(Step::Signals)?;
    // Its root is the group that this process is in: the box sees no path of the host's groups.
    unshare(CloneFlags::CLONE_NEWCGROUP).during(Step::BoxNamespaces)?;
    root::furnish(&plan.layout, disk)
}

/// Kills every process of the box but this one, and waits until they are gone.
fn kill_the_rest() {
    // Whoever lives here descends from this process, and orphans become its children: without a child it is alone. Most
    // programs leave nobody, and a signal to everybody makes the kernel look at all processes of the host.
    while sys::has_children() {
        sys::kill_all();
        let _ = sys::wait_any();
    }
}

fn reaped_cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default())
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or_default())
    };
    micros(usage.user_time()) + micros(usage.system_time())
}
