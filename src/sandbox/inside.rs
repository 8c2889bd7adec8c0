//! The main process of a step, until the exec of the program: a flat list that reads as the policy. The first half
//! happens ahead, before there is anything to run; then it waits for its orders. All of it happens in the memory of pid 1; see
//! [`sys::run_in_this_memory`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, setsid};
use serde::{Deserialize, Serialize};

use crate::channel::{channel, send};
use crate::credentials;
use crate::fault::{During, Fault, Step};
use crate::message::{self, Received};
use crate::plan::Plan;
use crate::rlimit;
use crate::seccomp;
use crate::spec::{StepLimits, StepSpec};
use crate::sys;

/// A path that no file can have: it goes through a device.
const NO_PROGRAM: &str = "/dev/null/program";

/// To the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromMain {
    /// Now it only waits for its orders. With what keeps its filters, if that can be had; see [`seccomp::install`].
    Ready,
    /// There is no program.
    NotExecuted(NotExecuted),
}

/// Why there is no program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotExecuted {
    pub(crate) fault: Fault,
    /// The missing interpreter of a script.
    pub(crate) interpreter: Option<String>,
}

/// Ends by becoming the program, or by telling why not. The first one in this memory rehearses.
pub(crate) fn run(plan: &Plan, channel: &OwnedFd, is_first: bool) -> ! {
    let ready = arm(plan).and_then(|filters| {
        if is_first {
            rehearse(plan)?;
        }
        let filters: Vec<_> = filters.iter().map(AsFd::as_fd).collect();
        send(channel, &FromMain::Ready, &filters)
    });
    let reason = match ready.and_then(|()| receive(channel)) {
        // The keeper took the box away.
        Ok(None) => sys::exit_now(0),
        Ok(Some(Received { message, descriptors })) => match start(plan, &message, &descriptors) {
            Err(reason) => reason,
        },
        Err(fault) => NotExecuted { fault, interpreter: None },
    };
    let _ = send(channel, &FromMain::NotExecuted(reason), &[]);
    sys::exit_now(127)
}

/// What needs no knowledge of the program. Returns what keeps the filters.
fn arm(plan: &Plan) -> Result<Option<OwnedFd>, Fault> {
    setsid().during(Step::Session)?;
    sys::reset_signals().during(Step::Signals)?;
    credentials::become_nobody(plan.layout.identity)?;
    umask(Mode::from_bits_truncate(0o022));
    rlimit::apply_fixed()?;
    prctl::set_no_new_privs().during(Step::NoNewPrivileges)?;
    seccomp::install(&plan.filters)
}

/// Does once what the orders will ask for, with a program that is not there. The first touch of each page of memory is paid for;
/// so it is before anybody waits for it.
fn rehearse(plan: &Plan) -> Result<(), Fault> {
    let (ours, theirs) = channel()?;
    let spec = StepSpec {
        argv: vec![NO_PROGRAM.to_owned()],
        env: BTreeMap::from([("PATH".to_owned(), NO_PROGRAM.to_owned())]),
        cwd: PathBuf::new(),
        limits: StepLimits::default(),
    };
    send(&ours, &spec, &[ours.as_fd(), theirs.as_fd()])?;
    if let Some(Received { message: spec, .. }) = receive(&theirs)? {
        chdir(&plan.layout.work_dir.join(relative(&spec.cwd)?)).during(Step::WorkingDirectory)?;
        let argv = strings(spec.argv.iter().map(String::as_str));
        let env = strings(spec.env.iter().map(|(name, value)| format!("{name}={value}")));
        if let (Ok(argv), Ok(env)) = (argv, env) {
            let Err(_) = execute(&spec, &argv, &env);
        }
    }
    Ok(())
}

fn receive(channel: &OwnedFd) -> Result<Option<Received<StepSpec>>, Fault> {
    match message::recv(channel.as_fd()) {
        Ok(orders) => Ok(Some(orders)),
        Err(message::MessageError::Closed) => Ok(None),
        Err(error) => Err(crate::channel::lost(&error)),
    }
}

/// The rest, once the program is known.
fn start(plan: &Plan, spec: &StepSpec, streams: &[OwnedFd]) -> Result<Infallible, NotExecuted> {
    prepare(plan, spec, streams).map_err(|fault| NotExecuted { fault, interpreter: None })?;
    let argv = strings(spec.argv.iter().map(String::as_str))?;
    let env = strings(spec.env.iter().map(|(name, value)| format!("{name}={value}")))?;
    execute(spec, &argv, &env)
}

fn prepare(plan: &Plan, spec: &StepSpec, streams: &[OwnedFd]) -> Result<(), Fault> {
    let [stdin, stdout, stderr] = streams else {
        return Err(Errno::EBADF).during(Step::Descriptors);
    };
    chdir(&plan.layout.work_dir.join(relative(&spec.cwd)?)).during(Step::WorkingDirectory)?;
    for (number, stream) in [(0, stdin), (1, stdout), (2, stderr)] {
        sys::duplicate_to(stream.as_fd(), number).during(Step::Descriptors)?;
    }
    sys::close_on_exec_from(3).during(Step::Descriptors)?;
    rlimit::apply(&spec.limits, plan.nproc_slack, &plan.ceilings)
}

fn relative(path: &Path) -> Result<&Path, Fault> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(path)
    } else {
        Err(Errno::EINVAL).during(Step::WorkingDirectory)
    }
}

fn strings<T: Into<Vec<u8>>>(texts: impl Iterator<Item = T>) -> Result<Vec<CString>, NotExecuted> {
    texts
        .map(CString::new)
        .collect::<Result<_, _>>()
        .map_err(|_| NotExecuted { fault: Fault { step: Step::Arguments, errno: libc::EINVAL }, interpreter: None })
}

/// As execvp(3), but without a shell for files that are no programs.
fn execute(spec: &StepSpec, argv: &[CString], env: &[CString]) -> Result<Infallible, NotExecuted> {
    let program = spec.argv.first().map_or("", String::as_str);
    let path = spec.env.get("PATH").map_or("", String::as_str);
    let mut errno = Errno::ENOENT;
    let candidates: Vec<String> = if program.contains('/') {
        vec![program.to_owned()]
    } else {
        path.split(':').filter(|dir| !dir.is_empty()).map(|dir| format!("{dir}/{program}")).collect()
    };
    for candidate in candidates {
        let Ok(file) = CString::new(candidate.as_str()) else { break };
        let refused = sys::execute(&file, argv, env);
        let is_absent = matches!(refused, Errno::ENOENT | Errno::ENOTDIR);
        if is_absent && Path::new(&candidate).exists() {
            return Err(NotExecuted { fault: exec_fault(refused), interpreter: interpreter(&candidate) });
        }
        // Another directory may have one that can be executed.
        if refused == Errno::EACCES {
            errno = refused;
        } else if !is_absent {
            return Err(NotExecuted { fault: exec_fault(refused), interpreter: None });
        }
    }
    Err(NotExecuted { fault: exec_fault(errno), interpreter: None })
}

fn exec_fault(errno: Errno) -> Fault {
    Fault { step: Step::Exec, errno: errno as i32 }
}

/// What the first line of a script wants to be run by.
fn interpreter(script: &str) -> Option<String> {
    let mut start = [0; 256];
    let length = std::fs::File::open(script).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().map(str::to_owned)
}
