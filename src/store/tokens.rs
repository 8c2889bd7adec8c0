//! Access tokens: named credentials for scripts.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, query, query_as};

use crate::auth::Viewer;
use crate::auth::secret::Digest;
use crate::domain::ids::{AccessTokenId, UserId};
use crate::domain::user::AccessToken;

/// Adds a token of the viewer's, unless they have `most` already: then `None`.
pub async fn insert(
    conn: &mut PgConnection,
    viewer: &Viewer,
    name: &str,
    secret: &Digest,
    expires_at: Option<DateTime<Utc>>,
    most: i64,
) -> sqlx::Result<Option<AccessToken>> {
    query_as!(
        AccessToken,
        r#"
        INSERT INTO access_tokens (id, user_id, name, secret_sha256, expires_at)
        SELECT $1, $2, $3, $4, $5
        WHERE (SELECT count(*) FROM access_tokens WHERE user_id = $2) < $6
        RETURNING id, user_id, name, created_at, last_used_at, expires_at
        "#,
        AccessTokenId::new() as AccessTokenId,
        viewer.user_id as UserId,
        name,
        secret,
        expires_at,
        most,
    )
    .fetch_optional(conn)
    .await
}

/// The viewer's own tokens, newest first; also those that have ended, until they are cleaned up.
pub async fn list(conn: &mut PgConnection, viewer: &Viewer) -> sqlx::Result<Vec<AccessToken>> {
    query_as!(
        AccessToken,
        r#"
        SELECT id, user_id, name, created_at, last_used_at, expires_at
        FROM access_tokens
        WHERE user_id = $1
        ORDER BY id DESC
        "#,
        viewer.user_id as UserId,
    )
    .fetch_all(conn)
    .await
}

/// Revokes one of the user's tokens. Whether there was one.
pub async fn delete(conn: &mut PgConnection, user: UserId, id: AccessTokenId) -> sqlx::Result<bool> {
    let done = query!("DELETE FROM access_tokens WHERE id = $1 AND user_id = $2", id as AccessTokenId, user as UserId)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Revokes all tokens of a user.
pub async fn delete_all(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    query!("DELETE FROM access_tokens WHERE user_id = $1", user as UserId).execute(conn).await?;
    Ok(())
}

/// Forgets tokens that ended by themselves more than a week ago: until then their owner sees why a
/// script stopped working. Returns how many.
pub async fn delete_expired(conn: &mut PgConnection) -> sqlx::Result<u64> {
    let done = query!("DELETE FROM access_tokens WHERE expires_at < now() - interval '7 days'").execute(conn).await?;
    Ok(done.rows_affected())
}
