//! Courses: who is what in them, and the code that lets students in.

use std::fmt;

use chrono::{DateTime, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::ids::{CourseId, FeedbackId, SubmissionId, UserId};
use super::text::{InvalidText, line};

/// What somebody is in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "course_role", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CourseRole {
    /// Hands in; sees their own.
    Student,
    /// Sees everybody's submissions and remarks on them.
    Assistant,
    /// The same, and decides about the course and its members.
    Teacher,
}

impl CourseRole {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Student, Self::Assistant, Self::Teacher];

    /// Whether this role sees what everybody handed in.
    pub const fn is_staff(self) -> bool {
        match self {
            Self::Student => false,
            Self::Assistant | Self::Teacher => true,
        }
    }
}

/// A course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Which course.
    pub id: CourseId,
    /// What it is called.
    pub title: String,
    /// What students type to join; `None` unless the viewer is its teacher.
    pub join_code: Option<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Since when nothing can be handed in; `None` while it is open.
    pub archived_at: Option<DateTime<Utc>>,
    /// What the viewer is in it; `None` for an admin who is no member.
    pub viewer_role: Option<CourseRole>,
}

/// Somebody in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// In which course.
    pub course_id: CourseId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: CourseRole,
    /// Since when.
    pub joined_at: DateTime<Utc>,
}

/// A remark on a submission, on one of its files, or on lines of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Which remark.
    pub id: FeedbackId,
    /// On which submission.
    pub submission_id: SubmissionId,
    /// Whose remark.
    pub author_id: UserId,
    /// On which file; `None` for the submission as a whole.
    pub path: Option<String>,
    /// First and last line, from 1; `None` for the whole file.
    pub lines: Option<(i32, i32)>,
    /// What it says.
    pub body: String,
    /// When it was said.
    pub created_at: DateTime<Utc>,
}

/// What a course is called: one line, 1 to 120 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseTitle(String);

impl CourseTitle {
    /// Takes a title that somebody chose; space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        line(text, 120).map(Self)
    }

    /// The title as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What students type to join a course: `7KX-94Q`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinCode(String);

impl JoinCode {
    /// No letter that could be taken for another or for a digit (0 O, 1 I L): the code is read from
    /// a projector. 31⁶ codes are 887 million; joining is throttled.
    const ALPHABET: &'static [u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
    const LENGTH: usize = 6;

    /// A new code that nobody can guess.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let letter = || char::from(Self::ALPHABET[rng.random_range(0..Self::ALPHABET.len())]);
        Self::grouped(&std::iter::repeat_with(letter).take(Self::LENGTH).collect::<String>())
    }

    /// Takes what somebody typed: case, spaces and dashes do not matter. `None` where it is no code.
    pub fn parse(text: &str) -> Option<Self> {
        let typed = text.chars().filter(|c| !matches!(c, '-' | ' ')).take(Self::LENGTH + 1);
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let is_code = code.len() == Self::LENGTH && code.bytes().all(|b| Self::ALPHABET.contains(&b));
        is_code.then(|| Self::grouped(&code))
    }

    fn grouped(code: &str) -> Self {
        let (left, right) = code.split_at(Self::LENGTH / 2);
        Self(format!("{left}-{right}"))
    }

    /// The code as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_code_is_read_however_it_is_typed() {
        let code = JoinCode("7KX-94Q".to_owned());
        for typed in ["7KX-94Q", "7kx94q", " 7kx 94q ", "7K-X9-4Q"] {
            assert_eq!(JoinCode::parse(typed).as_ref(), Some(&code), "{typed:?}");
        }
        for wrong in ["", "7KX-94", "7KX-94QQ", "7KX-940", "7KX-94Ü", "7KX\n94Q"] {
            assert_eq!(JoinCode::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_random_join_code_reads_back_as_itself() {
        let code = JoinCode::random();
        assert_eq!(JoinCode::parse(code.as_str()), Some(code));
    }

    #[test]
    fn only_teachers_and_assistants_are_staff() {
        let staff: Vec<_> = CourseRole::ALL.into_iter().filter(|role| role.is_staff()).collect();
        assert_eq!(staff, [CourseRole::Assistant, CourseRole::Teacher]);
    }
}
