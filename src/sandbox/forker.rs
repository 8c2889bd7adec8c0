//! The process that forks boxes: it lives in the slot's control groups (version 1), where the keeper must not be, as the
//! kernel could pick the keeper when a box runs out of memory.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;
use crate::channel::{channel, lost, send};
use crate::fault::{During, Fault, Step};
use crate::init;
use crate::message::{self, Received};
use crate::plan::Plan;
use crate::sys::{self, Forked};

/// Namespaces that each box has for itself.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWPID
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// From the keeper: fork a box. Descriptors: its disk, pid 1's end of its channel, the program's end of its channel and, with
/// version 2, the group to be born into.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ForkBox;

/// To the keeper, with the pidfd of pid 1.
pub(crate) type BoxForked = Result<(), Fault>;

/// A running forker.
pub(crate) struct Forker {
    channel: OwnedFd,
    pid: Pid,
    pidfd: OwnedFd,
}

impl Forker {
    /// Starts one and waits until it is in the groups.
    pub(crate) fn start(plan: &Rc<Plan>, cgroups: &Cgroups) -> Result<Self, Fault> {
        let (ours, theirs) = channel()?;
        match sys::fork(0, None).during(Step::Fork)? {
            Forked::Child => {
                drop(ours);
                run(plan, cgroups, &theirs)
            }
            Forked::Parent(pid, pidfd) => {
                drop(theirs);
                let forker = Self { channel: ours, pid, pidfd };
                let ready: Received<Result<(), Fault>> = forker.receive()?;
                ready.message?;
                Ok(forker)
            }
        }
    }

    /// Forks a box; returns the pidfd of its pid 1.
    pub(crate) fn fork_box(&self, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> Result<OwnedFd, Fault> {
        send(&self.channel, &ForkBox, descriptors)?;
        let mut reply: Received<BoxForked> = self.receive()?;
        reply.message?;
        reply.descriptors.pop().ok_or(Fault { step: Step::Fork, errno: libc::EBADF })
    }

    fn receive<T: serde::de::DeserializeOwned>(&self) -> Result<Received<T>, Fault> {
        message::recv(self.channel.as_fd()).map_err(|error| lost(&error))
    }

    /// Ends it and waits until it is gone.
    pub(crate) fn stop(&self) {
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// The forker itself.
fn run(plan: &Rc<Plan>, cgroups: &Cgroups, channel: &OwnedFd) -> ! {
    let ready = prctl::set_pdeathsig(Signal::SIGKILL).during(Step::Fork).and_then(|()| cgroups.join());
    if send(channel, &ready, &[]).is_err() || ready.is_err() {
        sys::exit_now(1);
    }
    loop {
        let Ok(Received { message: ForkBox, descriptors }) = message::recv(channel.as_fd()) else {
            sys::exit_now(0);
        };
        // The boxes that ended since.
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
        let mut descriptors = descriptors.into_iter();
        let (Some(disk), Some(init_channel), Some(program_channel)) =
            (descriptors.next(), descriptors.next(), descriptors.next())
        else {
            sys::exit_now(1);
        };
        let group = descriptors.next();
        let forked = sys::fork(NAMESPACES.bits(), group.as_ref().map(AsFd::as_fd));
        let sent = match forked {
            Ok(Forked::Child) => init::run(plan, &disk, &init_channel, &program_channel),
            Ok(Forked::Parent(_, pidfd)) => send(channel, &BoxForked::Ok(()), &[pidfd.as_fd()]),
            Err(errno) => {
                let step = if errno == Errno::EAGAIN { Step::Fork } else { Step::BoxNamespaces };
                send(channel, &BoxForked::Err(Fault { step, errno: errno as i32 }), &[])
            }
        };
        if sent.is_err() {
            sys::exit_now(0);
        }
    }
}
