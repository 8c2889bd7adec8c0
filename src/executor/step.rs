//! One step while it runs: its pipes, its input, its end.
//!
//! ```text
//!   caller ◀── Reporter ◀── Collector ◀── pipe ◀── program
//!   caller ──▶ Control.input ──────────▶ pipe ──▶ program
//!              Control.cancel ─▶ Stop ─▶ keeper ─▶ Finished
//! ```
//!
//! One task does all of it in one loop, and no branch of the loop waits for another: a reader that
//! is slow fills the [`Reporter`], then the pipe, and then the program waits.

use std::io;
use std::time::Duration;

use codecanvas_sandbox::message::{Request, Response};
use codecanvas_sandbox::{Outcome, StepSpec, StopReason};
use nix::errno::Errno;
use tokio::net::unix::pipe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::execution::{ExecutionEventBody, StoredOutput};
use super::job::{Control, Input};
use super::pipes::{self, InputEnd, Streams};
use super::reporter::Reporter;
use super::slot::{PlacedFile, Slot, SlotError, unexpected};
use super::stream::Collector;
use crate::domain::units::Bytes;
use crate::domain::verdict::{OutputStream, StepKind};

/// How long past its last limit a step may go unreported before the keeper counts as broken.
const GRACE: Duration = Duration::from_secs(15);

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// What a pipe holds, unless somebody changed it: pipe(7).
const PIPE_BYTES: usize = 64 * 1024;

/// Output up to so many times the limit is counted and thrown away; past that the step is stopped.
const OUTPUT_PATIENCE: u64 = 4;

/// A step to run.
#[derive(Debug)]
pub struct Step<'a> {
    /// Which.
    pub kind: StepKind,
    /// What and with which limits. With a limit of idle time it is a dialogue: behind what is known of its input comes whatever
    /// is typed.
    pub spec: StepSpec,
    /// What the box is to get before.
    pub files: &'a [PlacedFile],
    /// How much of each stream is kept.
    pub output_limit: Bytes,
    /// What is known of its input.
    pub stdin: &'a [u8],
    /// The streams of the interpreter that was started ahead for it, if one was.
    pub ahead: Option<Streams>,
}

/// A step that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The facts.
    pub outcome: Outcome,
    /// Standard output.
    pub stdout: StoredOutput,
    /// Standard error.
    pub stderr: StoredOutput,
}

/// Runs a step to its end.
pub async fn run(
    slot: &Slot,
    step: Step<'_>,
    reporter: &mut Reporter,
    control: &mut Control,
    shutdown: &CancellationToken,
) -> Result<Finished, SlotError> {
    let io = |error| SlotError::Message(codecanvas_sandbox::message::MessageError::Io(error));
    let (streams, theirs) = match step.ahead {
        Some(streams) => (streams, None),
        None => {
            Streams::new(step.spec.limits.idle_time.is_some()).map(|(ours, theirs)| (ours, Some(theirs))).map_err(io)?
        }
    };
    let keyboard = match streams.input {
        InputEnd::File(file) => {
            pipes::fill(&file, step.stdin).map_err(io)?;
            None
        }
        InputEnd::Pipe(sender) => Some(Keyboard::new(sender, step.stdin)),
    };
    let limits = &step.spec.limits;
    let overdue = Instant::now() + limits.wall_time + limits.idle_time.unwrap_or_default() + GRACE;
    let output_stop =
        step.output_limit.0.saturating_mul(OUTPUT_PATIENCE).max(step.output_limit.0.saturating_add(1 << 20));
    match theirs {
        None => slot.go(step.spec.limits, step.files).await?,
        // Only the box holds these ends from then on.
        Some(theirs) => slot.run(step.spec, theirs, step.files).await?,
    }

    let mut running = Running {
        slot,
        kind: step.kind,
        stdout: Stream::new(streams.stdout, OutputStream::Stdout, step.output_limit),
        stderr: Stream::new(streams.stderr, OutputStream::Stderr, step.output_limit),
        keyboard,
        output_stop,
        is_stopping: false,
    };
    let outcome = running.wait(reporter, control, shutdown, overdue).await?;
    running.stdout.finish(step.kind, reporter);
    running.stderr.finish(step.kind, reporter);
    Ok(Finished {
        outcome,
        stdout: running.stdout.collector.into_stored(),
        stderr: running.stderr.collector.into_stored(),
    })
}

struct Running<'a> {
    slot: &'a Slot,
    kind: StepKind,
    stdout: Stream,
    stderr: Stream,
    keyboard: Option<Keyboard>,
    /// A stream longer than this ends the step.
    output_stop: u64,
    is_stopping: bool,
}

impl Running<'_> {
    async fn wait(
        &mut self,
        reporter: &mut Reporter,
        control: &mut Control,
        shutdown: &CancellationToken,
        overdue: Instant,
    ) -> Result<Outcome, SlotError> {
        let mut is_input_over = false;
        loop {
            let has_room = reporter.has_room();
            let flush_at = [self.stdout.collector.deadline(), self.stderr.collector.deadline()]
                .into_iter()
                .flatten()
                .min()
                .filter(|_| has_room);
            let mut wants_input = false;
            let mut writes_input = false;
            if let Some(keyboard) = &self.keyboard {
                wants_input = !is_input_over && keyboard.takes_more();
                writes_input = keyboard.has_pending();
            }
            tokio::select! {
                received = self.slot.receive() => {
                    let response = received?.message;
                    return if let Response::Finished(outcome) = response { Ok(outcome) } else { Err(unexpected(response)) };
                }
                () = control.cancel.cancelled(), if !self.is_stopping => self.stop(StopReason::Cancelled).await?,
                () = shutdown.cancelled(), if !self.is_stopping => self.stop(StopReason::Cancelled).await?,
                () = reporter.send_one() => {}
                result = self.stdout.pipe.readable(), if has_room && self.stdout.is_open => {
                    self.stderr.report_ready(self.kind, reporter);
                    self.stdout.read(result.is_ok());
                }
                result = self.stderr.pipe.readable(), if has_room && self.stderr.is_open => {
                    // Errors are about what was printed before: that comes first, also where both were heard of at once.
                    self.stdout.drain(PIPE_BYTES);
                    self.stdout.report_ready(self.kind, reporter);
                    self.stderr.read(result.is_ok());
                }
                input = control.input.recv(), if wants_input => match (input, &mut self.keyboard) {
                    (Some(input), Some(keyboard)) => keyboard.push(input),
                    (None, _) => is_input_over = true,
                    (Some(_), None) => {}
                },
                () = Keyboard::writable(self.keyboard.as_ref()), if writes_input => {}
                () = sleep_until(flush_at) => {}
                () = tokio::time::sleep_until(overdue) => return Err(SlotError::Silent),
            }
            if let Some(keyboard) = &mut self.keyboard {
                // Reported before anything that the program answers is read.
                keyboard.write(reporter);
            }
            if reporter.has_room() {
                let now = Instant::now();
                self.stdout.report_due(self.kind, now, reporter);
                self.stderr.report_due(self.kind, now, reporter);
            }
            if !self.is_stopping && reporter.is_closed() {
                self.stop(StopReason::Cancelled).await?;
            }
            if !self.is_stopping && self.stdout.total().max(self.stderr.total()) > self.output_stop {
                self.stop(StopReason::OutputLimit).await?;
            }
        }
    }

    async fn stop(&mut self, reason: StopReason) -> Result<(), SlotError> {
        self.is_stopping = true;
        self.slot.send(&Request::Stop(reason), &[]).await
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// One output stream with its pipe.
struct Stream {
    pipe: pipe::Receiver,
    which: OutputStream,
    collector: Collector,
    is_open: bool,
}

impl Stream {
    fn new(pipe: pipe::Receiver, which: OutputStream, limit: Bytes) -> Self {
        Self { pipe, which, collector: Collector::new(limit), is_open: true }
    }

    fn total(&self) -> u64 {
        self.collector.total_bytes()
    }

    /// Takes what is in the pipe. Returns when it is empty or closed, or after a pipe's worth.
    fn read(&mut self, is_sound: bool) {
        let mut buffer = [0_u8; READ_BYTES];
        match self.pipe.try_read(&mut buffer) {
            Ok(0) => self.is_open = false,
            Ok(count) => self.collector.push(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_sound => {}
            Err(_) => self.is_open = false,
        }
    }

    /// Takes what is in the pipe, until it is empty or about `enough` bytes were taken.
    ///
    /// The kernel is asked itself: tokio's `try_read` says "would block" until its driver has heard of the data,
    /// and the keeper's answer, or the other stream, may well be heard first.
    fn drain(&mut self, enough: usize) {
        let mut buffer = [0_u8; READ_BYTES];
        let mut taken = 0;
        while self.is_open && taken < enough {
            match nix::unistd::read(&self.pipe, &mut buffer) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Ok(0) | Err(_) => self.is_open = false,
                Ok(count) => {
                    self.collector.push(&buffer[..count]);
                    taken += count;
                }
            }
        }
    }

    /// Reports what was taken so far without waiting for more of it: the other stream goes on.
    fn report_ready(&mut self, kind: StepKind, reporter: &mut Reporter) {
        let now = Instant::now();
        while let Some(chunk) = self.collector.take(now) {
            let (offset, bytes) = (chunk.offset, chunk.bytes);
            reporter.report(ExecutionEventBody::Output { kind, stream: self.which, offset, bytes });
        }
    }

    fn report_due(&mut self, kind: StepKind, now: Instant, reporter: &mut Reporter) {
        while let Some(chunk) = self.collector.take_due(now) {
            let (offset, bytes) = (chunk.offset, chunk.bytes);
            reporter.report(ExecutionEventBody::Output { kind, stream: self.which, offset, bytes });
        }
    }

    /// Takes what is left in the pipe when every process of the step has ended.
    ///
    /// It ends with the data, not with the end of the file: the pipe can be open elsewhere.
    fn finish(&mut self, kind: StepKind, reporter: &mut Reporter) {
        self.drain(usize::MAX);
        while let Some(chunk) = self.collector.take_rest() {
            let (offset, bytes) = (chunk.offset, chunk.bytes);
            reporter.report(ExecutionEventBody::Output { kind, stream: self.which, offset, bytes });
        }
    }
}

/// The writing end of an interactive step's standard input.
struct Keyboard {
    /// `None` when standard input was closed.
    pipe: Option<pipe::Sender>,
    pending: Vec<u8>,
    written: usize,
    /// Whether the pipe is to be closed behind what is pending.
    is_ending: bool,
    /// How much was written of what came before `pending`.
    offset: u64,
}

impl Keyboard {
    fn new(pipe: pipe::Sender, known: &[u8]) -> Self {
        Self { pipe: Some(pipe), pending: known.to_vec(), written: 0, is_ending: false, offset: 0 }
    }

    fn has_pending(&self) -> bool {
        self.pipe.is_some() && self.written < self.pending.len()
    }

    fn takes_more(&self) -> bool {
        self.pipe.is_some() && !self.is_ending && !self.has_pending()
    }

    fn push(&mut self, input: Input) {
        self.offset += self.pending.len() as u64;
        self.pending = input.bytes;
        self.written = 0;
        self.is_ending = input.is_end;
    }

    async fn writable(keyboard: Option<&Self>) {
        match keyboard.and_then(|keyboard| keyboard.pipe.as_ref()) {
            // An error shows itself at the write.
            Some(pipe) => drop(pipe.writable().await),
            None => std::future::pending().await,
        }
    }

    /// Writes what the pipe takes, and reports it.
    fn write(&mut self, reporter: &mut Reporter) {
        while let Some(pipe) = &self.pipe {
            let rest = &self.pending[self.written..];
            if rest.is_empty() && !self.is_ending {
                return;
            }
            let count = if rest.is_empty() {
                0
            } else {
                match pipe.try_write(rest) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => {
                        // Nobody reads any more; what comes now is not accepted.
                        self.pipe = None;
                        return;
                    }
                }
            };
            let bytes = rest[..count].to_vec();
            let offset = self.offset + self.written as u64;
            self.written += count;
            let is_end = self.is_ending && self.written == self.pending.len();
            if is_end {
                self.pipe = None;
            }
            reporter.report(ExecutionEventBody::Input { offset, bytes, is_end });
        }
    }
}
