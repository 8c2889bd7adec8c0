//! What a verdict means at the command line: an exit code and a sentence.

use super::answers::{Outcome, Step};
use super::failure::exit;
use crate::domain::units::Bytes;
use crate::domain::verdict::{AttemptState, StepKind, Verdict};

/// The exit code of a run: the program's own where it ended by itself.
pub fn exit_code(outcome: &Outcome) -> u8 {
    let Some(verdict) = outcome.verdict else { return exit::SERVICE };
    match verdict {
        Verdict::Ok => 0,
        Verdict::CompileError => exit::COMPILE_ERROR,
        Verdict::RuntimeError => outcome.steps.iter().rfind(|step| step.kind == StepKind::Run).map_or(1, program_code),
        Verdict::CpuTimeLimit | Verdict::WallTimeLimit => exit::TIME_LIMIT,
        Verdict::MemoryLimit | Verdict::OutputLimit => exit::OTHER_LIMIT,
        Verdict::Cancelled => exit::CANCELLED,
        Verdict::SystemError => exit::SERVICE,
    }
}

/// The code that a shell would report for the program. Never 0: it did not end well.
fn program_code(step: &Step) -> u8 {
    match (step.exit_code, step.signal.as_deref()) {
        (_, Some(signal)) => 128 + signal_number(signal),
        (Some(code), None) => u8::try_from(code & 0xff).ok().filter(|code| *code != 0).unwrap_or(1),
        (None, None) => 1,
    }
}

/// The number of a signal by its name without SIG; 0 for one that is not known here.
fn signal_number(name: &str) -> u8 {
    format!("SIG{name}")
        .parse::<nix::sys::signal::Signal>()
        .ok()
        .and_then(|signal| u8::try_from(signal as i32).ok())
        .unwrap_or(0)
}

/// State and verdict in one word for tables.
pub fn word(state: AttemptState, verdict: Option<Verdict>) -> &'static str {
    match (state, verdict) {
        (AttemptState::Queued, _) => "· waiting",
        (AttemptState::Compiling, _) => "· compiling",
        (AttemptState::Running, _) => "· running",
        (AttemptState::Finished, Some(Verdict::Ok)) => "✓ ok",
        (AttemptState::Finished, Some(Verdict::CompileError)) => "✕ did not compile",
        (AttemptState::Finished, Some(Verdict::RuntimeError)) => "! error",
        (AttemptState::Finished, Some(Verdict::CpuTimeLimit | Verdict::WallTimeLimit)) => "⏱ too long",
        (AttemptState::Finished, Some(Verdict::MemoryLimit)) => "▣ too much memory",
        (AttemptState::Finished, Some(Verdict::OutputLimit)) => "≡ too much output",
        (AttemptState::Finished, Some(Verdict::Cancelled)) => "■ stopped",
        (AttemptState::Finished, Some(Verdict::SystemError) | None) => "⚙ service error",
    }
}

/// How it ended, for a person: one line, and more with the reason and what was cut where that is so.
pub fn sentence(outcome: &Outcome) -> String {
    let mut first = word(outcome.state, outcome.verdict).to_owned();
    let Some(last) = outcome.steps.last() else { return first };
    if outcome.verdict == Some(Verdict::RuntimeError) {
        match (&last.signal, last.exit_code) {
            (Some(signal), _) => first += &[", signal ", signal].concat(),
            (None, Some(code)) => first += &[", exit code ", &code.to_string()].concat(),
            (None, None) => {}
        }
    }
    let figures = [
        Some(first),
        last.wall_time_ms.map(|wall| format!("{} s", seconds(wall))),
        last.cpu_time_ms.map(|cpu| format!("{} s computing", seconds(cpu))),
        last.peak_memory_bytes.map(|memory| Bytes(memory).to_string()),
    ];
    let cut = [("standard output", &last.stdout), ("standard error", &last.stderr)]
        .into_iter()
        .filter(|(_, stream)| stream.is_truncated)
        .map(|(name, stream)| {
            format!("only the beginning of its {name} was kept: it wrote {}", Bytes(stream.total_bytes))
        });
    let figures = figures.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    // "exit code 1" stands there already.
    let reason = last.reason.clone().filter(|reason| !figures.contains(reason));
    std::iter::once(figures).chain(reason).chain(cut).collect::<Vec<_>>().join("\n")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:02}", milliseconds / 1000, milliseconds % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::answers::Author;
    use crate::cli::client::answers::run::{OutcomeSubmission, StreamSize};

    fn outcome(verdict: Verdict, exit_code: Option<i32>, signal: Option<&str>) -> Outcome {
        let size = || StreamSize { total_bytes: 0, is_truncated: false };
        Outcome {
            id: "att".into(),
            number: 1,
            state: AttemptState::Finished,
            verdict: Some(verdict),
            language_version: None,
            queued_at: chrono::DateTime::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            submission: OutcomeSubmission {
                id: "sub".into(),
                language: "c".into(),
                author: Author { username: "ada".into() },
            },
            steps: vec![Step {
                kind: StepKind::Run,
                verdict: Some(verdict),
                exit_code,
                signal: signal.map(str::to_owned),
                cpu_time_ms: Some(1999),
                wall_time_ms: Some(2003),
                peak_memory_bytes: Some(9 << 20),
                reason: None,
                is_cached: false,
                stdout: size(),
                stderr: size(),
            }],
        }
    }

    #[test]
    fn programs_keep_their_exit_codes_and_limits_have_their_own() {
        for (verdict, code, signal, expected) in [
            (Verdict::Ok, Some(0), None, 0),
            (Verdict::RuntimeError, Some(3), None, 3),
            (Verdict::RuntimeError, Some(137), None, 137),
            (Verdict::RuntimeError, None, Some("SEGV"), 139),
            (Verdict::RuntimeError, None, Some("NOSUCH"), 128),
            (Verdict::RuntimeError, Some(256), None, 1),
            (Verdict::RuntimeError, None, None, 1),
            (Verdict::CompileError, Some(1), None, 65),
            (Verdict::CpuTimeLimit, None, Some("KILL"), 124),
            (Verdict::WallTimeLimit, None, Some("KILL"), 124),
            (Verdict::MemoryLimit, None, Some("KILL"), 137),
            (Verdict::OutputLimit, None, Some("KILL"), 137),
            (Verdict::Cancelled, None, None, 130),
            (Verdict::SystemError, None, None, 69),
        ] {
            assert_eq!(exit_code(&outcome(verdict, code, signal)), expected, "{verdict:?} {code:?} {signal:?}");
        }
    }

    #[test]
    fn the_sentence_tells_time_and_memory() {
        let text = sentence(&outcome(Verdict::RuntimeError, None, Some("SEGV")));
        assert_eq!(text, "! error, signal SEGV · 2.00 s · 1.99 s computing · 9 MiB");
        let mut failed = outcome(Verdict::RuntimeError, Some(3), None);
        failed.steps[0].reason = Some("exit code 3".to_owned());
        assert_eq!(sentence(&failed).matches("exit code 3").count(), 1);
        failed.steps[0].reason = Some("the list is empty".to_owned());
        assert!(sentence(&failed).ends_with("\nthe list is empty"));
    }
}
