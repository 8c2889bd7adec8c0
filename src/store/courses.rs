//! Courses and who is what in them.

use sqlx::{PgConnection, query, query_as, query_scalar};

use super::violates;
use crate::auth::Viewer;
use crate::domain::course::{Course, CourseRole, CourseTitle, JoinCode, Member};
use crate::domain::ids::{CourseId, UserId};

/// Changes to a course; `None` leaves as it is.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Another title.
    pub title: Option<&'a CourseTitle>,
    /// Whether it is archived from now on.
    pub is_archived: Option<bool>,
    /// Another join code.
    pub join_code: Option<&'a JoinCode>,
}

/// Adds a course. `false` where another course has the join code.
pub async fn insert(
    conn: &mut PgConnection,
    id: CourseId,
    title: &CourseTitle,
    join_code: &JoinCode,
) -> sqlx::Result<bool> {
    let done = query!(
        r#"
        INSERT INTO courses (id, title, join_code)
        VALUES ($1, $2, $3)
        ON CONFLICT (join_code) DO NOTHING
        "#,
        id as CourseId,
        title.as_str(),
        join_code.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Changes a course. `false` where another course has the join code; the transaction is then lost.
pub async fn update(conn: &mut PgConnection, id: CourseId, changes: &Changes<'_>) -> sqlx::Result<bool> {
    let updated = query!(
        r#"
        UPDATE courses
        SET title = coalesce($2, title),
            archived_at = CASE
                WHEN $3::boolean IS NULL THEN archived_at
                WHEN $3 THEN coalesce(archived_at, now())
            END,
            join_code = coalesce($4, join_code)
        WHERE id = $1
        "#,
        id as CourseId,
        changes.title.map(CourseTitle::as_str),
        changes.is_archived,
        changes.join_code.map(JoinCode::as_str),
    )
    .execute(conn)
    .await;
    match updated {
        Ok(_) => Ok(true),
        Err(error) if violates(&error, "courses_join_code_key") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Those of the courses that the viewer may see, in no order: their own; for admins all.
pub async fn list_visible(conn: &mut PgConnection, viewer: &Viewer, ids: &[CourseId]) -> sqlx::Result<Vec<Course>> {
    query_as!(
        Course,
        r#"
        SELECT
            courses.id, courses.title, courses.created_at, courses.archived_at,
            own.role AS "viewer_role?: CourseRole",
            CASE WHEN own.role = 'TEACHER' THEN courses.join_code END AS join_code
        FROM courses
        LEFT JOIN course_members AS own ON own.course_id = courses.id AND own.user_id = $1
        WHERE courses.id = ANY($2)
            AND (own.role IS NOT NULL OR $3)
        "#,
        viewer.user_id as UserId,
        ids as &[CourseId],
        viewer.is_admin(),
    )
    .fetch_all(conn)
    .await
}

/// The courses that users are in, newest first, each with whose it is; only for themselves and for admins.
pub async fn list_of_users(
    conn: &mut PgConnection,
    viewer: &Viewer,
    users: &[UserId],
) -> sqlx::Result<Vec<(UserId, Course)>> {
    let rows = query!(
        r#"
        SELECT
            theirs.user_id AS "user_id: UserId",
            courses.id AS "id: CourseId", courses.title, courses.created_at, courses.archived_at,
            own.role AS "viewer_role?: CourseRole",
            CASE WHEN own.role = 'TEACHER' THEN courses.join_code END AS join_code
        FROM course_members AS theirs
        JOIN courses ON courses.id = theirs.course_id
        LEFT JOIN course_members AS own ON own.course_id = courses.id AND own.user_id = $1
        WHERE theirs.user_id = ANY($2)
            AND (theirs.user_id = $1 OR $3)
        ORDER BY courses.id DESC
        "#,
        viewer.user_id as UserId,
        users as &[UserId],
        viewer.is_admin(),
    )
    .fetch_all(conn)
    .await?;
    let courses = rows.into_iter().map(|row| {
        let course = Course {
            id: row.id,
            title: row.title,
            created_at: row.created_at,
            archived_at: row.archived_at,
            viewer_role: row.viewer_role,
            join_code: row.join_code,
        };
        (row.user_id, course)
    });
    Ok(courses.collect())
}

/// The course that a join code lets into, and whether it is archived.
pub async fn find_by_join_code(conn: &mut PgConnection, code: &JoinCode) -> sqlx::Result<Option<(CourseId, bool)>> {
    let row = query!(
        r#"
        SELECT id AS "id: CourseId", archived_at IS NOT NULL AS "is_archived!"
        FROM courses
        WHERE join_code = $1
        "#,
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.id, row.is_archived)))
}

/// What the viewer is in a course, and whether it is archived. `None` where they are not in it.
pub async fn find_own_role(
    conn: &mut PgConnection,
    viewer: &Viewer,
    course: CourseId,
) -> sqlx::Result<Option<(CourseRole, bool)>> {
    let row = query!(
        r#"
        SELECT course_members.role AS "role: CourseRole", courses.archived_at IS NOT NULL AS "is_archived!"
        FROM course_members
        JOIN courses ON courses.id = course_members.course_id
        WHERE course_members.course_id = $1
            AND course_members.user_id = $2
        "#,
        course as CourseId,
        viewer.user_id as UserId,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.role, row.is_archived)))
}

/// The members of courses, teachers first, then by name; only for their members and for admins.
pub async fn list_members(
    conn: &mut PgConnection,
    viewer: &Viewer,
    courses: &[CourseId],
    role: Option<CourseRole>,
) -> sqlx::Result<Vec<Member>> {
    query_as!(
        Member,
        r#"
        SELECT members.course_id, members.user_id, members.role AS "role: CourseRole", members.joined_at
        FROM course_members AS members
        JOIN users ON users.id = members.user_id
        WHERE members.course_id = ANY($2)
            AND ($3::course_role IS NULL OR members.role = $3)
            AND (
                $4
                OR EXISTS (
                    SELECT
                    FROM course_members AS own
                    WHERE own.course_id = members.course_id
                        AND own.user_id = $1
                )
            )
        ORDER BY members.role DESC, lower(users.display_name), users.id
        "#,
        viewer.user_id as UserId,
        courses as &[CourseId],
        role as Option<CourseRole>,
        viewer.is_admin(),
    )
    .fetch_all(conn)
    .await
}

/// What is known of some users in some courses that the viewer is in: the nth course with the nth user.
pub async fn list_memberships(
    conn: &mut PgConnection,
    viewer: &Viewer,
    courses: &[CourseId],
    users: &[UserId],
) -> sqlx::Result<Vec<Member>> {
    query_as!(
        Member,
        r#"
        SELECT members.course_id, members.user_id, members.role AS "role: CourseRole", members.joined_at
        FROM unnest($2::uuid[], $3::uuid[]) AS asked (course_id, user_id)
        JOIN course_members AS members USING (course_id, user_id)
        WHERE members.user_id = $1
            OR $4
            OR EXISTS (
                SELECT
                FROM course_members AS own
                WHERE own.course_id = members.course_id
                    AND own.user_id = $1
            )
        "#,
        viewer.user_id as UserId,
        courses as &[CourseId],
        users as &[UserId],
        viewer.is_admin(),
    )
    .fetch_all(conn)
    .await
}

/// Makes a user a member, unless they are one already. Whether they became one.
pub async fn add_member(
    conn: &mut PgConnection,
    course: CourseId,
    user: UserId,
    role: CourseRole,
) -> sqlx::Result<bool> {
    let done = query!(
        r#"
        INSERT INTO course_members (course_id, user_id, role)
        VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        "#,
        course as CourseId,
        user as UserId,
        role as CourseRole,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The teachers of a course. Locks their rows until the transaction ends: the last two teachers who
/// leave at the same moment must not both succeed.
pub async fn lock_teachers(conn: &mut PgConnection, course: CourseId) -> sqlx::Result<Vec<UserId>> {
    query_scalar!(
        r#"
        SELECT user_id AS "user_id: UserId"
        FROM course_members
        WHERE course_id = $1
            AND role = 'TEACHER'
        ORDER BY user_id
        FOR UPDATE
        "#,
        course as CourseId,
    )
    .fetch_all(conn)
    .await
}

/// Gives a member another role. Whether they are one.
pub async fn set_role(conn: &mut PgConnection, course: CourseId, user: UserId, role: CourseRole) -> sqlx::Result<bool> {
    let done = query!(
        "UPDATE course_members SET role = $3 WHERE course_id = $1 AND user_id = $2",
        course as CourseId,
        user as UserId,
        role as CourseRole,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a membership. Whether there was one.
pub async fn remove_member(conn: &mut PgConnection, course: CourseId, user: UserId) -> sqlx::Result<bool> {
    let done =
        query!("DELETE FROM course_members WHERE course_id = $1 AND user_id = $2", course as CourseId, user as UserId,)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() > 0)
}
