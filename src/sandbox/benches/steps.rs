//! One step, from the request to the reaped status: in a box, as a bare process, and under bubblewrap.
//!
//! `make bench-executor`, or `cargo bench -p codecanvas-sandbox`. The alternatives run in turn in the same loop,
//! with a pause before each, since a machine that was idle behaves unlike one in a tight loop. Run it as root.
#![expect(clippy::disallowed_methods, reason = "a bench starts what it compares with")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use codecanvas_sandbox::message::{NewFile, Request, Response};
use codecanvas_sandbox::{BoxLayout, Keeper, StepLimits, StepSpec, THIS_EXECUTABLE};

const ROUNDS: usize = 200;
const PAUSE: Duration = Duration::from_millis(3);
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    // This executable is the keeper as well, before it has any thread.
    if codecanvas_sandbox::is_keeper() {
        codecanvas_sandbox::keeper_main();
    }
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

    println!("| step, ms (median / p99) | fork+exec | codecanvas | bubblewrap | codecanvas : fork+exec |");
    println!("|---|---:|---:|---:|---:|");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for lanes in [1, processors] {
        for (name, argv) in
            [("/bin/true", vec!["/bin/true"]), ("python3", vec!["/usr/bin/python3", "-c", "pass"]), ("C++", vec![])]
        {
            let mut times = measure(lanes, &argv, &hello, has_bubblewrap);
            let [bare, boxed, wrapped] = times.each_mut().map(|times| (!times.is_empty()).then(|| summary(times)));
            let show = |figures: Option<(f64, f64)>| {
                figures.map_or_else(|| "not installed".to_owned(), |(median, p99)| format!("{median:.2} / {p99:.2}"))
            };
            let ratio = boxed.unwrap().0 / bare.unwrap().0;
            let (bare, boxed, wrapped) = (show(bare), show(boxed), show(wrapped));
            println!("| {name}, {lanes} at a time | {bare} | {boxed} | {wrapped} | {ratio:.2} |");
        }
    }
}

/// Times of a bare process, of a step in a box and of bubblewrap, each lane with a keeper of its own.
fn measure(lanes: usize, argv: &[&str], hello: &Path, has_bubblewrap: bool) -> [Vec<Duration>; 3] {
    let mut all: [Vec<Duration>; 3] = Default::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..lanes).map(|lane| scope.spawn(move || measure_lane(lane, argv, hello, has_bubblewrap))).collect();
        for worker in workers {
            for (all, times) in all.iter_mut().zip(worker.join().unwrap()) {
                all.extend(times);
            }
        }
    });
    all
}

fn measure_lane(lane: usize, argv: &[&str], hello: &Path, has_bubblewrap: bool) -> [Vec<Duration>; 3] {
    let mut layout = BoxLayout::for_slot(u32::try_from(lane).unwrap());
    layout.cgroup.parent = format!("codecanvas-bench-{}", std::process::id());
    let keeper = Keeper::spawn(Path::new(THIS_EXECUTABLE)).unwrap();
    call(&keeper, &Request::Setup(layout), &[]);
    let bare_argv: Vec<&str> = if argv.is_empty() { vec![hello.to_str().unwrap()] } else { argv.to_vec() };
    let box_argv: Vec<String> =
        if argv.is_empty() { vec!["./hello".to_owned()] } else { argv.iter().map(ToString::to_string).collect() };

    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        times[0].push(timed(|| status(Command::new(bare_argv[0]).args(&bare_argv[1..]))));

        if argv.is_empty() {
            let files = vec![NewFile { path: "hello".into(), is_executable: true }];
            let content = File::open(hello).unwrap();
            call(&keeper, &Request::Write(files), &[content.as_fd()]);
        }
        std::thread::sleep(PAUSE);
        times[1].push(timed(|| step(&keeper, &box_argv)));
        // Off the critical path: the answer is out already.
        call(&keeper, &Request::Reset, &[]);

        if has_bubblewrap {
            std::thread::sleep(PAUSE);
            times[2].push(timed(|| {
                status(
                    Command::new("bwrap")
                        .args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"])
                        .args([
                            "--symlink",
                            "usr/bin",
                            "/bin",
                            "--symlink",
                            "usr/lib",
                            "/lib",
                            "--symlink",
                            "usr/lib64",
                            "/lib64",
                        ])
                        .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind"])
                        .arg(hello)
                        .arg("/hello")
                        .arg("--")
                        .args(if argv.is_empty() { vec!["/hello"] } else { argv.to_vec() }),
                );
            }));
        }
    }
    times
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn status(command: &mut Command) {
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
}

fn step(keeper: &Keeper, argv: &[String]) {
    let spec = StepSpec {
        argv: argv.to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: PathBuf::new(),
        limits: StepLimits::default(),
    };
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let (mut output, writer) = std::io::pipe().unwrap();
    match call(keeper, &Request::Run(spec), &[null.as_fd(), writer.as_fd(), null.as_fd()]) {
        Response::Finished(outcome) => assert_eq!(outcome.ended, codecanvas_sandbox::Ended::Exited(0)),
        other @ (Response::Armed(_)
        | Response::Written
        | Response::Waiting
        | Response::Going
        | Response::Gone
        | Response::Collected(_)
        | Response::Failed(_)) => panic!("{other:?}"),
    }
    drop(writer);
    let mut written = Vec::new();
    output.read_to_end(&mut written).unwrap();
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
