//! Trying a language out: its warm-up, its version, its template.

use std::path::PathBuf;
use std::sync::Arc;

use codecanvas_sandbox::StepSpec;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::assignment::{Assignment, environment, step_limits};
use super::attempt::{self, Surroundings};
use super::job::{Control, Job, SourceFile};
use super::language::Language;
use super::language::command::Values;
use super::pool::Pool;
use super::reporter::Reporter;
use super::settings::ExecutorSettings;
use super::slot::Slot;
use super::toolchain::{self, Toolchain, Unavailable};
use super::warm_up;
use crate::domain::limits::RequestedLimits;
use crate::domain::verdict::Verdict;

/// Trying a language out: its warm-up, its version, its template.
pub struct Trial {
    pub settings: Arc<ExecutorSettings>,
    pub pool: Arc<Pool>,
    pub surroundings: Arc<Surroundings>,
    /// Number of the keeper that it is made in.
    pub slot: u32,
}

impl Trial {
    /// Tries a language out.
    pub async fn run(self, language: Language, identity: [u8; 32]) -> Result<Toolchain, Unavailable> {
        let trial = Box::pin(self.try_out(&language, identity));
        let version = self.in_turn(trial).await.map_err(|reason| Unavailable::new(&language, reason))?;
        let offered = toolchain::offer(&language, version);
        Ok(Toolchain { language, identity, offered })
    }

    /// Runs the template of a language that was tried out before.
    pub async fn run_again(&self, toolchain: &Toolchain) -> Result<(), Unavailable> {
        let test = async {
            let slot = self.keeper(&toolchain.language).await?;
            let tested = self.self_test(&slot, toolchain).await;
            slot.end().await;
            tested
        };
        self.in_turn(Box::pin(test)).await.map_err(|reason| Unavailable::new(&toolchain.language, reason))
    }

    /// Does something while a slot is held: as many trials run at the same time as there are slots.
    async fn in_turn<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let slot = self.pool.take(None).await.ok_or("the worker is stopping")?;
        let result = work.await;
        self.pool.give(slot, None).await;
        result
    }

    /// A keeper for this trial alone. What is read from the disk for the first time is charged to the control group of whoever
    /// reads it, for as long as it stays in memory: it must not be that of a slot, whose programs would seem to use it.
    async fn keeper(&self, language: &Language) -> Result<Slot, String> {
        let layout = self.settings.layout(std::slice::from_ref(language), self.slot);
        let (slot, _) = Slot::start(&self.settings.keeper_executable, layout).await.map_err(|error| chain(&error))?;
        Ok(slot)
    }

    async fn try_out(&self, language: &Language, identity: [u8; 32]) -> Result<String, String> {
        if let Some(warm_up) = &language.warm_up {
            let layout = self.settings.layout(std::slice::from_ref(language), self.slot);
            let (executable, cache_dir) = (&self.settings.keeper_executable, &self.settings.cache_dir);
            warm_up::run(executable, layout, cache_dir, language, warm_up, &self.surroundings.shutdown)
                .await
                .map_err(|error| format!("the warm-up failed: {}", chain(&error)))?;
        }
        let slot = self.keeper(language).await?;
        let tried = self.try_out_in(&slot, language, identity).await;
        // Whoever looks at this host when the executor has started finds nothing of it.
        slot.end().await;
        tried
    }

    async fn try_out_in(&self, slot: &Slot, language: &Language, identity: [u8; 32]) -> Result<String, String> {
        let version = self.version(slot, language).await?;
        slot.reset().await.map_err(|error| chain(&error))?;
        let offered = toolchain::offer(language, version.clone());
        self.self_test(slot, &Toolchain { language: language.clone(), identity, offered }).await?;
        Ok(version)
    }

    async fn version(&self, slot: &Slot, language: &Language) -> Result<String, String> {
        let limits = language.compile.as_ref().map_or(language.run.default_limits, |compile| compile.limits);
        let warm = language.warm_path();
        let values = Values { main: "", sources: &[], arguments: &[], memory: limits.memory_bytes, warm: &warm };
        let spec = StepSpec {
            argv: language.version_command.clone(),
            env: environment(language, &[], &values),
            cwd: PathBuf::new(),
            limits: step_limits(&limits),
        };
        let finished = warm_up::quiet(slot, spec, &[], limits.output_bytes, &self.surroundings.shutdown)
            .await
            .map_err(|error| format!("the version cannot be asked for: {}", chain(&error)))?;
        let answer = [&finished.stdout.bytes, &finished.stderr.bytes].map(|bytes| String::from_utf8_lossy(bytes));
        answer
            .iter()
            .flat_map(|text| text.lines())
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(|line| format!("{}{line}", language.version_prefix))
            .ok_or_else(|| "it does not answer for its version".to_owned())
    }

    async fn self_test(&self, slot: &Slot, toolchain: &Toolchain) -> Result<(), String> {
        let language = &toolchain.language;
        let job = Job {
            language: language.name.clone(),
            files: vec![SourceFile {
                path: language.source_file.clone(),
                bytes: language.template.as_bytes().to_vec(),
            }],
            main_path: language.source_file.clone(),
            stdin: Vec::new(),
            arguments: Vec::new(),
            limits: RequestedLimits::default(),
            is_interactive: false,
        };
        let (events, mut unread) = mpsc::channel(64);
        let (_input, nothing) = mpsc::channel(1);
        let mut control = Control { cancel: CancellationToken::new(), input: nothing };
        let mut reporter = Reporter::new(events);
        let execution = {
            let assignment = Assignment { toolchain, job, idle_limit: self.settings.idle_limit };
            let running = attempt::run(slot, assignment, None, &mut reporter, &mut control, &self.surroundings);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    execution = &mut running => break execution,
                    Some(_) = unread.recv() => {}
                }
            }
        };
        let Some(last) = execution.steps.last() else {
            return Err("the template was not run".to_owned());
        };
        if execution.verdict != Verdict::Ok {
            let reason = last.reason.as_deref().unwrap_or_default();
            let output = [&last.stdout.bytes, &last.stderr.bytes].map(|bytes| String::from_utf8_lossy(bytes));
            let output = output.concat();
            return Err(format!("the template ended with {:?}: {reason}: {}", execution.verdict, output.trim()));
        }
        if last.stdout.bytes != language.template_output.as_bytes() {
            let output = String::from_utf8_lossy(&last.stdout.bytes);
            return Err(format!("the template printed {output:?}"));
        }
        Ok(())
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
