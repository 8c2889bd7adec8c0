//! Who may see whom, and finding people by their names.

use sqlx::{PgConnection, query_as, query_scalar};

use super::literal;
use crate::auth::Viewer;
use crate::domain::ids::UserId;
use crate::domain::page::PageRequest;
use crate::domain::user::{SiteRole, User};

/// Those of the users that the viewer may see, in no order: themselves; for admins everybody; who is
/// in a course with them; and who handed in, remarked on, or ran again something that the viewer may
/// read, even when they have left the course since.
pub async fn list_visible(conn: &mut PgConnection, viewer: &Viewer, ids: &[UserId]) -> sqlx::Result<Vec<User>> {
    query_as!(
        User,
        r#"
        WITH staff_of AS (
            SELECT course_id
            FROM course_members
            WHERE user_id = $1
                AND role IN ('TEACHER', 'ASSISTANT')
        )
        SELECT id, username, display_name, role AS "role: SiteRole", created_at
        FROM users
        WHERE id = ANY($2)
            AND (
                id = $1
                OR $3
                OR EXISTS (
                    SELECT
                    FROM course_members AS own
                    JOIN course_members AS theirs USING (course_id)
                    WHERE own.user_id = $1
                        AND theirs.user_id = users.id
                )
                -- OFFSET 0 keeps Postgres from reading all that was ever handed in into a hash table: what
                -- follows is asked for few users, and each question is an index scan.
                OR EXISTS (
                    SELECT
                    FROM staff_of
                    JOIN submissions ON submissions.course_id = staff_of.course_id
                    WHERE submissions.author_id = users.id
                    OFFSET 0
                )
                OR EXISTS (
                    SELECT
                    FROM feedback
                    JOIN submissions ON submissions.id = feedback.submission_id
                    WHERE feedback.author_id = users.id
                        AND (
                            submissions.author_id = $1
                            OR submissions.course_id IN (SELECT course_id FROM staff_of)
                        )
                    OFFSET 0
                )
                -- The first attempt is the author's.
                OR EXISTS (
                    SELECT
                    FROM attempts
                    JOIN submissions ON submissions.id = attempts.submission_id
                    WHERE attempts.requested_by = users.id
                        AND attempts.number > 1
                        AND (
                            submissions.author_id = $1
                            OR submissions.course_id IN (SELECT course_id FROM staff_of)
                        )
                    OFFSET 0
                )
            )
        "#,
        viewer.user_id as UserId,
        ids as &[UserId],
        viewer.is_admin(),
    )
    .fetch_all(conn)
    .await
}

/// The order is all that SQL cannot take as an argument.
macro_rules! search {
    ($order:literal, $conn:ident, $viewer:ident, $search:ident, $page:ident) => {
        query_as!(
            User,
            r#"
            SELECT id, username, display_name, role AS "role: SiteRole", created_at
            FROM users
            WHERE $1
                AND (lower(username) LIKE lower($2) OR lower(display_name) LIKE lower($2))
                AND ($3::uuid IS NULL OR id < $3)
                AND ($4::uuid IS NULL OR id > $4)
            ORDER BY id "#
                + $order
                + " LIMIT $5",
            $viewer.is_admin(),
            prefix_pattern($search),
            $page.after as Option<UserId>,
            $page.before as Option<UserId>,
            $page.limit(),
        )
        .fetch_all($conn)
        .await
    };
}

/// Everybody whose username or display name begins with `search`, newest first; for admins only.
pub async fn search(
    conn: &mut PgConnection,
    viewer: &Viewer,
    search: &str,
    page: &PageRequest<UserId>,
) -> sqlx::Result<Vec<User>> {
    if page.is_from_bottom() {
        search!("ASC", conn, viewer, search, page)
    } else {
        search!("DESC", conn, viewer, search, page)
    }
}

/// How many [`search()`] finds on all pages.
pub async fn count_found(conn: &mut PgConnection, viewer: &Viewer, search: &str) -> sqlx::Result<i64> {
    query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM users
        WHERE $1
            AND (lower(username) LIKE lower($2) OR lower(display_name) LIKE lower($2))
        "#,
        viewer.is_admin(),
        prefix_pattern(search),
    )
    .fetch_one(conn)
    .await
}

/// A pattern for `LIKE` that matches what begins with `text`, taken literally.
fn prefix_pattern(text: &str) -> String {
    format!("{}%", literal(text))
}
