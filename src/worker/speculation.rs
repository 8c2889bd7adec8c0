//! Beginning with a program before its attempt is claimed, or even handed in: speculative execution.
//!
//! A worker that waits for work begins with a program that is [announced](crate::announcements) to it. The program
//! runs in a box of its own, like any other, and nobody sees what it does. When the worker then claims that very attempt,
//! what happened until now becomes its beginning. When it claims another one, or none for a while, the program is stopped and
//! nothing is left of it. The queue alone decides what is run: here is only what is known earlier.
//!
//! One program at most, on the slot that the worker holds for its next claim, and only while nothing else is to be done.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use super::running::Running;
use super::{Worker, attempt};
use crate::announcements::{Announced, Announcement};
use crate::domain::ids::AttemptId;

/// How long a program waits to be claimed. Storing a submission takes some milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

/// A program that has begun, and whose attempt is not claimed.
#[derive(Debug)]
pub(super) struct Speculation {
    attempt_id: AttemptId,
    /// Of the attempt, if it becomes one.
    pub(super) span: Span,
    pub(super) running: Running,
    until: Instant,
}

/// What a worker does with announcements while it waits for work.
#[derive(Debug)]
pub(super) struct Speculations {
    announced: Announced,
    current: Option<Speculation>,
}

impl Speculations {
    /// None yet.
    pub(super) fn new(announced: Announced) -> Self {
        for result in ["adopted", "dropped"] {
            count(result, 0);
        }
        Self { announced, current: None }
    }

    /// Passes over what was announced while the worker had no free slot.
    pub(super) fn pass_over(&mut self) {
        self.announced.pass_over();
    }

    /// Waits for the next thing to do, and does it: begins with what is announced, and stops what was not claimed in time.
    pub(super) async fn step(&mut self, worker: &Worker) {
        if let Some(current) = &self.current {
            // What is announced meanwhile waits; there is one at a time.
            tokio::time::sleep_until(current.until).await;
            self.stop();
            self.announced.pass_over();
            return;
        }
        let Announcement { attempt_id, program } = self.announced.next().await;
        let span = attempt::span(worker, attempt_id, &program.language);
        let running = Running::begin(&worker.executor, program, span.clone());
        self.current = Some(Speculation { attempt_id, span, running, until: Instant::now() + PATIENCE });
    }

    /// The program of an attempt that is claimed, if it is the one that has begun; another one is stopped.
    pub(super) fn take(&mut self, claimed: AttemptId) -> Option<Speculation> {
        if self.current.as_ref().is_some_and(|current| current.attempt_id == claimed) {
            count("adopted", 1);
            return self.current.take();
        }
        self.stop();
        None
    }

    /// Stops the program that has begun, if there is one: its attempt will not be claimed soon.
    pub(super) fn stop(&mut self) {
        if let Some(dropped) = self.current.take() {
            count("dropped", 1);
            dropped.span.record("verdict", "not claimed");
            tracing::debug!(attempt.id = %dropped.attempt_id, "an announced program is stopped: its attempt was not claimed");
        }
    }
}

fn count(result: &'static str, more: u64) {
    metrics::counter!("codecanvas_speculations_total", "result" => result).increment(more);
}
