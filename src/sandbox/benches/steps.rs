//! One step, from the request to its streams' ends, its status and its usage: in a box, as a bare process, and under bubblewrap.
//!
//! `make bench-executor`, or `cargo bench -p codecanvas-sandbox`; names of steps or alternatives, such as `true` or `codecanvas`, measure
//! these alone. The alternatives run in turn in the same loop, with a pause before each, since a machine that was idle behaves unlike one in a tight
//! loop. All of them deliver the same: three pipes to the program, its exit status, its processor time. Run it as root.
#![expect(clippy::disallowed_methods, reason = "a bench starts what it compares with")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use codecanvas_sandbox::message::{NewFile, Request, Response};
use codecanvas_sandbox::{BoxLayout, Keeper, StepLimits, StepSpec, THIS_EXECUTABLE};
use nix::sys::resource::{UsageWho, getrusage};

const ROUNDS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alternative {
    /// What a shell does.
    Fork,
    /// The cheapest way to a process: no copy of the parent's memory. It can prepare nothing in the child.
    Spawn,
    Box,
    Bubblewrap,
}

const ALTERNATIVES: [(Alternative, &str); 4] = [
    (Alternative::Fork, "fork+exec"),
    (Alternative::Spawn, "posix_spawn"),
    (Alternative::Box, "codecanvas"),
    (Alternative::Bubblewrap, "bubblewrap"),
];

/// What is run, how many at the same time, and how long after the one before.
struct Case {
    name: &'static str,
    argv: Vec<&'static str>,
    lanes: usize,
    pause: Duration,
}

fn main() {
    // This executable is the keeper as well, before it has any thread.
    if codecanvas_sandbox::is_keeper() {
        codecanvas_sandbox::keeper_main();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |name: &str, of: &[&str]| {
        wanted.iter().any(|word| word == name) || !wanted.iter().any(|word| of.contains(&word.as_str()))
    };
    let directory = tempfile::tempdir().unwrap();
    let hello = directory.path().join("hello");
    std::fs::write(
        directory.path().join("hello.cpp"),
        "#include <iostream>\nint main() { std::cout << \"hello\\n\"; }\n",
    )
    .unwrap();
    let built = Command::new("g++").args(["-O2", "-o"]).arg(&hello).arg(directory.path().join("hello.cpp")).status();
    assert!(built.unwrap().success());
    let has_bubblewrap = Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok();

    let names = ALTERNATIVES.map(|(_, name)| name);
    let alternatives: Vec<_> = ALTERNATIVES
        .into_iter()
        .filter(|(alternative, name)| {
            is_wanted(name, &names) && (has_bubblewrap || *alternative != Alternative::Bubblewrap)
        })
        .map(|(alternative, _)| alternative)
        .collect();
    println!("| step, ms (median / p99) | {} | codecanvas : fork+exec |", names.join(" | "));
    println!("|---|{}---:|", "---:|".repeat(names.len()));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let programs = [("true", vec!["/bin/true"]), ("python3", vec!["/usr/bin/python3", "-c", "pass"]), ("c++", vec![])];
    for (lanes, pause) in [(1, 3), (1, 40), (processors, 3)] {
        let pause = Duration::from_millis(pause);
        for (name, argv) in programs.iter().filter(|(name, _)| is_wanted(name, &["true", "python3", "c++"])) {
            let case = Case { name, argv: argv.clone(), lanes, pause };
            print_row(&case, &mut measure(&case, &hello, &alternatives));
        }
    }
}

fn print_row(case: &Case, times: &mut [Vec<Duration>; 4]) {
    let figures = times.each_mut().map(|times| (!times.is_empty()).then(|| summary(times)));
    let cells = figures.map(|figures| {
        figures.map_or_else(|| "not measured".to_owned(), |(median, p99)| format!("{median:.2} / {p99:.2}"))
    });
    let ratio = match (figures[0], figures[2]) {
        (Some((bare, _)), Some((boxed, _))) => format!("{:.2}", boxed / bare),
        (None, _) | (_, None) => String::new(),
    };
    let Case { name, lanes, pause, .. } = case;
    println!("| {name}, {lanes} at a time, {} ms apart | {} | {ratio} |", pause.as_millis(), cells.join(" | "));
}

/// Times of each alternative, each lane with a keeper of its own.
fn measure(case: &Case, hello: &Path, alternatives: &[Alternative]) -> [Vec<Duration>; 4] {
    let mut all: [Vec<Duration>; 4] = Default::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..case.lanes).map(|lane| scope.spawn(move || measure_lane(lane, case, hello, alternatives))).collect();
        for worker in workers {
            for (all, times) in all.iter_mut().zip(worker.join().unwrap()) {
                all.extend(times);
            }
        }
    });
    all
}

fn measure_lane(lane: usize, case: &Case, hello: &Path, alternatives: &[Alternative]) -> [Vec<Duration>; 4] {
    let mut layout = BoxLayout::for_slot(u32::try_from(lane).unwrap());
    layout.cgroup.parent = format!("codecanvas-bench-{}", std::process::id());
    let keeper = Keeper::spawn(Path::new(THIS_EXECUTABLE)).unwrap();
    call(&keeper, &Request::Setup(layout), &[]);
    let argv = &case.argv;
    let bare: Vec<&str> = if argv.is_empty() { vec![hello.to_str().unwrap()] } else { argv.clone() };
    let boxed: Vec<String> =
        if argv.is_empty() { vec!["./hello".to_owned()] } else { argv.iter().map(ToString::to_string).collect() };

    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS {
        // Each comes after each: what the one before leaves to the kernel is paid by the next.
        let mut order = alternatives.to_vec();
        order.rotate_left(round / 2 % alternatives.len());
        if round % 2 == 1 {
            order.reverse();
        }
        for alternative in order {
            if alternative == Alternative::Box && argv.is_empty() {
                let files = vec![NewFile { path: "hello".into(), is_executable: true }];
                call(&keeper, &Request::Write(files), &[File::open(hello).unwrap().as_fd()]);
            }
            std::thread::sleep(case.pause);
            let start = Instant::now();
            match alternative {
                // A user given, though it is the same one, makes the standard library fork.
                Alternative::Fork => process(Command::new(bare[0]).args(&bare[1..]).uid(0)),
                Alternative::Spawn => process(Command::new(bare[0]).args(&bare[1..])),
                Alternative::Box => step(&keeper, &boxed),
                Alternative::Bubblewrap => process(&mut bubblewrap(hello, argv)),
            }
            times[alternative as usize].push(start.elapsed());
            if alternative == Alternative::Box {
                // Off the critical path: the answer is out already.
                call(&keeper, &Request::Reset, &[]);
            }
        }
    }
    times
}

fn bubblewrap(hello: &Path, argv: &[&str]) -> Command {
    let mut command = Command::new("bwrap");
    command
        .args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"])
        .args(["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"])
        .args(["--tmpfs", "/tmp", "--ro-bind"])
        .arg(hello)
        .args(["/hello", "--"])
        .args(if argv.is_empty() { &["/hello"] } else { argv });
    command
}

fn process(command: &mut Command) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    drain(child.stdout.take().unwrap());
    drain(child.stderr.take().unwrap());
    assert!(child.wait().unwrap().success());
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
}

fn drain(mut stream: impl Read) {
    stream.read_to_end(&mut Vec::new()).unwrap();
}

fn step(keeper: &Keeper, argv: &[String]) {
    let spec = StepSpec {
        argv: argv.to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: PathBuf::new(),
        limits: StepLimits::default(),
    };
    let (stdin, stdout, stderr) = (pipe(), pipe(), pipe());
    let response =
        call(keeper, &Request::Run(spec, Vec::new()), &[stdin.0.as_fd(), stdout.1.as_fd(), stderr.1.as_fd()]);
    match response {
        Response::Finished(outcome) => assert_eq!(outcome.ended, codecanvas_sandbox::Ended::Exited(0)),
        other @ (Response::Armed(_)
        | Response::Written
        | Response::Waiting
        | Response::Going
        | Response::Gone
        | Response::Collected(_)
        | Response::Failed(_)) => panic!("{other:?}"),
    }
    drop((stdout.1, stderr.1));
    drain(stdout.0);
    drain(stderr.0);
}

fn pipe() -> (PipeReader, std::io::PipeWriter) {
    std::io::pipe().unwrap()
}

fn call(keeper: &Keeper, request: &Request, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> Response {
    let response = keeper.call(request, descriptors, PATIENCE).unwrap().message;
    assert!(!matches!(response, Response::Failed(_)), "{response:?}");
    response
}

/// Median and 99th percentile in milliseconds.
fn summary(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    (at(50), at(99))
}
