//! From measured facts to exactly one verdict.
//!
//! Nothing is guessed from an exit code or from "killed": which limit was hit is known from the
//! cgroup's counters and from the keeper's own clocks.

use std::time::Duration;

use codecanvas_sandbox::{Ended, Outcome, Signal, StopReason};

use crate::domain::limits::Limits;
use crate::domain::units::Bytes;
use crate::domain::verdict::Verdict;

/// How a step ended, in the terms that submitters see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it ended.
    pub verdict: Verdict,
    /// The exit code, unless a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<String>,
    /// Which limit was hit and what was measured, or what went wrong.
    pub reason: Option<String>,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// By the sandbox.
    pub outcome: &'a Outcome,
    /// The limits that were in force.
    pub limits: &'a Limits,
    /// How long an interactive step may wait for input.
    pub idle_limit: Duration,
    /// Bytes written to the stream that had more of them.
    pub written: u64,
}

/// Says how a step ended.
pub fn judge(facts: Facts<'_>) -> Judgement {
    let Facts { outcome, limits, .. } = facts;
    let (exit_code, signal) = match &outcome.ended {
        Ended::Exited(code) => (Some(i32::from(*code)), None),
        Ended::Signaled(signal) => (None, Some(signal.name())),
        // The keeper ends a step by SIGKILL, whatever the reason.
        Ended::Stopped(_) => (None, Some("KILL".to_owned())),
        Ended::ExecFailed { .. } => (None, None),
    };
    let (verdict, reason) = verdict(facts);
    // Memory that ran out in a child is the cause of whatever the parent made of it.
    let (verdict, reason) = if outcome.oom_kills > 0 && verdict != Verdict::Cancelled {
        (Verdict::MemoryLimit, Some(format!("memory limit {} reached", limits.memory_bytes)))
    } else {
        (verdict, reason)
    };
    Judgement { verdict, exit_code, signal, reason }
}

fn verdict(facts: Facts<'_>) -> (Verdict, Option<String>) {
    let Facts { outcome, limits, idle_limit, written } = facts;
    match &outcome.ended {
        Ended::Exited(0) => (Verdict::Ok, None),
        Ended::Exited(code) => {
            (Verdict::RuntimeError, Some(with_refused_forks(format!("exit code {code}"), outcome, limits)))
        }
        // The kernel's own limit of processor time is a backstop behind the keeper's clock.
        Ended::Signaled(Signal(XCPU)) if outcome.cpu_time >= limits.cpu_time() => {
            (Verdict::CpuTimeLimit, Some(cpu_reason(outcome, limits)))
        }
        Ended::Signaled(signal) => {
            (Verdict::RuntimeError, Some(with_refused_forks(format!("ended by signal {signal}"), outcome, limits)))
        }
        Ended::Stopped(StopReason::CpuTime) => (Verdict::CpuTimeLimit, Some(cpu_reason(outcome, limits))),
        Ended::Stopped(StopReason::WallTime) => {
            let limit = seconds(limits.wall_time());
            let measured = seconds(outcome.charged_wall_time());
            (Verdict::WallTimeLimit, Some(format!("wall time limit {limit} reached after {measured}")))
        }
        Ended::Stopped(StopReason::IdleTime) => {
            let reason = format!("waited for input for {}, the most allowed", seconds(idle_limit));
            (Verdict::WallTimeLimit, Some(reason))
        }
        Ended::Stopped(StopReason::Cancelled) => (Verdict::Cancelled, Some("cancelled".to_owned())),
        Ended::Stopped(StopReason::OutputLimit) => {
            let reason = format!("output limit {} reached: {} written", limits.output_bytes, Bytes(written));
            (Verdict::OutputLimit, Some(reason))
        }
        Ended::ExecFailed { errno: E2BIG, .. } => {
            (Verdict::RuntimeError, Some("the arguments are too long for the system".to_owned()))
        }
        Ended::ExecFailed { errno, program, interpreter } => {
            let missing = interpreter.as_ref().unwrap_or(program);
            let cause = std::io::Error::from_raw_os_error(*errno);
            (Verdict::SystemError, Some(format!("{missing} cannot be executed: {cause}")))
        }
    }
}

const XCPU: i32 = nix::sys::signal::Signal::SIGXCPU as i32;
const E2BIG: i32 = nix::errno::Errno::E2BIG as i32;

fn cpu_reason(outcome: &Outcome, limits: &Limits) -> String {
    format!("cpu time limit {} reached: {} used", seconds(limits.cpu_time()), seconds(outcome.cpu_time))
}

/// A failure is often the echo of a fork that was refused.
fn with_refused_forks(reason: String, outcome: &Outcome, limits: &Limits) -> String {
    if outcome.refused_forks == 0 {
        return reason;
    }
    format!("{reason}; the limit of {} processes was reached", limits.processes)
}

/// A duration as people write it: `2 s`, `0.25 s`.
fn seconds(duration: Duration) -> String {
    let text = format!("{:.2}", duration.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        cpu_time_ms: 1000,
        wall_time_ms: 2500,
        memory_bytes: Bytes::mib(256),
        output_bytes: Bytes::mib(1),
        processes: 64,
        disk_bytes: Bytes::mib(16),
    };

    fn outcome(ended: Ended) -> Outcome {
        Outcome {
            ended,
            oom_kills: 0,
            refused_forks: 0,
            cpu_time: Duration::from_millis(1020),
            wall_time: Duration::from_millis(2510),
            idle_time: Duration::ZERO,
            peak_memory_bytes: Some(1),
        }
    }

    fn judged(outcome: &Outcome) -> (Verdict, Option<i32>, Option<String>, String) {
        let facts = Facts { outcome, limits: &LIMITS, idle_limit: Duration::from_mins(5), written: 5 << 20 };
        let Judgement { verdict, exit_code, signal, reason } = judge(facts);
        (verdict, exit_code, signal, reason.unwrap_or_default())
    }

    #[test]
    fn each_way_to_end_has_one_verdict_and_a_reason_with_what_was_measured() {
        let kill = || Some("KILL".to_owned());
        let exec_failed = |errno, interpreter: Option<&str>| Ended::ExecFailed {
            errno,
            program: "/usr/bin/foo".to_owned(),
            interpreter: interpreter.map(str::to_owned),
        };
        let stopped = Ended::Stopped;
        for (ended, verdict, code, signal, reason) in [
            (Ended::Exited(0), Verdict::Ok, Some(0), None, ""),
            (Ended::Exited(137), Verdict::RuntimeError, Some(137), None, "exit code 137"),
            (Ended::Signaled(Signal(9)), Verdict::RuntimeError, None, kill(), "ended by signal KILL"),
            (
                stopped(StopReason::CpuTime),
                Verdict::CpuTimeLimit,
                None,
                kill(),
                "cpu time limit 1 s reached: 1.02 s used",
            ),
            (
                stopped(StopReason::WallTime),
                Verdict::WallTimeLimit,
                None,
                kill(),
                "wall time limit 2.5 s reached after 2.51 s",
            ),
            (
                stopped(StopReason::IdleTime),
                Verdict::WallTimeLimit,
                None,
                kill(),
                "waited for input for 300 s, the most allowed",
            ),
            (stopped(StopReason::Cancelled), Verdict::Cancelled, None, kill(), "cancelled"),
            (
                stopped(StopReason::OutputLimit),
                Verdict::OutputLimit,
                None,
                kill(),
                "output limit 1 MiB reached: 5 MiB written",
            ),
            (
                exec_failed(2, Some("/usr/bin/bar")),
                Verdict::SystemError,
                None,
                None,
                "/usr/bin/bar cannot be executed: No such file or directory (os error 2)",
            ),
            (exec_failed(7, None), Verdict::RuntimeError, None, None, "the arguments are too long for the system"),
        ] {
            assert_eq!(judged(&outcome(ended)), (verdict, code, signal, reason.to_owned()));
        }
    }

    #[test]
    fn memory_that_ran_out_in_a_child_counts_even_when_the_parent_exits_with_0() {
        for ended in [Ended::Exited(0), Ended::Signaled(Signal(9)), Ended::Stopped(StopReason::WallTime)] {
            let outcome = Outcome { oom_kills: 2, ..outcome(ended) };
            let (verdict, _, _, reason) = judged(&outcome);
            assert_eq!((verdict, reason.as_str()), (Verdict::MemoryLimit, "memory limit 256 MiB reached"));
        }
        let cancelled = Outcome { oom_kills: 1, ..outcome(Ended::Stopped(StopReason::Cancelled)) };
        assert_eq!(judged(&cancelled).0, Verdict::Cancelled);
    }

    #[test]
    fn a_failure_at_the_process_limit_says_so() {
        let outcome = Outcome { refused_forks: 3, ..outcome(Ended::Exited(1)) };
        assert_eq!(judged(&outcome).3, "exit code 1; the limit of 64 processes was reached");
    }
}
