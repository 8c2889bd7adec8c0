//! Everything with an id.

use std::str::FromStr;

use async_graphql::{Context, ID, Interface, Result};

use super::{AccessToken, Attempt, Course, Feedback, Language, Session, Submission, User, Worker};
use crate::api::graphql::asker::Asker as _;
use crate::auth::policy;
use crate::domain::ids::AnyId;
use crate::service::languages;

/// Anything with a globally unique id. Ids are opaque, type-tagged and URL-safe.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Globally unique."))]
pub enum Node {
    /// A person.
    User(User),
    /// Where somebody is signed in.
    Session(Session),
    /// A credential for scripts.
    AccessToken(AccessToken),
    /// A toolchain.
    Language(Language),
    /// What somebody handed in.
    Submission(Submission),
    /// An execution of a submission.
    Attempt(Attempt),
    /// A course.
    Course(Course),
    /// A remark.
    Feedback(Feedback),
    /// A process that runs programs.
    Worker(Worker),
}

impl Node {
    /// What has this id; `None` where there is nothing, or nothing that the viewer may see.
    pub async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Self>> {
        if Language::is_id(id) {
            let offered = languages::list(ctx.services()).await?;
            let language = offered.iter().find(|language| Language::id_of(&language.name) == *id).cloned();
            return Ok(language.map(|language| Self::Language(language.into())));
        }
        let viewer = ctx.viewer()?;
        let Ok(id) = AnyId::from_str(id) else { return Ok(None) };
        let batch = ctx.batch();
        Ok(match id {
            AnyId::UserId(id) => batch.load_one(id).await?.map(|row| Self::User(row.into())),
            AnyId::CourseId(id) => batch.load_one(id).await?.map(|row| Self::Course(row.into())),
            AnyId::SubmissionId(id) => batch.load_one(id).await?.map(|row| Self::Submission(row.into())),
            AnyId::AttemptId(id) => batch.load_one(id).await?.map(|row| Self::Attempt(row.into())),
            AnyId::SessionId(id) => batch.load_one(id).await?.map(|row| Self::Session(Session::of(row, viewer))),
            AnyId::AccessTokenId(id) => batch.load_one(id).await?.map(|row| Self::AccessToken(row.into())),
            AnyId::FeedbackId(id) => batch.load_one(id).await?.map(|row| Self::Feedback(row.into())),
            AnyId::WorkerId(id) if policy::may_administer(viewer) => {
                batch.load_one(id).await?.map(|row| Self::Worker(row.into()))
            }
            // A lease is between a worker and the database.
            AnyId::WorkerId(_) | AnyId::LeaseId(_) => None,
        })
    }
}
