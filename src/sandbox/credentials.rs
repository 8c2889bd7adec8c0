//! Who a box's program is: nobody with anything.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid, setgroups, setresgid, setresuid};

use crate::fault::{During, Fault, Step};
use crate::layout::{Identity, USER_NAMESPACE_UID};
use crate::subordinate;
use crate::sys;

/// The highest capability number that any kernel has is below this.
const CAPABILITIES: u32 = 64;

/// Gives up, for good, everything that distinguishes this process from an ordinary user.
pub(crate) fn become_nobody(identity: Identity) -> Result<(), Fault> {
    for capability in 0..CAPABILITIES {
        match sys::drop_bounding_capability(capability) {
            Ok(()) => {}
            // The last one, or no CAP_SETPCAP, as in a container with few capabilities. No-new-privileges, set next, says
            // the same: no exec gains anything.
            Err(Errno::EINVAL | Errno::EPERM) => break,
            Err(errno) => return Err(errno).during(Step::Capabilities),
        }
    }
    let (uid, gid) = (Uid::from_raw(identity.uid()), Gid::from_raw(identity.gid()));
    match identity {
        Identity::Ids { .. } | Identity::Subordinate { .. } => setgroups(&[]).during(Step::Groups)?,
        // The kernel forbids it there; see the protection `groups`.
        Identity::UserNamespace => {}
    }
    setresgid(gid, gid, gid).during(Step::Gid)?;
    setresuid(uid, uid, uid).during(Step::Uid)?;
    sys::drop_capabilities().during(Step::Capabilities)
}

/// Runs `work` with the file permissions of a box's user: files made belong to them, and nothing
/// is opened that they could not open.
pub(crate) fn with_files_of<T>(identity: Identity, work: impl FnOnce() -> T) -> T {
    match identity {
        Identity::UserNamespace => work(),
        Identity::Ids { .. } | Identity::Subordinate { .. } => {
            // The group first: changing the user drops the capability to change the group.
            let previous_group = setfsgid(Gid::from_raw(identity.gid()));
            let previous_user = setfsuid(Uid::from_raw(identity.uid()));
            let result = work();
            setfsuid(previous_user);
            setfsgid(previous_group);
            result
        }
    }
}

/// Puts this process into the user namespace that an identity asks for, if any, where it has all capabilities and may become the
/// box's user; see `user_namespaces(7)`. Returns the identity that could be had.
pub(crate) fn enter_user_namespace(identity: Identity) -> Result<Identity, Fault> {
    if !identity.is_in_user_namespace() {
        return Ok(identity);
    }
    if geteuid().is_root() {
        // The box's user would be the host's root.
        return Err(Errno::EPERM).during(Step::UserNamespace);
    }
    if let Identity::Subordinate { uid, gid } = identity
        && subordinate::enter(uid, gid)?
    {
        return Ok(identity);
    }
    enter_alone()?;
    Ok(Identity::UserNamespace)
}

/// Makes a user namespace that knows nobody but this process's user.
fn enter_alone() -> Result<(), Fault> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).during(Step::UserNamespace)?;
    // Only who cannot use their groups any more to lose a permission may map their group.
    fs::write("/proc/self/setgroups", "deny").during(Step::UserNamespace)?;
    fs::write("/proc/self/uid_map", format!("{USER_NAMESPACE_UID} {uid} 1")).during(Step::UserNamespace)?;
    fs::write("/proc/self/gid_map", format!("{USER_NAMESPACE_UID} {gid} 1")).during(Step::UserNamespace)
}

/// What signals to processes of other users take.
pub(crate) const CAP_KILL: u32 = 5;
/// What a look at the system calls of processes of other users takes.
pub(crate) const CAP_SYS_PTRACE: u32 = 19;

/// Whether this process has a capability: containers with few have root without it. Reads `/proc`.
pub(crate) fn has_capability(number: u32) -> io::Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    let effective = u64::from_str_radix(effective.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(effective & (1 << number) != 0)
}
