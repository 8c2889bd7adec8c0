//! One executor for all tests, on an event loop that lives as long as the test binary.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::verdict::{OutputStream, StepKind, Verdict};
use codecanvas::executor::{
    Control, Execution, ExecutionEvent, ExecutionEventBody, Executor, ExecutorSettings, Input, Job, SourceFile,
    StepResult,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::executable;

static SHARED: OnceLock<(Runtime, Executor)> = OnceLock::new();

/// A language that runs a file as it is: for programs without a toolchain, and with a wrong one.
const RAW: &str = r##"
name = "raw"
display_name = "Raw"
extensions = [".raw"]
packages = ["coreutils"]
tools = ["sh"]
source_file = "main.raw"
editor_mode = "shell"
template = "#!/bin/sh\necho ok\n"
template_output = "ok\n"
version = { command = ["sh", "-c", "echo 1"] }
run = { command = ["./{main}"] }
"##;

/// Settings of an executor that shares nothing with other ones on this host but its cache.
pub fn settings(cache: &Path) -> ExecutorSettings {
    let languages = cache.join("languages");
    std::fs::create_dir_all(&languages).unwrap();
    std::fs::write(languages.join("raw.toml"), RAW).unwrap();
    ExecutorSettings {
        keeper_executable: executable(),
        slots: std::num::NonZeroUsize::new(2),
        cache_dir: cache.to_owned(),
        artefact_cache_bytes: 256 << 20,
        languages_dir: Some(languages),
        only_languages: None,
        idle_limit: Duration::from_mins(1),
        start_ahead: Some(Duration::from_mins(10)),
        first_uid: Some(70_000 + std::process::id() % 100_000 * 16),
        cgroup_parent: Some(format!("codecanvas-test-{}", std::process::id())),
        waived_protections: Vec::new(),
    }
}

/// Where the tests of this worktree keep what toolchains make, from run to run.
pub fn cache_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("executor")
}

/// Runs a test with the shared executor.
pub fn with_executor<F: Future>(test: impl FnOnce(Executor) -> F) -> F::Output {
    let (runtime, executor) = SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let executor = runtime
            .block_on(Executor::start(settings(&cache_dir()), CancellationToken::new()))
            .unwrap_or_else(|error| panic!("no executor: {error:?}"));
        (runtime, executor)
    });
    runtime.block_on(test(executor.clone()))
}

/// A job of one file.
pub fn job(language: &str, source: &str) -> Job {
    let extension = match language {
        "python3" => ".py",
        "c" => ".c",
        "c++" => ".cpp",
        "bash" => ".sh",
        "java" => ".java",
        "go" => ".go",
        "rust" => ".rs",
        "nodejs" => ".js",
        "php" => ".php",
        "typescript" => ".ts",
        other => panic!("no extension for {other}"),
    };
    let name = format!("main{extension}");
    Job {
        language: language.to_owned(),
        files: vec![SourceFile { path: name.clone(), bytes: source.as_bytes().to_vec() }],
        main_path: name,
        stdin: Vec::new(),
        arguments: Vec::new(),
        limits: RequestedLimits::default(),
        is_interactive: false,
    }
}

/// A job in execution.
pub struct Running {
    /// What happens.
    pub events: mpsc::Receiver<ExecutionEvent>,
    /// What is typed.
    pub input: mpsc::Sender<Input>,
    /// Stops it.
    pub cancel: CancellationToken,
    execution: tokio::task::JoinHandle<Execution>,
    seen: Vec<ExecutionEvent>,
}

/// Starts a job.
pub fn start(executor: &Executor, job: Job) -> Running {
    let (sender, events) = mpsc::channel(16);
    let (input, typed) = mpsc::channel(4);
    let cancel = CancellationToken::new();
    let control = Control { cancel: cancel.clone(), input: typed };
    let executor = executor.clone();
    let execution = tokio::spawn(async move { executor.execute(job, sender, control).await });
    Running { events, input, cancel, execution, seen: Vec::new() }
}

impl Running {
    /// Waits until the run step has written `text` to standard output behind `from`; returns the offset
    /// behind it.
    pub async fn wait_for(&mut self, text: &str) {
        while !self.stdout().contains(text) {
            let event = tokio::time::timeout(Duration::from_secs(20), self.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("{text:?} does not come, only {:?}", self.stdout()));
            self.seen.push(event.unwrap_or_else(|| panic!("it ended without {text:?}: {:?}", self.seen)));
        }
    }

    /// What the run step has written to standard output so far.
    pub fn stdout(&self) -> String {
        let bytes = self.seen.iter().filter_map(|event| match &event.body {
            ExecutionEventBody::Output { kind: StepKind::Run, stream: OutputStream::Stdout, bytes, .. } => Some(bytes),
            _ => None,
        });
        String::from_utf8_lossy(&bytes.flatten().copied().collect::<Vec<u8>>()).into_owned()
    }

    /// Waits for the end.
    pub async fn finish(mut self) -> (Execution, Vec<ExecutionEvent>) {
        while let Some(event) = self.events.recv().await {
            self.seen.push(event);
        }
        let execution = self.execution.await.unwrap();
        check(&execution, &self.seen);
        (execution, self.seen)
    }
}

/// Runs a job to its end.
pub async fn execute(executor: &Executor, job: Job) -> (Execution, Vec<ExecutionEvent>) {
    start(executor, job).finish().await
}

/// Runs a job of one file with the shared executor and returns its last step.
pub fn run(language: &str, source: &str) -> (Verdict, StepResult) {
    run_job(job(language, source))
}

/// Runs a job with the shared executor and returns its last step.
pub fn run_job(job: Job) -> (Verdict, StepResult) {
    let (execution, _) = with_executor(async |executor| execute(&executor, job).await);
    let step = execution.steps.last().unwrap_or_else(|| panic!("no step: {execution:?}")).clone();
    (execution.verdict, step)
}

/// The text of a stored stream.
pub fn text(output: &codecanvas::executor::StoredOutput) -> String {
    String::from_utf8_lossy(&output.bytes).into_owned()
}

/// What holds for every execution: the chunks are the stored output, and the events are those of the steps.
fn check(execution: &Execution, events: &[ExecutionEvent]) {
    for step in &execution.steps {
        for (which, stored) in [(OutputStream::Stdout, &step.stdout), (OutputStream::Stderr, &step.stderr)] {
            let mut joined = Vec::new();
            for event in events {
                if let ExecutionEventBody::Output { kind, stream, offset, bytes } = &event.body
                    && (*kind, *stream) == (step.kind, which)
                {
                    assert_eq!(*offset, joined.len() as u64);
                    joined.extend_from_slice(bytes);
                }
            }
            assert_eq!(joined, stored.bytes);
            assert!(stored.total_bytes >= stored.bytes.len() as u64);
        }
    }
    let finished: Vec<&StepResult> = events
        .iter()
        .filter_map(|event| match &event.body {
            ExecutionEventBody::StepFinished(result) => Some(result),
            _ => None,
        })
        .collect();
    assert_eq!(finished, execution.steps.iter().collect::<Vec<_>>());
}
