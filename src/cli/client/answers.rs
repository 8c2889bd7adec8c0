//! What the service answers, as far as the command line uses it. The documents in `operations/` ask
//! for exactly these fields.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

/// Bytes that travel as base64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binary(pub Vec<u8>);

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Binary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

/// `viewer` alone.
#[derive(Debug, Deserialize)]
pub struct ViewerAnswer<T> {
    /// `None`: nobody is signed in.
    pub viewer: Option<T>,
}

/// A person.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub username: String,
    pub display_name: String,
    pub role: String,
}

/// The author of something.
#[derive(Debug, Deserialize, Serialize)]
pub struct Author {
    pub username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInAnswer {
    pub sign_in: SignIn,
}

#[derive(Debug, Deserialize)]
pub struct SignIn {
    pub token: String,
    pub user: Person,
}

#[derive(Debug, Deserialize)]
pub struct LanguagesAnswer {
    pub languages: Vec<Language>,
}

/// A language that the service offers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Language {
    pub name: String,
    pub display_name: String,
    pub version: String,
    pub aliases: Vec<String>,
    pub file_extensions: Vec<String>,
    pub is_compiled: bool,
}

/// Something of which only the id matters.
#[derive(Debug, Deserialize)]
pub struct Identified {
    pub id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitAnswer {
    pub submit_code: Submitted,
}

#[derive(Debug, Deserialize)]
pub struct Submitted {
    pub submission: Identified,
    pub attempt: Identified,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RerunAnswer {
    pub rerun_submission: Rerun,
}

#[derive(Debug, Deserialize)]
pub struct Rerun {
    pub attempt: Identified,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteStdinAnswer {
    pub write_stdin: WriteStdin,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteStdin {
    pub next_offset: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventsAnswer {
    pub attempt_events: Event,
}

/// One entry of an attempt's log.
#[derive(Debug, Deserialize)]
pub struct Event {
    pub cursor: String,
    pub sequence: u64,
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. Kinds that a later server adds are read over.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "__typename")]
pub enum EventBody {
    StateChanged {
        state: AttemptState,
    },
    StepStarted {
        kind: StepKind,
    },
    OutputChunk {
        kind: StepKind,
        stream: OutputStream,
        offset: u64,
        bytes: Binary,
    },
    AttemptFinished,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAnswer {
    pub course_activity: Activity,
}

#[derive(Debug, Deserialize)]
pub struct Activity {
    pub cursor: String,
}

/// `attempt` alone.
#[derive(Debug, Deserialize)]
pub struct AttemptAnswer<T> {
    pub attempt: Option<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuePlace {
    pub queue_position: Option<u64>,
}

/// How an attempt ended, or how far it is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub id: String,
    pub number: u32,
    pub state: AttemptState,
    pub verdict: Option<Verdict>,
    pub language_version: Option<String>,
    pub queued_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub submission: OutcomeSubmission,
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct OutcomeSubmission {
    pub id: String,
    pub language: String,
    pub author: Author,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub kind: StepKind,
    pub verdict: Option<Verdict>,
    pub exit_code: Option<i32>,
    pub signal: Option<String>,
    pub cpu_time_ms: Option<u64>,
    pub wall_time_ms: Option<u64>,
    pub peak_memory_bytes: Option<u64>,
    pub reason: Option<String>,
    pub is_cached: bool,
    pub stdout: StreamSize,
    pub stderr: StreamSize,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSize {
    pub total_bytes: u64,
    pub is_truncated: bool,
}

#[derive(Debug, Deserialize)]
pub struct StepsOutput {
    pub steps: Vec<StepOutput>,
}

/// Everything that a step wrote.
#[derive(Debug, Deserialize, Serialize)]
pub struct StepOutput {
    pub kind: StepKind,
    pub stdout: Output,
    pub stderr: Output,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Output {
    pub text: String,
    pub bytes: Binary,
}

#[derive(Debug, Deserialize)]
pub struct FindAnswer {
    pub node: Option<Found>,
    pub viewer: Option<Author>,
}

/// What an id that somebody typed belongs to.
#[derive(Debug, Deserialize)]
#[serde(tag = "__typename")]
pub enum Found {
    Attempt {
        id: String,
        state: AttemptState,
        submission: FoundSubmission,
    },
    Submission {
        id: String,
        author: Author,
        attempt: FoundAttempt,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub struct FoundSubmission {
    pub id: String,
    pub author: Author,
}

#[derive(Debug, Deserialize)]
pub struct FoundAttempt {
    pub id: String,
    pub state: AttemptState,
}

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
pub struct NamedAuthor {
    pub username: String,
    pub display_name: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct CourseTitle {
    pub title: String,
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

/// `course` alone.
#[derive(Debug, Deserialize)]
pub struct CourseAnswer<T> {
    pub course: Option<T>,
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

#[derive(Debug, Deserialize)]
pub struct WithCourses {
    pub courses: Vec<Course>,
}

/// A course that the viewer is a member of.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    pub id: String,
    pub title: String,
    pub is_archived: bool,
    pub viewer_role: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAnswer {
    pub join_course: Joined,
}

#[derive(Debug, Deserialize)]
pub struct Joined {
    pub course: Course,
}

#[derive(Debug, Deserialize)]
pub struct WithMembers {
    pub members: Vec<MemberName>,
}

#[derive(Debug, Deserialize)]
pub struct MemberName {
    pub user: MemberUser,
}

#[derive(Debug, Deserialize)]
pub struct MemberUser {
    pub id: String,
    pub username: String,
}

/// A class as its teacher sees it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Class {
    pub title: String,
    pub roster: Vec<RosterRow>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterRow {
    pub member: RosterMember,
    pub last_submission: Option<RosterSubmission>,
    pub submission_count: u32,
    pub ok_count: u32,
    pub consecutive_failures: u32,
    pub is_stuck: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct RosterMember {
    pub user: NamedAuthor,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterSubmission {
    pub id: String,
    pub language: String,
    pub created_at: DateTime<Utc>,
    pub attempt: RosterAttempt,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct RosterAttempt {
    pub state: AttemptState,
    pub verdict: Option<Verdict>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Result<Event, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn events_are_read_by_their_type_and_unknown_ones_keep_their_cursor() {
        let chunk = r#"{"__typename":"OutputChunk","cursor":"c","sequence":3,"kind":"RUN","stream":"STDOUT","offset":5,"bytes":"/wA="}"#;
        assert_eq!(
            event(chunk).unwrap().body,
            EventBody::OutputChunk {
                kind: StepKind::Run,
                stream: OutputStream::Stdout,
                offset: 5,
                bytes: Binary(vec![0xff, 0]),
            }
        );
        let other = event(r#"{"__typename":"Tomorrow","cursor":"d","sequence":4,"x":{}}"#).unwrap();
        assert_eq!((other.cursor.as_str(), other.body), ("d", EventBody::Other));
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [
            r#"{"__typename":"OutputChunk","cursor":"c","sequence":3,"kind":"RUN","stream":"STDOUT","offset":-1,"bytes":""}"#,
            r#"{"__typename":"OutputChunk","cursor":"c","sequence":3,"kind":"RUN","stream":"STDOUT","offset":0,"bytes":"%"}"#,
            r#"{"__typename":"StateChanged","cursor":"c","sequence":3,"state":"DANCING"}"#,
            r#"{"__typename":"StateChanged","sequence":3,"state":"QUEUED"}"#,
        ] {
            assert!(event(nonsense).is_err(), "{nonsense}");
        }
    }
}
