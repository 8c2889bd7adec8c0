//! Everything with an id.

use std::str::FromStr;

use async_graphql::{Context, ID, Interface, Result};

use super::{AccessToken, Session, User};
use crate::api::graphql::asker::Asker as _;
use crate::domain::ids::AnyId;
use crate::service::{sessions, tokens};

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
}

impl Node {
    /// What has this id; `None` where there is nothing, or nothing that the viewer may see.
    pub async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Self>> {
        let Ok(id) = AnyId::from_str(id) else { return Ok(None) };
        let (services, viewer) = (ctx.services(), ctx.viewer()?);
        Ok(match id {
            AnyId::UserId(id) => ctx.batch().load_one(id).await?.map(|user| Self::User(user.into())),
            AnyId::SessionId(id) => {
                sessions::find(services, viewer, id).await?.map(|session| Self::Session(Session::of(session, viewer)))
            }
            AnyId::AccessTokenId(id) => {
                tokens::find(services, viewer, id).await?.map(|token| Self::AccessToken(token.into()))
            }
            AnyId::CourseId(_)
            | AnyId::SubmissionId(_)
            | AnyId::AttemptId(_)
            | AnyId::FeedbackId(_)
            | AnyId::WorkerId(_)
            | AnyId::LeaseId(_) => None,
        })
    }
}
