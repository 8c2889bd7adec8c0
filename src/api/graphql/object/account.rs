//! Where somebody is signed in, and their access tokens.

use async_graphql::{ID, SimpleObject};

use crate::api::graphql::scalar::DateTime;
use crate::auth::Viewer;
use crate::domain::user;

/// A place where a user is signed in; never holds the secret.
#[derive(Debug, SimpleObject)]
pub struct Session {
    /// Its global id.
    pub id: ID,
    /// When it was signed in.
    created_at: DateTime,
    /// When it was last used, exact to a minute.
    last_used_at: DateTime,
    /// When it ends by itself.
    expires_at: DateTime,
    /// Whether this request uses it.
    is_current: bool,
    /// What the client said it was, shortened.
    user_agent: Option<String>,
}

impl Session {
    /// A session as its owner sees it.
    pub fn of(session: user::Session, viewer: &Viewer) -> Self {
        Self {
            is_current: viewer.session() == Some(session.id),
            id: session.id.into(),
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
            expires_at: session.expires_at.into(),
            user_agent: session.user_agent,
        }
    }
}

/// A named, revocable credential for scripts and the command line.
#[derive(Debug, SimpleObject)]
pub struct AccessToken {
    /// Its global id.
    pub id: ID,
    /// What its owner calls it.
    name: String,
    /// When it was made.
    created_at: DateTime,
    /// When it was last used, exact to a minute; null until it is.
    last_used_at: Option<DateTime>,
    /// When it ends by itself; null for never.
    expires_at: Option<DateTime>,
}

impl From<user::AccessToken> for AccessToken {
    fn from(token: user::AccessToken) -> Self {
        Self {
            id: token.id.into(),
            name: token.name,
            created_at: token.created_at.into(),
            last_used_at: token.last_used_at.map(Into::into),
            expires_at: token.expires_at.map(Into::into),
        }
    }
}
