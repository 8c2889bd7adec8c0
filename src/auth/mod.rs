//! Who asks, and what they may do.
//!
//! - [`Viewer`]: somebody whose credential was checked; every use case and every reading function of
//!   the store takes one
//! - [`policy`]: every "may X do Y", as pure functions
//! - [`password`]: argon2id, off the async threads and a bounded number at once
//! - [`secret`]: what sessions and access tokens are made of

pub mod password;
pub mod policy;
pub mod secret;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{AccessTokenId, SessionId, UserId};
use crate::domain::user::SiteRole;

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// By signing in.
    Session(SessionId),
    /// By an access token.
    AccessToken(AccessTokenId),
    /// By having the command line of the server at their hands.
    Operator,
}

/// Somebody whose credential was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who it is.
    pub user_id: UserId,
    /// What they sign in with.
    pub username: String,
    /// What they were on this server when the credential was checked.
    pub role: SiteRole,
    /// How they proved it.
    pub credential: Credential,
    /// When the credential ends by itself; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Viewer {
    /// Whoever types `codecanvas admin` at the server: an admin without an account.
    pub fn operator() -> Self {
        Self {
            user_id: UserId::from_uuid(Uuid::nil()),
            username: String::new(),
            role: SiteRole::Admin,
            credential: Credential::Operator,
            expires_at: None,
        }
    }

    /// Whether they run the server.
    pub const fn is_admin(&self) -> bool {
        matches!(self.role, SiteRole::Admin)
    }

    /// Whether the account is a throw-away one.
    pub const fn is_guest(&self) -> bool {
        matches!(self.role, SiteRole::Guest)
    }

    /// The session that the viewer uses, if it is one.
    pub const fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::AccessToken(_) | Credential::Operator => None,
        }
    }
}
