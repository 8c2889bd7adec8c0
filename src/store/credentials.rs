//! Telling who a secret belongs to, be it that of a session or of an access token.

use sqlx::{PgConnection, query};

use crate::auth::secret::{Digest, Kind};
use crate::auth::{Credential, Viewer};
use crate::domain::user::SiteRole;

/// Somebody recognised by a secret.
#[derive(Debug)]
pub struct Recognised {
    /// Who it is.
    pub viewer: Viewer,
    /// Whether the time of last use is to be written: it is kept to a minute.
    pub is_touch_due: bool,
}

/// Whose secret that is, unless what it opens has ended. Both tables have the same columns; a name of a
/// table cannot be an argument.
macro_rules! find_viewer {
    ($table:literal, $credential:path, $secret:ident, $conn:ident) => {{
        let row = query!(
            r#"
            SELECT
                credential.id, users.id AS user_id, users.username, users.role AS "role: SiteRole",
                credential.expires_at AS "expires_at?",
                coalesce(credential.last_used_at < now() - interval '1 minute', true) AS "is_touch_due!"
            FROM "#
                + $table
                + r#" AS credential
            JOIN users ON users.id = credential.user_id
            WHERE credential.secret_sha256 = $1
                AND (credential.expires_at IS NULL OR credential.expires_at > now())
            "#,
            $secret,
        )
        .fetch_optional($conn)
        .await?;
        Ok(row.map(|row| Recognised {
            viewer: Viewer {
                user_id: row.user_id.into(),
                username: row.username,
                role: row.role,
                credential: $credential(row.id.into()),
                expires_at: row.expires_at,
            },
            is_touch_due: row.is_touch_due,
        }))
    }};
}

/// Who presents a secret of that kind. `None` where it opens nothing, or nothing any more.
pub async fn find_viewer(conn: &mut PgConnection, kind: Kind, secret: &Digest) -> sqlx::Result<Option<Recognised>> {
    match kind {
        Kind::Session => find_viewer!("sessions", Credential::Session, secret, conn),
        Kind::AccessToken => find_viewer!("access_tokens", Credential::AccessToken, secret, conn),
    }
}

macro_rules! find_role {
    ($table:literal, $id:ident, $conn:ident) => {{
        let row = query!(
            r#"
            SELECT users.role AS "role: SiteRole"
            FROM "#
                + $table
                + r#" AS credential
            JOIN users ON users.id = credential.user_id
            WHERE credential.id = $1
                AND (credential.expires_at IS NULL OR credential.expires_at > now())
            "#,
            $id.as_uuid(),
        )
        .fetch_optional($conn)
        .await?;
        Ok(row.map(|row| row.role))
    }};
}

/// The role that the viewer has now. `None` where their credential has ended.
pub async fn find_role(conn: &mut PgConnection, viewer: &Viewer) -> sqlx::Result<Option<SiteRole>> {
    match viewer.credential {
        Credential::Session(id) => find_role!("sessions", id, conn),
        Credential::AccessToken(id) => find_role!("access_tokens", id, conn),
        Credential::Operator => Ok(Some(viewer.role)),
    }
}

macro_rules! touch {
    ($table:literal, $id:ident, $conn:ident) => {{
        // Of many requests at once only the first writes.
        query!(
            "UPDATE "
                + $table
                + " SET last_used_at = now()
             WHERE id = $1
                AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
            $id.as_uuid(),
        )
        .execute($conn)
        .await?;
        Ok(())
    }};
}

/// Notes that the credential was used.
pub async fn touch(conn: &mut PgConnection, credential: Credential) -> sqlx::Result<()> {
    match credential {
        Credential::Session(id) => touch!("sessions", id, conn),
        Credential::AccessToken(id) => touch!("access_tokens", id, conn),
        Credential::Operator => Ok(()),
    }
}
