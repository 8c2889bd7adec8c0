//! Access tokens: named, expiring, revocable credentials for scripts.

use std::collections::HashMap;

use chrono::{DateTime, Days, Utc};

use super::{Error, Services};
use crate::auth::secret::{self, Secret};
use crate::auth::{Viewer, policy};
use crate::domain::ids::AccessTokenId;
use crate::domain::text;
use crate::domain::user::AccessToken;
use crate::store;

/// Tokens that a user may have.
const MOST_TOKENS: i64 = 100;
/// Days that a token with a date may live: a hundred years, so that every date can be written.
const MOST_DAYS: Days = Days::new(36525);

/// Makes a token. The secret is shown this once.
pub async fn create(
    services: &Services,
    viewer: &Viewer,
    name: &str,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(AccessToken, Secret), Error> {
    if viewer.is_guest() {
        return Err(Error::forbidden("A guest cannot have access tokens. Register to have them."));
    }
    if !policy::may_create_access_token(viewer) {
        return Err(Error::forbidden(
            "An access token cannot make further ones. Sign in with your password to do that.",
        ));
    }
    let name = text::line(name, 80).map_err(|error| Error::invalid("name", error))?;
    let now = Utc::now();
    if let Some(expires_at) = expires_at {
        if expires_at <= now {
            return Err(Error::invalid("expiresAt", "This is in the past."));
        }
        if now.checked_add_days(MOST_DAYS).is_none_or(|latest| expires_at > latest) {
            return Err(Error::invalid(
                "expiresAt",
                "At most a hundred years; leave it out for a token that never ends.",
            ));
        }
    }
    let secret = Secret::random(secret::Kind::AccessToken);
    let mut conn = services.connection().await?;
    let token = store::tokens::insert(&mut conn, viewer, &name, &secret.digest(), expires_at, MOST_TOKENS).await?;
    let token = token.ok_or_else(|| Error::conflict("You have a hundred access tokens. Revoke one first."))?;
    Ok((token, secret))
}

/// The viewer's own tokens, newest first.
pub async fn list(services: &Services, viewer: &Viewer) -> Result<Vec<AccessToken>, Error> {
    Ok(store::tokens::list(&mut *services.connection().await?, viewer).await?)
}

/// Those of the tokens that are the viewer's own. There are few: all are read.
pub async fn by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[AccessTokenId],
) -> Result<HashMap<AccessTokenId, AccessToken>, Error> {
    let own = list(services, viewer).await?.into_iter();
    Ok(own.filter(|token| ids.contains(&token.id)).map(|token| (token.id, token)).collect())
}

/// Ends a token for good.
pub async fn revoke(services: &Services, viewer: &Viewer, id: AccessTokenId) -> Result<(), Error> {
    let mut tx = services.begin().await?;
    if !store::tokens::delete(&mut tx, viewer.user_id, id).await? {
        return Err(Error::NotFound("access token"));
    }
    services.commit_rights_of(tx, &[viewer.user_id]).await
}
