//! What happened in attempts.

use async_graphql::{ComplexObject, Context, Interface, Result, SimpleObject};

use super::attempt::output_extent;
use super::{Attempt, Step, Submission};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::enums::{AttemptState, OutputStream, StepKind, Verdict};
use crate::api::graphql::loader::StepsOf;
use crate::api::graphql::scalar::{Base64, DateTime, Long};
use crate::domain::event::{Event, EventBody, EventCursor};
use crate::domain::ids::{AttemptId, SubmissionId};
use crate::domain::units::Bytes;
use crate::domain::{attempt, verdict};
use crate::service::Error;

/// Something that happened in an attempt. sequence is dense from 0; cursor resumes just behind it.
#[derive(Debug, Interface)]
#[graphql(
    field(name = "cursor", ty = "&String", desc = "Resumes just behind this event."),
    field(name = "sequence", ty = "&i32", desc = "Dense from 0 within the attempt."),
    field(name = "at", ty = "&DateTime", desc = "When it happened.")
)]
pub enum AttemptEvent {
    /// The attempt came into another state.
    StateChanged(StateChanged),
    /// A step began.
    StepStarted(StepStarted),
    /// The program wrote something.
    OutputChunk(OutputChunk),
    /// Somebody typed something.
    InputChunk(InputChunk),
    /// A step ended.
    StepFinished(StepFinished),
    /// The attempt ended.
    AttemptFinished(AttemptFinished),
}

/// The attempt came into another state. A second QUEUED means that its worker was lost: what came before is
/// void, and it starts again.
#[derive(Debug, SimpleObject)]
pub struct StateChanged {
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
    /// The state it came into.
    state: AttemptState,
}

/// A step began.
#[derive(Debug, SimpleObject)]
pub struct StepStarted {
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
    /// Which step.
    kind: StepKind,
}

/// A piece of what the program wrote. offset is the byte offset in that step's stream. A character is never cut
/// between two texts.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct OutputChunk {
    #[graphql(skip)]
    raw: Vec<u8>,
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
    /// In which step.
    kind: StepKind,
    /// To which stream.
    stream: OutputStream,
    /// Of the first byte in that step's stream.
    offset: Long,
}

#[ComplexObject]
impl OutputChunk {
    /// What was written; U+FFFD stands for what is not UTF-8.
    async fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// What was written, exactly.
    async fn bytes(&self) -> Base64 {
        Base64(self.raw.clone())
    }
}

/// What was written to the standard input of an interactive attempt, when it was: replays show the dialogue.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct InputChunk {
    #[graphql(skip)]
    raw: Vec<u8>,
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
    /// Of the first byte in standard input.
    offset: Long,
    /// Whether standard input was closed behind it.
    is_end: bool,
}

#[ComplexObject]
impl InputChunk {
    /// What was typed; U+FFFD stands for what is not UTF-8.
    async fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// What was typed, exactly.
    async fn bytes(&self) -> Base64 {
        Base64(self.raw.clone())
    }
}

/// A step ended.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct StepFinished {
    #[graphql(skip)]
    attempt: AttemptId,
    #[graphql(skip)]
    kind: verdict::StepKind,
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
}

#[ComplexObject]
impl StepFinished {
    /// The step with all that is known of it.
    async fn step(&self, ctx: &Context<'_>) -> Result<Step> {
        let steps = ctx.batch().load_one(StepsOf(self.attempt, output_extent(ctx))).await?.unwrap_or_default();
        let step = steps.into_iter().find(|step| step.kind == self.kind);
        Ok(step.ok_or(Error::NotFound("step"))?.into())
    }
}

/// The attempt ended. Always the last.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct AttemptFinished {
    #[graphql(skip)]
    id: AttemptId,
    #[graphql(skip)]
    loaded: Option<Box<Attempt>>,
    /// Resumes just behind this event.
    cursor: String,
    /// Dense from 0 within the attempt.
    sequence: i32,
    /// When it happened.
    at: DateTime,
}

#[ComplexObject]
impl AttemptFinished {
    /// The attempt with its verdict.
    async fn attempt(&self, ctx: &Context<'_>) -> Result<Attempt> {
        match &self.loaded {
            Some(attempt) => Ok(Attempt::clone(attempt)),
            None => load_attempt(ctx, self.id).await,
        }
    }
}

async fn load_attempt(ctx: &Context<'_>, id: AttemptId) -> Result<Attempt> {
    Ok(ctx.batch().load_one(id).await?.ok_or(Error::NotFound("attempt"))?.into())
}

impl AttemptEvent {
    /// An event of this attempt.
    pub fn of(attempt: AttemptId, event: Event) -> Self {
        let (sequence, at) = (event.sequence, event.at.into());
        let cursor = EventCursor(sequence).to_string();
        match event.body {
            EventBody::StateChanged(state) => {
                Self::StateChanged(StateChanged { cursor, sequence, at, state: state.into() })
            }
            EventBody::StepStarted(kind) => Self::StepStarted(StepStarted { cursor, sequence, at, kind: kind.into() }),
            EventBody::OutputChunk { kind, stream, offset, bytes } => Self::OutputChunk(OutputChunk {
                raw: bytes,
                cursor,
                sequence,
                at,
                kind: kind.into(),
                stream: stream.into(),
                offset: Bytes(offset).into(),
            }),
            EventBody::InputChunk { offset, bytes, is_end } => {
                Self::InputChunk(InputChunk { raw: bytes, cursor, sequence, at, offset: Bytes(offset).into(), is_end })
            }
            EventBody::StepFinished(kind) => Self::StepFinished(StepFinished { attempt, kind, cursor, sequence, at }),
            EventBody::AttemptFinished => {
                Self::AttemptFinished(AttemptFinished { id: attempt, loaded: None, cursor, sequence, at })
            }
        }
    }

    /// The same with the attempt, which its last event tells: it need not be loaded then.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Attempt) -> Self {
        if let Self::AttemptFinished(finished) = &mut self {
            finished.loaded = Some(Box::new(attempt));
        }
        self
    }
}

/// A change of state of an attempt.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Activity {
    #[graphql(skip)]
    submission_key: SubmissionId,
    #[graphql(skip)]
    attempt_key: AttemptId,
    /// Resumes just behind this change.
    pub cursor: String,
    /// When it happened.
    at: DateTime,
    /// The state it came into.
    state: AttemptState,
    /// How it ended; null unless FINISHED.
    verdict: Option<Verdict>,
}

impl From<attempt::Activity> for Activity {
    fn from(activity: attempt::Activity) -> Self {
        Self {
            submission_key: activity.submission_id,
            attempt_key: activity.attempt_id,
            cursor: activity.cursor.to_string(),
            at: activity.at.into(),
            state: activity.state.into(),
            verdict: activity.verdict.map(Into::into),
        }
    }
}

#[ComplexObject]
impl Activity {
    /// What is executed.
    async fn submission(&self, ctx: &Context<'_>) -> Result<Submission> {
        let found = ctx.batch().load_one(self.submission_key).await?;
        Ok(found.ok_or(Error::NotFound("submission"))?.into())
    }

    /// The attempt as it is now.
    async fn attempt(&self, ctx: &Context<'_>) -> Result<Attempt> {
        load_attempt(ctx, self.attempt_key).await
    }
}
