//! What a teacher sees of a course at a glance.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Error, Services, courses};
use crate::auth::Viewer;
use crate::domain::ids::CourseId;
use crate::domain::statistics::{CourseStatistics, Periods, RosterRow};
use crate::store;

/// A row per student, by name. Only for teachers and assistants.
pub async fn roster(services: &Services, viewer: &Viewer, course: CourseId) -> Result<Vec<RosterRow>, Error> {
    let mut conn = services.connection().await?;
    courses::check_staff(&mut conn, viewer, course).await?;
    Ok(store::statistics::list_roster(&mut conn, viewer, course).await?)
}

/// Counts of what was handed in from `since` (default: when the course was made) to before `until`
/// (default: now). Students count their own; an admin who is no member counts nothing.
pub async fn course_statistics(
    services: &Services,
    viewer: &Viewer,
    course: CourseId,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<CourseStatistics, Error> {
    let mut conn = services.connection().await?;
    let created_at = courses::get(&mut conn, viewer, course).await?.created_at;
    // What was handed in this very moment counts, and a course made this very moment has a period.
    let until = until.unwrap_or_else(|| Utc::now() + TimeDelta::seconds(1));
    // The clock of Postgres may be ahead of ours.
    let since =
        since.unwrap_or_else(|| created_at.min(until.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(until)));
    if since >= until {
        return Err(Error::invalid("until", "It must be after since."));
    }
    let periods = Periods::covering(since, until)
        .ok_or_else(|| Error::invalid("since", "The range may span a hundred years at most."))?;
    Ok(store::statistics::count(&mut conn, viewer, course, since, until, &periods).await?)
}
