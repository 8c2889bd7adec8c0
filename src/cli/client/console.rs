//! A run as it is seen at the command line: the program's bytes on standard output and standard
//! error, everything else (the queue, the connection, the verdict) on standard error and only where
//! somebody watches it.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, Stderr, Stdout};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::answers::{AttemptAnswer, EventBody, Outcome, QueuePlace};
use super::failure::Failure;
use super::follow::{self, Update, persist};
use super::outcome;
use super::server::Server;
use super::terminal;
use crate::domain::verdict::{AttemptState, OutputStream, StepKind};

/// How often the place in the queue is asked for, and how long a connection is away before anybody is told: most
/// come back at once.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How the output of a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Byte for byte.
    Exact,
    /// Escape sequences made visible: the program was written by somebody else.
    Harmless,
    /// Not at all: only the outcome is asked for.
    Nothing,
}

/// Follows an attempt to its end and passes on what the program writes. `is_running` becomes true
/// when the program itself runs and can read input.
pub async fn follow(
    server: &Server,
    attempt_id: &str,
    show: Show,
    is_running: &watch::Sender<bool>,
) -> Result<Outcome, Failure> {
    let mut updates = follow::attempt(server, attempt_id);
    let mut console = Console::new(show);
    let mut poll = interval(LOOK_AGAIN);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            update = updates.next() => match update? {
                Some(update) => {
                    if let Update::Event(event) = &update
                        && event.body == (EventBody::StepStarted { kind: StepKind::Run })
                    {
                        is_running.send_replace(true);
                    }
                    if let Update::Lost = &update {
                        poll.reset();
                    }
                    console.take(update).await?;
                }
                None => break,
            },
            _ = poll.tick(), if console.is_waiting() => {
                if console.is_lost {
                    console.spin("the connection is lost, trying again".to_owned());
                } else {
                    console.show_queue(place(server, attempt_id).await);
                }
            }
        }
    }
    drop(console);
    outcome_of(server, attempt_id).await
}

/// How an attempt stands.
pub async fn outcome_of(server: &Server, attempt_id: &str) -> Result<Outcome, Failure> {
    let variables = serde_json::json!({ "attemptId": attempt_id });
    let answer: AttemptAnswer<Outcome> =
        persist(|| server.ask(include_str!("operations/outcome.graphql"), &variables)).await?;
    answer.attempt.ok_or_else(|| server.bad_answer("the attempt is gone"))
}

/// The verdict for whoever watches standard error; faults of the service are told in any case.
pub fn conclude(outcome: &Outcome) {
    let is_our_fault = outcome::exit_code(outcome) == super::failure::exit::SERVICE;
    if terminal::is_stderr_watched() || is_our_fault {
        terminal::say(&terminal::plain_lines(&outcome::sentence(outcome)));
    }
}

/// The place in the queue; nothing where it cannot be told right now.
async fn place(server: &Server, attempt_id: &str) -> Option<u64> {
    let variables = serde_json::json!({ "attemptId": attempt_id });
    let answer: AttemptAnswer<QueuePlace> =
        server.ask(include_str!("operations/queue.graphql"), variables).await.ok()?;
    answer.attempt?.queue_position
}

/// Bytes passed on so far, per step and stream: [compile, run] × [stdout, stderr].
type Passed = [[u64; 2]; 2];

struct Console {
    show: Show,
    stdout: Stdout,
    stderr: Stderr,
    passed: Passed,
    state: AttemptState,
    is_lost: bool,
    is_watched: bool,
    /// What is shown while nothing comes; `None` while the terminal is the program's.
    progress: Option<ProgressBar>,
}

impl Console {
    fn new(show: Show) -> Self {
        Self {
            show,
            stdout: tokio::io::stdout(),
            stderr: tokio::io::stderr(),
            passed: Passed::default(),
            state: AttemptState::Queued,
            is_lost: false,
            is_watched: terminal::is_stderr_watched(),
            progress: None,
        }
    }

    /// Whether there is something to tell while nothing comes.
    fn is_waiting(&self) -> bool {
        self.is_watched && (self.is_lost || self.state == AttemptState::Queued)
    }

    fn show_queue(&mut self, place: Option<u64>) {
        self.spin(match place {
            Some(0) => "next in the queue".to_owned(),
            Some(ahead) => format!("waiting, {ahead} ahead"),
            None => "waiting".to_owned(),
        });
    }

    fn spin(&mut self, message: String) {
        if !self.is_watched {
            return;
        }
        let progress = self.progress.get_or_insert_with(|| {
            terminal::end_line();
            let progress = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                progress.set_style(style);
            }
            progress.enable_steady_tick(Duration::from_millis(120));
            progress
        });
        progress.set_message(message);
    }

    /// Takes the spinner off the terminal, so that it does not mix with what the program writes. It is not used again: a
    /// reset would draw it once more.
    fn clear(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish_and_clear();
        }
    }

    async fn take(&mut self, update: Update) -> Result<(), Failure> {
        match update {
            Update::Lost => self.is_lost = true,
            Update::Back => {
                self.is_lost = false;
                self.clear();
            }
            Update::Event(event) => match event.body {
                EventBody::StateChanged { state } => self.enter(state),
                EventBody::OutputChunk { kind, stream, offset, bytes } => {
                    self.pass_on(kind, stream, offset, &bytes.0).await?;
                }
                EventBody::StepStarted { .. } | EventBody::AttemptFinished | EventBody::Other => {}
            },
        }
        Ok(())
    }

    fn enter(&mut self, state: AttemptState) {
        // Back in the queue: the worker was lost and the program starts again from the beginning.
        // What it wrote already is not written twice, see `pass_on`.
        if state == AttemptState::Queued && self.state != AttemptState::Queued && self.show != Show::Nothing {
            self.clear();
            terminal::notice("a worker of the service was lost: the program is started again");
        }
        self.state = state;
        match state {
            AttemptState::Queued => {}
            AttemptState::Compiling => self.spin("compiling".to_owned()),
            AttemptState::Running | AttemptState::Finished => self.clear(),
        }
    }

    /// Writes the part of a chunk that was not written yet. After a lost worker the offsets start
    /// again at 0; a program that does the same again then continues where it was.
    async fn pass_on(
        &mut self,
        kind: StepKind,
        stream: OutputStream,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let passed = &mut self.passed[kind as usize][stream as usize];
        let skip = usize::try_from(passed.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(fresh) = bytes.get(skip..).filter(|fresh| !fresh.is_empty()) else { return Ok(()) };
        *passed = offset.saturating_add(bytes.len() as u64);
        // What a compiler says is not the program's output, whichever stream it chose.
        let is_output = (kind, stream) == (StepKind::Run, OutputStream::Stdout);
        let harmless;
        let shown = match self.show {
            Show::Exact => fresh,
            Show::Harmless => {
                harmless = terminal::plain_lines(&String::from_utf8_lossy(fresh));
                harmless.as_bytes()
            }
            Show::Nothing => return Ok(()),
        };
        self.clear();
        if is_output {
            write(&mut self.stdout, shown).await?;
        } else {
            write(&mut self.stderr, shown).await?;
        }
        let is_seen = if is_output { terminal::is_stdout_watched() } else { self.is_watched };
        if is_seen {
            terminal::note(shown);
        }
        Ok(())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Also where following fails: the reason is told on a line of its own.
        self.clear();
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::io("cannot write the program's output")(error);
    stream.write_all(bytes).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

/// How to show the output of somebody's program here: exactly, unless its author is somebody else
/// and a terminal would obey what it wrote.
pub fn show_for(is_own: bool) -> Show {
    if is_own || !std::io::stdout().is_terminal() { Show::Exact } else { Show::Harmless }
}
