//! Everything that can be watched.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::{Stream, StreamExt as _};

use super::asker::Asker as _;
use super::connection::{parse_cursor, parse_id};
use super::object::{Activity, AttemptEvent};
use super::resume::{LastCursor, ResumeAfter};
use super::streamed::{Item, Streamed};
use crate::domain::attempt;
use crate::domain::event::EventCursor;
use crate::domain::ids::AttemptId;
use crate::service::{Error, attempts, streams};

/// Every stream first replays what is stored behind the cursor, then goes live: no gap, no repeat, also across
/// reconnects and restarts.
#[derive(Debug, Clone, Copy)]
pub struct Subscription;

/// The cursor to start behind: the one beside the request, else the argument.
fn start<K: FromStr>(ctx: &Context<'_>, after: Option<&str>) -> Result<Option<K>, Error> {
    let resumed = ctx.data_opt::<ResumeAfter>().map(|resume| resume.0.as_str());
    parse_cursor("after", resumed.or(after))
}

/// Notes the cursor of each item for transports that show it.
fn noted<T, C: Display>(
    last: Option<LastCursor>,
    stream: impl Stream<Item = Result<T, Error>>,
    cursor: impl Fn(&T) -> C,
) -> impl Stream<Item = Result<T, Error>> {
    stream.inspect(move |item| {
        if let (Some(last), Ok(item)) = (&last, item) {
            last.set(cursor(item).to_string());
        }
    })
}

/// Every stream first replays what is stored behind the cursor, then goes live: no gap, no repeat, also across
/// reconnects and restarts.
#[Subscription]
impl Subscription {
    /// Ends after AttemptFinished; for a finished attempt it is a pure replay.
    async fn attempt_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The attempt's id.")] attempt_id: ID,
        #[graphql(desc = "Behind this cursor; from the beginning where it is left out.")] after: Option<String>,
    ) -> Result<Streamed<AttemptEvent>> {
        let (id, after) = (parse_id(&attempt_id, "attempt")?, start(ctx, after.as_deref())?);
        Ok(Box::pin(watch_attempt(ctx, id, after)).await?)
    }

    /// Each change of state of an attempt in the course. Only for teachers and assistants.
    async fn course_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The course's id.")] course_id: ID,
        #[graphql(
            desc = "Behind this cursor. Where it is left out, from ten seconds ago: what changes between loading a page and watching it is not missed."
        )]
        after: Option<String>,
    ) -> Result<Streamed<Activity>> {
        let (viewer, last) = (ctx.viewer()?.clone(), ctx.data_opt().cloned());
        let (id, after) = (parse_id(&course_id, "course")?, start(ctx, after.as_deref())?);
        let changes = Box::pin(streams::course_activity(ctx.shared_services(), viewer, id, after)).await?;
        Ok(activity(last, changes))
    }

    /// The same for the viewer's own attempts, on all devices.
    async fn viewer_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Behind this cursor. Where it is left out, from ten seconds ago: what changes between loading a page and watching it is not missed."
        )]
        after: Option<String>,
    ) -> Result<Streamed<Activity>> {
        let (viewer, last) = (ctx.viewer()?.clone(), ctx.data_opt().cloned());
        let after = start(ctx, after.as_deref())?;
        let changes = Box::pin(streams::viewer_activity(ctx.shared_services(), viewer, after)).await?;
        Ok(activity(last, changes))
    }
}

fn activity(
    last: Option<LastCursor>,
    changes: impl Stream<Item = Result<attempt::Activity, Error>> + Send + 'static,
) -> Streamed<Activity> {
    noted(last, changes, |change| change.cursor).map(|change| Ok(Item::new(change?.into()))).boxed()
}

async fn watch_attempt(
    ctx: &Context<'_>,
    id: AttemptId,
    after: Option<EventCursor>,
) -> Result<Streamed<AttemptEvent>, Error> {
    let viewer = ctx.viewer()?.clone();
    let (services, asks_for_attempt) = (ctx.shared_services(), ctx.look_ahead().field("attempt").exists());
    let events = streams::attempt_events(Arc::clone(&services), viewer.clone(), id, after).await?;
    let events = noted(ctx.data_opt().cloned(), events, |event| EventCursor(event.sequence));
    let ending = Arc::new((services, viewer));
    let items = events.then(move |event| {
        let ending = Arc::clone(&ending);
        async move {
            let event = event?;
            let is_last = event.body.is_last();
            let event = AttemptEvent::of(id, event);
            if !(is_last && asks_for_attempt) {
                return Ok(Item::new(event));
            }
            let (services, viewer) = &*ending;
            // Who may see the end of the log may see how it ended.
            let attempt = match streams::finished_attempt(services, id) {
                Some(attempt) => attempt,
                // Loaded here: a loader would wait for others who ask for one, and there is nobody else. On the heap, as
                // this is once in the life of a stream.
                None => Box::pin(attempts::get(services, viewer, id)).await?,
            };
            Ok::<_, async_graphql::Error>(Item::new(event.with_attempt(attempt.into())))
        }
    });
    Ok(items.boxed())
}
