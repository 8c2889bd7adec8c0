//! Handing in, running again, stopping, typing.

use std::time::Duration;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::parse_id;
use crate::api::graphql::object::{Attempt, LimitsInput, Submission};
use crate::api::graphql::scalar::{Base64, Long};
use crate::domain::attempt;
use crate::service::attempts::{MAX_WAIT, WriteStdin};
use crate::service::input::{NewFileInput, NewSubmissionInput};
use crate::service::{Error, attempts, submissions};

/// A file to hand in: exactly one of text and bytes. path is relative, normalised, without ".." and at most 255 bytes.
#[derive(InputObject)]
pub struct SourceFileInput {
    /// Where in the work directory.
    path: String,
    /// Its contents, where they are text.
    text: Option<String>,
    /// Its contents, where they may be anything.
    bytes: Option<Base64>,
}

impl From<SourceFileInput> for NewFileInput {
    fn from(file: SourceFileInput) -> Self {
        Self { path: file.path, text: file.text, bytes: file.bytes.map(|bytes| bytes.0) }
    }
}

/// A program to run.
#[derive(InputObject)]
pub struct SubmitCodeInput {
    /// Its name or an alias.
    language: String,
    /// Either source (one file, named after the language) or files.
    source: Option<String>,
    /// Either source or files.
    files: Option<Vec<SourceFileInput>>,
    /// Which of files is run or compiled first; default: the only one, else `main.<extension>`.
    main_path: Option<String>,
    /// What the program reads from standard input.
    stdin: Option<String>,
    /// Arguments of the program.
    arguments: Option<Vec<String>>,
    /// Keeps standard input open for writeStdin.
    is_interactive: Option<bool>,
    /// Other limits than the language's defaults.
    limits: Option<LimitsInput>,
    /// The course it is made in.
    course_id: Option<ID>,
    /// The same key by the same user within 24 h answers with the first submission instead of a second one.
    idempotency_key: Option<String>,
    /// Hold the answer until the attempt has finished, at most this long (up to 60000).
    wait_ms: Option<i32>,
}

impl SubmitCodeInput {
    fn parse(self) -> Result<NewSubmissionInput, Error> {
        // Not one of the viewer's courses, whatever it is.
        let course_id = self.course_id.map(|id| parse_id(&id, "course")).transpose()?;
        Ok(NewSubmissionInput {
            language: self.language,
            source: self.source,
            files: self.files.map(|files| files.into_iter().map(Into::into).collect()),
            main_path: self.main_path,
            stdin: self.stdin,
            arguments: self.arguments,
            is_interactive: self.is_interactive.unwrap_or(false),
            limits: self.limits.unwrap_or_default().parse()?,
            course_id,
            idempotency_key: self.idempotency_key,
        })
    }
}

/// What was handed in.
#[derive(SimpleObject)]
pub struct SubmitCodePayload {
    /// The submission.
    submission: Submission,
    /// Its attempt.
    attempt: Attempt,
}

/// A submission to run once more.
#[derive(InputObject)]
pub struct RerunSubmissionInput {
    /// The submission's id.
    submission_id: ID,
    /// Other limits than the language's defaults.
    limits: Option<LimitsInput>,
    /// Hold the answer until the attempt has finished, at most this long (up to 60000).
    wait_ms: Option<i32>,
}

/// The new attempt.
#[derive(SimpleObject)]
pub struct RerunSubmissionPayload {
    /// The new attempt.
    attempt: Attempt,
}

/// An attempt to stop. Works in every state; idempotent.
#[derive(InputObject)]
pub struct CancelAttemptInput {
    /// The attempt's id.
    attempt_id: ID,
}

/// The attempt that was stopped, or will be in a moment.
#[derive(SimpleObject)]
pub struct CancelAttemptPayload {
    /// As it is now.
    attempt: Attempt,
}

/// Something to type.
#[derive(InputObject)]
pub struct WriteStdinInput {
    /// The attempt's id.
    attempt_id: ID,
    /// Byte offset of this write; a repeat of one already taken is ignored, a gap is CONFLICT.
    offset: Option<Long>,
    /// What to type; either text or bytes.
    text: Option<String>,
    /// What to type, exactly; either text or bytes.
    bytes: Option<Base64>,
    /// Closes standard input after this write.
    is_end: Option<bool>,
}

impl WriteStdinInput {
    fn parse(self) -> Result<WriteStdin, Error> {
        let is_end = self.is_end.unwrap_or(false);
        let bytes = match (self.text, self.bytes) {
            (Some(_), Some(_)) => return Err(Error::invalid("bytes", "Give either text or bytes, not both.")),
            (None, None) if !is_end => return Err(Error::invalid("text", "Give text or bytes, or isEnd.")),
            (None, None) => Vec::new(),
            (Some(text), None) => text.into_bytes(),
            (None, Some(bytes)) => bytes.0,
        };
        Ok(WriteStdin { offset: self.offset.map(|offset| offset.0), bytes, is_end })
    }
}

/// What was typed has been taken.
#[derive(SimpleObject)]
pub struct WriteStdinPayload {
    /// The offset of what comes next.
    next_offset: Long,
}

/// How long to wait for the end of an attempt; `None`: not at all.
fn parse_wait(wait_ms: Option<i32>) -> Result<Option<Duration>, Error> {
    let Some(wait_ms) = wait_ms else { return Ok(None) };
    match u64::try_from(wait_ms).map(Duration::from_millis) {
        Ok(wait) if wait <= MAX_WAIT => Ok(Some(wait).filter(|wait| !wait.is_zero())),
        Ok(_) | Err(_) => Err(Error::invalid("waitMs", format!("waitMs can be 0 to {}.", MAX_WAIT.as_millis()))),
    }
}

async fn wait(ctx: &Context<'_>, attempt: attempt::Attempt, wait: Option<Duration>) -> Result<Attempt> {
    let Some(wait) = wait else { return Ok(attempt.into()) };
    Ok(attempts::wait_finished(ctx.services(), ctx.viewer()?, attempt, wait).await?.into())
}

/// Handing in, running again, stopping, typing.
#[derive(Debug, Default)]
pub struct RunsMutation;

#[Object]
impl RunsMutation {
    /// Hands in a program and queues it.
    async fn submit_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The program.")] input: SubmitCodeInput,
    ) -> Result<SubmitCodePayload> {
        let (viewer, patience) = (ctx.viewer()?, parse_wait(input.wait_ms)?);
        let (submission, attempt) = submissions::submit(ctx.services(), viewer, input.parse()?).await?;
        Ok(SubmitCodePayload { submission: submission.into(), attempt: wait(ctx, attempt, patience).await? })
    }

    /// Runs a submission once more: its author, or the teachers and assistants of its course. Only an attempt of
    /// the author becomes the one that counts.
    async fn rerun_submission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which submission.")] input: RerunSubmissionInput,
    ) -> Result<RerunSubmissionPayload> {
        let (viewer, patience) = (ctx.viewer()?, parse_wait(input.wait_ms)?);
        let id = parse_id(&input.submission_id, "submission")?;
        let attempt = submissions::rerun(ctx.services(), viewer, id, input.limits.unwrap_or_default().parse()?).await?;
        Ok(RerunSubmissionPayload { attempt: wait(ctx, attempt, patience).await? })
    }

    /// Stops an attempt, whether it waits or runs.
    async fn cancel_attempt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which attempt.")] input: CancelAttemptInput,
    ) -> Result<CancelAttemptPayload> {
        let viewer = ctx.viewer()?;
        let attempt = attempts::cancel(ctx.services(), viewer, parse_id(&input.attempt_id, "attempt")?).await?;
        Ok(CancelAttemptPayload { attempt: attempt.into() })
    }

    /// Write to the standard input of a running interactive attempt.
    async fn write_stdin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to type.")] input: WriteStdinInput,
    ) -> Result<WriteStdinPayload> {
        let viewer = ctx.viewer()?;
        let id = parse_id(&input.attempt_id, "attempt")?;
        let next = attempts::write_stdin(ctx.services(), viewer, id, input.parse()?).await?;
        Ok(WriteStdinPayload { next_offset: Long(next) })
    }
}
