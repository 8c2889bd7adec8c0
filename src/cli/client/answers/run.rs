//! A program on its way: handed in, followed, and how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Author, Binary, Identified};
use crate::domain::verdict::{AttemptState, OutputStream, StepKind, Verdict};

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
