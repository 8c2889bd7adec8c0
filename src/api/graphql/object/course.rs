//! Courses: members, the live class, statistics.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};

use super::{Submission, SubmissionConnection, SubmissionFilter, User};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::{PageArguments, count, list_cost, page_cost};
use crate::api::graphql::enums::{CourseRole, Verdict};
use crate::api::graphql::loader::MembersOf;
use crate::api::graphql::scalar::DateTime;
use crate::domain::ids::{SubmissionId, UserId};
use crate::domain::submission::SubmissionScope;
use crate::domain::{course, statistics, verdict};
use crate::service::{self, Error};

/// A course with its members and what they handed in.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Course {
    #[graphql(skip)]
    row: course::Course,
    /// Its global id.
    pub id: ID,
    /// What it is called.
    title: String,
    /// Since when it exists.
    created_at: DateTime,
    /// Whether nothing can be handed in any more.
    is_archived: bool,
    /// What the viewer is in it; null for an admin who is no member.
    viewer_role: Option<CourseRole>,
    /// What students type to join. Only for its teachers.
    join_code: Option<String>,
}

impl From<course::Course> for Course {
    fn from(row: course::Course) -> Self {
        Self {
            id: row.id.into(),
            title: row.title.clone(),
            created_at: row.created_at.into(),
            is_archived: row.archived_at.is_some(),
            viewer_role: row.viewer_role.map(Into::into),
            join_code: row.join_code.clone(),
            row,
        }
    }
}

#[ComplexObject]
impl Course {
    /// Teachers first, then by name.
    #[graphql(complexity = "list_cost(50, child_complexity)")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those with this role.")] role: Option<CourseRole>,
    ) -> Result<Vec<Member>> {
        let members = ctx.batch().load_one(MembersOf(self.row.id, role.map(Into::into))).await?;
        Ok(members.unwrap_or_default().into_iter().map(Into::into).collect())
    }

    /// Teachers and assistants: everybody's. Students: their own.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn submissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the top.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the bottom.")] last: Option<i32>,
        #[graphql(desc = "In front of this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those for which all of this holds.")] filter: Option<SubmissionFilter>,
    ) -> Result<SubmissionConnection> {
        let page = PageArguments { first, after, last, before };
        SubmissionConnection::load(ctx, SubmissionScope::Course(self.row.id), filter, page).await
    }

    /// One row per student, for the live class view. Only for teachers and assistants.
    #[graphql(complexity = "list_cost(50, child_complexity)")]
    async fn roster(&self, ctx: &Context<'_>) -> Result<Vec<RosterRow>> {
        let _turn = ctx.asking().turn().await;
        let rows = service::statistics::roster(ctx.services(), ctx.viewer()?, self.row.id).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Counts of what was handed in; for students, of their own.
    #[graphql(complexity = "list_cost(50, child_complexity)")]
    async fn statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From this time on; since the course exists where it is left out.")] since: Option<DateTime>,
        #[graphql(desc = "Before this time; until now where it is left out.")] until: Option<DateTime>,
    ) -> Result<CourseStatistics> {
        let (since, until) = (since.map(|instant| instant.0), until.map(|instant| instant.0));
        let _turn = ctx.asking().turn().await;
        let counts =
            service::statistics::course_statistics(ctx.services(), ctx.viewer()?, self.row.id, since, until).await?;
        Ok(counts.into())
    }
}

/// Somebody in a course.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Member {
    #[graphql(skip)]
    user_key: UserId,
    /// As what.
    role: CourseRole,
    /// Since when.
    joined_at: DateTime,
}

impl From<course::Member> for Member {
    fn from(member: course::Member) -> Self {
        Self { user_key: member.user_id, role: member.role.into(), joined_at: member.joined_at.into() }
    }
}

#[ComplexObject]
impl Member {
    /// Who it is.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(ctx.batch().load_one(self.user_key).await?.ok_or(Error::NotFound("user"))?.into())
    }
}

/// How a student fares.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct RosterRow {
    #[graphql(skip)]
    last_submission_key: Option<SubmissionId>,
    /// Who it is.
    member: Member,
    /// How often they handed in.
    submission_count: i32,
    /// How often it ended well.
    ok_count: i32,
    /// Failed submissions since the last OK.
    consecutive_failures: i32,
    /// Evidence, never a judgement: three or more failures in a row, the last within the hour.
    is_stuck: bool,
}

impl From<statistics::RosterRow> for RosterRow {
    fn from(row: statistics::RosterRow) -> Self {
        Self {
            last_submission_key: row.last_submission_id,
            member: row.member.into(),
            submission_count: count(row.submission_count),
            ok_count: count(row.ok_count),
            consecutive_failures: count(row.consecutive_failures),
            is_stuck: row.is_stuck,
        }
    }
}

#[ComplexObject]
impl RosterRow {
    /// What they handed in last.
    async fn last_submission(&self, ctx: &Context<'_>) -> Result<Option<Submission>> {
        let Some(id) = self.last_submission_key else { return Ok(None) };
        Ok(ctx.batch().load_one(id).await?.map(Into::into))
    }
}

/// Counts of what was handed in.
#[derive(Debug, SimpleObject)]
pub struct CourseStatistics {
    /// How much was handed in.
    submissions: i32,
    /// By how many students.
    active_students: i32,
    /// How it ended, most frequent first.
    by_verdict: Vec<VerdictCount>,
    /// In which languages, most frequent first.
    by_language: Vec<LanguageCount>,
    /// Equal periods that cover the range asked for, empty ones included.
    over_time: Vec<TimeBucket>,
    /// Each student who handed something in, most runs first.
    by_student: Vec<StudentCount>,
}

/// Counts of one student.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct StudentCount {
    #[graphql(skip)]
    user_key: UserId,
    /// How much they handed in.
    submissions: i32,
    /// Which of their submissions was the first that ended well, from 1; null while none has. Cancelled
    /// submissions and system errors do not count.
    until_ok: Option<i32>,
}

#[ComplexObject]
impl StudentCount {
    /// Who it is.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(ctx.batch().load_one(self.user_key).await?.ok_or(Error::NotFound("user"))?.into())
    }
}

/// How often something ended in one way.
#[derive(Debug, SimpleObject)]
pub struct VerdictCount {
    /// The verdict.
    verdict: Verdict,
    /// How often.
    count: i32,
}

/// How much was handed in in one language.
#[derive(Debug, SimpleObject)]
pub struct LanguageCount {
    /// The language's name.
    language: String,
    /// How much.
    count: i32,
}

/// Counts of one period.
#[derive(Debug, SimpleObject)]
pub struct TimeBucket {
    /// When the period starts; it ends where the next one starts.
    starts_at: DateTime,
    /// How much was handed in.
    submissions: i32,
    /// How much of it ended well.
    ok: i32,
    /// How it ended, most frequent first.
    by_verdict: Vec<VerdictCount>,
}

impl From<statistics::StudentCount> for StudentCount {
    fn from(of: statistics::StudentCount) -> Self {
        Self { user_key: of.user_id, submissions: count(of.submissions), until_ok: of.until_ok.map(count) }
    }
}

impl From<statistics::TimeBucket> for TimeBucket {
    fn from(bucket: statistics::TimeBucket) -> Self {
        Self {
            starts_at: bucket.starts_at.into(),
            submissions: count(bucket.submissions),
            ok: count(bucket.ok),
            by_verdict: verdict_counts(bucket.by_verdict),
        }
    }
}

fn verdict_counts(counts: Vec<(verdict::Verdict, i64)>) -> Vec<VerdictCount> {
    counts.into_iter().map(|(verdict, n)| VerdictCount { verdict: verdict.into(), count: count(n) }).collect()
}

impl From<statistics::CourseStatistics> for CourseStatistics {
    fn from(counts: statistics::CourseStatistics) -> Self {
        let by_language = counts.by_language.into_iter();
        Self {
            submissions: count(counts.submissions),
            active_students: count(counts.active_students),
            by_verdict: verdict_counts(counts.by_verdict),
            by_language: by_language.map(|(language, n)| LanguageCount { language, count: count(n) }).collect(),
            over_time: counts.over_time.into_iter().map(Into::into).collect(),
            by_student: counts.by_student.into_iter().map(Into::into).collect(),
        }
    }
}
