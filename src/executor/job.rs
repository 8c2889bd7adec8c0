//! What the executor is asked to do.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::limits::RequestedLimits;

/// One file of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative, normalised, without `..`, at most 255 bytes.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// One attempt, complete: nothing else about it is known or needed here.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name of an offered language.
    pub language: String,
    /// All files; they are in the work directory before anything runs.
    pub files: Vec<SourceFile>,
    /// Which of the files is compiled or run first.
    pub main_path: String,
    /// Standard input of the run step; for an interactive job what it can read at once.
    pub stdin: Vec<u8>,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Limits of the run step as the submitter asked for them.
    pub limits: RequestedLimits,
    /// Whether standard input stays open for [`Control::input`].
    pub is_interactive: bool,
}

/// Something typed for an interactive job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What was typed.
    pub bytes: Vec<u8>,
    /// Whether standard input is closed behind it.
    pub is_end: bool,
}

/// The caller's hold on a running job.
#[derive(Debug)]
pub struct Control {
    /// Stops the job with CANCELLED, whatever it is doing, also while it waits for a slot.
    pub cancel: CancellationToken,
    /// Input of an interactive job. A dropped sender does not close standard input: an [`Input`] with
    /// `is_end` does.
    pub input: mpsc::Receiver<Input>,
}
