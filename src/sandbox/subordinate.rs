//! A user namespace with ids that root has granted; see [`crate::granted`].
//!
//! Only two programs that are installed set-user-id, newuidmap(1) and newgidmap(1), can put such ids into it, and only from outside.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{getegid, geteuid, getpid};
use serde::{Deserialize, Serialize};

use crate::channel::{channel, send};
use crate::fault::{During, Fault, Step};
use crate::granted::PROGRAMS;
use crate::layout::USER_NAMESPACE_UID;
use crate::message::{self, Received};
use crate::sys::{self, Forked};

/// To the process outside: the user namespace is there.
#[derive(Serialize, Deserialize)]
struct Entered;

/// Makes a user namespace in which this process is root and the ids are the box's user, and enters it. `false` if that was refused:
/// then nothing has changed.
pub(crate) fn enter(uid: u32, gid: u32) -> Result<bool, Fault> {
    // Whether the programs do as they are told shows only when it is too late to do without: so a process is put at risk first.
    if !try_to_enter(uid, gid)? {
        return Ok(false);
    }
    let worked = become_root_of_namespace(uid, gid)?;
    if worked { Ok(true) } else { Err(Errno::EPERM).during(Step::UserNamespace) }
}

fn try_to_enter(uid: u32, gid: u32) -> Result<bool, Fault> {
    match sys::fork(0, None).during(Step::Fork)? {
        Forked::Child => sys::exit_now(i32::from(!matches!(become_root_of_namespace(uid, gid), Ok(true)))),
        Forked::Parent(pid, _) => Ok(has_succeeded(waitpid(pid, None).during(Step::UserNamespace)?)),
    }
}

fn become_root_of_namespace(uid: u32, gid: u32) -> Result<bool, Fault> {
    let (ours, theirs) = channel()?;
    let (user, group, keeper) = (geteuid().to_string(), getegid().to_string(), getpid().to_string());
    match sys::fork(0, None).during(Step::Fork)? {
        Forked::Child => {
            drop(ours);
            let entered: Result<Received<Entered>, _> = message::recv(theirs.as_fd());
            let is_mapped = entered.is_ok()
                && PROGRAMS.into_iter().zip([(user, uid), (group, gid)]).all(|(program, (own, granted))| {
                    let (inside, granted) = (USER_NAMESPACE_UID.to_string(), granted.to_string());
                    map(program, &[&keeper, "0", &own, "1", &inside, &granted, "1"])
                });
            sys::exit_now(i32::from(!is_mapped))
        }
        Forked::Parent(pid, _) => {
            drop(theirs);
            unshare(CloneFlags::CLONE_NEWUSER).during(Step::UserNamespace)?;
            send(&ours, &Entered, &[])?;
            Ok(has_succeeded(waitpid(pid, None).during(Step::UserNamespace)?))
        }
    }
}

fn has_succeeded(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, 0))
}

#[expect(clippy::disallowed_methods, reason = "only these programs may do it, and no box exists yet")]
fn map(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
