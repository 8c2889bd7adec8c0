//! A program that the executor runs for this worker.

use std::panic;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, Span};

use crate::executor::{Control, Execution, ExecutionEvent, Executor, Input, Job, SourceFile};
use crate::store::queue::Program;

/// Events on their way from the executor; when it is full the program waits.
const EVENTS: usize = 64;
/// Typed input on its way to the executor.
const INPUTS: usize = 16;

/// A program that runs. It is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    /// In which language.
    pub(super) language: String,
    /// Whether its standard input stays open.
    pub(super) is_interactive: bool,
    /// Stops it.
    pub(super) cancel: CancellationToken,
    /// Since when.
    pub(super) began: Instant,
    events: mpsc::Receiver<ExecutionEvent>,
    input: mpsc::Sender<Input>,
    execution: JoinHandle<Execution>,
    stop: DropGuard,
}

impl Running {
    /// Begins with a program, as a part of that span.
    pub(super) fn begin(executor: &Executor, program: Program, span: Span) -> Self {
        let (reported, events) = mpsc::channel(EVENTS);
        let (input, typed) = mpsc::channel(INPUTS);
        let cancel = CancellationToken::new();
        let control = Control { cancel: cancel.clone(), input: typed };
        let (language, is_interactive) = (program.language.clone(), program.is_interactive);
        let executor = executor.clone();
        // On the heap: it holds the whole program.
        let execution = Box::pin(async move { executor.execute(job(program), reported, control).await });
        Self {
            language,
            is_interactive,
            events,
            input,
            began: Instant::now(),
            execution: tokio::spawn(execution.instrument(span)),
            stop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// What happens, where to type, and the end.
    pub(super) fn into_parts(
        self,
    ) -> (mpsc::Receiver<ExecutionEvent>, mpsc::Sender<Input>, impl Future<Output = Execution>) {
        let Self { events, input, execution, stop, .. } = self;
        let end = async move {
            let execution = execution.await;
            drop(stop);
            // Nobody aborts it.
            execution.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
        };
        (events, input, end)
    }
}

/// The program as the executor takes it.
fn job(program: Program) -> Job {
    let Program { language, files, main_path, stdin, arguments, is_interactive, limits } = program;
    let files = files.into_iter().map(|(path, bytes)| SourceFile { path, bytes }).collect();
    Job { language, files, main_path, stdin, arguments, limits, is_interactive }
}
