use super::*;

#[test]
fn the_filters_of_both_architectures_can_be_compiled() {
    let x86_64 = compile(Architecture::X86_64).unwrap();
    let aarch64 = compile(Architecture::Aarch64).unwrap();
    assert_eq!((x86_64.0.len(), aarch64.0.len()), (4, 3));
    // The kernel takes no longer ones.
    assert!(x86_64.0.iter().chain(&aarch64.0).all(|filter| filter.len() < 4096));
}

/// A system call as a filter sees it: struct seccomp_data of seccomp(2).
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_I386: u32 = 0x4000_0003;
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.architecture,
            16.. => {
                let argument = self.arguments[((offset - 16) / 8) as usize];
                let shift = if offset.is_multiple_of(8) { 0 } else { 32 };
                u32::try_from(argument >> shift & 0xffff_ffff).unwrap()
            }
            _ => 0,
        }
    }
}

/// Runs a filter, as far as filters of seccompiler and ours use the language.
fn run(filter: &BpfProgram, call: &Call) -> u32 {
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    loop {
        let instruction = &filter[at];
        let k = instruction.k;
        at += 1;
        let jump = |is_true: bool| usize::from(if is_true { instruction.jt } else { instruction.jf });
        match instruction.code {
            0x20 => accumulator = call.word(k),
            0x06 => return k,
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

/// What the kernel makes of all filters together: the gravest answer wins.
fn judge(architecture: Architecture, call: &Call) -> u32 {
    let filters = compile(architecture).unwrap();
    let answers = filters.0.iter().map(|filter| run(filter, call));
    answers.min_by_key(|answer| if *answer == KILL_PROCESS { 0 } else { *answer }).unwrap()
}

fn call(architecture: Architecture, number: i64, arguments: [u64; 6]) -> Call {
    let audit = match architecture {
        Architecture::X86_64 => AUDIT_X86_64,
        Architecture::Aarch64 => AUDIT_AARCH64,
    };
    Call { number: u32::try_from(number).unwrap(), architecture: audit, arguments }
}

/// Arguments for which all tests of a list hold.
fn arguments(tests: &[Test]) -> [u64; 6] {
    let mut arguments = [0; 6];
    for test in tests {
        arguments[usize::from(test.argument)] = match test.comparison {
            Comparison::Is(value) | Comparison::Masked(_, value) => value.into(),
            // Fits all lists of values that the policy excludes.
            Comparison::IsNot(_) => 0x1234,
        };
    }
    arguments
}

#[test]
fn each_rule_answers_as_it_says_on_both_architectures() {
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        for rule in POLICY {
            let Some(number) = architecture.number(rule) else { continue };
            let lists: &[&[Test]] = match rule.when {
                When::Always => &[&[]],
                When::Any(lists) => lists,
            };
            for tests in lists {
                let answer = judge(architecture, &call(architecture, number, arguments(tests)));
                assert_eq!(answer, ERRNO | (rule.answer.errno() as u32), "{architecture:?} {rule:?} {tests:?}");
            }
        }
    }
}

#[test]
fn what_is_not_in_the_policy_is_allowed() {
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        for number in 0..600 {
            let is_named = POLICY.iter().any(|rule| architecture.number(rule) == Some(number));
            let answer = judge(architecture, &call(architecture, number, [0; 6]));
            assert!(is_named || answer == ALLOW, "{architecture:?} {number}");
        }
    }
}

#[test]
fn ordinary_arguments_are_allowed() {
    let x86 = |number, arguments| judge(Architecture::X86_64, &call(Architecture::X86_64, number, arguments));
    // fork() and a thread, as glibc asks for them.
    assert_eq!(x86(56, [0x0120_0011, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(x86(56, [0x003d_0f00, 0, 0, 0, 0, 0]), ALLOW);
    // socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), socketpair(AF_UNIX, …), personality(0xffffffff).
    assert_eq!(x86(41, [2, 0x80001, 6, 0, 0, 0]), ALLOW);
    assert_eq!(x86(53, [1, 1, 0, 0, 0, 0]), ALLOW);
    assert_eq!(x86(135, [0xffff_ffff, 0, 0, 0, 0, 0]), ALLOW);
    // ioctl(0, TCGETS), mknod of a FIFO.
    assert_eq!(x86(16, [0, 0x5401, 0, 0, 0, 0]), ALLOW);
    assert_eq!(x86(133, [0, 0o010_644, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn upper_halves_of_arguments_do_not_get_past_a_rule() {
    // The kernel takes an int of each.
    let x86 = |number, arguments| judge(Architecture::X86_64, &call(Architecture::X86_64, number, arguments));
    assert_eq!(x86(16, [0, 0xdead_0000_5412, 0, 0, 0, 0]), ERRNO | libc::EPERM as u32);
    assert_eq!(x86(41, [0x1_0000_0028, 1, 0, 0, 0, 0]), ERRNO | libc::EAFNOSUPPORT as u32);
}

#[test]
fn calls_of_other_architectures_end_the_program_and_x32_is_unknown() {
    for (architecture, foreign) in [
        (Architecture::X86_64, AUDIT_I386),
        (Architecture::X86_64, AUDIT_AARCH64),
        (Architecture::Aarch64, AUDIT_X86_64),
    ] {
        let call = Call { number: 1, architecture: foreign, arguments: [0; 6] };
        assert_eq!(judge(architecture, &call), KILL_PROCESS);
    }
    for number in [0, 1, 59, 520, 545] {
        let x32 = call(Architecture::X86_64, 0x4000_0000 + number, [0; 6]);
        assert_eq!(judge(Architecture::X86_64, &x32), ERRNO | libc::ENOSYS as u32);
    }
}

#[test]
fn the_numbers_are_those_of_this_architecture() {
    let known = [
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("open_tree", libc::SYS_open_tree),
        ("move_mount", libc::SYS_move_mount),
        ("fsopen", libc::SYS_fsopen),
        ("fsconfig", libc::SYS_fsconfig),
        ("fsmount", libc::SYS_fsmount),
        ("fspick", libc::SYS_fspick),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("kcmp", libc::SYS_kcmp),
        ("move_pages", libc::SYS_move_pages),
        ("migrate_pages", libc::SYS_migrate_pages),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("keyctl", libc::SYS_keyctl),
        ("bpf", libc::SYS_bpf),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("delete_module", libc::SYS_delete_module),
        ("kexec_load", libc::SYS_kexec_load),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("memfd_secret", libc::SYS_memfd_secret),
        ("socket", libc::SYS_socket),
        ("socketpair", libc::SYS_socketpair),
        ("ioctl", libc::SYS_ioctl),
        ("vhangup", libc::SYS_vhangup),
        ("personality", libc::SYS_personality),
        ("mknodat", libc::SYS_mknodat),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("name_to_handle_at", libc::SYS_name_to_handle_at),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("fanotify_mark", libc::SYS_fanotify_mark),
        ("acct", libc::SYS_acct),
        ("quotactl", libc::SYS_quotactl),
        ("swapon", libc::SYS_swapon),
        ("swapoff", libc::SYS_swapoff),
        ("sync", libc::SYS_sync),
        ("syncfs", libc::SYS_syncfs),
        ("settimeofday", libc::SYS_settimeofday),
        ("clock_settime", libc::SYS_clock_settime),
        ("clock_adjtime", libc::SYS_clock_adjtime),
        ("adjtimex", libc::SYS_adjtimex),
        ("sethostname", libc::SYS_sethostname),
        ("setdomainname", libc::SYS_setdomainname),
        ("reboot", libc::SYS_reboot),
        ("syslog", libc::SYS_syslog),
        ("lookup_dcookie", libc::SYS_lookup_dcookie),
        ("nfsservctl", libc::SYS_nfsservctl),
    ];
    let architecture = Architecture::current().unwrap();
    for (name, number) in known {
        let rule = POLICY.iter().find(|rule| rule.name == name).unwrap();
        assert_eq!(architecture.number(rule), Some(number), "{name}");
    }
}

#[test]
fn each_rule_has_a_reason_and_no_two_contradict() {
    for (index, rule) in POLICY.iter().enumerate() {
        assert!(rule.reason.len() > 10, "{rule:?}");
        for other in &POLICY[index + 1..] {
            assert!(rule.name != other.name || rule.answer != other.answer, "{rule:?} {other:?}");
        }
    }
}

#[test]
fn an_operator_can_read_the_policy() {
    let text = describe();
    for rule in POLICY {
        assert!(text.contains(rule.name) && text.contains(rule.reason));
    }
}
