//! A box as the keeper holds it: armed, with an interpreter that waits in it, running a step, or between two.

mod watch;

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use self::watch::wait_for;
use crate::cgroup::Cgroups;
use crate::channel::{channel, lost, send, set_nonblocking};
use crate::clock::Clock;
use crate::credentials::with_files_of;
use crate::fault::{Fault, Step};
use crate::files;
use crate::forker::Forker;
use crate::gate::Gate;
use crate::init::{Prepare, Report, now};
use crate::inside::{FromMain, NotExecuted};
use crate::layout::Identity;
use crate::link::Link;
use crate::message::{self, Ahead, Failure, MessageError, NewFile, Received, STREAMS};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::root::Disk;
use crate::spec::{StepLimits, StepSpec};
use crate::sys;
use crate::waiting;

/// How long the kernel may take to kill a box.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a main process may take to get ready.
const ARM_TIMEOUT: Duration = Duration::from_secs(10);

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
    main: Main,
    /// Keeps the filters of the main process until nobody waits for its end any more.
    filters: Option<OwnedFd>,
    /// Whether it can be told if a program waits for input.
    pub(crate) sees_waiting: bool,
    identity: Identity,
    /// The step that was started ahead and waits.
    ahead: Option<Waiting>,
    /// Whether a step was run or started here.
    is_used: bool,
    /// The limits that the control groups have and count from already.
    ready_for: Option<StepLimits>,
    /// Whether a step left its limits in force.
    is_limited: bool,
}

/// The next step's main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Main {
    None,
    /// It gets ready, unless pid 1 could not make it.
    Made,
    /// It waits for its orders.
    Ready,
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
    /// Makes a box, lets it make its first main process and gets all ready for a step under the limits that are expected.
    pub(crate) fn new(
        plan: &Rc<Plan>,
        cgroups: &mut Cgroups,
        forker: &Forker,
        expected: &StepLimits,
    ) -> Result<Self, Fault> {
        let disk = Disk::new(&plan.layout, expected.disk_bytes)?;
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
        // A main process that shares pid 1's memory hides it.
        let sees_waiting = waiting::can_be_known(&proc);
        let mut armed = Self {
            disk,
            proc,
            pidfd,
            init,
            program,
            main: Main::None,
            filters: None,
            sees_waiting,
            identity,
            ahead: None,
            is_used: false,
            ready_for: None,
            is_limited: false,
        };
        armed.make_ready(cgroups)?;
        match cgroups.start(expected) {
            Ok(()) => armed.ready_for = Some(expected.clone()),
            // Too little even for what is here now. Whether that is to be an error is for the step to say.
            Err(_) => cgroups.relax()?,
        }
        Ok(armed)
    }

    /// Sees to it that a main process has nothing left to do but to wait: what it does before is not the step's.
    fn make_ready(&mut self, cgroups: &mut Cgroups) -> Result<(), Fault> {
        self.prepare(cgroups)?;
        if self.main == Main::Ready {
            return Ok(());
        }
        let (is_init, _) = wait_for(&self.init, &self.program, ARM_TIMEOUT)?;
        if is_init {
            // Nothing can come from there now but bad news.
            return Err(report(&self.init).map_or_else(|fault| fault, |_| unexpected()));
        }
        match message::recv(self.program.as_fd()) {
            Ok(Received { message: FromMain::Ready, mut descriptors }) => {
                self.main = Main::Ready;
                self.filters = descriptors.pop();
                Ok(())
            }
            Ok(Received { message: FromMain::NotExecuted(NotExecuted { fault, .. }), .. }) => Err(fault),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Has pid 1 make the next step's main process, if there is none, and does not wait for it.
    pub(crate) fn prepare(&mut self, cgroups: &mut Cgroups) -> Result<(), Fault> {
        if self.main == Main::None && self.ahead.is_none() {
            let group = cgroups.open_step()?;
            send(&self.init, &Prepare, group.as_slice())?;
            self.main = Main::Made;
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
        self.make_ready(cgroups)?;
        if self.ready_for.take().is_some() {
            // Those of its program come with it.
            cgroups.relax()?;
        }
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
        self.is_limited = true;
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
        self.make_ready(cgroups)?;
        self.disk.limit(spec.limits.disk_bytes)?;
        self.is_limited = true;
        if self.ready_for.take().as_ref() != Some(&spec.limits) {
            cgroups.start(&spec.limits)?;
        }
        let mut clock = Clock::new(&spec.limits, now(), processors);
        self.order(spec, &streams)?;
        drop(streams);
        self.see_through(cgroups, link, spec, &mut clock, Duration::ZERO)
    }

    /// Tells the main process what to become. The caller drops the streams then: they are to be the program's alone, whose reader
    /// sees the end when it closes them.
    fn order(&mut self, spec: &StepSpec, streams: &[OwnedFd]) -> Result<(), Fault> {
        self.main = Main::None;
        self.is_used = true;
        let descriptors: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
        send(&self.program, spec, &descriptors)
    }

    /// Whether no step was run or started here.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.is_used
    }

    /// Lifts the limits that the step before left in force. The worker has its answer already.
    pub(crate) fn settle(&mut self, cgroups: &mut Cgroups) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_limited) { cgroups.relax() } else { Ok(()) }
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
    if streams.len() != STREAMS {
        return Err(Failure::protocol("a step needs stdin, stdout and stderr"));
    }
    if spec.argv.is_empty() {
        return Err(Failure::protocol("a step needs a program"));
    }
    Ok(())
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
