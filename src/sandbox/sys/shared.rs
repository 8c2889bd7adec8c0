//! A process in the memory of this one: what a fork takes apart again is not made.

use std::arch::asm;
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::{clone_arguments, wait_any};

/// How long a main process may take from its orders to its exec before it is killed on its way: there may be no processor for it.
const LONGEST_WAY_TO_EXEC: Duration = Duration::from_secs(2);

/// What [`run_in_this_memory`] runs its two processes on.
pub(crate) struct Stacks {
    helper: Stack,
    main: Stack,
}

impl Stacks {
    /// Never given back: pid 1 has them for as long as it lives.
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self { helper: Stack::new()?, main: Stack::new()? })
    }
}

/// Memory for a stack.
struct Stack(*mut libc::c_void);

impl Stack {
    /// Only what is touched takes memory.
    const BYTES: usize = 256 * 1024;
    /// The lowest page cannot be touched, whatever size pages have.
    const GUARD_BYTES: usize = 64 * 1024;

    fn new() -> nix::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a mapping of its own, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), Self::BYTES, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the pages have just been mapped, and nothing is in them.
        Errno::result(unsafe { libc::mprotect(start, Self::GUARD_BYTES, libc::PROT_NONE) })?;
        Ok(Self(start))
    }
}

/// Whether the main process of [`run_in_this_memory`] is at work, so leaves something half done if it is killed.
static IS_AT_WORK: AtomicBool = AtomicBool::new(false);

/// Runs `main` in a process with this one's memory, which becomes a program or ends, and waits for its end, for which it reaps
/// orphans as well. Returns its wait status. It costs less than [`super::fork`]: there is no copy of the memory to make, to
/// fault in, and to take apart before anybody waits for the program.
///
/// `first` runs before it in a helper of the same kind, of which the main process inherits what it does to itself. It may raise
/// its score for the killer that comes when memory is short: of all that share a memory the kernel changes the scores alike,
/// but leaves them alone while a parent is suspended for the writer, as this process is for the helper. It is not for the main
/// process, which may wait for long: a suspended parent counts as load.
///
/// This process does nothing but wait until nobody shares its memory any more, so what is safe in one thread is safe in `main`.
/// Whoever kills the main process waits until it is in its exec; see [`super::kill_all_on_sigusr1`]. If it ends by a signal
/// before, there is no telling what it was about to change: then this process ends.
pub(crate) fn run_in_this_memory<E>(
    stacks: &Stacks,
    cgroup: Option<BorrowedFd<'_>>,
    first: impl Fn() -> Result<(), E>,
    main: impl Fn() -> Infallible,
    not_cloned: impl Fn(Errno) -> E,
) -> Result<libc::c_int, E> {
    let is_alone = AtomicBool::new(false);
    let main = || -> Infallible {
        // Until the helper is gone it counts as a process of the box.
        while !is_alone.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        main()
    };
    let main: &dyn Fn() -> Infallible = &main;
    let made = Cell::new(None);
    let helper = || -> Infallible {
        let result = first().and_then(|()| {
            // The parent, and with it the signal at the end, are the helper's.
            let arguments = clone_arguments(libc::CLONE_VM | libc::CLONE_PARENT, cgroup);
            clone_onto(&stacks.main, arguments, &main).map_err(&not_cloned)
        });
        made.set(Some(result));
        end(0)
    };
    let helper: &dyn Fn() -> Infallible = &helper;
    let mut arguments = clone_arguments(libc::CLONE_VM | libc::CLONE_VFORK, None);
    arguments.exit_signal = libc::SIGCHLD as u64;
    IS_AT_WORK.store(true, Ordering::SeqCst);
    let status = clone_onto(&stacks.helper, arguments, &helper).map_err(&not_cloned).and_then(|helper| {
        wait_for(helper);
        is_alone.store(true, Ordering::SeqCst);
        made.take().unwrap_or_else(|| Err(not_cloned(Errno::ESRCH))).map(wait_for)
    });
    let was_at_work = IS_AT_WORK.swap(false, Ordering::SeqCst);
    if was_at_work && status.is_ok() {
        end(70);
    }
    status
}

/// clone3(2) with this process's memory, for a child that does `work` on a stack of its own.
fn clone_onto(stack: &Stack, mut arguments: libc::clone_args, work: &&dyn Fn() -> Infallible) -> nix::Result<Pid> {
    extern "C" fn enter(work: *const libc::c_void) -> ! {
        // SAFETY: `run_in_this_memory` passes what lives in its frame, which it leaves when the child is gone or has memory of
        // its own.
        let work: &&dyn Fn() -> Infallible = unsafe { &*work.cast() };
        match work() {}
    }
    arguments.stack = stack.0.expose_provenance() as u64;
    arguments.stack_size = Stack::BYTES as u64;
    let enter: extern "C" fn(*const libc::c_void) -> ! = enter;
    let result: libc::c_long;
    // SAFETY: the arguments are valid and outlive the call. The child goes on at the top of its stack, where nothing is and which
    // is aligned as calls want it, with a call that does not return; the parent goes on behind. The registers that the child's
    // call reads are as they were, those that the system call changes are listed.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const arguments,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") enter,
            in("r13") &raw const *work,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x21",
            "blr x20",
            "brk 1",
            "2:",
            inlateout("x0") &raw const arguments => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x20") enter,
            in("x21") &raw const *work,
            lateout("x30") _,
        );
    }
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        Ok(errno) => Err(Errno::from_raw(-errno)),
        Err(_) => Err(Errno::EOVERFLOW),
    }
}

/// Reaps children until this one has ended. Returns its wait status.
fn wait_for(child: Pid) -> libc::c_int {
    loop {
        // Others are orphans; an error is a signal, such as the keeper's to kill everybody.
        if let Ok((pid, status)) = wait_any()
            && pid == child
        {
            return status;
        }
    }
}

/// execve(2). Returns only if that fails.
pub(crate) fn execute(file: &CStr, argv: &[CString], env: &[CString]) -> Errno {
    let pointers = |strings: &[CString]| -> Vec<_> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    IS_AT_WORK.store(false, Ordering::SeqCst);
    // SAFETY: the strings are terminated, the lists end with null, and all outlive the call.
    unsafe { libc::execve(file.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    let refused = Errno::last();
    IS_AT_WORK.store(true, Ordering::SeqCst);
    refused
}

/// Ends this process at once: no destructors, no buffers written.
pub(crate) fn exit_now(code: i32) -> ! {
    // What a main process does to the memory it has done.
    IS_AT_WORK.store(false, Ordering::SeqCst);
    end(code)
}

fn end(code: i32) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(code) }
}

/// Waits until the main process of [`run_in_this_memory`] is done with this process's memory: some microseconds. Not for ever:
/// somebody else may have killed it.
pub(super) fn wait_for_exec() {
    let start = Instant::now();
    while IS_AT_WORK.load(Ordering::SeqCst) && start.elapsed() < LONGEST_WAY_TO_EXEC {
        std::thread::yield_now();
    }
}
