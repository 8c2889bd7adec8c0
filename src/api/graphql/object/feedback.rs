//! Remarks of teachers and assistants.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};

use super::{Submission, User};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::scalar::DateTime;
use crate::domain::course;
use crate::domain::ids::{SubmissionId, UserId};
use crate::service::Error;

/// A remark of a teacher or assistant on a submission or on lines of it.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Feedback {
    #[graphql(skip)]
    submission_key: SubmissionId,
    #[graphql(skip)]
    author_key: UserId,
    /// Its global id.
    pub id: ID,
    /// On which file; null for the submission as a whole.
    path: Option<String>,
    /// From which line, counted from 1; null for the whole file.
    start_line: Option<i32>,
    /// To which line.
    end_line: Option<i32>,
    /// What it says.
    body: String,
    /// When it was said.
    created_at: DateTime,
}

impl From<course::Feedback> for Feedback {
    fn from(feedback: course::Feedback) -> Self {
        Self {
            submission_key: feedback.submission_id,
            author_key: feedback.author_id,
            id: feedback.id.into(),
            path: feedback.path,
            start_line: feedback.lines.map(|(start, _)| start),
            end_line: feedback.lines.map(|(_, end)| end),
            body: feedback.body,
            created_at: feedback.created_at.into(),
        }
    }
}

#[ComplexObject]
impl Feedback {
    /// On which submission.
    async fn submission(&self, ctx: &Context<'_>) -> Result<Submission> {
        let found = ctx.batch().load_one(self.submission_key).await?;
        Ok(found.ok_or(Error::NotFound("submission"))?.into())
    }

    /// Whose remark.
    async fn author(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(ctx.batch().load_one(self.author_key).await?.ok_or(Error::NotFound("user"))?.into())
    }
}
