//! People.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};

use super::{AccessToken, Course, Session, SubmissionConnection, SubmissionFilter};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::{PageArguments, PageInfo, count, list_cost, page_cost};
use crate::api::graphql::enums::SiteRole;
use crate::api::graphql::loader::CoursesOf;
use crate::api::graphql::scalar::DateTime;
use crate::auth::{Viewer, policy};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::submission::SubmissionScope;
use crate::domain::user;
use crate::service::{Error, admin, sessions, tokens};

/// A person with an account, or a guest.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct User {
    #[graphql(skip)]
    key: UserId,
    /// Its global id.
    pub id: ID,
    /// What they sign in with.
    username: String,
    /// What others see.
    display_name: String,
    /// What they are on this server.
    role: SiteRole,
    /// Since when they have the account.
    created_at: DateTime,
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self {
            key: user.id,
            id: user.id.into(),
            username: user.username,
            display_name: user.display_name,
            role: user.role.into(),
            created_at: user.created_at.into(),
        }
    }
}

impl User {
    /// The viewer, where it is this user.
    fn own_viewer<'a>(&self, ctx: &Context<'a>) -> Result<&'a Viewer, Error> {
        let viewer = ctx.viewer()?;
        if viewer.user_id == self.key {
            Ok(viewer)
        } else {
            Err(Error::forbidden("Only the users themselves may see that."))
        }
    }
}

#[ComplexObject]
impl User {
    /// Own submissions for the user; for others only those made in a course that the viewer teaches.
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
        SubmissionConnection::load(ctx, SubmissionScope::User(self.key), filter, page).await
    }

    /// Courses this user is a member of. Only for the user and admins.
    #[graphql(complexity = "list_cost(10, child_complexity)")]
    async fn courses(&self, ctx: &Context<'_>) -> Result<Vec<Course>> {
        if !policy::may_see_courses_of(ctx.viewer()?, self.key) {
            return Err(Error::forbidden("The courses of others are not yours to see.").into());
        }
        let courses = ctx.batch().load_one(CoursesOf(self.key)).await?.unwrap_or_default();
        Ok(courses.into_iter().map(Into::into).collect())
    }

    /// Only for the user. The secret is never readable again.
    #[graphql(complexity = "list_cost(20, child_complexity)")]
    async fn access_tokens(&self, ctx: &Context<'_>) -> Result<Vec<AccessToken>> {
        let tokens = tokens::list(ctx.services(), self.own_viewer(ctx)?).await?;
        Ok(tokens.into_iter().map(Into::into).collect())
    }

    /// Where the user is signed in. Only for the user.
    #[graphql(complexity = "list_cost(20, child_complexity)")]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        let viewer = self.own_viewer(ctx)?;
        let sessions = sessions::list(ctx.services(), viewer).await?;
        Ok(sessions.into_iter().map(|session| Session::of(session, viewer)).collect())
    }
}

/// Users, newest first. first and last are at most 100.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct UserConnection {
    #[graphql(skip)]
    search: Option<String>,
    /// The users with their cursors.
    edges: Vec<UserEdge>,
    /// The users alone.
    nodes: Vec<User>,
    /// Where this page is.
    page_info: PageInfo,
}

/// A user in a list.
#[derive(Debug, SimpleObject)]
pub struct UserEdge {
    /// Where the list goes on behind this user.
    cursor: String,
    /// The user.
    node: User,
}

impl UserConnection {
    /// A page of the users that are found.
    pub async fn load(ctx: &Context<'_>, search: Option<String>, page: PageRequest<UserId>) -> Result<Self, Error> {
        let found = admin::search_users(ctx.services(), ctx.viewer()?, search.as_deref(), &page).await?;
        let page_info = PageInfo::of(&found, |user| user.id);
        let page: Page<User> = found.map(Into::into);
        let nodes = page.items.clone();
        let edges = page.items.into_iter().map(|node| UserEdge { cursor: node.key.to_string(), node }).collect();
        Ok(Self { search, edges, nodes, page_info })
    }
}

#[ComplexObject]
impl UserConnection {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(count(admin::count_users(ctx.services(), ctx.viewer()?, self.search.as_deref()).await?))
    }
}
