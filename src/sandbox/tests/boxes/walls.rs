//! What a program can see and do, and what it cannot.

use std::io::Read;
use std::net::TcpListener;

use codecanvas_sandbox::BoxLayout;

use crate::ends::pipes;
use crate::leftovers::descendants;
use crate::support::{Fixture, PROGRAM, layout, program};

/// The lines of `/proc/self/status` as a program sees them.
fn status(fixture: &Fixture, key: &str) -> String {
    let ran = fixture.run(program("read", &["/proc/self/status"]));
    let line = ran.ok().lines().find(|line| line.starts_with(key)).unwrap();
    line[key.len()..].split_whitespace().collect::<Vec<_>>().join(" ")
}

tests! {
    fn a_program_is_nobody() {
        let fixture = Fixture::new();
        let uid = BoxLayout::for_slot(900).identity.uid();
        assert_eq!(status(&fixture, "Uid:"), [uid; 4].map(|uid| uid.to_string()).join(" "));
        assert_eq!(status(&fixture, "Gid:"), [uid; 4].map(|gid| gid.to_string()).join(" "));
        for key in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status(&fixture, key), "0000000000000000", "{key}");
        }
        assert_eq!((status(&fixture, "NoNewPrivs:"), status(&fixture, "Seccomp:")), ("1".to_owned(), "2".to_owned()));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(status(&fixture, "Groups:"), "");
        }
    }

    fn a_program_is_the_user_of_its_slot_on_the_host() {
        let expected = match std::env::var("BOXES_HOST_UID") {
            Ok(uid) => uid,
            Err(_) if nix::unistd::geteuid().is_root() => BoxLayout::for_slot(900).identity.uid().to_string(),
            Err(_) => nix::unistd::geteuid().to_string(),
        };
        let fixture = Fixture::new();
        let (_stdin, mut stdout, streams) = pipes();
        fixture.start(program("talk", &[]), &streams);
        drop(streams);
        let mut prompt = [0; 6];
        stdout.read_exact(&mut prompt).unwrap();
        let users = descendants(fixture.keeper.pid()).into_iter().filter_map(|pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            // A process is called after the file that it executes.
            let is_program = PROGRAM.ends_with(field("Name:")?.trim());
            is_program.then(|| field("Uid:")).flatten()?.split_whitespace().next().map(str::to_owned)
        });
        assert_eq!(users.collect::<Vec<_>>(), [expected]);
    }

    fn a_program_has_the_environment_that_it_was_given_and_no_other() {
        let fixture = Fixture::new();
        assert_eq!(fixture.run(program("environment", &[])).ok(), "");
        let mut spec = program("environment", &[]);
        let _ = spec.env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        assert_eq!(fixture.run(spec).ok(), "(\"LANG\", \"C.UTF-8\")\n");
    }

    fn a_program_has_its_three_streams_and_no_other_descriptor() {
        let ran = Fixture::new().run(program("descriptors", &[]));
        let numbers: Vec<_> = ran.ok().lines().filter_map(|line| line.split(' ').next()).collect();
        // The fourth is the directory that it lists.
        assert_eq!(numbers, ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "/proc/self/fd/3"], "{ran:#?}");
    }

    fn nothing_of_the_host_is_there_that_was_not_put_there() {
        let fixture = Fixture::new();
        let root = fixture.run(program("list", &["/"]));
        for name in root.ok().lines() {
            let known = ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr", "work"];
            assert!(known.contains(&name) || format!("/{name}") == crate::support::PROGRAM, "{root:#?}");
        }
        let ran = fixture.run(program("exists", &["/root", "/home", "/var", "/sys", "/etc/shadow", "/etc/ssh", "/run"]));
        assert!(!ran.ok().contains("true"), "{ran:#?}");
        assert_eq!(fixture.run(program("list", &["/work"])).ok(), "");
        assert_eq!(fixture.run(program("list", &["/tmp"])).ok(), "");
        let passwd = fixture.run(program("read", &["/etc/passwd"]));
        assert_eq!(passwd.ok().lines().count(), 2, "{passwd:#?}");
    }

    fn a_program_sees_only_its_own_processes() {
        // The helper that made it had the number before.
        assert_eq!(Fixture::new().run(program("processes", &[])).ok(), "1\n3\n");
    }

    fn of_a_box_the_kernel_ends_the_program_first_when_memory_is_short() {
        let fixture = Fixture::new();
        let score = |path: &str| fixture.run(program("read", &[path])).ok().trim().to_owned();
        let ours = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        for _ in 0..2 {
            assert_eq!(score("/proc/self/oom_score_adj"), "1000");
            assert_eq!(score("/proc/1/oom_score_adj"), ours.trim());
        }
    }

    fn two_boxes_do_not_see_each_other() {
        let mut other = layout();
        other.slot += 1;
        let (one, two) = (Fixture::new(), Fixture::with(other));
        one.run(program("write", &["/tmp/mine", "secret"])).ok();
        assert_eq!(two.run(program("list", &["/tmp"])).ok(), "");
        assert_eq!(two.run(program("processes", &[])).ok(), "1\n5\n");
        assert_eq!(one.run(program("read", &["/tmp/mine"])).ok(), "secret");
    }

    fn every_wall_holds() {
        let ran = Fixture::new().run(program("attack-walls", &[]));
        // Each line is an attempt and what the kernel said.
        for answer in ran.ok().lines() {
            assert!(answer.contains("Err(E"), "{answer} in {ran:#?}");
        }
        assert!(ran.stdout.contains("unshare user: Err(EPERM)") && ran.stdout.contains("vsock: Err(EAFNOSUPPORT)"));
        assert!(ran.stdout.contains("write /etc/x: Err(EROFS)"), "{ran:#?}");
    }

    fn there_is_no_network() {
        let fixture = Fixture::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(fixture.run(program("connect", &[&address])).ok(), "false\n");
        assert_eq!(fixture.run(program("loopback", &[])).ok(), "false\n");
        let interfaces = fixture.run(program("read", &["/proc/net/dev"]));
        assert_eq!(interfaces.ok().lines().skip(2).filter(|line| !line.trim().starts_with("lo:")).count(), 0);
    }

    fn an_abstract_socket_of_the_host_is_out_of_reach() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let name = format!("codecanvas-test-{}", std::process::id());
        let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        assert_eq!(Fixture::new().run(program("connect", &[&format!("@{name}")])).ok(), "false\n");
    }

    fn pid_1_cannot_be_killed_from_inside() {
        let fixture = Fixture::new();
        let ran = fixture.run(program("kill-everybody", &[]));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(ran.ok(), "alive\n");
        }
        // In a user namespace pid 1 is the same user: who asks it to kill everybody is heard, but it stays.
        assert_eq!(fixture.run(program("print", &["next"])).ok(), "next");
    }

    fn a_host_can_be_asked_what_it_gives() {
        use codecanvas_sandbox::probe::{ProtectionState, probe};
        use codecanvas_sandbox::THIS_EXECUTABLE;
        let found = probe(THIS_EXECUTABLE.as_ref(), layout()).unwrap();
        let state = |name: &str| found.iter().find(|protection| protection.name == name).unwrap().state;
        assert_eq!(state("namespaces"), ProtectionState::InForce);
        assert_eq!(state("memory-limit") == ProtectionState::InForce, crate::support::has_control_groups());
        let mut impossible = layout();
        impossible.mounts[0].source = "/no/such/file".into();
        assert_eq!(probe(THIS_EXECUTABLE.as_ref(), impossible).unwrap()[0].state, ProtectionState::Missing);
    }

    fn the_policy_can_be_read() {
        let text = codecanvas_sandbox::seccomp::describe();
        assert!(text.contains("ptrace") && text.contains("reads or changes other processes"));
    }
}
