//! What people handed in.

use std::fmt::Write as _;

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, Result, SimpleObject};

use super::{Attempt, Course, Feedback, User};
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::{PageArguments, PageInfo, count, list_cost, parse_id};
use crate::api::graphql::enums::{AttemptState, Verdict};
use crate::api::graphql::loader::{AttemptsOf, FeedbackOf, FilesOf, PreviousOf};
use crate::api::graphql::scalar::{Base64, DateTime, Long};
use crate::domain::submission;
use crate::domain::submission::SubmissionScope;
use crate::service::{Error, diff, history};

/// What a person handed in. It never changes; each execution of it is an Attempt.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Submission {
    #[graphql(skip)]
    row: submission::Submission,
    /// Its global id.
    pub id: ID,
    /// The language's name.
    language: String,
    /// Which of the files is run or compiled first.
    main_path: String,
    /// Arguments of the program.
    arguments: Vec<String>,
    /// Whether standard input stays open for writeStdin.
    is_interactive: bool,
    /// When it was handed in.
    created_at: DateTime,
}

impl From<submission::Submission> for Submission {
    fn from(row: submission::Submission) -> Self {
        Self {
            id: row.id.into(),
            language: row.language.clone(),
            main_path: row.main_path.clone(),
            arguments: row.arguments.clone(),
            is_interactive: row.is_interactive,
            created_at: row.created_at.into(),
            row,
        }
    }
}

#[ComplexObject]
impl Submission {
    /// Who handed it in.
    async fn author(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(ctx.batch().load_one(self.row.author_id).await?.ok_or(Error::NotFound("user"))?.into())
    }

    /// In the order they were sent.
    #[graphql(complexity = "list_cost(5, child_complexity)")]
    async fn files(&self, ctx: &Context<'_>) -> Result<Vec<SourceFile>> {
        let files = ctx.batch().load_one(FilesOf(self.row.id)).await?.unwrap_or_default();
        Ok(files.into_iter().map(SourceFile).collect())
    }

    /// What the program reads from standard input.
    async fn stdin(&self) -> String {
        String::from_utf8_lossy(&self.row.stdin).into_owned()
    }

    /// The course it was made in; null for private runs.
    async fn course(&self, ctx: &Context<'_>) -> Result<Option<Course>> {
        let Some(id) = self.row.course_id else { return Ok(None) };
        Ok(ctx.batch().load_one(id).await?.map(Into::into))
    }

    /// The newest attempt asked for by the author; it is the one that counts.
    async fn attempt(&self, ctx: &Context<'_>) -> Result<Attempt> {
        let found = ctx.batch().load_one(self.row.counted_attempt_id).await?;
        Ok(found.ok_or(Error::NotFound("attempt"))?.into())
    }

    /// Newest first.
    #[graphql(complexity = "list_cost(5, child_complexity)")]
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<Attempt>> {
        let attempts = ctx.batch().load_one(AttemptsOf(self.row.id)).await?.unwrap_or_default();
        Ok(attempts.into_iter().map(Into::into).collect())
    }

    /// The author's submission before this one, in the same course (or outside any).
    async fn previous(&self, ctx: &Context<'_>) -> Result<Option<Submission>> {
        Ok(ctx.batch().load_one(PreviousOf(self.row.id)).await?.map(Into::into))
    }

    /// Unified diff per file from another submission that the viewer may read to this one.
    #[graphql(complexity = "list_cost(50, child_complexity)")]
    async fn diff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The other submission's id.")] from: ID,
    ) -> Result<Vec<FileDiff>> {
        let from = parse_id(&from, "submission")?;
        let _turn = ctx.asking().turn().await;
        let diff = diff::compare(ctx.services(), ctx.viewer()?, from, self.row.id).await?;
        Ok(diff.into_iter().map(Into::into).collect())
    }

    /// Remarks of teachers and assistants, oldest first.
    #[graphql(complexity = "list_cost(5, child_complexity)")]
    async fn feedback(&self, ctx: &Context<'_>) -> Result<Vec<Feedback>> {
        let feedback = ctx.batch().load_one(FeedbackOf(self.row.id)).await?.unwrap_or_default();
        Ok(feedback.into_iter().map(Into::into).collect())
    }
}

/// A file that was handed in.
#[derive(Debug)]
pub struct SourceFile(submission::StoredFile);

/// A file that was handed in.
#[Object]
impl SourceFile {
    /// Relative, normalised, without "..".
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// Null where it is not UTF-8.
    async fn text(&self) -> Option<&str> {
        self.0.text()
    }

    /// Its contents, exactly.
    async fn bytes(&self) -> Base64 {
        Base64(self.0.bytes.clone())
    }

    /// How large it is.
    async fn size_bytes(&self) -> Long {
        Long(i64::try_from(self.0.bytes.len()).unwrap_or(i64::MAX))
    }

    /// SHA-256 of its contents, in hexadecimal.
    async fn sha256(&self) -> String {
        self.0.sha256.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
    }
}

/// The change of one file.
#[derive(Debug, SimpleObject)]
pub struct FileDiff {
    /// Which file.
    path: String,
    /// In unified format.
    unified: String,
    /// Lines that only the newer one has.
    added_lines: i32,
    /// Lines that only the older one has.
    removed_lines: i32,
}

impl From<submission::FileDiff> for FileDiff {
    fn from(diff: submission::FileDiff) -> Self {
        Self {
            path: diff.path,
            unified: diff.unified,
            added_lines: i32::try_from(diff.added_lines).unwrap_or(i32::MAX),
            removed_lines: i32::try_from(diff.removed_lines).unwrap_or(i32::MAX),
        }
    }
}

/// All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct SubmissionFilter {
    /// Made by one of these.
    author_ids: Option<Vec<ID>>,
    /// Made in this course.
    course_id: Option<ID>,
    /// In one of these languages.
    languages: Option<Vec<String>>,
    /// The attempt that counts is in one of these states.
    states: Option<Vec<AttemptState>>,
    /// The attempt that counts ended in one of these ways.
    verdicts: Option<Vec<Verdict>>,
    /// Handed in at this time or later.
    created_after: Option<DateTime>,
    /// Handed in before this time.
    created_before: Option<DateTime>,
    /// Literal text in any of the files, case-insensitive.
    source_contains: Option<String>,
}

/// Values that one condition may list.
const MAX_VALUES: usize = 1000;

impl SubmissionFilter {
    /// As the use cases take it. An id that is none matches nothing, like one that nothing has.
    fn parse(self) -> Result<submission::SubmissionFilter, Error> {
        let lengths = [
            ("authorIds", self.author_ids.as_ref().map(Vec::len)),
            ("languages", self.languages.as_ref().map(Vec::len)),
            ("states", self.states.as_ref().map(Vec::len)),
            ("verdicts", self.verdicts.as_ref().map(Vec::len)),
        ];
        if let Some((field, _)) = lengths.iter().find(|(_, length)| length.is_some_and(|length| length > MAX_VALUES)) {
            return Err(Error::invalid(format!("filter.{field}"), format!("At most {MAX_VALUES} values.")));
        }
        let course_id = self.course_id.map(|id| parse_id(&id, "course")).transpose()?;
        Ok(submission::SubmissionFilter {
            author_ids: self.author_ids.map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect()),
            course_id,
            languages: self.languages,
            states: self.states.map(|states| states.into_iter().map(Into::into).collect()),
            verdicts: self.verdicts.map(|verdicts| verdicts.into_iter().map(Into::into).collect()),
            created_after: self.created_after.map(|instant| instant.0),
            created_before: self.created_before.map(|instant| instant.0),
            source_contains: self.source_contains,
        })
    }
}

/// Newest first. first and last are at most 100. Cursors stay valid while new rows come in.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct SubmissionConnection {
    #[graphql(skip)]
    scope: SubmissionScope,
    #[graphql(skip)]
    filter: submission::SubmissionFilter,
    /// The submissions with their cursors.
    edges: Vec<SubmissionEdge>,
    /// The submissions alone.
    nodes: Vec<Submission>,
    /// Where this page is.
    page_info: PageInfo,
}

/// A submission in a list.
#[derive(Debug, SimpleObject)]
pub struct SubmissionEdge {
    /// Where the list goes on behind this submission.
    cursor: String,
    /// The submission.
    node: Submission,
}

impl SubmissionConnection {
    /// A page of the submissions of somebody or of a course.
    pub async fn load(
        ctx: &Context<'_>,
        scope: SubmissionScope,
        filter: Option<SubmissionFilter>,
        page: PageArguments,
    ) -> Result<Self> {
        let filter = filter.unwrap_or_default().parse()?;
        let _turn = ctx.asking().turn().await;
        let page = history::list(ctx.services(), ctx.viewer()?, scope, &filter, &page.parse()?).await?;
        let page_info = PageInfo::of(&page, |submission| submission.id);
        let nodes: Vec<Submission> = page.items.into_iter().map(Into::into).collect();
        let edge = |node: &Submission| SubmissionEdge { cursor: node.row.id.to_string(), node: node.clone() };
        Ok(Self { scope, filter, edges: nodes.iter().map(edge).collect(), nodes, page_info })
    }
}

#[ComplexObject]
impl SubmissionConnection {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let _turn = ctx.asking().turn().await;
        Ok(count(history::count(ctx.services(), ctx.viewer()?, self.scope, &self.filter).await?))
    }
}
