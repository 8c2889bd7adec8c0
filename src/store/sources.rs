//! Contents of source files, each stored once however often it is handed in.

use sqlx::PgConnection;

/// Contents as a statement takes them, a list for each column.
pub(super) struct Columns {
    pub(super) digests: Vec<Vec<u8>>,
    pub(super) contents: Vec<Vec<u8>>,
    pub(super) texts: Vec<Option<String>>,
}

impl<'s> FromIterator<(&'s [u8], &'s [u8])> for Columns {
    /// Takes contents behind their digests.
    fn from_iter<I: IntoIterator<Item = (&'s [u8], &'s [u8])>>(sources: I) -> Self {
        // Two submissions that bring the same new files wait for each other's rows: in one order they
        // cannot do so in a circle.
        let sorted: std::collections::BTreeMap<_, _> = sources.into_iter().collect();
        // Postgres' text refuses NUL. Such a file is stored but not found by its text.
        let text = |bytes| str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(ToOwned::to_owned);
        Self {
            digests: sorted.keys().map(|digest| digest.to_vec()).collect(),
            contents: sorted.values().map(|bytes| bytes.to_vec()).collect(),
            texts: sorted.values().map(|bytes| text(bytes)).collect(),
        }
    }
}

/// Whether a submission was refused because contents that it names are not there.
pub fn is_missing(error: &sqlx::Error) -> bool {
    super::violates(error, "submission_files_sha256_fkey")
}

/// A stretch of all contents, in the order of their digests.
#[derive(Debug, Clone)]
pub struct Swept {
    /// How many of them were deleted.
    pub deleted: i64,
    /// The last digest of the stretch; `None` where there is nothing behind it.
    pub last: Option<Vec<u8>>,
}

/// Looks at the `stretch` contents behind the digest `after`, and deletes those that no submission has
/// any more. However many there are, it takes a look at each by an index and holds nobody up.
pub async fn delete_orphans(conn: &mut PgConnection, after: &[u8], stretch: i64) -> sqlx::Result<Swept> {
    sqlx::query_as!(
        Swept,
        r#"WITH looked_at AS MATERIALIZED (
             SELECT sha256 FROM sources WHERE sha256 > $1 ORDER BY sha256 LIMIT $2
         ), orphans AS MATERIALIZED (
             SELECT s.sha256
             FROM looked_at l
             JOIN sources s ON s.sha256 = l.sha256
             WHERE NOT EXISTS (SELECT FROM submission_files f WHERE f.sha256 = l.sha256 OFFSET 0)
             -- A submission that is being stored holds the row: leave it alone.
             FOR UPDATE OF s SKIP LOCKED
         ), deleted AS (
             DELETE FROM sources WHERE sha256 IN (SELECT sha256 FROM orphans) RETURNING 1
         )
         SELECT
             (SELECT count(*) FROM deleted) AS "deleted!",
             (SELECT sha256 FROM looked_at ORDER BY sha256 OFFSET $2 - 1 LIMIT 1) AS last"#,
        after,
        stretch,
    )
    .fetch_one(conn)
    .await
}
