//! What a teacher sees of a course at a glance.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Error, Services, courses};
use crate::auth::{Viewer, policy};
use crate::domain::course::Course;
use crate::domain::ids::CourseId;
use crate::domain::statistics::{CourseStatistics, Periods, RosterRow};
use crate::store;
use crate::store::statistics::Question;

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
    let mut tx = services.begin().await?;
    let Course { created_at, viewer_role, .. } = courses::get(&mut tx, viewer, course).await?;
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
    // Students count their own. Saying so lets an index find them.
    let author = (!policy::may_watch_course(viewer_role)).then_some(viewer.user_id);
    let question = Question { course, author, since, until, periods: &periods };
    let counts = store::statistics::count(&mut tx, viewer, &question).await?;
    tx.commit().await?;
    Ok(counts)
}
