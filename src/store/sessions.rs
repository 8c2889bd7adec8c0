//! Where people are signed in.

use std::time::Duration;

use sqlx::{PgConnection, query, query_as};

use crate::auth::Viewer;
use crate::auth::secret::Digest;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::Session;

/// Adds a session that ends after `lifetime`, or with the guest whose it is. `None` where there is no
/// such user any more.
pub async fn insert(
    conn: &mut PgConnection,
    user: UserId,
    secret: &Digest,
    user_agent: Option<&str>,
    lifetime: Duration,
) -> sqlx::Result<Option<Session>> {
    query_as!(
        Session,
        r#"
        INSERT INTO sessions (id, user_id, secret_sha256, user_agent, expires_at)
        SELECT $1, users.id, $3, $4, least(now() + make_interval(secs => $5), users.expires_at)
        FROM users
        WHERE users.id = $2
        RETURNING id, user_id, created_at, last_used_at, expires_at, user_agent
        "#,
        SessionId::new() as SessionId,
        user as UserId,
        secret,
        user_agent,
        lifetime.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await
}

/// Ends all but the newest `keep` sessions of a user.
pub async fn trim(conn: &mut PgConnection, user: UserId, keep: i64) -> sqlx::Result<()> {
    query!(
        r#"
        DELETE FROM sessions
        WHERE user_id = $1
            AND id IN (SELECT id FROM sessions WHERE user_id = $1 ORDER BY id DESC OFFSET $2)
        "#,
        user as UserId,
        keep,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The viewer's own sessions that have not ended, newest first.
pub async fn list(conn: &mut PgConnection, viewer: &Viewer) -> sqlx::Result<Vec<Session>> {
    query_as!(
        Session,
        r#"
        SELECT id, user_id, created_at, last_used_at, expires_at, user_agent
        FROM sessions
        WHERE user_id = $1
            AND expires_at > now()
        ORDER BY id DESC
        "#,
        viewer.user_id as UserId,
    )
    .fetch_all(conn)
    .await
}

/// Ends one of the user's sessions. Whether there was one.
pub async fn delete(conn: &mut PgConnection, user: UserId, id: SessionId) -> sqlx::Result<bool> {
    let done = query!("DELETE FROM sessions WHERE id = $1 AND user_id = $2", id as SessionId, user as UserId)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all sessions of a user, or all but one.
pub async fn delete_all(conn: &mut PgConnection, user: UserId, except: Option<SessionId>) -> sqlx::Result<()> {
    query!(
        "DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2",
        user as UserId,
        except as Option<SessionId>,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets sessions that have ended by themselves. Returns how many.
pub async fn delete_expired(conn: &mut PgConnection) -> sqlx::Result<u64> {
    Ok(query!("DELETE FROM sessions WHERE expires_at < now()").execute(conn).await?.rows_affected())
}
