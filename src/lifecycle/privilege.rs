//! Giving up root, and ending with the parent.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, geteuid, getppid, setgid, setgroups, setuid};

/// A step that could not be done. The process must end.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct PrivilegeError {
    step: &'static str,
    source: Errno,
}

fn failed(step: &'static str) -> impl FnOnce(Errno) -> PrivilegeError {
    move |source| PrivilegeError { step, source }
}

/// Takes on another user and group and gives up all others, for good. Does nothing where the process
/// is not root. Call it before any other thread exists.
pub fn give_up_root(uid: u32) -> Result<(), PrivilegeError> {
    if geteuid().is_root() {
        let gid = Gid::from_raw(uid);
        setgroups(&[gid]).map_err(failed("drop the groups of root"))?;
        setgid(gid).map_err(failed("drop the group of root"))?;
        // Sets real, effective and saved id, and clears all capabilities (capabilities(7)).
        setuid(Uid::from_raw(uid)).map_err(failed("drop the user root"))?;
        if setuid(Uid::from_raw(0)).is_ok() {
            return Err(PrivilegeError { step: "drop root for good", source: Errno::EPERM });
        }
    }
    prctl::set_no_new_privs().map_err(failed("forgo new privileges"))
}

/// Makes the kernel send SIGTERM to this process when `parent` ends, and fails where it ended already.
/// A change of user undoes it (prctl(2)): call it after [`give_up_root`].
pub fn follow(parent: i32) -> Result<(), PrivilegeError> {
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(failed("follow the parent process"))?;
    if getppid() == Pid::from_raw(parent) {
        Ok(())
    } else {
        Err(PrivilegeError { step: "follow the parent process", source: Errno::ESRCH })
    }
}
