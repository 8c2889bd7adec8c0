//! One job in one box: sources in, compile, run, verdict.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codecanvas_sandbox::message::Collect;
use codecanvas_sandbox::{StepLimits, StepSpec};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::cache::{ArtefactCache, Compilation, Key, KeyBuilder};
use super::execution::{Execution, ExecutionEventBody, StepResult, StoredOutput};
use super::job::{Control, Job};
use super::language::command::{Template, Values};
use super::language::{Compile, Language};
use super::reporter::Reporter;
use super::slot::{PlacedFile, Slot, SlotError};
use super::step::{self, Stdin, Step};
use super::toolchain::{self, Toolchain};
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
    /// How long an interactive program may wait for input, all waits together.
    pub idle_limit: Duration,
    /// Owns the writing of cache entries.
    pub tasks: TaskTracker,
    /// Stops everything.
    pub shutdown: CancellationToken,
}

/// Runs a job in the box of a slot. The box is used up afterwards.
pub async fn run(
    slot: &Slot,
    toolchain: &Toolchain,
    job: Job,
    reporter: &mut Reporter,
    control: &mut Control,
    surroundings: &Surroundings,
) -> Execution {
    let mut attempt = Attempt { slot, toolchain, job, reporter, control, surroundings, steps: Vec::new() };
    let verdict = attempt.run().await;
    let steps = attempt.steps;
    reporter.flush().await;
    Execution { verdict, language_version: Some(toolchain.offered.version.clone()), steps }
}

struct Attempt<'a> {
    slot: &'a Slot,
    toolchain: &'a Toolchain,
    job: Job,
    reporter: &'a mut Reporter,
    control: &'a mut Control,
    surroundings: &'a Surroundings,
    steps: Vec<StepResult>,
}

impl Attempt<'_> {
    async fn run(&mut self) -> Verdict {
        let run = &self.toolchain.language.run;
        let limits = match self.job.limits.resolve(&run.default_limits, &run.maximum_limits) {
            Ok(limits) => limits,
            // Checked where the job was made; a worker with other maxima than that one got it.
            Err(error) => return self.fail(StepKind::Run, run.default_limits, &error.to_string()),
        };
        let mut files = workspace::files(&self.job, &self.toolchain.language);
        if let Some(compile) = &self.toolchain.language.compile {
            self.reporter.report(ExecutionEventBody::StateChanged(AttemptState::Compiling));
            match self.compile(compile, files).await {
                Ok(in_box) => files = in_box,
                Err(verdict) => return verdict,
            }
        } else if let Err(error) = self.slot.write(&files).await {
            return self.fail_by(StepKind::Run, limits, &error);
        }
        self.reporter.report(ExecutionEventBody::StateChanged(AttemptState::Running));
        let in_box = Bytes(files.iter().map(|file| file.bytes.len() as u64).sum());
        self.run_program(limits, in_box).await
    }

    /// Compiles, or takes what an earlier compilation left. Returns the files that are in the box.
    async fn compile(&mut self, compile: &Compile, files: Vec<PlacedFile>) -> Result<Vec<PlacedFile>, Verdict> {
        let limits = compile.limits;
        let started = Instant::now();
        let spec = self.spec(StepKind::Compile, limits);
        let key = self.key(&spec, &files);
        let cache = Arc::clone(&self.surroundings.cache);
        let found = tokio::task::spawn_blocking(move || cache.find(key)).await.ok().flatten();
        self.reporter.report(ExecutionEventBody::StepStarted { kind: StepKind::Compile, limits });
        let Some(compilation) = found else {
            return self.compile_anew(compile, spec, key, files).await;
        };

        let mut files = files;
        workspace::add(&mut files, compilation.files);
        if let Err(error) = self.slot.write(&files).await {
            return Err(self.end_by(StepKind::Compile, limits, &error));
        }
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
            stdout: compilation.stdout,
            stderr: compilation.stderr,
            reason: None,
            is_cached: true,
        });
        Ok(files)
    }

    async fn compile_anew(
        &mut self,
        compile: &Compile,
        mut spec: StepSpec,
        key: Key,
        mut files: Vec<PlacedFile>,
    ) -> Result<Vec<PlacedFile>, Verdict> {
        let limits = compile.limits;
        if let Err(error) = self.slot.write(&files).await {
            return Err(self.end_by(StepKind::Compile, limits, &error));
        }
        spec.limits.disk_bytes += files.iter().map(|file| file.bytes.len() as u64).sum::<u64>();
        let mut result = match self.step(StepKind::Compile, spec, limits, b"", false).await {
            Ok(result) => result,
            Err(error) => return Err(self.end_by(StepKind::Compile, limits, &error)),
        };
        if result.verdict == Verdict::Ok {
            // Taken out before the program runs, which could change it.
            match self.collect(compile).await {
                Ok(Collected::Artefacts(artefacts)) => {
                    workspace::add(&mut files, artefacts.clone());
                    let compilation =
                        Compilation { files: artefacts, stdout: result.stdout.clone(), stderr: result.stderr.clone() };
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
            Verdict::Ok => Ok(files),
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
            for (file, mut content) in collected {
                let mut bytes = Vec::with_capacity(usize::try_from(file.bytes).unwrap_or_default());
                // A copy in memory, complete: this does not wait.
                content.read_to_end(&mut bytes).map_err(codecanvas_sandbox::message::MessageError::Io)?;
                let path = if is_single { PathBuf::from(path) } else { base.join(file.path) };
                files.push(PlacedFile { path, bytes, is_executable: file.is_executable });
            }
        }
        Ok(if files.is_empty() { Collected::Nothing } else { Collected::Artefacts(files) })
    }

    async fn run_program(&mut self, limits: Limits, in_box: Bytes) -> Verdict {
        let mut spec = self.spec(StepKind::Run, limits);
        // What was there before the program is not the program's.
        spec.limits.disk_bytes += in_box.0;
        spec.limits.idle_time = self.job.is_interactive.then_some(self.surroundings.idle_limit);
        self.reporter.report(ExecutionEventBody::StepStarted { kind: StepKind::Run, limits });
        let stdin = std::mem::take(&mut self.job.stdin);
        match self.step(StepKind::Run, spec, limits, &stdin, self.job.is_interactive).await {
            Ok(result) => {
                let verdict = result.verdict;
                self.finish(result);
                verdict
            }
            Err(error) => self.end_by(StepKind::Run, limits, &error),
        }
    }

    async fn step(
        &mut self,
        kind: StepKind,
        spec: StepSpec,
        limits: Limits,
        stdin: &[u8],
        is_dialogue: bool,
    ) -> Result<StepResult, SlotError> {
        let idle_limit = spec.limits.idle_time.unwrap_or_default();
        let stdin = if is_dialogue { Stdin::Dialogue(stdin) } else { Stdin::Known(stdin) };
        let step = Step { kind, spec, output_limit: limits.output_bytes, stdin };
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

    fn spec(&self, kind: StepKind, limits: Limits) -> StepSpec {
        let language = &self.toolchain.language;
        let sources = workspace::sources(&self.job, language);
        let warm = language.warm_path();
        let values = Values {
            main: &self.job.main_path,
            sources: &sources,
            arguments: &self.job.arguments,
            memory: limits.memory_bytes,
            warm: &warm,
        };
        let (argv, env) = match (kind, &language.compile) {
            (StepKind::Compile, Some(compile)) => {
                (compile.command.fill(&values), environment(language, &[&compile.environment], &values))
            }
            (StepKind::Compile, None) | (StepKind::Run, _) => {
                let run = &language.run;
                let own: &[&[(String, Template)]] = if self.job.is_interactive {
                    &[&run.environment, &run.interactive_environment]
                } else {
                    &[&run.environment]
                };
                (run.command.fill(&values), environment(language, own, &values))
            }
        };
        StepSpec { argv, env, cwd: PathBuf::new(), limits: step_limits(&limits) }
    }

    /// Everything that goes into a compilation.
    fn key(&self, spec: &StepSpec, files: &[PlacedFile]) -> Key {
        let mut files: Vec<&PlacedFile> = files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        KeyBuilder::default()
            .with(&self.toolchain.identity)
            .with(self.toolchain.offered.version.as_bytes())
            .with_all(spec.argv.iter().map(String::as_bytes))
            .with_all(spec.env.keys().map(String::as_bytes))
            .with_all(spec.env.values().map(String::as_bytes))
            .with_all(files.iter().map(|file| file.path.as_os_str().as_bytes()))
            .with_all(files.iter().map(|file| file.bytes.as_slice()))
            .finish()
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

/// The whole environment of a step: the common part, the language's, then the step's own.
pub fn environment(
    language: &Language,
    own: &[&[(String, Template)]],
    values: &Values<'_>,
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        [("PATH", toolchain::PATH), ("HOME", "/work"), ("LANG", "C.UTF-8"), ("TMPDIR", "/tmp")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    let language: &[(String, Template)] = &language.environment;
    for (name, value) in std::iter::once(&language).chain(own).flat_map(|table| table.iter()) {
        environment.insert(name.clone(), value.fill(values));
    }
    environment
}

/// Limits as the sandbox takes them.
pub fn step_limits(limits: &Limits) -> StepLimits {
    StepLimits {
        cpu_time: limits.cpu_time(),
        wall_time: limits.wall_time(),
        memory_bytes: limits.memory_bytes.0,
        processes: limits.processes,
        disk_bytes: limits.disk_bytes.0,
        ..StepLimits::default()
    }
}
