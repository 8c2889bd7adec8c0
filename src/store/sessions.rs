//! Where people are signed in.

use std::time::Duration;

use sqlx::{PgConnection, query, query_as};

use crate::auth::secret::Digest;
use crate::auth::{Credential, Viewer};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::{Session, SiteRole};

/// Somebody recognised by a secret.
#[derive(Debug)]
pub struct Recognised {
    /// Who it is.
    pub viewer: Viewer,
    /// Whether the time of last use is to be written: it is kept to a minute.
    pub is_touch_due: bool,
}

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

/// Whose session that secret opens, unless it has ended.
pub async fn find_viewer(conn: &mut PgConnection, secret: &Digest) -> sqlx::Result<Option<Recognised>> {
    let row = query!(
        r#"
        SELECT
            sessions.id, users.id AS user_id, users.username, users.role AS "role: SiteRole", sessions.expires_at,
            sessions.last_used_at < now() - interval '1 minute' AS "is_touch_due!"
        FROM sessions
        JOIN users ON users.id = sessions.user_id
        WHERE sessions.secret_sha256 = $1
            AND sessions.expires_at > now()
        "#,
        secret,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Recognised {
        viewer: Viewer {
            user_id: row.user_id.into(),
            username: row.username,
            role: row.role,
            credential: Credential::Session(row.id.into()),
            expires_at: Some(row.expires_at),
        },
        is_touch_due: row.is_touch_due,
    }))
}

/// The role that the user of this session has now. `None` where the session has ended.
pub async fn find_role(conn: &mut PgConnection, id: SessionId) -> sqlx::Result<Option<SiteRole>> {
    let row = query!(
        r#"
        SELECT users.role AS "role: SiteRole"
        FROM sessions
        JOIN users ON users.id = sessions.user_id
        WHERE sessions.id = $1
            AND sessions.expires_at > now()
        "#,
        id as SessionId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.role))
}

/// Notes that the session was used.
pub async fn touch(conn: &mut PgConnection, id: SessionId) -> sqlx::Result<()> {
    // Of many requests at once only the first writes.
    query!(
        "UPDATE sessions SET last_used_at = now() WHERE id = $1 AND last_used_at < now() - interval '1 minute'",
        id as SessionId,
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

/// One of the viewer's own sessions.
pub async fn find(conn: &mut PgConnection, viewer: &Viewer, id: SessionId) -> sqlx::Result<Option<Session>> {
    query_as!(
        Session,
        r#"
        SELECT id, user_id, created_at, last_used_at, expires_at, user_agent
        FROM sessions
        WHERE id = $1
            AND user_id = $2
            AND expires_at > now()
        "#,
        id as SessionId,
        viewer.user_id as UserId,
    )
    .fetch_optional(conn)
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
