//! One job in one box: sources in, compile, run, verdict.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codecanvas_sandbox::StepSpec;
use codecanvas_sandbox::message::{Ahead, Collect};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::assignment::{Assignment, make_room};
use super::cache::{ArtefactCache, Compilation, Key};
use super::content::Content;
use super::execution::{Execution, ExecutionEventBody, StepResult, StoredOutput};
use super::job::Control;
use super::language::Compile;
use super::pipes::Streams;
use super::reporter::Reporter;
use super::slot::{PlacedFile, Slot, SlotError, Waiting};
use super::step::{self, Step};
use super::verdict::{Facts, Judgement, judge};
use super::workspace;
use crate::domain::limits::Limits;
use crate::domain::units::Bytes;
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

/// A compiled program is not larger than this.
const MAX_ARTEFACT_BYTES: u64 = 128 << 20;
/// Nor does it consist of more files.
const MAX_ARTEFACT_FILES: usize = 200;

/// What every attempt needs beside its own job.
#[derive(Debug)]
pub struct Surroundings {
    /// Compiled programs.
    pub cache: Arc<ArtefactCache>,
    /// Owns the writing of cache entries.
    pub tasks: TaskTracker,
    /// Stops everything.
    pub shutdown: CancellationToken,
}

/// Runs a job in the box of a slot. The box is used up afterwards. `ahead` is how its interpreter can have been started ahead.
pub async fn run(
    slot: &Slot,
    assignment: Assignment<'_>,
    ahead: Option<&Ahead>,
    reporter: &mut Reporter,
    control: &mut Control,
    surroundings: &Surroundings,
) -> Execution {
    let language_version = Some(assignment.toolchain.offered.version.clone());
    let mut attempt = Attempt { slot, assignment, waiting: None, reporter, control, surroundings, steps: Vec::new() };
    let verdict = attempt.run(ahead).await;
    let steps = attempt.steps;
    reporter.flush().await;
    Execution { verdict, language_version, steps }
}

struct Attempt<'a> {
    slot: &'a Slot,
    assignment: Assignment<'a>,
    /// The interpreter that was started ahead for this very job.
    waiting: Option<Waiting>,
    reporter: &'a mut Reporter,
    control: &'a mut Control,
    surroundings: &'a Surroundings,
    steps: Vec<StepResult>,
}

impl Attempt<'_> {
    async fn run(&mut self, ahead: Option<&Ahead>) -> Verdict {
        let language = &self.assignment.toolchain.language;
        let limits = match self.assignment.limits() {
            Ok(limits) => limits,
            // Checked where the job was made; a worker with other maxima than that one got it.
            Err(error) => return self.fail(StepKind::Run, language.run.default_limits, &error.to_string()),
        };
        let mut files = workspace::files(&self.assignment.job, language);
        let mut are_in_box = false;
        if let Some(waiting) = self.slot.take_waiting() {
            if ahead == Some(&waiting.ahead) {
                self.waiting = Some(waiting);
            } else if let Err(error) = self.slot.reset().await {
                return self.fail_by(StepKind::Run, limits, &error);
            }
        }
        if let Some(compile) = &language.compile {
            self.reporter.report(ExecutionEventBody::StateChanged(AttemptState::Compiling));
            match self.compile(compile, files).await {
                Ok(compiled) => (files, are_in_box) = compiled,
                Err(verdict) => return verdict,
            }
        }
        self.reporter.report(ExecutionEventBody::StateChanged(AttemptState::Running));
        self.run_program(limits, &files, are_in_box).await
    }

    /// Compiles, or takes what an earlier compilation left. Returns the files that the program is to find, and whether they
    /// are in the box already.
    async fn compile(
        &mut self,
        compile: &Compile,
        mut files: Vec<PlacedFile>,
    ) -> Result<(Vec<PlacedFile>, bool), Verdict> {
        let limits = compile.limits;
        let started = Instant::now();
        let spec = self.assignment.compile_step(compile);
        let key = self.assignment.key(&spec);
        let cache = Arc::clone(&self.surroundings.cache);
        let found = match cache.recall(key) {
            None => tokio::task::spawn_blocking(move || cache.find(key)).await.ok().flatten(),
            recalled => recalled,
        };
        self.reporter.report(ExecutionEventBody::StepStarted { kind: StepKind::Compile, limits });
        let Some(compilation) = found else {
            return self.compile_anew(compile, spec, key, files).await;
        };

        workspace::add(&mut files, &compilation.files);
        for (stream, output) in
            [(OutputStream::Stdout, &compilation.stdout), (OutputStream::Stderr, &compilation.stderr)]
        {
            if !output.bytes.is_empty() {
                let bytes = output.bytes.clone();
                self.reporter.report(ExecutionEventBody::Output { kind: StepKind::Compile, stream, offset: 0, bytes });
            }
        }
        self.finish(StepResult {
            kind: StepKind::Compile,
            verdict: Verdict::Ok,
            exit_code: Some(0),
            signal: None,
            cpu_time: Duration::ZERO,
            wall_time: started.elapsed(),
            peak_memory: Bytes(0),
            limits,
            stdout: compilation.stdout.clone(),
            stderr: compilation.stderr.clone(),
            reason: None,
            is_cached: true,
        });
        Ok((files, false))
    }

    async fn compile_anew(
        &mut self,
        compile: &Compile,
        mut spec: StepSpec,
        key: Key,
        mut files: Vec<PlacedFile>,
    ) -> Result<(Vec<PlacedFile>, bool), Verdict> {
        let limits = compile.limits;
        make_room(&mut spec.limits, &files);
        let mut result = match self.step(StepKind::Compile, spec, limits, &files, b"", None).await {
            Ok(result) => result,
            Err(error) => return Err(self.end_by(StepKind::Compile, limits, &error)),
        };
        if result.verdict == Verdict::Ok {
            // Taken out before the program runs, which could change it.
            match self.collect(compile).await {
                Ok(Collected::Artefacts(artefacts)) => {
                    workspace::add(&mut files, &artefacts);
                    let compilation = Arc::new(Compilation {
                        files: artefacts,
                        stdout: result.stdout.clone(),
                        stderr: result.stderr.clone(),
                    });
                    let cache = Arc::clone(&self.surroundings.cache);
                    self.surroundings.tasks.spawn_blocking(move || {
                        if let Err(error) = cache.insert(key, &compilation) {
                            tracing::warn!(error = %error, "a compiled program cannot be kept");
                        }
                    });
                }
                Ok(Collected::TooMuch) => {}
                Ok(Collected::Nothing) => {
                    result.verdict = Verdict::RuntimeError;
                    result.reason = Some("the compiler left no program".to_owned());
                }
                Err(error) => return Err(self.end_by(StepKind::Compile, limits, &error)),
            }
        }
        let verdict = result.verdict;
        self.finish(result);
        match verdict {
            Verdict::Ok => Ok((files, true)),
            Verdict::Cancelled | Verdict::SystemError => Err(verdict),
            Verdict::CompileError
            | Verdict::RuntimeError
            | Verdict::CpuTimeLimit
            | Verdict::WallTimeLimit
            | Verdict::MemoryLimit
            | Verdict::OutputLimit => Err(Verdict::CompileError),
        }
    }

    async fn collect(&self, compile: &Compile) -> Result<Collected, SlotError> {
        let mut files = Vec::new();
        for path in &compile.artefacts {
            let (what, base) = match path.strip_suffix('/') {
                Some(directory) => {
                    let what = Collect::Directory {
                        path: directory.into(),
                        suffix: String::new(),
                        max_files: MAX_ARTEFACT_FILES,
                        max_bytes: MAX_ARTEFACT_BYTES,
                    };
                    (what, PathBuf::from(directory))
                }
                None => (Collect::File { path: path.into(), max_bytes: MAX_ARTEFACT_BYTES }, PathBuf::new()),
            };
            let is_single = matches!(what, Collect::File { .. });
            let collected = match self.slot.collect(what).await {
                Ok(collected) => collected,
                Err(SlotError::Failed(failure)) if failure.is_refusal => {
                    // A program too big to be kept can still be run.
                    let is_missing = failure.errno == Some(nix::errno::Errno::ENOENT as i32);
                    return Ok(if is_missing { Collected::Nothing } else { Collected::TooMuch });
                }
                Err(error) => return Err(error),
            };
            for (file, copy) in collected {
                let content = Content::Sealed { file: Arc::new(copy.into()), length: file.bytes };
                let path = if is_single { PathBuf::from(path) } else { base.join(file.path) };
                files.push(PlacedFile { path, content, is_executable: file.is_executable });
            }
        }
        Ok(if files.is_empty() { Collected::Nothing } else { Collected::Artefacts(files) })
    }

    async fn run_program(&mut self, limits: Limits, files: &[PlacedFile], are_in_box: bool) -> Verdict {
        let mut spec = self.assignment.run_step(limits);
        make_room(&mut spec.limits, files);
        self.reporter.report(ExecutionEventBody::StepStarted { kind: StepKind::Run, limits });
        let stdin = std::mem::take(&mut self.assignment.job.stdin);
        let missing = if are_in_box { &[] } else { files };
        match self.run_or_run_anew(spec, limits, &stdin, files, missing).await {
            Ok(result) => {
                let verdict = result.verdict;
                self.finish(result);
                verdict
            }
            Err(error) => self.end_by(StepKind::Run, limits, &error),
        }
    }

    /// Runs the program by the interpreter that waits for it, or, if there is none or it is gone, in the ordinary way. Of its files
    /// these are missing in the box.
    async fn run_or_run_anew(
        &mut self,
        spec: StepSpec,
        limits: Limits,
        stdin: &[u8],
        files: &[PlacedFile],
        mut missing: &[PlacedFile],
    ) -> Result<StepResult, SlotError> {
        if let Some(waiting) = self.waiting.take() {
            match self.step(StepKind::Run, spec.clone(), limits, missing, stdin, Some(waiting.streams)).await {
                Err(SlotError::Gone) => {
                    tracing::debug!(slot = self.slot.layout().slot, "the interpreter that was started ahead is gone");
                    self.slot.reset().await?;
                    missing = files;
                }
                other => return other,
            }
        }
        self.step(StepKind::Run, spec, limits, missing, stdin, None).await
    }

    async fn step(
        &mut self,
        kind: StepKind,
        spec: StepSpec,
        limits: Limits,
        files: &[PlacedFile],
        stdin: &[u8],
        ahead: Option<Streams>,
    ) -> Result<StepResult, SlotError> {
        let idle_limit = spec.limits.idle_time.unwrap_or_default();
        let step = Step { kind, spec, files, output_limit: limits.output_bytes, stdin, ahead };
        let span = tracing::info_span!("step", step.kind = ?kind, step.verdict = tracing::field::Empty);
        let running = step::run(self.slot, step, self.reporter, self.control, &self.surroundings.shutdown);
        let finished = running.instrument(span.clone()).await?;
        let outcome = &finished.outcome;
        let written = finished.stdout.total_bytes.max(finished.stderr.total_bytes);
        let Judgement { verdict, exit_code, signal, reason } =
            judge(Facts { outcome, limits: &limits, idle_limit, written });
        span.record("step.verdict", verdict.as_str());
        Ok(StepResult {
            kind,
            verdict,
            exit_code,
            signal,
            cpu_time: outcome.cpu_time,
            wall_time: outcome.charged_wall_time(),
            peak_memory: Bytes(outcome.peak_memory_bytes.unwrap_or_default()),
            limits,
            stdout: finished.stdout,
            stderr: finished.stderr,
            reason,
            is_cached: false,
        })
    }

    fn finish(&mut self, result: StepResult) {
        self.reporter.report(ExecutionEventBody::StepFinished(result.clone()));
        self.steps.push(result);
    }

    /// Ends a step that has not been reported yet by a fault of ours.
    fn fail_by(&mut self, kind: StepKind, limits: Limits, error: &SlotError) -> Verdict {
        self.reporter.report(ExecutionEventBody::StepStarted { kind, limits });
        self.end_by(kind, limits, error)
    }

    fn fail(&mut self, kind: StepKind, limits: Limits, reason: &str) -> Verdict {
        self.reporter.report(ExecutionEventBody::StepStarted { kind, limits });
        self.end(kind, limits, reason.to_owned())
    }

    /// Ends a step by a fault of ours.
    fn end_by(&mut self, kind: StepKind, limits: Limits, error: &SlotError) -> Verdict {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::error!(step = ?kind, error = %error, cause, "a step failed");
        let reason = if error.is_refusal() { format!("{error}: {cause}") } else { "the sandbox failed".to_owned() };
        self.end(kind, limits, reason)
    }

    fn end(&mut self, kind: StepKind, limits: Limits, reason: String) -> Verdict {
        self.finish(StepResult {
            kind,
            verdict: Verdict::SystemError,
            exit_code: None,
            signal: None,
            cpu_time: Duration::ZERO,
            wall_time: Duration::ZERO,
            peak_memory: Bytes(0),
            limits,
            stdout: StoredOutput::default(),
            stderr: StoredOutput::default(),
            reason: Some(reason),
            is_cached: false,
        });
        Verdict::SystemError
    }
}

enum Collected {
    Artefacts(Vec<PlacedFile>),
    /// Too big to be kept.
    TooMuch,
    Nothing,
}
