//! Everything that can be watched.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::{Stream, StreamExt as _};

use super::asker::Asker as _;
use super::connection::{parse_cursor, parse_id};
use super::object::{Activity, AttemptEvent};
use super::resume::{LastCursor, ResumeAfter};
use crate::domain::event::EventCursor;
use crate::service::{Error, streams};

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
    ) -> Result<impl Stream<Item = Result<AttemptEvent>> + use<>> {
        let viewer = ctx.viewer()?.clone();
        let (id, after) = (parse_id(&attempt_id, "attempt")?, start(ctx, after.as_deref())?);
        let events = streams::attempt_events(ctx.shared_services(), viewer, id, after).await?;
        let events = noted(ctx.data_opt().cloned(), events, |event| EventCursor(event.sequence));
        Ok(events.map(move |event| Ok(AttemptEvent::of(id, event?))))
    }

    /// Each change of state of an attempt in the course. Only for teachers and assistants.
    async fn course_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The course's id.")] course_id: ID,
        #[graphql(desc = "Behind this cursor; from now on where it is left out.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Activity>> + use<>> {
        let viewer = ctx.viewer()?.clone();
        let (id, after) = (parse_id(&course_id, "course")?, start(ctx, after.as_deref())?);
        let changes = streams::course_activity(ctx.shared_services(), viewer, id, after).await?;
        Ok(noted(ctx.data_opt().cloned(), changes, |change| change.cursor).map(|change| Ok(change?.into())))
    }

    /// The same for the viewer's own attempts, on all devices.
    async fn viewer_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Behind this cursor; from now on where it is left out.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Activity>> + use<>> {
        let (viewer, after) = (ctx.viewer()?.clone(), start(ctx, after.as_deref())?);
        let changes = streams::viewer_activity(ctx.shared_services(), viewer, after).await?;
        Ok(noted(ctx.data_opt().cloned(), changes, |change| change.cursor).map(|change| Ok(change?.into())))
    }
}
