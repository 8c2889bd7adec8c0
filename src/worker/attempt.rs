//! One attempt from its claim to its verdict.

use chrono::Utc;
use tracing::Span;

use super::journal::{End, Journal};
use super::running::Running;
use super::seat::Seat;
use super::{Worker, control};
use crate::domain::attempt::{Output, Step};
use crate::domain::event::EventBody;
use crate::domain::ids::AttemptId;
use crate::domain::units::Bytes;
use crate::domain::verdict::{StepKind, Verdict};
use crate::executor::{Execution, ExecutionEvent, ExecutionEventBody, StepResult, StoredOutput};
use crate::store::queue::Claim;
use crate::store::steps::whole_ms;

/// The span of an attempt, from its claim to its verdict.
pub(super) fn span(worker: &Worker, attempt: AttemptId, language: &str) -> Span {
    tracing::info_span!(
        parent: None,
        "attempt",
        attempt.id = %attempt,
        worker.id = %worker.id,
        language,
        verdict = tracing::field::Empty,
    )
}

/// Sees to the program of an attempt and records what happens. Returns when its end is stored, or when it is not ours any
/// more. The slot is free for the next one as soon as the program has ended.
pub(super) async fn run(worker: &Worker, claim: Claim, running: Running, seat: Seat) {
    let signals = worker.leases.hold(claim.lease_id, running.cancel.clone());
    let waker = worker.hub.control_of(claim.attempt_id);
    let mut journal = worker.recorder.journal(claim.attempt_id, claim.lease_id, claim.next_sequence, claim.queued_at);
    let (began, language, is_interactive) = (running.began, running.language.clone(), running.is_interactive);
    let (mut happened, input, execution) = running.into_parts();
    let recording = async {
        let mut typed_offset = 0;
        // What happened before the attempt was ours happened, for all others, when it became ours.
        let claimed_at = Utc::now();
        while let Some(mut event) = happened.recv().await {
            event.at = event.at.max(claimed_at);
            // What is not ours any more is read on, so that the program can end, and thrown away.
            let write = record(&mut journal, claim.attempt_id, event, &mut typed_offset);
            signals.lost.run_until_cancelled(write).await;
        }
    };
    let mut is_put_back = false;
    let execution = {
        let run = async { tokio::join!(execution, recording).0 };
        let steer = control::run(worker, &claim, &signals, waker, is_interactive.then_some(input));
        tokio::pin!(run, steer);
        let mut is_steered = true;
        loop {
            tokio::select! {
                execution = &mut run => break execution,
                () = &mut steer, if is_steered => is_steered = false,
                () = worker.put_back.cancelled(), if !is_put_back => {
                    is_put_back = true;
                    signals.cancel.cancel();
                }
                () = signals.lost.cancelled(), if !signals.cancel.is_cancelled() => signals.cancel.cancel(),
            }
        }
    };
    let end = if is_put_back && execution.verdict == Verdict::Cancelled {
        End::PutBack
    } else {
        End::Verdict(execution.verdict)
    };
    drop(seat);
    Span::current().record("verdict", execution.verdict.as_str());
    let took = began.elapsed();
    tracing::info!(
        verdict = execution.verdict.as_str(),
        elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        is_put_back,
        "program ended"
    );
    count(&language, &execution, took);
    tokio::select! {
        () = journal.end(end) => {}
        () = signals.lost.cancelled() => {}
    }
    worker.leases.release(claim.lease_id);
}

fn count(language: &str, execution: &Execution, took: std::time::Duration) {
    let language = language.to_owned();
    let verdict = execution.verdict.as_str();
    metrics::counter!("codecanvas_attempts_total", "language" => language.clone(), "verdict" => verdict).increment(1);
    metrics::histogram!("codecanvas_attempt_seconds", "language" => language.clone()).record(took);
    for step in &execution.steps {
        let language = language.clone();
        match step.kind {
            StepKind::Run => {
                metrics::histogram!("codecanvas_run_seconds", "language" => language).record(step.wall_time);
            }
            StepKind::Compile => {
                let result = if step.is_cached { "hit" } else { "miss" };
                metrics::counter!("codecanvas_compile_cache_total", "language" => language.clone(), "result" => result)
                    .increment(1);
                if !step.is_cached {
                    metrics::histogram!("codecanvas_compile_seconds", "language" => language).record(step.wall_time);
                }
            }
        }
    }
    if execution.verdict == Verdict::SystemError {
        tracing::error!("an attempt ended with SYSTEM_ERROR");
    }
}

async fn record(journal: &mut Journal, attempt: AttemptId, event: ExecutionEvent, typed_offset: &mut u64) {
    let (body, step) = match event.body {
        ExecutionEventBody::StateChanged(state) => (EventBody::StateChanged(state), None),
        ExecutionEventBody::StepStarted { kind, limits } => {
            let step = Step {
                attempt_id: attempt,
                kind,
                limits,
                verdict: None,
                exit_code: None,
                signal: None,
                cpu_time_ms: None,
                wall_time_ms: None,
                peak_memory: None,
                reason: None,
                is_cached: false,
                stdout: Output::default(),
                stderr: Output::default(),
            };
            (EventBody::StepStarted(kind), Some(step))
        }
        ExecutionEventBody::Output { kind, stream, offset, bytes } => {
            (EventBody::OutputChunk { kind, stream, offset, bytes }, None)
        }
        ExecutionEventBody::Input { bytes, is_end, .. } => {
            // Counted here: what was handed in as standard input is not what was typed.
            let offset = *typed_offset;
            *typed_offset += bytes.len() as u64;
            (EventBody::InputChunk { offset, bytes, is_end }, None)
        }
        ExecutionEventBody::StepFinished(result) => {
            let kind = result.kind;
            (EventBody::StepFinished(kind), Some(finished(attempt, result)))
        }
    };
    journal.write(event.at, body, step).await;
}

fn finished(attempt_id: AttemptId, result: StepResult) -> Step {
    let output = |stored: StoredOutput| Output { bytes: stored.bytes, left_out: 0, total: Bytes(stored.total_bytes) };
    Step {
        attempt_id,
        kind: result.kind,
        limits: result.limits,
        verdict: Some(result.verdict),
        exit_code: result.exit_code,
        signal: result.signal,
        cpu_time_ms: Some(whole_ms(result.cpu_time)),
        wall_time_ms: Some(whole_ms(result.wall_time)),
        peak_memory: Some(result.peak_memory),
        reason: result.reason,
        is_cached: result.is_cached,
        stdout: output(result.stdout),
        stderr: output(result.stderr),
    }
}
