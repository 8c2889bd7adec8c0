//! Finished attempts as the notice of their end carries them, so that whoever watches need not ask.
//!
//! ```text
//!  id, attempt as a JSON object, packed log in base64
//! ```
//! with a space between them. A payload is shorter than 8000 bytes (Postgres' `NOTIFY_PAYLOAD_MAX_LENGTH`); where it would
//! not be, the notice is the id alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::log::{self, Damaged};
use crate::domain::attempt::Attempt;
use crate::domain::event::Event;

/// An attempt that has finished, and all its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// As it is and stays.
    pub attempt: Attempt,
    /// It can be a thousand times as long as what it is packed into, and not everybody reads it.
    packed: Vec<u8>,
}

impl Finished {
    /// Reads what is behind the id. `None` where nothing is, or something else: then it has to be read from the tables.
    pub(super) fn read(rest: &str) -> Option<Self> {
        // No space is in base64.
        let (attempt, packed) = rest.rsplit_once(' ')?;
        Some(Self { attempt: serde_json::from_str(attempt).ok()?, packed: STANDARD.decode(packed).ok()? })
    }

    /// All events, from the first to the last.
    ///
    /// # Errors
    /// [`Damaged`] for what [`log::encode`] did not make.
    pub fn log(&self) -> Result<Vec<Event>, Damaged> {
        log::decode(&self.packed)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::event::EventBody;
    use crate::domain::ids::{AttemptId, SubmissionId, UserId};
    use crate::domain::verdict::{AttemptState, Verdict};

    #[test]
    fn a_finished_attempt_reads_back_and_anything_else_is_none() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let log = vec![Event { sequence: 0, at, body: EventBody::AttemptFinished }];
        let attempt = Attempt {
            id: AttemptId::new(),
            submission_id: SubmissionId::new(),
            number: 2,
            requested_by: UserId::new(),
            state: AttemptState::Finished,
            verdict: Some(Verdict::RuntimeError),
            language_version: Some("Lang 1 (a \"b\")".to_owned()),
            queued_at: at,
            started_at: None,
            finished_at: Some(at),
        };
        let json = format!(
            r#"{{"id":"{}","submission_id":"{}","number":2,"requested_by":"{}","state":"FINISHED","verdict":"RUNTIME_ERROR","#,
            attempt.id.as_uuid(),
            attempt.submission_id.as_uuid(),
            attempt.requested_by.as_uuid(),
        ) + r#""language_version":"Lang 1 (a \"b\")","queued_at":"2023-11-14T22:13:20.123456+00:00","started_at":null,"#
            + r#""finished_at":"2023-11-14T22:13:20.123456+00:00"}"#;
        let packed = STANDARD.encode(log::encode(&log).unwrap());
        let finished = Finished::read(&format!("{json} {packed}")).unwrap();
        assert_eq!((finished.log(), finished.attempt), (Ok(log), attempt));
        for wrong in ["", " ", "{} ", &json, &format!("{json} {}", &packed[1..])] {
            assert_eq!(Finished::read(wrong), None, "{wrong:?}");
        }
        assert_eq!(Finished::read(&format!("{json} {}", &packed[4..])).unwrap().log(), Err(Damaged));
    }
}
