//! Hello world in each core language: in a box, against the same toolchain at the shell, in turn.
//!
//! `make bench-executor`, or `cargo bench --bench executor -- python3 nodejs` for some of the languages. Run it as root, with the
//! toolchains installed.
#![expect(clippy::disallowed_methods, reason = "a bench starts what it compares with")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{Control, Executor, ExecutorSettings, Job, SourceFile};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The executable that is started as a keeper.
const EXECUTABLE: &str = env!("CARGO_BIN_EXE_codecanvas");

const ROUNDS: usize = 15;

/// The box of the job before is armed again behind its back; a student's next job is not that close.
const PAUSE: Duration = Duration::from_millis(20);
/// An interpreter that was started ahead takes its time as well.
const PAUSE_AHEAD: Duration = Duration::from_millis(300);

/// The name, the file, how a comment starts, and what one types at the shell.
const LANGUAGES: &[(&str, &str, &str, &str)] = &[
    ("c", "main.c", "//", "gcc -O2 -o main main.c && ./main"),
    ("c++", "main.cpp", "//", "g++ -std=c++20 -O2 -o main main.cpp && ./main"),
    ("rust", "main.rs", "//", "/usr/bin/rustc -O -o main main.rs && ./main"),
    ("go", "main.go", "//", "go build -o main main.go && ./main"),
    ("java", "Main.java", "//", "javac Main.java && java -cp . Main"),
    ("python3", "main.py", "#", "/usr/bin/python3 main.py"),
    ("nodejs", "main.js", "//", "node main.js"),
    ("bash", "main.sh", "#", "bash main.sh"),
    ("typescript", "main.ts", "//", "tsc --strict main.ts && node main.js"),
    ("ruby", "main.rb", "#", "ruby main.rb"),
    ("php", "main.php", "#", "php main.php"),
];

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        let shutdown = CancellationToken::new();
        let executor = Executor::start(settings(0, None), shutdown.clone()).await.unwrap();
        println!("Start, with what earlier ones made: {:.2} s\n", started.elapsed().as_secs_f64());
        let ahead = Executor::start(settings(1, Some(Duration::from_mins(10))), shutdown.clone()).await.unwrap();
        println!(
            "| hello world, ms (median / p99) | shell | new | new : shell | again | started ahead | ahead : shell |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|");
        let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
        for &(name, file, comment, command) in LANGUAGES {
            if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
                continue;
            }
            let Some(language) = executor.languages().iter().find(|language| language.name == name) else {
                println!("| {name} | not offered | | | | | |");
                continue;
            };
            let mut shell = Vec::new();
            let mut new = Vec::new();
            let mut again = Vec::new();
            let mut waiting = Vec::new();
            for round in 0..ROUNDS {
                // A source that neither has seen; PHP's template ends in PHP.
                let source = format!("{}{comment} {round} {}\n", language.template, uuid::Uuid::new_v4());
                shell.push(at_the_shell(directory.path(), file, &source, command));
                new.push(in_a_box(&executor, PAUSE, name, file, &source).await);
                again.push(in_a_box(&executor, PAUSE, name, file, &source).await);
                if STARTED_AHEAD.contains(&name) {
                    waiting.push(in_a_box(&ahead, PAUSE_AHEAD, name, file, &source).await);
                }
            }
            // The first found nobody waiting.
            let waiting = waiting.get_mut(1..).map(summary);
            let [shell, new, again] = [&mut shell, &mut new, &mut again].map(|times| summary(times));
            let show = |(median, p99): (f64, f64)| format!("{median:.1} / {p99:.1}");
            let (waiting, ratio) =
                waiting.map_or_else(Default::default, |waiting| (show(waiting), format!("{:.2}", waiting.0 / shell.0)));
            let (ratio_new, show_new) = (new.0 / shell.0, show(new));
            println!(
                "| {name} | {} | {show_new} | {ratio_new:.2} | {} | {waiting} | {ratio} |",
                show(shell),
                show(again)
            );
        }
        shutdown.cancel();
        executor.closed().await;
        ahead.closed().await;
        drop((executor, ahead));
    });
}

/// Languages whose interpreters can be started ahead.
const STARTED_AHEAD: &[&str] = &["python3", "nodejs", "php"];

/// Two executors at the same time share nothing but the cache.
fn settings(number: u32, start_ahead: Option<Duration>) -> ExecutorSettings {
    ExecutorSettings {
        keeper_executable: EXECUTABLE.into(),
        slots: NonZeroUsize::new(if start_ahead.is_some() { 1 } else { 2 }),
        cache_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("executor"),
        artefact_cache_bytes: 1 << 30,
        languages_dir: None,
        only_languages: Some(LANGUAGES.iter().map(|(name, ..)| (*name).to_owned()).collect()),
        idle_limit: Duration::from_mins(1),
        start_ahead,
        first_uid: Some(66_000 + number * 100),
        cgroup_parent: Some(format!("codecanvas-bench-{}-{number}", std::process::id())),
        waived_protections: Vec::new(),
    }
}

fn at_the_shell(directory: &Path, file: &str, source: &str, command: &str) -> Duration {
    let directory = directory.join("shell");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(file), source).unwrap();
    let started = Instant::now();
    let status = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(&directory)
        .env("GOTOOLCHAIN", "local")
        .env("PATH", "/usr/local/go/bin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{command}");
    started.elapsed()
}

async fn in_a_box(executor: &Executor, pause: Duration, language: &str, file: &str, source: &str) -> Duration {
    tokio::time::sleep(pause).await;
    let job = Job {
        language: language.to_owned(),
        files: vec![SourceFile { path: file.to_owned(), bytes: source.as_bytes().to_vec() }],
        main_path: file.to_owned(),
        stdin: Vec::new(),
        arguments: Vec::new(),
        limits: RequestedLimits::default(),
        is_interactive: false,
    };
    let (events, mut unread) = mpsc::channel(256);
    let (_input, nothing) = mpsc::channel(1);
    let control = Control { cancel: CancellationToken::new(), input: nothing };
    let started = Instant::now();
    let execution = executor.execute(job, events, control).await;
    let elapsed = started.elapsed();
    assert_eq!(execution.verdict, Verdict::Ok, "{execution:?}");
    while unread.recv().await.is_some() {}
    elapsed
}

/// Median and 99th percentile in milliseconds.
fn summary(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    (at(50), at(99))
}
