//! The keeper: a process for each slot of a worker. It makes boxes ahead, passes steps to them, watches their clocks and tells
//! what came of it.
//!
//! ```text
//!  worker ──socket──▶ keeper ──▶ forker ──▶ pid 1 ──▶ main process ──exec──▶ program
//!                       │           forks boxes  │  made ahead, waits for its orders
//!                       └── disk, clocks, groups └── reaps, kills what is left
//! ```
//!
//! The keeper has one thread and answers one request after the other. It ends when its worker does, and takes everything
//! with it; if it is killed, the kernel does that: the forker dies with the keeper, pid 1 with the forker and the box with
//! pid 1.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{dup, setsid};

use crate::armed::{ArmedBox, Went};
use crate::cgroup::Cgroups;
use crate::credentials::{self, with_files_of};
use crate::fault::{During, Fault, Step};
use crate::files;
use crate::forker::Forker;
use crate::layout::{BoxLayout, Identity};
use crate::link::Link;
use crate::message::{self, Armed, Collect, Failure, MessageError, NewFile, Received, Request, Response, STREAMS};
use crate::plan::Plan;
use crate::probe::{self, Protection};
use crate::rlimit;
use crate::root;
use crate::seccomp;
use crate::spec::StepLimits;
use crate::sys;

/// Runs this process as a keeper; never returns. To be called by `main` if [`crate::is_keeper`], before there is any thread.
pub fn keeper_main() -> ! {
    // A forked process must never unwind into the frames of its parent.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("codecanvas keeper: {panic}");
        sys::exit_now(70);
    }));
    let code = match prepare_process() {
        Ok(socket) => serve(socket),
        Err(fault) => {
            eprintln!("codecanvas keeper: cannot {fault}");
            1
        }
    };
    sys::exit_now(code)
}

/// Takes the socket off descriptor 0 and makes sure that this process can be forked.
fn prepare_process() -> Result<OwnedFd, Fault> {
    let threads = std::fs::read_dir("/proc/self/task").during(Step::Host)?.count();
    assert_eq!(threads, 1, "a keeper has one thread, or its children inherit locks that nobody holds");
    setsid().during(Step::Session)?;
    let socket = dup(std::io::stdin()).during(Step::Channel)?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).during(Step::Channel)?;
    sys::duplicate_to(null.as_fd(), 0).during(Step::Channel)?;
    sys::close_on_exec_from(3).during(Step::Channel)?;
    Ok(socket)
}

/// Answers requests until the worker closes its end. Returns the exit code.
fn serve(socket: OwnedFd) -> i32 {
    let mut link = Link::new(socket);
    let layout = match link.next() {
        Ok(Received { message: Request::Setup(layout), .. }) => layout,
        // The worker has changed its mind, or is no more.
        Err(MessageError::Closed) => return 0,
        Ok(_) | Err(_) => {
            eprintln!("codecanvas keeper: the first message was no layout");
            return 2;
        }
    };
    let mut keeper = match Keeper::new(layout) {
        Ok(keeper) => keeper,
        Err(failure) => {
            let _ = link.answer(&Response::Failed(failure), &[]);
            return 1;
        }
    };
    let armed = Response::Armed(Armed { protections: keeper.protections.clone() });
    let mut response = (armed, Vec::new());
    loop {
        if link.answer(&response.0, &response.1).is_err() {
            break;
        }
        keeper.settle();
        let Ok(Received { message, descriptors }) = link.next() else { break };
        response = match keeper.handle(&mut link, message, descriptors) {
            Ok(Some(response)) => response,
            Ok(None) => break,
            Err(failure) => (Response::Failed(failure), Vec::new()),
        };
    }
    keeper.shut_down();
    0
}

struct Keeper {
    plan: Rc<Plan>,
    cgroups: Cgroups,
    forker: Forker,
    protections: Vec<Protection>,
    armed: Option<ArmedBox>,
    /// The limits of the last first step: the next box is made ready for the same.
    expected: StepLimits,
    processors: u32,
}

impl Keeper {
    fn new(mut layout: BoxLayout) -> Result<Self, Failure> {
        let architecture = seccomp::Architecture::current().ok_or(Errno::ENOSYS).during(Step::Seccomp)?;
        let filters = seccomp::compile(architecture).map_err(|_| Errno::EINVAL).during(Step::Seccomp)?;
        let processors =
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let host_proc = open("/proc", flags, Mode::empty()).during(Step::Host)?;

        let may_kill_others = credentials::has_capability(credentials::CAP_KILL).during(Step::Host)?;
        let cgroups = Cgroups::make(&layout.cgroup, layout.slot)?;
        layout.identity = credentials::enter_user_namespace(layout.identity)?;
        let may_look_at_others = credentials::has_capability(credentials::CAP_SYS_PTRACE).during(Step::Host)?;
        let switched = root::enter(&layout)?;
        let nproc_slack = match layout.identity {
            // Whatever else there is of this user is limited by the group.
            _ if cgroups.abilities().limits_processes => 256,
            // This process, the forker and pid 1 are of the same user.
            Identity::UserNamespace => 3,
            Identity::Ids { .. } | Identity::Subordinate { .. } => 0,
        };
        let kill_as = match layout.identity {
            Identity::Ids { uid, .. } if !may_kill_others => Some(uid),
            Identity::Ids { .. } | Identity::UserNamespace | Identity::Subordinate { .. } => None,
        };
        let plan = Rc::new(Plan { layout, filters, nproc_slack, ceilings: rlimit::ceilings()?, kill_as, host_proc });
        let mut cgroups = cgroups;
        let forker = match Forker::start(&plan, &cgroups) {
            Ok(forker) => forker,
            Err(fault) => {
                cgroups.remove();
                return Err(fault.into());
            }
        };
        let expected = StepLimits::default();
        let mut keeper = Self { plan, cgroups, forker, protections: Vec::new(), armed: None, expected, processors };
        let checked = keeper.arm().map_err(Failure::from).and_then(|()| {
            // Pid 1 is root and can be seen by root in any case, the program is not.
            let sees_waiting = may_look_at_others && keeper.armed.as_ref().is_some_and(|armed| armed.sees_waiting);
            keeper.protections =
                probe::assess(keeper.plan.layout.identity, keeper.cgroups.abilities(), switched, sees_waiting);
            probe::check(&keeper.protections, &keeper.plan.layout.may_be_missing)
        });
        match checked {
            Ok(()) => Ok(keeper),
            Err(failure) => {
                keeper.shut_down();
                Err(failure)
            }
        }
    }

    /// Makes the next box.
    fn arm(&mut self) -> Result<(), Fault> {
        let armed = match ArmedBox::new(&self.plan, &mut self.cgroups, &self.forker, &self.expected) {
            // The kernel has killed the forker, maybe for memory: another one will do.
            Err(Fault { step: Step::Channel, .. }) => {
                self.forker.stop();
                self.cgroups.close_box();
                self.forker = Forker::start(&self.plan, &self.cgroups)?;
                ArmedBox::new(&self.plan, &mut self.cgroups, &self.forker, &self.expected)?
            }
            other => other?,
        };
        self.armed = Some(armed);
        Ok(())
    }

    /// What a step leaves to be done when its answer is out.
    fn settle(&mut self) {
        let Self { armed: Some(armed), cgroups, .. } = self else { return };
        if armed.settle(cgroups).is_err() {
            // No further step can be run here; the next request gets a fresh box, or the error.
            self.disarm();
        }
    }

    fn disarm(&mut self) {
        if let Some(armed) = self.armed.take() {
            armed.destroy();
        }
        self.cgroups.close_box();
    }

    fn armed(&mut self) -> Result<&mut ArmedBox, Failure> {
        // A box is missing only after a failure; the next request tries anew.
        if self.armed.is_none() {
            self.arm()?;
        }
        self.armed.as_mut().ok_or_else(|| Fault { step: Step::Fork, errno: libc::ESRCH }.into())
    }

    /// Serves one request; `None` if the worker is gone.
    fn handle(
        &mut self,
        link: &mut Link,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Option<(Response, Vec<OwnedFd>)>, Failure> {
        match request {
            Request::Setup(_) => Err(Failure::protocol("the layout is set already")),
            Request::Write(new) => self.write(&new, descriptors).map(|()| Some((Response::Written, Vec::new()))),
            Request::Run(spec, files) => {
                self.without_ahead()?;
                let mut streams = descriptors;
                let contents = streams.split_off(STREAMS.min(streams.len()));
                self.write(&files, contents)?;
                let Self { armed: Some(armed), cgroups, expected, processors, .. } = self else {
                    return Err(Failure::protocol("there is no box"));
                };
                if armed.is_fresh() && *expected != spec.limits {
                    expected.clone_from(&spec.limits);
                }
                match armed.run(cgroups, link, &spec, streams, *processors) {
                    Ok(outcome) => Ok(outcome.map(|outcome| (Response::Finished(outcome), Vec::new()))),
                    Err(failure) => {
                        if !failure.is_refusal {
                            self.disarm();
                        }
                        Err(failure)
                    }
                }
            }
            Request::StartAhead(ahead) => {
                self.armed()?;
                let Self { armed: Some(armed), cgroups, .. } = self else {
                    return Err(Failure::protocol("there is no box"));
                };
                armed.start_ahead(cgroups, ahead, descriptors)?;
                Ok(Some((Response::Waiting, Vec::new())))
            }
            Request::Go(limits, files) => self.go(link, &limits, &files, descriptors),
            // Only a running step can be stopped; see `Link::next`.
            Request::Stop(_) => Err(Failure::protocol("no step runs")),
            Request::Collect(what) => {
                let (files, copies) = self.collect(&what)?;
                Ok(Some((Response::Collected(files), copies)))
            }
            Request::Reset => {
                self.disarm();
                self.arm()?;
                Ok(Some((Response::Armed(Armed { protections: self.protections.clone() }), Vec::new())))
            }
        }
    }

    /// The box, in which nothing may wait.
    fn without_ahead(&mut self) -> Result<(), Failure> {
        if self.armed()?.waits() { Err(Failure::protocol("a step that was started ahead waits")) } else { Ok(()) }
    }

    fn go(
        &mut self,
        link: &mut Link,
        limits: &StepLimits,
        files: &[NewFile],
        contents: Vec<OwnedFd>,
    ) -> Result<Option<(Response, Vec<OwnedFd>)>, Failure> {
        if self.armed.is_some() {
            self.write(files, contents)?;
        }
        let Self { armed: Some(armed), cgroups, processors, .. } = self else {
            return Ok(Some((Response::Gone, Vec::new())));
        };
        match armed.go(cgroups, link, limits, *processors, |link| link.answer(&Response::Going, &[])) {
            Ok(Went::Ended(outcome)) => Ok(Some((Response::Finished(outcome), Vec::new()))),
            Ok(Went::Gone) => {
                self.disarm();
                Ok(Some((Response::Gone, Vec::new())))
            }
            Ok(Went::WorkerGone) => Ok(None),
            Err(failure) => {
                self.disarm();
                Err(failure)
            }
        }
    }

    fn write(&mut self, new: &[NewFile], contents: Vec<OwnedFd>) -> Result<(), Failure> {
        if new.len() != contents.len() {
            return Err(Failure::protocol("each file needs a descriptor"));
        }
        if new.is_empty() {
            return Ok(());
        }
        let identity = self.plan.layout.identity;
        let mut bytes = 0_u64;
        for content in &contents {
            let found = fstat(content).during(Step::DiskLimit)?;
            // Of what is no file nobody knows how much it is.
            let is_file = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
            bytes = bytes.saturating_add(if is_file { found.st_size.unsigned_abs() } else { u64::MAX });
        }
        let armed = self.armed()?;
        armed.disk.make_room(bytes, contents.len() as u64)?;
        with_files_of(identity, || new.iter().zip(contents).try_for_each(|(file, content)| armed.write(file, content)))
    }

    fn collect(&mut self, what: &Collect) -> Result<(Vec<message::CollectedFile>, Vec<OwnedFd>), Failure> {
        let identity = self.plan.layout.identity;
        self.without_ahead()?;
        let Self { armed: Some(armed), cgroups, .. } = self else {
            return Err(Failure::protocol("there is no box"));
        };
        // Most probably another step follows: let pid 1 make its main process meanwhile.
        armed.prepare(cgroups)?;
        with_files_of(identity, || files::collect(armed.disk.work.as_fd(), what))
    }

    fn shut_down(&mut self) {
        self.disarm();
        self.forker.stop();
        self.cgroups.remove();
    }
}
