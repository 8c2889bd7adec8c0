//! The system calls that need `unsafe`: with [`shared`] the only unsafe code of the project. One call per block, a safe
//! signature around it.

mod shared;

use std::ffi::CStr;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;

use self::shared::wait_for_exec;
pub(crate) use self::shared::{Stacks, execute, exit_now, run_in_this_memory};

/// One packet from a `SOCK_SEQPACKET` socket: its length and its descriptors, close-on-exec. A length of 0 is
/// the end.
///
/// # Errors
/// `EMSGSIZE` where the packet was longer than `buffer` or had more than `max_descriptors`.
pub(crate) fn recv_packet(
    socket: BorrowedFd<'_>,
    buffer: IoSliceMut<'_>,
    max_descriptors: usize,
) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut control = vec![0_u8; nix::sys::socket::cmsg_space::<RawFd>() + size_of::<RawFd>() * max_descriptors];
    let mut parts = [buffer];
    let received = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok((0, Vec::new())),
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    if let Ok(messages) = received.cmsgs() {
        for message in messages {
            if let ControlMessageOwned::ScmRights(raw) = message {
                // SAFETY: the kernel has just made these descriptors for this process; nobody else knows them.
                descriptors.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
    }
    if received.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    Ok((received.bytes, descriptors))
}

/// The descriptor that a system call returned, or its error.
fn descriptor(result: libc::c_long) -> nix::Result<OwnedFd> {
    let raw = Errno::result(result)?;
    // SAFETY: the kernel has just made this descriptor for this process; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(raw).map_err(|_| Errno::EBADF)?) })
}

/// Where [`fork`] returns.
pub(crate) enum Forked {
    /// In the new process.
    Child,
    /// In the process that called, with the new one's id and pidfd.
    Parent(Pid, OwnedFd),
}

/// fork(2) by clone3(2): into new namespaces (`CLONE_NEW*` of `flags`) and into a cgroup v2.
///
/// Must be called by a process with one thread, as [`crate::keeper_main`] asserts for itself and all its descendants: then
/// the child may do whatever its parent may, allocate included.
pub(crate) fn fork(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> nix::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let mut arguments = clone_arguments(flags | libc::CLONE_PIDFD, cgroup);
    arguments.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: the arguments are valid and outlive the call. No CLONE_VM and no stack: the child goes on with a copy of this
    // process's memory, and as there is one thread no lock in it is held by somebody else.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match Errno::result(result)? {
        0 => Ok(Forked::Child),
        pid => {
            let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::EOVERFLOW)?);
            Ok(Forked::Parent(pid, descriptor(pidfd.into())?))
        }
    }
}

fn clone_arguments(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> libc::clone_args {
    let (into_cgroup, cgroup) =
        cgroup.map_or((0, 0), |cgroup| (CLONE_INTO_CGROUP, u64::from(cgroup.as_raw_fd().cast_unsigned())));
    libc::clone_args {
        flags: u64::from(flags.cast_unsigned()) | into_cgroup,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: 0,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup,
    }
}

/// Waits for any child and reaps it: its id and its wait status. Unlike nix's it knows real-time signals.
pub(crate) fn wait_any() -> nix::Result<(Pid, i32)> {
    let mut status = 0;
    // SAFETY: the status is written to a variable that outlives the call.
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) })?;
    Ok((Pid::from_raw(pid), status))
}

/// Whether this process has any child, dead or alive. Reaps none.
pub(crate) fn has_children() -> bool {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: a null siginfo is allowed by Linux.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), options) };
    Errno::result(result) != Err(Errno::ECHILD)
}

/// Sends a signal to the process of a pidfd.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> nix::Result<()> {
    // SAFETY: all arguments are values; a null siginfo is allowed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Marks all descriptors from `first` on close-on-exec.
pub(crate) fn close_on_exec_from(first: u32) -> nix::Result<()> {
    // SAFETY: all arguments are values, and no descriptor is closed by this.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop)
}

/// Makes `descriptor` also known as `number`, which survives an exec; what `number` was before is closed.
pub(crate) fn duplicate_to(descriptor: BorrowedFd<'_>, number: RawFd) -> nix::Result<()> {
    // SAFETY: the callers pass 0, 1 and 2, which nothing in this process owns as an `OwnedFd`.
    Errno::result(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).map(drop)
}

/// Gives all signals their default action and unblocks them: Rust's runtime ignores SIGPIPE, and
/// ignored signals stay ignored across an exec.
pub(crate) fn reset_signals() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action runs no code of this process.
        unsafe { sigaction(signal, &default) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// The user whose processes [`kill_all`] kills as that user; 0 for none.
static KILL_AS: AtomicU32 = AtomicU32::new(0);

/// From now on SIGUSR1 makes this process kill all others of its pid namespace: for pid 1 of a box. Without the capability to
/// kill processes of others it needs to know whose they are. It may be sent as soon as a main process of
/// [`run_in_this_memory`] has its orders.
pub(crate) fn kill_all_on_sigusr1(kill_as: Option<u32>) -> nix::Result<()> {
    extern "C" fn on_signal(_: libc::c_int) {
        let errno = Errno::last();
        wait_for_exec();
        kill_all();
        errno.set();
    }
    KILL_AS.store(kill_as.unwrap_or(0), Ordering::Relaxed);
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only makes system calls and keeps errno.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.map(drop)
}

/// Kills all processes of the pid namespace but this one, which must be its pid 1. Atomic as to forks: a process that is being
/// killed cannot fork any more.
pub(crate) fn kill_all() {
    // SAFETY: kill takes values only. As pid 1 calls it, -1 is all of the box but pid 1 itself.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    let uid = KILL_AS.load(Ordering::Relaxed);
    if uid == 0 {
        return;
    }
    // The signal above reached only root's processes, such as a main process on its way to becoming the program.
    set_effective_uid(uid);
    // SAFETY: as above.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    set_effective_uid(0);
    // A change of the user takes the signal at the parent's death away.
    // SAFETY: all arguments are values.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// By the bare system call, which a signal handler may use; the saved uid stays, so there is a way back.
fn set_effective_uid(uid: u32) {
    let keep = libc::c_long::from(-1);
    // SAFETY: all arguments are values.
    unsafe { libc::syscall(libc::SYS_setresuid, keep, libc::c_ulong::from(uid), keep) };
}

/// Puts this process under a seccomp filter, which must need none of what it answers a listener: none does. The listener's
/// descriptor keeps the filter and those that were installed before.
pub(crate) fn seccomp_with_listener(filter: &[seccompiler::sock_filter]) -> nix::Result<OwnedFd> {
    let length = u16::try_from(filter.len()).map_err(|_| Errno::E2BIG)?;
    // The kernel only reads it.
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: the program has the layout and the length that it says, and outlives the call.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    })
}

/// Removes one capability from the bounding set of this process.
pub(crate) fn drop_bounding_capability(capability: u32) -> nix::Result<()> {
    // SAFETY: all arguments are values.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }).map(drop)
}

/// Empties the permitted, effective and inheritable capability sets of this process.
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    // _LINUX_CAPABILITY_VERSION_3 takes two triples of 32 bits each.
    let header = Header { version: 0x2008_0522, pid: 0 };
    let nothing = [[0_u32; 3]; 2];
    // SAFETY: header and data have the layout that version 3 prescribes and outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, nothing.as_ptr()) }).map(drop)
}

/// Makes a file system context; see fsopen(2).
pub(crate) fn fsopen(kind: &CStr) -> nix::Result<OwnedFd> {
    // SAFETY: the string is terminated and outlives the call.
    descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })
}

/// Makes a context to reconfigure the file system at whose root `root` is open; see fspick(2).
pub(crate) fn fspick(root: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    // SAFETY: the string is terminated and outlives the call.
    descriptor(unsafe {
        libc::syscall(libc::SYS_fspick, root.as_raw_fd(), c"".as_ptr(), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH)
    })
}

/// Sets one option of a file system context; see fsconfig(2).
pub(crate) fn fsconfig_set(context: BorrowedFd<'_>, key: &CStr, value: &CStr) -> nix::Result<()> {
    // SAFETY: both strings are terminated and outlive the call.
    let result = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr(), 0)
    };
    Errno::result(result).map(drop)
}

/// Makes the file system of a context.
pub(crate) fn fsconfig_create(context: BorrowedFd<'_>) -> nix::Result<()> {
    fsconfig_command(context, FSCONFIG_CMD_CREATE)
}

/// Applies the options of a context to its existing file system.
pub(crate) fn fsconfig_reconfigure(context: BorrowedFd<'_>) -> nix::Result<()> {
    fsconfig_command(context, FSCONFIG_CMD_RECONFIGURE)
}

fn fsconfig_command(context: BorrowedFd<'_>, command: u32) -> nix::Result<()> {
    let none = std::ptr::null::<u8>();
    // SAFETY: these commands take no key and no value.
    let result = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, none, none, 0) };
    Errno::result(result).map(drop)
}

/// A mount, attached nowhere, of a context's file system; `attributes` are [`ATTR_READ_ONLY`] and so on.
pub(crate) fn fsmount(context: BorrowedFd<'_>, attributes: u64) -> nix::Result<OwnedFd> {
    // SAFETY: all arguments are values.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) })
}

/// Attaches a mount at a path.
pub(crate) fn move_mount(mount: BorrowedFd<'_>, target: &CStr) -> nix::Result<()> {
    // SAFETY: both strings are terminated and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}

/// A copy of the mounts at and below a path, attached nowhere. A link at its end is followed.
pub(crate) fn open_tree_clone(path: &CStr) -> nix::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | AT_RECURSIVE;
    // SAFETY: the string is terminated and outlives the call.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Adds attributes to a mount and all mounts below it.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, attributes: u64) -> nix::Result<()> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        userns_fd: u64,
    }
    let change = MountAttr { set: attributes, clear: 0, propagation: 0, userns_fd: 0 };
    let flags = AT_RECURSIVE | libc::AT_EMPTY_PATH.cast_unsigned();
    // SAFETY: the string and the structure, of the size that is passed, outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Nothing on this mount can be written.
pub(crate) const ATTR_READ_ONLY: u64 = 0x1;
/// Set-user-id bits and file capabilities of this mount's files are ignored.
pub(crate) const ATTR_NO_SUID: u64 = 0x2;
/// Devices on this mount cannot be opened.
pub(crate) const ATTR_NO_DEV: u64 = 0x4;
/// Programs on this mount cannot be executed.
pub(crate) const ATTR_NO_EXEC: u64 = 0x8;

// From linux/sched.h, linux/mount.h and linux/fcntl.h; the libc crate does not have them all, or too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const FSOPEN_CLOEXEC: u32 = 1;
const FSPICK_CLOEXEC: u32 = 1;
const FSPICK_EMPTY_PATH: u32 = 8;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FSCONFIG_CMD_RECONFIGURE: u32 = 7;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
const OPEN_TREE_CLONE: u32 = 1;
const AT_RECURSIVE: u32 = 0x8000;
