//! What the service answers, as far as the command line uses it. The documents in `operations/` ask
//! for exactly these fields.
//!
//! - [`account`]: who one is, and what the server offers
//! - [`run`]: a program on its way
//! - [`history`]: what was run before
//! - [`course`]: courses and their rosters
//!
//! Here is what several of them have in common.

pub mod account;
pub mod course;
pub mod history;
pub mod run;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize};

pub use account::{Language, LanguagesAnswer, Person, SignInAnswer};
pub use course::{ActivityAnswer, Class, Course, JoinAnswer, RosterRow, WithCourses, WithMembers};
pub use history::{HistoryLine, Page, Submission, SubmissionAnswer, WithSubmissions};
pub use run::{
    Event, EventBody, EventsAnswer, FindAnswer, Found, Outcome, QueuePlace, RerunAnswer, Step, StepOutput, StepsOutput,
    SubmitAnswer, WriteStdinAnswer,
};

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

/// The author of something.
#[derive(Debug, Deserialize, Serialize)]
pub struct Author {
    pub username: String,
}

/// Something of which only the id matters.
#[derive(Debug, Deserialize)]
pub struct Identified {
    pub id: String,
}

/// `attempt` alone.
#[derive(Debug, Deserialize)]
pub struct AttemptAnswer<T> {
    pub attempt: Option<T>,
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

/// `course` alone.
#[derive(Debug, Deserialize)]
pub struct CourseAnswer<T> {
    pub course: Option<T>,
}
