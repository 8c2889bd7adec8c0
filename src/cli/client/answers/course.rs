//! Courses and their rosters.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::NamedAuthor;
use crate::domain::verdict::{AttemptState, Verdict};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAnswer {
    pub course_activity: Activity,
}

#[derive(Debug, Deserialize)]
pub struct Activity {
    pub cursor: String,
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
