//! Whether an interactive program waits for its user: then its clock stands still.
//!
//! What a thread is blocked in is read from its `/proc/PID/task/TID/syscall`. A box waits for input when no thread runs or sleeps for a
//! time, and at least one reads descriptor 0 or polls without a timeout. Threads that wait for each other or for a child do
//! not matter.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// What a thread is doing, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Waits for input.
    Reading,
    /// Waits for another thread or process.
    Waiting,
    /// Anything else: computes, or sleeps.
    Busy,
}

/// Whether the whole box waits for input. `proc` is the box's own `/proc`.
pub(crate) fn is_waiting_for_input(proc: &OwnedFd) -> bool {
    let mut is_reading = false;
    for pid in numbers(proc.as_fd(), ".") {
        // Pid 1 is ours.
        if pid == "1" {
            continue;
        }
        let tasks = format!("{pid}/task");
        for tid in numbers(proc.as_fd(), &tasks) {
            match read(proc.as_fd(), &format!("{tasks}/{tid}/syscall")).as_deref().map(doing) {
                Some(Doing::Reading) => is_reading = true,
                Some(Doing::Waiting) => {}
                // Not known: it ended meanwhile, or it is not ours to look at.
                Some(Doing::Busy) | None => return false,
            }
        }
    }
    is_reading
}

/// Whether this process may look at the processes of a box at all.
pub(crate) fn can_be_known(proc: &OwnedFd) -> bool {
    read(proc.as_fd(), "1/syscall").is_some()
}

/// Processor time of all processes of the box, those that were reaped by another one of them included: where no control group
/// counts it. `proc` is the box's own `/proc`.
pub(crate) fn cpu_time(proc: &OwnedFd) -> std::time::Duration {
    let ticks: u64 = numbers(proc.as_fd(), ".")
        .into_iter()
        .filter(|pid| pid != "1")
        .filter_map(|pid| read(proc.as_fd(), &format!("{pid}/stat")))
        .map(|stat| ticks(&stat))
        .sum();
    // The unit of /proc is fixed at 1/100 s for all architectures here; see sysconf(3), _SC_CLK_TCK.
    std::time::Duration::from_millis(ticks * 10)
}

/// Fields 14 to 17 of `/proc/PID/stat`, counted behind the name, which may hold anything.
fn ticks(stat: &str) -> u64 {
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0 };
    fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn numbers(proc: BorrowedFd<'_>, directory: &str) -> Vec<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut dir) = Dir::openat(proc, directory, flags, Mode::empty()) else { return Vec::new() };
    dir.iter()
        .filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

fn read(proc: BorrowedFd<'_>, path: &str) -> Option<String> {
    let file = openat(proc, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Reads a line of `/proc/PID/syscall`: the number and the arguments in hexadecimal, or `running`.
fn doing(line: &str) -> Doing {
    let mut words = line.split_whitespace();
    let Some(Ok(number)) = words.next().map(str::parse::<i64>) else { return Doing::Busy };
    let arguments: Vec<u64> =
        words.map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(u64::MAX)).collect();
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(u64::MAX);
    classify(number, argument)
}

fn classify(number: i64, argument: impl Fn(usize) -> u64) -> Doing {
    let is_stdin = argument(0) == 0;
    // A timeout in milliseconds is an `int`: below zero is for ever. A pointer to one is null then.
    let is_negative = |index: usize| argument(index) & 0x8000_0000 != 0;
    let is_null = |index: usize| argument(index) == 0;
    let polls = |is_forever: bool| if is_forever { Doing::Reading } else { Doing::Busy };
    match number {
        libc::SYS_read | libc::SYS_readv | libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_splice => polls(is_stdin),
        libc::SYS_ppoll => polls(is_null(2)),
        libc::SYS_pselect6 => polls(is_null(4)),
        libc::SYS_epoll_pwait => polls(is_negative(3)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => polls(is_negative(2)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => polls(is_null(4)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => polls(is_negative(3)),
        // With a timeout as well: the threads of java and go look up from time to time.
        libc::SYS_futex | libc::SYS_wait4 | libc::SYS_waitid | libc::SYS_rt_sigsuspend => Doing::Waiting,
        _ => Doing::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_descriptor_0_waits_for_input_and_no_other() {
        let read = libc::SYS_read;
        assert_eq!(doing(&format!("{read} 0x0 0x7ffd 0x400 0x0 0x0 0x0 0x7ffc 0x7f12\n")), Doing::Reading);
        assert_eq!(doing(&format!("{read} 0x3 0x7ffd 0x400 0x0 0x0 0x0 0x7ffc 0x7f12\n")), Doing::Busy);
    }

    #[test]
    fn a_poll_waits_for_input_if_it_has_no_timeout() {
        let poll = libc::SYS_epoll_pwait;
        assert_eq!(doing(&format!("{poll} 0x5 0x7ffd 0x400 0xffffffff 0x0 0x8 0x7ffc 0x7f12")), Doing::Reading);
        assert_eq!(doing(&format!("{poll} 0x5 0x7ffd 0x400 0x3e8 0x0 0x8 0x7ffc 0x7f12")), Doing::Busy);
    }

    #[test]
    fn sleeping_and_running_are_busy() {
        let sleep = libc::SYS_clock_nanosleep;
        assert_eq!(doing(&format!("{sleep} 0x0 0x0 0x7ffd 0x7ffd 0x0 0x0 0x7ffc 0x7f12")), Doing::Busy);
        assert_eq!(doing("running\n"), Doing::Busy);
    }

    #[test]
    fn ticks_are_counted_behind_a_hostile_name() {
        assert_eq!(ticks("7 (a) R 9 9 (b) S 1 7 7 0 -1 4194304 100 0 0 0 5 6 7 8 20 0 1 0"), 26);
    }
}
