//! What was run before.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Author, Binary, CourseTitle, NamedAuthor};
use crate::domain::verdict::{AttemptState, Verdict};

#[derive(Debug, Deserialize)]
pub struct SubmissionAnswer {
    pub submission: Option<Submission>,
}

/// A submission with its files.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub id: String,
    pub language: String,
    pub main_path: String,
    pub created_at: DateTime<Utc>,
    pub arguments: Vec<String>,
    pub author: NamedAuthor,
    pub course: Option<CourseTitle>,
    pub files: Vec<SourceFile>,
    pub attempts: Vec<AttemptLine>,
    pub feedback: Vec<Remark>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFile {
    pub path: String,
    pub text: Option<String>,
    pub bytes: Binary,
    pub size_bytes: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptLine {
    pub id: String,
    pub number: u32,
    pub state: AttemptState,
    pub verdict: Option<Verdict>,
    pub queued_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    pub path: Option<String>,
    pub start_line: Option<u32>,
    pub end_line: Option<u32>,
    pub body: String,
    pub created_at: DateTime<Utc>,
    pub author: RemarkAuthor,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemarkAuthor {
    pub display_name: String,
}

/// Whoever has submissions: the viewer, or a course.
#[derive(Debug, Deserialize)]
pub struct WithSubmissions {
    pub submissions: Page,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub nodes: Vec<HistoryLine>,
    pub page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLine {
    pub id: String,
    pub language: String,
    pub main_path: String,
    pub created_at: DateTime<Utc>,
    pub author: Author,
    pub course: Option<CourseTitle>,
    pub attempt: HistoryAttempt,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct HistoryAttempt {
    pub id: String,
    pub state: AttemptState,
    pub verdict: Option<Verdict>,
}
