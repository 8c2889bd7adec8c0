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

/// Deletes contents that no submission has any more, at most `limit` of them. Answers how many.
pub async fn delete_orphans(conn: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM sources
         WHERE sha256 IN (
             SELECT s.sha256
             FROM sources s
             WHERE NOT EXISTS (SELECT FROM submission_files f WHERE f.sha256 = s.sha256)
             LIMIT $1
             -- A submission that is being stored holds the row: leave it alone.
             FOR UPDATE SKIP LOCKED
         )",
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
