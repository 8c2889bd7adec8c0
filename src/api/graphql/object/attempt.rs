//! Executions, their steps and what they wrote.

use async_graphql::{ComplexObject, Context, ID, Result, SelectionField, SimpleObject, Value};

use super::{AttemptEvent, Limits, Submission, User};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::{list_cost, parse_cursor};
use crate::api::graphql::enums::{AttemptState, StepKind, Verdict};
use crate::api::graphql::loader::{QueuePositionOf, StepsOf};
use crate::api::graphql::scalar::{Base64, DateTime, Long};
use crate::domain::attempt::{self, OutputExtent};
use crate::domain::verdict;
use crate::service::{Error, attempts};

/// One execution of a submission. A rerun makes a new one and leaves the old one as it was.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Attempt {
    #[graphql(skip)]
    row: attempt::Attempt,
    /// Its global id.
    pub id: ID,
    /// 1 for the first.
    number: i32,
    /// How far it has come.
    state: AttemptState,
    /// How it ended. Null until FINISHED.
    verdict: Option<Verdict>,
    /// When it was asked for.
    queued_at: DateTime,
    /// When a worker took it.
    started_at: Option<DateTime>,
    /// When it ended.
    finished_at: Option<DateTime>,
    /// What the worker's toolchain answered for its version, once started.
    language_version: Option<String>,
}

impl From<attempt::Attempt> for Attempt {
    fn from(row: attempt::Attempt) -> Self {
        Self {
            id: row.id.into(),
            number: row.number,
            state: row.state.into(),
            verdict: row.verdict.map(Into::into),
            queued_at: row.queued_at.into(),
            started_at: row.started_at.map(Into::into),
            finished_at: row.finished_at.map(Into::into),
            language_version: row.language_version.clone(),
            row,
        }
    }
}

#[ComplexObject]
impl Attempt {
    /// What is executed.
    async fn submission(&self, ctx: &Context<'_>) -> Result<Submission> {
        let found = ctx.batch().load_one(self.row.submission_id).await?;
        Ok(found.ok_or(Error::NotFound("submission"))?.into())
    }

    /// Who asked for it.
    async fn requested_by(&self, ctx: &Context<'_>) -> Result<User> {
        let found = ctx.batch().load_one(self.row.requested_by).await?;
        Ok(found.ok_or(Error::NotFound("user"))?.into())
    }

    /// How many attempts are ahead of it, while QUEUED.
    async fn queue_position(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        if self.row.state != verdict::AttemptState::Queued {
            return Ok(None);
        }
        let position = ctx.batch().load_one(QueuePositionOf(self.row.id)).await?;
        Ok(position.map(|position| i32::try_from(position).unwrap_or(i32::MAX)))
    }

    /// In order: COMPILE if the language has a compile hook, then RUN.
    #[graphql(complexity = "list_cost(2, child_complexity)")]
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<Step>> {
        let steps = ctx.batch().load_one(StepsOf(self.row.id, output_extent(ctx))).await?.unwrap_or_default();
        Ok(steps.into_iter().map(Into::into).collect())
    }

    /// The stored log, oldest first. At most 1000 events at a time, which is also what comes where first is left out.
    #[graphql(complexity = "list_cost(usize::try_from(first.unwrap_or(1000)).unwrap_or(0), child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the oldest on.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<Vec<AttemptEvent>> {
        let after = parse_cursor("after", after.as_deref())?;
        let _turn = ctx.asking().turn().await;
        let events = attempts::events(ctx.services(), ctx.viewer()?, self.row.id, first, after).await?;
        Ok(events.into_iter().map(|event| AttemptEvent::of(self.row.id, event)).collect())
    }
}

/// One sandboxed process tree.
#[derive(Debug, Clone, SimpleObject)]
pub struct Step {
    /// Which part of the attempt.
    kind: StepKind,
    /// How it ended; null until it has.
    verdict: Option<Verdict>,
    /// Null where a signal ended it, or it never started.
    exit_code: Option<i32>,
    /// Name without SIG, e.g. "SEGV".
    signal: Option<String>,
    /// Processor time of the whole process tree.
    cpu_time_ms: Option<i32>,
    /// Time on the clock.
    wall_time_ms: Option<i32>,
    /// Peak of the whole process tree.
    peak_memory_bytes: Option<Long>,
    /// The limits that were in force.
    limits: Limits,
    /// What it wrote to standard output.
    stdout: Output,
    /// What it wrote to standard error.
    stderr: Output,
    /// For people: which limit was hit and what was measured, e.g. "memory limit 256 MiB reached".
    reason: Option<String>,
    /// True where an earlier compilation of the same input was reused.
    is_cached: bool,
}

impl From<attempt::Step> for Step {
    fn from(step: attempt::Step) -> Self {
        Self {
            kind: step.kind.into(),
            verdict: step.verdict.map(Into::into),
            exit_code: step.exit_code,
            signal: step.signal,
            cpu_time_ms: step.cpu_time_ms,
            wall_time_ms: step.wall_time_ms,
            peak_memory_bytes: step.peak_memory.map(Into::into),
            limits: step.limits.into(),
            stdout: Output(step.stdout),
            stderr: Output(step.stderr),
            reason: step.reason,
            is_cached: step.is_cached,
        }
    }
}

/// How much of each output a query asks for, at a field whose type is [`Step`]. Most lists ask for a line of each.
pub(super) fn output_extent(ctx: &Context<'_>) -> OutputExtent {
    let ahead = ctx.look_ahead();
    let streams = ["stdout", "stderr"].map(|stream| ahead.field(stream));
    if streams.iter().any(|stream| stream.field("bytes").exists()) {
        return OutputExtent::Whole;
    }
    let texts = streams.iter().flat_map(|stream| stream.field("text").selection_fields());
    texts.map(|text| text_extent(&text)).max().unwrap_or(OutputExtent::Ends(0))
}

fn text_extent(text: &SelectionField<'_>) -> OutputExtent {
    let characters = |value: &Value| if let Value::Number(number) = value { number.as_u64() } else { None };
    let most = text.arguments().ok().and_then(|given| given.iter().filter_map(|(_, value)| characters(value)).max());
    most.and_then(|most| u16::try_from(most).ok()).map_or(OutputExtent::Whole, OutputExtent::Ends)
}

/// A stored stream.
#[derive(Debug, Clone)]
pub struct Output(attempt::Output);

/// A stored stream. text replaces what is not UTF-8 by U+FFFD; bytes is exact.
#[async_graphql::Object]
impl Output {
    /// What is kept of it, as text.
    #[expect(clippy::unused_async, reason = "the macro takes no other functions")]
    async fn text(
        &self,
        #[graphql(desc = "Only so many characters from its beginning.")] first: Option<i32>,
        #[graphql(desc = "Only so many characters from its end; not together with first.")] last: Option<i32>,
    ) -> Result<String> {
        let count = |name: &str, count: i32| {
            usize::try_from(count).map_err(|_| Error::invalid(name, format!("{name} must not be negative.")))
        };
        match (first, last) {
            (None, None) => Ok(self.0.text().into_owned()),
            (Some(first), None) => Ok(self.0.beginning(count("first", first)?)),
            (None, Some(last)) => Ok(self.0.end(count("last", last)?)),
            (Some(_), Some(_)) => Err(Error::invalid("last", "Ask for the first or for the last characters.").into()),
        }
    }

    /// What is kept of it, exactly.
    async fn bytes(&self) -> Base64 {
        Base64(self.0.bytes.clone())
    }

    /// All that was written.
    async fn total_bytes(&self) -> Long {
        self.0.total.into()
    }

    /// Whether more was written than is kept.
    async fn is_truncated(&self) -> bool {
        self.0.is_truncated()
    }
}
