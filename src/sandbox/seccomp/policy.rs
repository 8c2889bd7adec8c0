//! What programs in a box may not ask the kernel for, and why: the policy as a table.
//!
//! Everything else is allowed. Most of what is refused here would be refused anyway, for want of capabilities or
//! namespaces; refusing it before the kernel looks at it keeps a bug in that code from being an exit from the box.

use super::Answer::{Denied, NoSuchFamily, NotImplemented};
use super::When::{self, Always, Any};
use super::{Answer, Test};

/// One rule: a system call, its numbers, when it is refused, with what, and why.
#[derive(Debug)]
pub struct Rule {
    /// Name of the system call.
    pub name: &'static str,
    /// Its number on x86-64, if it exists there.
    pub x86_64: Option<i64>,
    /// Its number on aarch64, if it exists there.
    pub aarch64: Option<i64>,
    /// When it is refused.
    pub when: When,
    /// What the program gets.
    pub answer: Answer,
    /// Why.
    pub reason: &'static str,
}

const fn both(name: &'static str, x86_64: i64, aarch64: i64, when: When, answer: Answer, reason: &'static str) -> Rule {
    Rule { name, x86_64: Some(x86_64), aarch64: Some(aarch64), when, answer, reason }
}

const fn x86(name: &'static str, number: i64, reason: &'static str) -> Rule {
    Rule { name, x86_64: Some(number), aarch64: None, when: Always, answer: Denied, reason }
}

const MOUNTS: &str = "changes or reveals mounts, the walls of the box";
const NAMESPACES: &str = "a new user namespace gives capabilities, and with them much of the kernel's attack surface";
const OTHERS: &str = "reads or changes other processes";
const KEYS: &str = "keyrings are shared by all of a user, and hold kernel memory";
const KERNEL_CODE: &str = "puts code into the kernel";
const URING: &str = "does what this filter refuses without a system call, and has a long record of holes";
const CLOCK: &str = "sets the host's clock";
const NAME: &str = "names a host, and a box has its name already";
const NUMA: &str = "moves memory of other processes between nodes";
const SYNC: &str = "makes the host write out all of its disks";
const PORTS: &str = "reaches for hardware ports";
const OLD: &str = "no program needs it, old kernels had holes in it";
const FAMILY: &str =
    "a box has no network; Unix, IPv4 and IPv6 sockets work within it, the other families are attack surface";
const DEVICES: &str = "makes a device";
const TERMINAL: &str = "types into or takes over a terminal";

const NEW: &[&[Test]] = &[
    &[Test::has(0, 0x0002_0000)], // CLONE_NEWNS
    &[Test::has(0, 0x0200_0000)], // CLONE_NEWCGROUP
    &[Test::has(0, 0x0400_0000)], // CLONE_NEWUTS
    &[Test::has(0, 0x0800_0000)], // CLONE_NEWIPC
    &[Test::has(0, 0x1000_0000)], // CLONE_NEWUSER
    &[Test::has(0, 0x2000_0000)], // CLONE_NEWPID
    &[Test::has(0, 0x4000_0000)], // CLONE_NEWNET
];
/// Neither `AF_UNIX`, `AF_INET` nor `AF_INET6`.
const OTHER_FAMILY: &[&[Test]] = &[&[Test::is_not(0, 1), Test::is_not(0, 2), Test::is_not(0, 10)]];
const NOT_UNIX: &[&[Test]] = &[&[Test::is_not(0, 1)]];
/// `SOCK_RAW` or `SOCK_PACKET`, or a protocol of IPv4 or IPv6 that is neither TCP nor UDP.
const RAW: &[&[Test]] = &[
    &[Test::masked(1, 0xf, 3)],
    &[Test::masked(1, 0xf, 10)],
    &[Test::is(0, 2), Test::is_not(2, 0), Test::is_not(2, 6), Test::is_not(2, 17)],
    &[Test::is(0, 10), Test::is_not(2, 0), Test::is_not(2, 6), Test::is_not(2, 17)],
];
/// `TIOCSTI`, `TIOCLINUX`, `TIOCCONS`, `TIOCSETD`.
const TTY: &[&[Test]] =
    &[&[Test::is(1, 0x5412)], &[Test::is(1, 0x541c)], &[Test::is(1, 0x541d)], &[Test::is(1, 0x5423)]];
/// Neither `PER_LINUX`, `ADDR_NO_RANDOMIZE` nor the question which one it is.
const PERSONALITY: &[&[Test]] = &[&[Test::is_not(0, 0), Test::is_not(0, 0x0004_0000), Test::is_not(0, 0xffff_ffff)]];
/// `S_IFCHR` or `S_IFBLK` in the mode.
const MODE_1: &[&[Test]] = &[&[Test::masked(1, 0o170_000, 0o020_000)], &[Test::masked(1, 0o170_000, 0o060_000)]];
const MODE_2: &[&[Test]] = &[&[Test::masked(2, 0o170_000, 0o020_000)], &[Test::masked(2, 0o170_000, 0o060_000)]];

/// The policy.
pub const POLICY: &[Rule] = &[
    both("mount", 165, 40, Always, Denied, MOUNTS),
    both("umount2", 166, 39, Always, Denied, MOUNTS),
    both("pivot_root", 155, 41, Always, Denied, MOUNTS),
    both("chroot", 161, 51, Always, Denied, MOUNTS),
    both("open_tree", 428, 428, Always, Denied, MOUNTS),
    both("move_mount", 429, 429, Always, Denied, MOUNTS),
    both("fsopen", 430, 430, Always, Denied, MOUNTS),
    both("fsconfig", 431, 431, Always, Denied, MOUNTS),
    both("fsmount", 432, 432, Always, Denied, MOUNTS),
    both("fspick", 433, 433, Always, Denied, MOUNTS),
    both("mount_setattr", 442, 442, Always, Denied, MOUNTS),
    both("open_tree_attr", 467, 467, Always, Denied, MOUNTS),
    both("statmount", 457, 457, Always, Denied, MOUNTS),
    both("listmount", 458, 458, Always, Denied, MOUNTS),
    both("unshare", 272, 97, Always, Denied, NAMESPACES),
    both("setns", 308, 268, Always, Denied, NAMESPACES),
    both("clone", 56, 220, Any(NEW), Denied, NAMESPACES),
    both(
        "clone3",
        435,
        435,
        Always,
        NotImplemented,
        "its flags are out of this filter's sight; libraries fall back to clone",
    ),
    both("ptrace", 101, 117, Always, Denied, OTHERS),
    both("process_vm_readv", 310, 270, Always, Denied, OTHERS),
    both("process_vm_writev", 311, 271, Always, Denied, OTHERS),
    both("process_madvise", 440, 440, Always, Denied, OTHERS),
    both("pidfd_getfd", 438, 438, Always, Denied, OTHERS),
    both("kcmp", 312, 272, Always, Denied, OTHERS),
    both("move_pages", 279, 239, Always, Denied, NUMA),
    both("migrate_pages", 256, 238, Always, Denied, NUMA),
    both("add_key", 248, 217, Always, Denied, KEYS),
    both("request_key", 249, 218, Always, Denied, KEYS),
    both("keyctl", 250, 219, Always, Denied, KEYS),
    both("bpf", 321, 280, Always, Denied, KERNEL_CODE),
    both("init_module", 175, 105, Always, Denied, KERNEL_CODE),
    both("finit_module", 313, 273, Always, Denied, KERNEL_CODE),
    both("delete_module", 176, 106, Always, Denied, KERNEL_CODE),
    both("kexec_load", 246, 104, Always, Denied, KERNEL_CODE),
    both("kexec_file_load", 320, 294, Always, Denied, KERNEL_CODE),
    both(
        "perf_event_open",
        298,
        241,
        Always,
        Denied,
        "watches the processor, and through it others; a large attack surface",
    ),
    both(
        "userfaultfd",
        323,
        282,
        Always,
        Denied,
        "stops the kernel in the middle of a copy: the tool of many exploits",
    ),
    both("io_uring_setup", 425, 425, Always, NotImplemented, URING),
    both("io_uring_enter", 426, 426, Always, NotImplemented, URING),
    both("io_uring_register", 427, 427, Always, NotImplemented, URING),
    both("memfd_secret", 447, 447, Always, NotImplemented, "holds memory that the kernel cannot reclaim"),
    both("socket", 41, 198, Any(OTHER_FAMILY), NoSuchFamily, FAMILY),
    both("socket", 41, 198, Any(RAW), Denied, "raw packets, or a protocol other than TCP and UDP"),
    both("socketpair", 53, 199, Any(NOT_UNIX), NoSuchFamily, FAMILY),
    both("ioctl", 16, 29, Any(TTY), Denied, TERMINAL),
    both("vhangup", 153, 58, Always, Denied, TERMINAL),
    both("personality", 135, 92, Any(PERSONALITY), Denied, "changes how the kernel maps memory, which weakens it"),
    both("mknodat", 259, 33, Any(MODE_2), Denied, DEVICES),
    Rule { name: "mknod", x86_64: Some(133), aarch64: None, when: Any(MODE_1), answer: Denied, reason: DEVICES },
    both("open_by_handle_at", 304, 265, Always, Denied, "opens files without a path, past all mounts"),
    both("name_to_handle_at", 303, 264, Always, Denied, "makes what open_by_handle_at takes"),
    both("fanotify_init", 300, 262, Always, Denied, "watches the files of others"),
    both("fanotify_mark", 301, 263, Always, Denied, "watches the files of others"),
    both("acct", 163, 89, Always, Denied, "writes a record of all processes to a file"),
    both("quotactl", 179, 60, Always, Denied, "changes the disk quotas of users"),
    both("quotactl_fd", 443, 443, Always, Denied, "changes the disk quotas of users"),
    both("swapon", 167, 224, Always, Denied, "changes the host's swap"),
    both("swapoff", 168, 225, Always, Denied, "changes the host's swap"),
    both("sync", 162, 81, Always, Denied, SYNC),
    both("syncfs", 306, 267, Always, Denied, SYNC),
    both("settimeofday", 164, 170, Always, Denied, CLOCK),
    both("clock_settime", 227, 112, Always, Denied, CLOCK),
    both("clock_adjtime", 305, 266, Always, Denied, CLOCK),
    both("adjtimex", 159, 171, Always, Denied, CLOCK),
    both("sethostname", 170, 161, Always, Denied, NAME),
    both("setdomainname", 171, 162, Always, Denied, NAME),
    both("reboot", 169, 142, Always, Denied, "restarts the host"),
    both("syslog", 103, 116, Always, Denied, "reads the kernel's log: addresses, and what others do"),
    both("lookup_dcookie", 212, 18, Always, Denied, OLD),
    both("nfsservctl", 180, 42, Always, Denied, OLD),
    x86("modify_ldt", 154, "changes segments: a rich source of holes, needed by 16-bit programs only"),
    x86("iopl", 172, PORTS),
    x86("ioperm", 173, PORTS),
    x86("uselib", 134, OLD),
    x86("_sysctl", 156, OLD),
    x86("create_module", 174, OLD),
    x86("get_kernel_syms", 177, OLD),
    x86("query_module", 178, OLD),
];
