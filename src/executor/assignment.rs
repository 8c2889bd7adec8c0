//! A job with the toolchain that is to run it: what its steps are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use codecanvas_sandbox::message::Ahead;
use codecanvas_sandbox::{StepLimits, StepSpec};

use super::ahead;
use super::cache::{Key, KeyBuilder};
use super::job::Job;
use super::language::command::{Template, Values};
use super::language::{Compile, Language};
use super::slot::PlacedFile;
use super::toolchain::{self, Toolchain};
use super::workspace;
use crate::domain::limits::{InvalidLimit, Limits};

/// Room in the longest file for what a submitter may send, so that a program can append to it.
const SENT_BYTES: u64 = 16 << 20;
/// The largest stack there is.
const MAX_STACK_BYTES: u64 = 64 << 20;

/// A job with the toolchain that is to run it.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// What runs it.
    pub toolchain: &'a Toolchain,
    /// What is to be run.
    pub job: Job,
    /// How long it may wait for input if it is interactive.
    pub idle_limit: Duration,
}

impl Assignment<'_> {
    /// The limits of the run step.
    pub fn limits(&self) -> Result<Limits, InvalidLimit> {
        let run = &self.toolchain.language.run;
        self.job.limits.resolve(&run.default_limits, &run.maximum_limits)
    }

    /// How the interpreter of such a job can be started ahead; `None` where it must not be.
    pub fn ahead(&self) -> Option<Ahead> {
        let language = &self.toolchain.language;
        ahead::wanted(language, &self.job, &self.run_step(self.limits().ok()?))
    }

    /// The compile step.
    pub fn compile_step(&self, compile: &Compile) -> StepSpec {
        self.step(compile.limits, |values| {
            (compile.command.fill(values), environment(&self.toolchain.language, &[&compile.environment], values))
        })
    }

    /// The run step.
    pub fn run_step(&self, limits: Limits) -> StepSpec {
        let run = &self.toolchain.language.run;
        let own: &[&[(String, Template)]] = if self.job.is_interactive {
            &[&run.environment, &run.interactive_environment]
        } else {
            &[&run.environment]
        };
        let mut spec =
            self.step(limits, |values| (run.command.fill(values), environment(&self.toolchain.language, own, values)));
        spec.limits.idle_time = self.job.is_interactive.then_some(self.idle_limit);
        spec
    }

    fn step(
        &self,
        limits: Limits,
        fill: impl FnOnce(&Values<'_>) -> (Vec<String>, BTreeMap<String, String>),
    ) -> StepSpec {
        let language = &self.toolchain.language;
        let sources = workspace::sources(&self.job, language);
        let warm = language.warm_path();
        let (argv, env) = fill(&Values {
            main: &self.job.main_path,
            sources: &sources,
            arguments: &self.job.arguments,
            memory: limits.memory_bytes,
            warm: &warm,
        });
        StepSpec { argv, env, cwd: PathBuf::new(), limits: step_limits(&limits) }
    }

    /// Everything that goes into a compilation.
    pub fn key(&self, spec: &StepSpec) -> Key {
        let mut files: Vec<_> = workspace::contents(&self.job, &self.toolchain.language).collect();
        files.sort();
        KeyBuilder::default()
            .with(&self.toolchain.identity)
            .with(self.toolchain.offered.version.as_bytes())
            .with_all(spec.argv.iter().map(String::as_bytes))
            .with_all(spec.env.keys().map(String::as_bytes))
            .with_all(spec.env.values().map(String::as_bytes))
            .with_all(files.iter().map(|(path, _)| path.as_bytes()))
            .with_all(files.iter().map(|(_, bytes)| *bytes))
            .finish()
    }
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
        file_bytes: limits.disk_bytes.0.saturating_add(SENT_BYTES),
        // Less than the memory: a bottomless recursion is to end by its own fault.
        stack_bytes: MAX_STACK_BYTES.min(limits.memory_bytes.0 / 2),
        ..StepLimits::default()
    }
}

/// Makes room for what is in the box before the step: it is not the program's.
pub fn make_room(limits: &mut StepLimits, files: &[PlacedFile]) {
    limits.disk_bytes += files.iter().map(|file| file.content.length()).sum::<u64>();
    limits.file_bytes = limits.file_bytes.max(limits.disk_bytes + 4096);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::Bytes;
    use crate::executor::content::Content;

    const LIMITS: Limits = Limits {
        cpu_time_ms: 1,
        wall_time_ms: 1,
        memory_bytes: Bytes::mib(64),
        output_bytes: Bytes::mib(1),
        processes: 1,
        disk_bytes: Bytes::mib(8),
    };

    #[test]
    fn a_stack_leaves_memory_for_the_program() {
        assert_eq!(step_limits(&LIMITS).stack_bytes, 32 << 20);
        let roomy = Limits { memory_bytes: Bytes::mib(512), ..LIMITS };
        assert_eq!(step_limits(&roomy).stack_bytes, MAX_STACK_BYTES);
    }

    #[test]
    fn what_was_sent_is_not_charged_and_the_disk_is_always_full_before_a_file_is_too_long() {
        for length in [10, 100 << 20] {
            let mut limits = step_limits(&LIMITS);
            let sent =
                PlacedFile { path: "data".into(), content: Content::Bytes(vec![0; length]), is_executable: false };
            make_room(&mut limits, &[sent]);
            assert_eq!(limits.disk_bytes, (8 << 20) + length as u64);
            assert!(limits.file_bytes > limits.disk_bytes);
        }
    }
}
