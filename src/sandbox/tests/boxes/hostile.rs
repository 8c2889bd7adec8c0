//! The programs that run in boxes.

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chroot, mkfifo, sethostname, setresuid, setsid};

use crate::support::{PROGRAM, PROGRAM_ROLE};

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(1000);

pub fn run(name: &str, arguments: &[String]) -> ExitCode {
    let first = || arguments.first().map_or("", String::as_str);
    let number = || first().parse::<u64>().unwrap_or_default();
    match name {
        "exit" => return ExitCode::from(u8::try_from(number()).unwrap()),
        "print" => print!("{}", arguments.join(" ")),
        "cat" => copy_stdin(),
        "environment" => std::env::vars_os().for_each(|pair| println!("{pair:?}")),
        "descriptors" => descriptors(),
        "read" => print!("{}", fs::read_to_string(first()).unwrap()),
        "list" => list(first()),
        "write" => fs::write(first(), arguments[1].as_bytes()).unwrap(),
        "exists" => arguments.iter().for_each(|path| println!("{path} {}", fs::symlink_metadata(path).is_ok())),
        // Twice: at the first SEGV, Rust's runtime only restores the default action.
        "signal" => (0..2).for_each(|_| raise(first().parse::<Signal>().unwrap()).unwrap()),
        "stack" => println!("{}", deep(1)),
        "spin" => spin(),
        "spin-in-grandchild" => wait_for(&["child", "spin"]),
        "spin-in-threads" => (0..4).map(|_| thread::spawn(spin)).for_each(|spinning| spinning.join().unwrap()),
        "sleep" => thread::sleep(FOR_EVER),
        "sleep-ms" => thread::sleep(Duration::from_millis(number())),
        "eat" => eat(),
        "eat-in-child" => println!("{}", child(&["eat"]).status().unwrap()),
        "child" => wait_for(&[first()]),
        "fill" => fill(first()),
        "inodes" => inodes(first()),
        "fork" => fork_until_refused(),
        "fork-and-sleep" => {
            fork_until_refused();
            thread::sleep(FOR_EVER);
        }
        "threads" => threads_until_refused(),
        "daemon" => daemon(),
        "processes" => list_processes(),
        "talk" => talk(),
        "interpret" => interpret(first(), arguments.len() > 1),
        "attack-walls" => attack_walls(),
        "connect" => connect(first()),
        "loopback" => loopback(),
        "kill-everybody" => kill_everybody(),
        "links" => links(),
        other => panic!("no program {other}"),
    }
    ExitCode::SUCCESS
}

fn child(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(PROGRAM_ROLE).args(words);
    command
}

fn wait_for(words: &[&str]) {
    child(words).status().unwrap();
}

fn copy_stdin() {
    std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap();
}

fn descriptors() {
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let target = fs::read_link(&path).unwrap_or_default();
        println!("{} {}", path.display(), target.display());
    }
}

/// Boots, slowly or not, reads its program and says what it finds then.
fn interpret(main: &str, is_slow: bool) {
    let started = Instant::now();
    while is_slow && started.elapsed() < Duration::from_millis(500) {}
    println!("booted");
    let program = fs::read_to_string(main).unwrap();
    match program.as_str() {
        "spin" => spin(),
        "sleep" => thread::sleep(FOR_EVER),
        _ => println!("{program}"),
    }
    println!("now: {}", fs::read_to_string(main).unwrap());
    println!("beside: {}", fs::read_to_string("beside").unwrap_or_default());
    println!("input: {}", std::io::read_to_string(std::io::stdin()).unwrap());
    let open: Vec<_> = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).collect();
    // The directory's own descriptor is closed again.
    let mut open: Vec<_> = open.iter().filter(|path| fs::read_link(path).is_ok()).collect();
    open.sort();
    println!("descriptors: {open:?}");
}

fn list(path: &str) {
    let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        println!("{}", name.display());
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn deep(level: u64) -> u64 {
    let frame = std::hint::black_box([level; 512]);
    deep(level + 1) + frame[7]
}

fn spin() {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn eat() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![7; 1 << 20]);
    }
}

/// Writes one file until nothing more fits.
fn fill(path: &str) {
    let mut file = File::create(path).unwrap();
    let block = vec![7; 1 << 16];
    let mut written = 0_usize;
    let error = loop {
        match file.write(&block) {
            Ok(length) => written += length,
            Err(error) => break error,
        }
    };
    println!("{written} {:?}", error.kind());
}

fn inodes(path: &str) {
    for number in 0_u32.. {
        if let Err(error) = File::create(format!("{path}/{number}")) {
            return println!("{number} {:?}", error.kind());
        }
    }
}

fn fork_until_refused() {
    let mut children = Vec::new();
    loop {
        match child(&["sleep"]).spawn() {
            Ok(child) => children.push(child),
            Err(error) => return println!("{} {:?}", children.len(), error.kind()),
        }
    }
}

fn threads_until_refused() {
    for number in 0.. {
        if thread::Builder::new().stack_size(64 << 10).spawn(|| thread::sleep(FOR_EVER)).is_err() {
            return println!("{number}");
        }
    }
}

/// Leaves a process behind that has its own session and keeps the output open.
#[expect(clippy::zombie_processes, reason = "that is the point")]
fn daemon() {
    child(&["sleep"]).stdin(Stdio::null()).spawn().unwrap();
    let _ = setsid();
    println!("left");
}

fn list_processes() {
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            println!("{name}");
        }
    }
}

/// Asks and answers, as a student's first program does.
fn talk() {
    let mut line = String::new();
    print!("name? ");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("hello {}", line.trim());
}

/// Tries to get through each wall, and prints what the kernel says.
fn attack_walls() {
    let say = |what: &str, errno: Result<(), Errno>| println!("{what}: {errno:?}");
    for (what, flag) in [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mount", CloneFlags::CLONE_NEWNS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("pid", CloneFlags::CLONE_NEWPID),
    ] {
        say(&format!("unshare {what}"), unshare(flag));
    }
    say("mount", mount(Some("none"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>));
    say("chroot", chroot("/tmp"));
    say("sethostname", sethostname("mine"));
    say("setuid", setresuid(0.into(), 0.into(), 0.into()));
    for (what, family, kind) in [
        ("packet", AddressFamily::Packet, SockType::Datagram),
        ("vsock", AddressFamily::Vsock, SockType::Stream),
        ("netlink", AddressFamily::Netlink, SockType::Datagram),
        ("raw", AddressFamily::Inet, SockType::Raw),
    ] {
        say(what, socket(family, kind, SockFlag::empty(), None).map(drop));
    }
    say("icmp", socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), SockProtocol::Icmp).map(drop));
    for resource in [Resource::RLIMIT_NOFILE, Resource::RLIMIT_NPROC, Resource::RLIMIT_STACK, Resource::RLIMIT_CORE] {
        let (_, hard) = getrlimit(resource).unwrap();
        say(&format!("raise {resource:?}"), setrlimit(resource, hard + 1, hard + 1));
    }
    for path in [
        "/usr/x",
        "/etc/x",
        "/x",
        "/dev/x",
        "/proc/self/oom_score_adj",
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
        PROGRAM,
    ] {
        let written = fs::OpenOptions::new().create(true).append(true).open(path).map(drop);
        say(&format!("write {path}"), written.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap())));
    }
}

fn connect(address: &str) {
    match address.strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
            println!("{}", UnixStream::connect_addr(&address).is_ok());
        }
        None => println!("{}", TcpStream::connect(address).is_ok()),
    }
}

/// A program may open sockets, but there is no network to use them on.
fn loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", TcpStream::connect(listener.local_addr().unwrap()).is_ok());
}

fn kill_everybody() {
    for signal in [Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGKILL, Signal::SIGUSR1] {
        let _ = kill(Pid::from_raw(-1), signal);
        let _ = kill(Pid::from_raw(1), signal);
    }
    println!("alive");
}

/// What must not be collected, under innocent names, and one file that may be.
fn links() {
    fs::write("plain", "plain").unwrap();
    symlink("/etc/passwd", "link").unwrap();
    symlink("/proc/self/fd/0", "magic").unwrap();
    symlink("/proc/1/root", "root").unwrap();
    fs::create_dir("directory").unwrap();
    fs::write("directory/inner.class", "inner").unwrap();
    fs::write("directory/inner.txt", "text").unwrap();
    symlink("directory", "linked-directory").unwrap();
    mkfifo("fifo", Mode::S_IRWXU).unwrap();
    std::os::unix::net::UnixListener::bind("socket").unwrap();
    File::create("sparse").unwrap().set_len(2 << 20).unwrap();
}
