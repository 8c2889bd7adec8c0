//! Contents of source files, each stored once however often it is handed in.

use sqlx::PgConnection;

/// Contents under their digest.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// SHA-256 of the contents.
    pub sha256: &'a [u8],
    /// The contents.
    pub bytes: &'a [u8],
}

/// Stores those contents that are not there yet.
pub async fn insert_missing(conn: &mut PgConnection, sources: &[Source<'_>]) -> sqlx::Result<()> {
    // Two submissions that bring the same new files wait for each other's rows: in one order they
    // cannot do so in a circle.
    let mut sorted = sources.to_vec();
    sorted.sort_by_key(|source| source.sha256);
    let digests: Vec<_> = sorted.iter().map(|source| source.sha256.to_vec()).collect();
    let contents: Vec<_> = sorted.iter().map(|source| source.bytes.to_vec()).collect();
    // Postgres' text refuses NUL. Such a file is stored but not found by its text.
    let texts: Vec<_> = sorted
        .iter()
        .map(|source| std::str::from_utf8(source.bytes).ok().filter(|text| !text.contains('\0')).map(ToOwned::to_owned))
        .collect();
    sqlx::query!(
        "INSERT INTO sources (sha256, bytes, text)
         SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[])
         ON CONFLICT DO NOTHING",
        &digests,
        &contents,
        &texts as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
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
