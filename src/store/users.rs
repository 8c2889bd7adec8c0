//! People with an account, guests included.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, query, query_as, query_scalar};

use super::violates;
use crate::auth::Viewer;
use crate::domain::ids::UserId;
use crate::domain::user::{DisplayName, SiteRole, User, Username};

/// An account that is about to exist.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// Its id.
    pub id: UserId,
    /// What they sign in with.
    pub username: &'a Username,
    /// What others see.
    pub display_name: &'a DisplayName,
    /// Not for guests.
    pub role: SiteRole,
    /// In PHC string format.
    pub password_hash: &'a str,
}

/// What signing in needs to know of an account.
#[derive(Debug)]
pub struct Account {
    /// Whose account.
    pub user: User,
    /// In PHC string format; `None` for guests.
    pub password_hash: Option<String>,
}

/// How turning a guest into a user ended.
#[derive(Debug)]
pub enum Promotion {
    /// The guest is a user.
    Done(User),
    /// Somebody else has that name.
    NameTaken,
    /// There is no such guest any more.
    NoSuchGuest,
}

/// Adds an account. `None` where the name is taken.
pub async fn insert(conn: &mut PgConnection, new: &NewUser<'_>) -> sqlx::Result<Option<User>> {
    query_as!(
        User,
        r#"
        INSERT INTO users (id, username, display_name, role, password_hash)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (lower(username)) DO NOTHING
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        new.id as UserId,
        new.username.as_str(),
        new.display_name.as_str(),
        new.role as SiteRole,
        new.password_hash,
    )
    .fetch_optional(conn)
    .await
}

/// Adds a guest who is deleted after `lifetime`. `None` where the random name is taken.
pub async fn insert_guest(
    conn: &mut PgConnection,
    id: UserId,
    username: &Username,
    display_name: &DisplayName,
    lifetime: Duration,
) -> sqlx::Result<Option<User>> {
    query_as!(
        User,
        r#"
        INSERT INTO users (id, username, display_name, role, expires_at)
        VALUES ($1, $2, $3, 'GUEST', now() + make_interval(secs => $4))
        ON CONFLICT (lower(username)) DO NOTHING
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        id as UserId,
        username.as_str(),
        display_name.as_str(),
        lifetime.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await
}

/// Turns a guest into a user who keeps the id and with it everything that refers to it.
pub async fn promote_guest(conn: &mut PgConnection, new: &NewUser<'_>) -> sqlx::Result<Promotion> {
    let promoted = query_as!(
        User,
        r#"
        UPDATE users
        SET username = $2, display_name = $3, role = $4, password_hash = $5, expires_at = NULL
        WHERE id = $1
            AND role = 'GUEST'
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        new.id as UserId,
        new.username.as_str(),
        new.display_name.as_str(),
        new.role as SiteRole,
        new.password_hash,
    )
    .fetch_optional(conn)
    .await;
    match promoted {
        Ok(Some(user)) => Ok(Promotion::Done(user)),
        Ok(None) => Ok(Promotion::NoSuchGuest),
        Err(error) if violates(&error, "users_username_key") => Ok(Promotion::NameTaken),
        Err(error) => Err(error),
    }
}

/// As Postgres keeps it.
struct AccountRow {
    id: UserId,
    username: String,
    display_name: String,
    role: SiteRole,
    created_at: DateTime<Utc>,
    password_hash: Option<String>,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let AccountRow { id, username, display_name, role, created_at, password_hash } = row;
        Self { user: User { id, username, display_name, role, created_at }, password_hash }
    }
}

/// The account behind a name that somebody typed, whatever its case.
pub async fn find_account(conn: &mut PgConnection, username: &str) -> sqlx::Result<Option<Account>> {
    let row = query_as!(
        AccountRow,
        r#"
        SELECT id, username, display_name, role AS "role: SiteRole", created_at, password_hash
        FROM users
        WHERE lower(username) = lower($1)
        "#,
        username,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Account::from))
}

/// The viewer's own account.
pub async fn find_own_account(conn: &mut PgConnection, viewer: &Viewer) -> sqlx::Result<Option<Account>> {
    let row = query_as!(
        AccountRow,
        r#"
        SELECT id, username, display_name, role AS "role: SiteRole", created_at, password_hash
        FROM users
        WHERE id = $1
        "#,
        viewer.user_id as UserId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Account::from))
}

/// The password hash of an account; the inner `None` for a guest. Locks the row until the transaction
/// ends, so that of two changes of the password at once the second sees the first.
pub async fn lock_password(conn: &mut PgConnection, id: UserId) -> sqlx::Result<Option<Option<String>>> {
    query_scalar!("SELECT password_hash FROM users WHERE id = $1 FOR NO KEY UPDATE", id as UserId)
        .fetch_optional(conn)
        .await
}

/// Gives a user another display name. `None` where there is no such user.
pub async fn set_display_name(
    conn: &mut PgConnection,
    id: UserId,
    display_name: &DisplayName,
) -> sqlx::Result<Option<User>> {
    query_as!(
        User,
        r#"
        UPDATE users
        SET display_name = $2
        WHERE id = $1
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        id as UserId,
        display_name.as_str(),
    )
    .fetch_optional(conn)
    .await
}

/// Gives a user, not a guest, another password. `None` where there is no such user.
pub async fn set_password(conn: &mut PgConnection, id: UserId, password_hash: &str) -> sqlx::Result<Option<User>> {
    query_as!(
        User,
        r#"
        UPDATE users
        SET password_hash = $2
        WHERE id = $1
            AND role <> 'GUEST'
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        id as UserId,
        password_hash,
    )
    .fetch_optional(conn)
    .await
}

/// Gives a user, not a guest, another role, not that of a guest. `None` where there is no such user.
pub async fn set_role(conn: &mut PgConnection, id: UserId, role: SiteRole) -> sqlx::Result<Option<User>> {
    query_as!(
        User,
        r#"
        UPDATE users
        SET role = $2
        WHERE id = $1
            AND role <> 'GUEST'
        RETURNING id, username, display_name, role AS "role: SiteRole", created_at
        "#,
        id as UserId,
        role as SiteRole,
    )
    .fetch_optional(conn)
    .await
}

/// The admins. Locks their rows until the transaction ends: two admins who take each other's role at
/// the same moment must not both succeed.
pub async fn lock_admins(conn: &mut PgConnection) -> sqlx::Result<Vec<UserId>> {
    query_scalar!(r#"SELECT id AS "id: UserId" FROM users WHERE role = 'ADMIN' ORDER BY id FOR NO KEY UPDATE"#)
        .fetch_all(conn)
        .await
}

/// Deletes a user and, by the foreign keys, all that is theirs. Whether there was one.
pub async fn delete(conn: &mut PgConnection, id: UserId) -> sqlx::Result<bool> {
    let done = query!("DELETE FROM users WHERE id = $1", id as UserId).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes up to `limit` guests whose time is over, and all that is theirs. Returns who they were.
pub async fn delete_expired_guests(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<UserId>> {
    query_scalar!(
        r#"
        DELETE FROM users
        WHERE id IN (
            SELECT id
            FROM users
            WHERE expires_at < now()
            ORDER BY expires_at
            LIMIT $1
            -- A guest who registers at this moment is not one any more: leave the row to them.
            FOR UPDATE SKIP LOCKED
        )
        RETURNING id AS "id: UserId"
        "#,
        limit,
    )
    .fetch_all(conn)
    .await
}
