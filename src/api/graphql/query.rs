//! Everything that can be read.

use async_graphql::{Context, ID, Object, Result};

use super::asker::Asker as _;
use super::connection::{PageArguments, list_cost, page_cost, parse_id};
use super::object::{Attempt, Course, Language, Node, Server, Submission, User, UserConnection};
use crate::domain::ids::CourseId;
use crate::service::{Error, attempts, languages, people, submissions};

/// Ids that one request may ask for.
const MAX_IDS: usize = 100;

/// Everything that can be read.
#[derive(Debug, Clone, Copy)]
pub struct Query;

/// Everything that can be read.
#[Object]
impl Query {
    /// What has this id.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Its global id.")] id: ID) -> Result<Option<Node>> {
        Ok(Some(Node::find(ctx, &id).await?.ok_or(Error::NotFound("thing"))?))
    }

    /// What has these ids, in the same order; null where there is nothing to see. At most 100.
    #[graphql(complexity = "list_cost(ids.len(), child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their global ids.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MAX_IDS {
            return Err(Error::invalid("ids", format!("At most {MAX_IDS} ids at a time.")).into());
        }
        let found = ids.iter().map(|id| Node::find(ctx, id));
        futures_util::future::try_join_all(found).await
    }

    /// Who asks. Null when nobody is signed in.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let Some(viewer) = ctx.find_viewer() else { return Ok(None) };
        Ok(Some(people::own_user(ctx.services(), viewer).await?.into()))
    }

    /// What the live workers offer, by name.
    #[graphql(complexity = "list_cost(30, child_complexity)")]
    async fn languages(&self, ctx: &Context<'_>) -> Result<Vec<Language>> {
        let offered = languages::list(ctx.services()).await?;
        Ok(offered.iter().cloned().map(Into::into).collect())
    }

    /// A language by its name or an alias; null where it is not offered.
    async fn language(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name or an alias.")] name: String,
    ) -> Result<Option<Language>> {
        Ok(languages::find(ctx.services(), &name).await?.map(Into::into))
    }

    /// What somebody handed in.
    async fn submission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id.")] id: ID,
    ) -> Result<Option<Submission>> {
        let viewer = ctx.viewer()?;
        Ok(Some(submissions::get(ctx.services(), viewer, parse_id(&id, "submission")?).await?.into()))
    }

    /// An execution of a submission.
    async fn attempt(&self, ctx: &Context<'_>, #[graphql(desc = "Its global id.")] id: ID) -> Result<Option<Attempt>> {
        let viewer = ctx.viewer()?;
        Ok(Some(attempts::get(ctx.services(), viewer, parse_id(&id, "attempt")?).await?.into()))
    }

    /// A course that the viewer is in.
    async fn course(&self, ctx: &Context<'_>, #[graphql(desc = "Its global id.")] id: ID) -> Result<Option<Course>> {
        ctx.viewer()?;
        let course = ctx.batch().load_one(parse_id::<CourseId>(&id, "course")?).await?;
        Ok(Some(course.ok_or(Error::NotFound("course"))?.into()))
    }

    /// Only for admins; search matches the beginning of user and display names.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the top.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the bottom.")] last: Option<i32>,
        #[graphql(desc = "In front of this cursor.")] before: Option<String>,
        #[graphql(desc = "The beginning of a name.")] search: Option<String>,
    ) -> Result<UserConnection> {
        let page = PageArguments { first, after, last, before }.parse()?;
        Ok(UserConnection::load(ctx, search, page).await?)
    }

    /// What this server is and how it fares.
    async fn server(&self, ctx: &Context<'_>) -> Server {
        Server::of(ctx.services())
    }
}
