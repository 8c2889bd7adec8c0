//! What a person handed in, and what is known of it.

use chrono::{DateTime, Utc};

use super::ids::{AttemptId, CourseId, SubmissionId, UserId};
use super::verdict::{AttemptState, Verdict};

/// What a person handed in. It never changes; each execution of it is an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Sorts by time of creation.
    pub id: SubmissionId,
    /// Who handed it in.
    pub author_id: UserId,
    /// The course it was made in; `None` for private runs.
    pub course_id: Option<CourseId>,
    /// The language's name, aliases resolved.
    pub language: String,
    /// Which of the files is compiled or run first.
    pub main_path: String,
    /// Standard input, exactly.
    pub stdin: Vec<u8>,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Whether standard input stays open for what is typed.
    pub is_interactive: bool,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
    /// The newest attempt asked for by the author.
    pub counted_attempt_id: AttemptId,
    /// How far that attempt is.
    pub counted_state: AttemptState,
    /// How that attempt ended; `None` until it has.
    pub counted_verdict: Option<Verdict>,
}

/// A file of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative, normalised, without `..`.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// SHA-256 of the contents.
    pub sha256: Vec<u8>,
}

impl StoredFile {
    /// The contents as text; `None` where they are not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// The change of one file between two submissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Which file.
    pub path: String,
    /// In unified format with three lines of context; one line saying so where a side is not text.
    pub unified: String,
    /// Lines that only the newer one has.
    pub added_lines: usize,
    /// Lines that only the older one has.
    pub removed_lines: usize,
}

/// Which submissions of a list are wanted. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmissionFilter {
    /// Made by one of these.
    pub author_ids: Option<Vec<UserId>>,
    /// Made in this course.
    pub course_id: Option<CourseId>,
    /// In one of these languages, by name.
    pub languages: Option<Vec<String>>,
    /// The attempt that counts is in one of these states.
    pub states: Option<Vec<AttemptState>>,
    /// The attempt that counts ended in one of these ways.
    pub verdicts: Option<Vec<Verdict>>,
    /// Handed in at this time or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Handed in before this time.
    pub created_before: Option<DateTime<Utc>>,
    /// Literal text in any of the files, in any case.
    pub source_contains: Option<String>,
}

/// Whose submissions a list is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmissionScope {
    /// Those of a user, as far as the viewer may see them.
    User(UserId),
    /// Those of a course: everybody's for its staff, their own for others.
    Course(CourseId),
    /// Those of a course that one of its members made.
    Member(CourseId, UserId),
}

impl SubmissionScope {
    /// By whom, and in which course; `None` for any.
    pub const fn author_and_course(self) -> (Option<UserId>, Option<CourseId>) {
        match self {
            Self::User(user) => (Some(user), None),
            Self::Course(course) => (None, Some(course)),
            Self::Member(course, user) => (Some(user), Some(course)),
        }
    }

    /// Whether something of it can be by the authors and in the course that a filter asks for.
    pub fn may_match(self, filter: &SubmissionFilter) -> bool {
        let (author, course) = self.author_and_course();
        let is_author = match (author, &filter.author_ids) {
            (Some(author), Some(asked)) => asked.contains(&author),
            (Some(_) | None, Some(_) | None) => true,
        };
        let is_course = match (course, filter.course_id) {
            (Some(course), Some(asked)) => course == asked,
            (Some(_) | None, Some(_) | None) => true,
        };
        is_author && is_course
    }
}
