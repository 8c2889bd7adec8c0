//! Tells the api processes that somebody's rights may have become less, so that streams end that were
//! opened under the old ones.

use sqlx::{PgConnection, query};

use crate::domain::ids::UserId;

/// The channel. The payload is the id of the user whose rights changed, as [`UserId`] prints it.
///
/// Whoever listens also looks again every few seconds: a notice may be lost with its connection, and
/// what ends by its date gives none.
pub const CHANNEL: &str = "codecanvas_rights";

/// Gives notice when the transaction commits.
pub async fn notify(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    query!("SELECT pg_notify($1, $2)", CHANNEL, user.to_string()).fetch_one(conn).await?;
    Ok(())
}
