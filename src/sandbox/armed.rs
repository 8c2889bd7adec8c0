//! A box as the keeper holds it: armed, with an interpreter that waits in it, running a step, or between two.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;

use crate::cgroup::{Cgroups, Usage};
use crate::channel::{channel, lost, send, set_nonblocking};
use crate::clock::Clock;
use crate::credentials::with_files_of;
use crate::fault::{Fault, Step};
use crate::files;
use crate::forker::Forker;
use crate::gate::Gate;
use crate::init::{Prepare, Report, Status, StepEnd, now};
use crate::inside::NotExecuted;
use crate::layout::Identity;
use crate::link::{Interruption, Link};
use crate::message::{self, Ahead, Failure, MessageError, NewFile, Received};
use crate::outcome::{Ended, Outcome, Signal as SignalNumber, StopReason};
use crate::plan::Plan;
use crate::root::Disk;
use crate::spec::{StepLimits, StepSpec};
use crate::sys;
use crate::waiting;

/// How long the kernel may take to kill a box.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// What the main process exits with if it cannot become the program; see [`crate::inside`].
const NOT_EXECUTED: u8 = 127;

/// A box.
pub(crate) struct ArmedBox {
    pub(crate) disk: Disk,
    /// The box's own `/proc`.
    proc: OwnedFd,
    pidfd: OwnedFd,
    /// To pid 1.
    init: OwnedFd,
    /// To the main process that waits for its orders.
    program: OwnedFd,
    is_prepared: bool,
    identity: Identity,
    /// The step that was started ahead and waits.
    ahead: Option<Waiting>,
    /// Whether a step was run or started here.
    is_used: bool,
}

/// A step that was started ahead.
struct Waiting {
    spec: StepSpec,
    gate: Gate,
}

/// What became of a step that was to go on.
pub(crate) enum Went {
    /// It came to its end.
    Ended(Outcome),
    /// It could not go on.
    Gone,
    /// The worker went away meanwhile.
    WorkerGone,
}

impl ArmedBox {
    /// Makes a box and lets it fork its first main process.
    pub(crate) fn new(plan: &Rc<Plan>, cgroups: &mut Cgroups, forker: &Forker) -> Result<Self, Fault> {
        let disk = Disk::new(&plan.layout)?;
        let identity = plan.layout.identity;
        let (init, init_theirs) = channel()?;
        let (program, program_theirs) = channel()?;
        set_nonblocking(&program)?;
        let group = cgroups.open_box()?;
        let mut descriptors = vec![disk.root.as_fd(), init_theirs.as_fd(), program_theirs.as_fd()];
        descriptors.extend(group);
        let pidfd = forker.fork_box(&descriptors)?;
        drop((init_theirs, program_theirs));
        let mut furnished = report(&init)?;
        let Report::Furnished = furnished.message else {
            return Err(unexpected());
        };
        let proc = furnished.descriptors.pop().ok_or_else(unexpected)?;
        let mut armed =
            Self { disk, proc, pidfd, init, program, is_prepared: false, identity, ahead: None, is_used: false };
        armed.prepare(cgroups)?;
        Ok(armed)
    }

    /// Whether it can be told if a program waits for input.
    pub(crate) fn sees_waiting(&self) -> bool {
        waiting::can_be_known(&self.proc)
    }

    /// Has the next step's main process forked, if it is not yet.
    pub(crate) fn prepare(&mut self, cgroups: &mut Cgroups) -> Result<(), Fault> {
        if !self.is_prepared && self.ahead.is_none() {
            let group = cgroups.open_step()?;
            send(&self.init, &Prepare, group.as_slice())?;
            let Report::Prepared = report(&self.init)?.message else {
                return Err(unexpected());
            };
            self.is_prepared = true;
        }
        Ok(())
    }

    /// Puts a file into the work directory, or keeps it for the interpreter that waits for it.
    pub(crate) fn write(&mut self, file: &NewFile, content: OwnedFd) -> Result<(), Failure> {
        match &mut self.ahead {
            Some(Waiting { gate, .. }) if gate.is_for(&file.path) => gate.keep(&self.disk, file, content),
            Some(_) | None => files::write(self.disk.work.as_fd(), file, content),
        }
    }

    /// Whether a step was started ahead and waits.
    pub(crate) fn waits(&self) -> bool {
        self.ahead.is_some()
    }

    /// Starts a step whose main file comes later.
    pub(crate) fn start_ahead(
        &mut self,
        cgroups: &mut Cgroups,
        ahead: Ahead,
        streams: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        if self.is_used {
            return Err(Failure::protocol("only a fresh box takes a step ahead"));
        }
        check(&ahead.spec, &streams)?;
        self.prepare(cgroups)?;
        let gate = with_files_of(self.identity, || Gate::close(&self.disk, &ahead.main))?;
        self.order(&ahead.spec, &streams)?;
        drop(streams);
        self.ahead = Some(Waiting { spec: ahead.spec, gate });
        Ok(())
    }

    /// Lets the step that was started ahead go on, and sees it to its end. `on_going` is called when it has its program.
    pub(crate) fn go(
        &mut self,
        cgroups: &mut Cgroups,
        link: &mut Link,
        limits: &StepLimits,
        processors: u32,
        on_going: impl FnOnce(&Link) -> Result<(), MessageError>,
    ) -> Result<Went, Failure> {
        let Some(Waiting { spec, gate }) = self.ahead.take() else {
            return Ok(Went::Gone);
        };
        let (has_ended, _) = wait_for(&self.init, link.socket(), Duration::ZERO)?;
        if has_ended || !spec.limits.are_those_of(limits) {
            return Ok(Went::Gone);
        }
        self.disk.limit(limits.disk_bytes)?;
        // The interpreter alone may have more memory than its program is to have.
        if cgroups.start(limits).is_err() {
            return Ok(Went::Gone);
        }
        // What it took to boot is not the program's; control groups start to count by themselves.
        let booted = match cgroups.cpu_time() {
            Ok(None) => waiting::cpu_time(&self.proc),
            Ok(Some(_)) | Err(_) => Duration::ZERO,
        };
        let mut clock = Clock::new(limits, now(), processors);
        with_files_of(self.identity, || gate.open(&self.disk))?;
        if on_going(link).is_err() {
            return Ok(Went::WorkerGone);
        }
        Ok(match self.see_through(cgroups, link, &spec, &mut clock, booted)? {
            Some(outcome) => Went::Ended(outcome),
            None => Went::WorkerGone,
        })
    }

    /// Runs a step to its end. `None` if the worker went away meanwhile.
    pub(crate) fn run(
        &mut self,
        cgroups: &mut Cgroups,
        link: &mut Link,
        spec: &StepSpec,
        streams: Vec<OwnedFd>,
        processors: u32,
    ) -> Result<Option<Outcome>, Failure> {
        check(spec, &streams)?;
        self.prepare(cgroups)?;
        self.disk.limit(spec.limits.disk_bytes)?;
        cgroups.start(&spec.limits)?;
        let mut clock = Clock::new(&spec.limits, now(), processors);
        self.order(spec, &streams)?;
        drop(streams);
        self.see_through(cgroups, link, spec, &mut clock, Duration::ZERO)
    }

    /// Tells the main process what to become. The caller drops the streams then: they are to be the program's alone, whose reader
    /// sees the end when it closes them.
    fn order(&mut self, spec: &StepSpec, streams: &[OwnedFd]) -> Result<(), Fault> {
        self.is_prepared = false;
        self.is_used = true;
        let descriptors: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
        send(&self.program, spec, &descriptors)
    }

    fn see_through(
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
            // The kernel killed pid 1, and the box with it: it does that when memory is used up by files.
            Watched::Lost if usage.oom_kills > 0 => {
                StepEnd { status: Status::Signaled(libc::SIGKILL), at: now(), cpu_time: Duration::ZERO }
            }
            Watched::Lost => return Err(Fault { step: Step::Channel, errno: libc::EPIPE }.into()),
        };
        let ended = match stopped {
            Some(reason) => Ended::Stopped(reason),
            None => self.ended(end.status, spec)?,
        };
        cgroups.relax()?;
        Ok(Some(outcome(ended, &end, usage, clock)))
    }

    fn ended(&self, status: Status, spec: &StepSpec) -> Result<Ended, Failure> {
        match status {
            Status::Signaled(number) => Ok(Ended::Signaled(SignalNumber(number))),
            Status::Exited(code) => {
                if code == NOT_EXECUTED
                    && let Ok(Received { message: NotExecuted { fault, interpreter }, .. }) =
                        message::recv(self.program.as_fd())
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

    /// Ends all its processes and waits until they are gone. The files go with the last descriptor.
    pub(crate) fn destroy(self) {
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        // Readable when pid 1 is gone, which it is after everybody else.
        let timeout = PollTimeout::try_from(KILL_TIMEOUT).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], timeout);
    }
}

/// Refuses what is no step.
fn check(spec: &StepSpec, streams: &[OwnedFd]) -> Result<(), Failure> {
    if streams.len() != 3 {
        return Err(Failure::protocol("a step needs stdin, stdout and stderr"));
    }
    if spec.argv.is_empty() {
        return Err(Failure::protocol("a step needs a program"));
    }
    Ok(())
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

fn wait_for(init: &OwnedFd, worker: &OwnedFd, timeout: Duration) -> Result<(bool, bool), Fault> {
    let mut ready = [PollFd::new(init.as_fd(), PollFlags::POLLIN), PollFd::new(worker.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut ready, Some(TimeSpec::from_duration(timeout)), None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(errno) => return Err(Fault { step: Step::Channel, errno: errno as i32 }),
    }
    Ok((ready[0].any().unwrap_or_default(), ready[1].any().unwrap_or_default()))
}

/// The next report of pid 1; its failure is the error.
fn report(init: &OwnedFd) -> Result<Received<Report>, Fault> {
    match message::recv::<Report>(init.as_fd()) {
        Ok(Received { message: Report::Failed(fault), .. }) => Err(fault),
        Ok(report) => Ok(report),
        Err(error) => Err(lost(&error)),
    }
}

fn unexpected() -> Fault {
    Fault { step: Step::Channel, errno: libc::EBADMSG }
}
