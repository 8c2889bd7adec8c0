//! People: what a name may be, and what somebody is on this server.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{AccessTokenId, SessionId, UserId};
use super::text::{InvalidText, line};

/// What somebody is on this server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "site_role", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SiteRole {
    /// A throw-away account without a password.
    Guest,
    /// Everybody who registered.
    User,
    /// May create courses.
    Teacher,
    /// Runs the server.
    Admin,
}

impl SiteRole {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Guest, Self::User, Self::Teacher, Self::Admin];
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// What they sign in with, as it was registered.
    pub username: String,
    /// What others see.
    pub display_name: String,
    /// What they are on this server.
    pub role: SiteRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A place where somebody is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which session.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When it was signed in.
    pub created_at: DateTime<Utc>,
    /// Exact to a minute.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// What the client said it was, shortened.
    pub user_agent: Option<String>,
}

/// A named credential for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Which token.
    pub id: AccessTokenId,
    /// Whose.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Exact to a minute; `None` until it is used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A name to sign in with: letters, digits, `.`, `_`, `-`, at most 40; the first a letter or a digit.
/// Two names that differ in case only are the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Names that start like this belong to guests.
    pub const GUEST_PREFIX: &'static str = "guest-";

    /// Takes a name that somebody chose.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if text.is_empty() {
            return Err(InvalidText::Empty);
        }
        if text.len() > 40 {
            return Err(InvalidText::TooLong { characters: 40 });
        }
        if !Self::is_well_formed(text) {
            return Err(InvalidText::NotAUsername);
        }
        if text.to_ascii_lowercase().starts_with(Self::GUEST_PREFIX) {
            return Err(InvalidText::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether an account can have this name, a guest's included.
    pub fn is_well_formed(text: &str) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_plain)
    }

    /// The name of a guest; unique as far as the id is.
    pub fn of_guest(id: UserId) -> Self {
        let digits = id.as_uuid().simple().to_string();
        // The end of a UUIDv7 is random, its beginning is the time.
        Self(format!("{}{}", Self::GUEST_PREFIX, &digits[digits.len() - 12..]))
    }

    /// The name as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that others see: one line, 1 to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Takes a name that somebody chose; space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        line(text, 80).map(Self)
    }

    /// The name as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_short_and_plain() {
        for good in ["ada", "A", "0", "grace.hopper", "a_b-c", &"x".repeat(40)] {
            assert_eq!(Username::parse(good).map(|name| name.0), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", InvalidText::Empty),
            (&*"x".repeat(41), InvalidText::TooLong { characters: 40 }),
            (".ada", InvalidText::NotAUsername),
            ("ada lovelace", InvalidText::NotAUsername),
            ("ada\n", InvalidText::NotAUsername),
            ("ädä", InvalidText::NotAUsername),
            ("a\0", InvalidText::NotAUsername),
            ("Guest-1", InvalidText::Reserved),
        ] {
            assert_eq!(Username::parse(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn guests_get_names_that_nobody_can_register() {
        let name = Username::of_guest(UserId::new());
        assert_eq!(name.as_str().len(), 18);
        assert_eq!(Username::parse(name.as_str()), Err(InvalidText::Reserved));
    }
}
