//! A step that runs in a box, seen to its end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;

use super::{ArmedBox, KILL_TIMEOUT, report};
use crate::cgroup::{Cgroups, Usage};
use crate::clock::Clock;
use crate::fault::{Fault, Step};
use crate::init::{Report, Status, StepEnd, now};
use crate::inside::{FromMain, NotExecuted};
use crate::link::{Interruption, Link};
use crate::message::{self, Failure, Received};
use crate::outcome::{Ended, Outcome, Signal as SignalNumber, StopReason};
use crate::spec::StepSpec;
use crate::sys;
use crate::waiting;

/// What the main process exits with if it cannot become the program; see [`crate::inside`].
const NOT_EXECUTED: u8 = 127;

impl ArmedBox {
    /// Waits for the end of the step. `None` if the worker went away meanwhile. `booted` is processor time that is not the step's.
    pub(super) fn see_through(
        &self,
        cgroups: &mut Cgroups,
        link: &mut Link,
        spec: &StepSpec,
        clock: &mut Clock<'_>,
        booted: Duration,
    ) -> Result<Option<Outcome>, Failure> {
        let (watched, stopped) = self.watch(cgroups, link, clock, booted)?;
        let usage = cgroups.usage()?;
        let end = match watched {
            Watched::Ended(end) => StepEnd { cpu_time: end.cpu_time.saturating_sub(booted), ..end },
            Watched::WorkerGone => return Ok(None),
            // The kernel killed pid 1, and the box with it: it does that when memory is used up by files. Or pid 1 ended itself
            // when it had to kill a main process on its way to the program.
            Watched::Lost if usage.oom_kills > 0 || stopped.is_some() => {
                StepEnd { status: Status::Signaled(libc::SIGKILL), at: now(), cpu_time: Duration::ZERO }
            }
            Watched::Lost => return Err(Fault { step: Step::Channel, errno: libc::EPIPE }.into()),
        };
        let ended = match stopped {
            Some(reason) => Ended::Stopped(reason),
            None => self.ended(end.status, spec)?,
        };
        Ok(Some(outcome(ended, &end, usage, clock)))
    }

    fn ended(&self, status: Status, spec: &StepSpec) -> Result<Ended, Failure> {
        match status {
            Status::Signaled(number) => Ok(Ended::Signaled(SignalNumber(number))),
            Status::Exited(code) => {
                if code == NOT_EXECUTED
                    && let Some(NotExecuted { fault, interpreter }) = self.not_executed()
                {
                    if fault.step != Step::Exec {
                        return Err(fault.into());
                    }
                    let program = spec.argv.first().cloned().unwrap_or_default();
                    return Ok(Ended::ExecFailed { errno: fault.errno, program, interpreter });
                }
                Ok(Ended::Exited(code))
            }
        }
    }

    /// Why the main process did not become the program, if so.
    fn not_executed(&self) -> Option<NotExecuted> {
        match message::recv(self.program.as_fd()) {
            Ok(Received { message: FromMain::NotExecuted(reason), .. }) => Some(reason),
            // It had said that it was ready before it got its orders.
            Ok(Received { message: FromMain::Ready, .. }) | Err(_) => None,
        }
    }

    /// Waits for the end of the step and sees to it that it comes.
    fn watch(
        &self,
        cgroups: &Cgroups,
        link: &mut Link,
        clock: &mut Clock<'_>,
        booted: Duration,
    ) -> Result<(Watched, Option<StopReason>), Fault> {
        let mut stopped: Option<(StopReason, Duration)> = None;
        let mut cpu_time = Duration::ZERO;
        loop {
            let wait = match stopped {
                Some((_, at)) => KILL_TIMEOUT.saturating_sub(now().saturating_sub(at)),
                None => clock.until_next(now(), cpu_time),
            };
            let (init_ready, worker_ready) = wait_for(&self.init, link.socket(), wait)?;
            if init_ready {
                let watched = match report(&self.init) {
                    Ok(Received { message: Report::Ended(end), .. }) => Watched::Ended(end),
                    Ok(_) | Err(_) => Watched::Lost,
                };
                return Ok((watched, stopped.map(|(reason, _)| reason)));
            }
            let mut reason = None;
            if worker_ready {
                match link.interruption() {
                    Interruption::Stop(asked) => reason = Some(asked),
                    Interruption::Closed => return Ok((Watched::WorkerGone, None)),
                    Interruption::Nothing => {}
                }
            }
            if let Some((_, at)) = stopped {
                if now().saturating_sub(at) >= KILL_TIMEOUT {
                    return Ok((Watched::Lost, None));
                }
                continue;
            }
            cpu_time = match cgroups.cpu_time() {
                Ok(Some(counted)) => counted,
                Ok(None) | Err(_) => waiting::cpu_time(&self.proc).saturating_sub(booted),
            };
            let is_waiting = clock.is_interactive() && waiting::is_waiting_for_input(&self.proc);
            let exceeded = clock.look(now(), cpu_time, is_waiting);
            if let Some(reason) = reason.or(exceeded) {
                // Pid 1 kills everybody else; see `sys::kill_all_on_sigusr1`.
                let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGUSR1);
                stopped = Some((reason, now()));
            }
        }
    }
}

enum Watched {
    Ended(StepEnd),
    /// Pid 1 is gone, or cannot kill what it should.
    Lost,
    WorkerGone,
}

fn outcome(ended: Ended, end: &StepEnd, usage: Usage, clock: &Clock<'_>) -> Outcome {
    let wall_time = clock.wall(end.at);
    Outcome {
        ended,
        oom_kills: usage.oom_kills,
        refused_forks: usage.refused_forks,
        cpu_time: usage.cpu_time.unwrap_or(end.cpu_time),
        wall_time,
        idle_time: clock.idle().min(wall_time),
        peak_memory_bytes: usage.peak_memory_bytes,
    }
}

/// Waits until something can be read from either.
pub(super) fn wait_for(init: &OwnedFd, worker: &OwnedFd, timeout: Duration) -> Result<(bool, bool), Fault> {
    let mut ready = [PollFd::new(init.as_fd(), PollFlags::POLLIN), PollFd::new(worker.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut ready, Some(TimeSpec::from_duration(timeout)), None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(errno) => return Err(Fault { step: Step::Channel, errno: errno as i32 }),
    }
    Ok((ready[0].any().unwrap_or_default(), ready[1].any().unwrap_or_default()))
}
