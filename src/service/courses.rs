//! Courses: making them, joining and leaving them, deciding who is what in them.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{Error, Services, throttle};
use crate::auth::{Viewer, policy};
use crate::domain::course::{Course, CourseRole, CourseTitle, JoinCode, Member};
use crate::domain::ids::{CourseId, UserId};
use crate::store;
use crate::store::courses::Changes;

/// What is to change in a course; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct UpdateCourse {
    /// Another title.
    pub title: Option<String>,
    /// Archived courses take no submissions and no new members.
    pub is_archived: Option<bool>,
    /// Whether the join code is replaced by a new one.
    pub is_join_code_renewed: bool,
}

/// Makes a course; the viewer is its teacher.
pub async fn create(services: &Services, viewer: &Viewer, title: &str) -> Result<Course, Error> {
    if !policy::may_create_course(viewer) {
        return Err(Error::forbidden(
            "Only teachers may create courses. Please ask whoever runs this server to make you one.",
        ));
    }
    let title = CourseTitle::parse(title).map_err(|error| Error::invalid("title", error))?;
    let id = CourseId::new();
    let mut tx = services.begin().await?;
    // Codes are random: that one is taken is rare, that it is twice in a row practically impossible.
    while !store::courses::insert(&mut tx, id, &title, &JoinCode::random()).await? {}
    store::courses::add_member(&mut tx, id, viewer.user_id, CourseRole::Teacher).await?;
    let course = get(&mut tx, viewer, id).await?;
    tx.commit().await?;
    Ok(course)
}

/// Renames, archives or reopens a course, or renews its join code.
pub async fn update(services: &Services, viewer: &Viewer, id: CourseId, input: UpdateCourse) -> Result<Course, Error> {
    let title = input.title.as_deref().map(CourseTitle::parse).transpose();
    let title = title.map_err(|error| Error::invalid("title", error))?;
    let mut tx = services.begin().await?;
    check_manager(&mut tx, viewer, id).await?;
    let join_code = input.is_join_code_renewed.then(JoinCode::random);
    let changes = Changes { title: title.as_ref(), is_archived: input.is_archived, join_code: join_code.as_ref() };
    if !store::courses::update(&mut tx, id, &changes).await? {
        return Err(Error::conflict("The new join code is taken. Please try again."));
    }
    let course = get(&mut tx, viewer, id).await?;
    tx.commit().await?;
    Ok(course)
}

/// Joins as a student; for a member nothing changes.
pub async fn join(services: &Services, viewer: &Viewer, code: &str) -> Result<Course, Error> {
    if !policy::may_join_courses(viewer) {
        return Err(Error::forbidden("Guests cannot join courses. Please register first; your work is kept."));
    }
    throttle::join(services, viewer.user_id).await?;
    let code = JoinCode::parse(code)
        .ok_or_else(|| Error::invalid("joinCode", "A join code has six letters and digits, such as 7KX-94Q."))?;
    let mut tx = services.begin().await?;
    let found = store::courses::find_by_join_code(&mut tx, &code).await?;
    let (id, is_archived) = found.ok_or(Error::NoSuchJoinCode)?;
    let is_member = store::courses::find_own_role(&mut tx, viewer, id).await?.is_some();
    if is_archived && !is_member {
        return Err(Error::conflict("This course is archived: it takes no new members."));
    }
    store::courses::add_member(&mut tx, id, viewer.user_id, CourseRole::Student).await?;
    let course = get(&mut tx, viewer, id).await?;
    tx.commit().await?;
    Ok(course)
}

/// Leaves a course. Returns it as it was seen; the viewer sees it no more. What they handed in stays.
pub async fn leave(services: &Services, viewer: &Viewer, id: CourseId) -> Result<Course, Error> {
    let mut tx = services.begin().await?;
    let course = get(&mut tx, viewer, id).await?;
    remove(&mut tx, id, viewer.user_id).await?;
    services.commit_rights_of(tx, &[viewer.user_id]).await?;
    Ok(Course { viewer_role: None, join_code: None, ..course })
}

/// Gives a member another role. An admin may name somebody who is no member yet.
pub async fn set_member_role(
    services: &Services,
    viewer: &Viewer,
    id: CourseId,
    user: UserId,
    role: CourseRole,
) -> Result<Course, Error> {
    let mut tx = services.begin().await?;
    check_manager(&mut tx, viewer, id).await?;
    if role != CourseRole::Teacher {
        check_not_last_teacher(&mut tx, id, user).await?;
    }
    if !store::courses::set_role(&mut tx, id, user, role).await? {
        if !policy::may_enrol(viewer) {
            return Err(Error::NotFound("member"));
        }
        let users = store::directory::list_visible(&mut tx, viewer, &[user]).await?;
        if users.is_empty() {
            return Err(Error::NotFound("user"));
        }
        store::courses::add_member(&mut tx, id, user, role).await?;
    }
    let course = get(&mut tx, viewer, id).await?;
    services.commit_rights_of(tx, &[user]).await?;
    Ok(course)
}

/// Removes a member. What they handed in stays.
pub async fn remove_member(services: &Services, viewer: &Viewer, id: CourseId, user: UserId) -> Result<Course, Error> {
    let mut tx = services.begin().await?;
    check_manager(&mut tx, viewer, id).await?;
    let course = get(&mut tx, viewer, id).await?;
    remove(&mut tx, id, user).await?;
    services.commit_rights_of(tx, &[user]).await?;
    // Teachers may remove themselves where another one stays.
    Ok(if user == viewer.user_id { Course { viewer_role: None, join_code: None, ..course } } else { course })
}

async fn remove(conn: &mut PgConnection, id: CourseId, user: UserId) -> Result<(), Error> {
    check_not_last_teacher(conn, id, user).await?;
    if store::courses::remove_member(conn, id, user).await? { Ok(()) } else { Err(Error::NotFound("member")) }
}

async fn check_not_last_teacher(conn: &mut PgConnection, id: CourseId, user: UserId) -> Result<(), Error> {
    if store::courses::lock_teachers(conn, id).await? == [user] {
        Err(Error::conflict(
            "This is the course's last teacher. Make somebody else a teacher first, or archive the course.",
        ))
    } else {
        Ok(())
    }
}

async fn check_manager(conn: &mut PgConnection, viewer: &Viewer, id: CourseId) -> Result<(), Error> {
    let course = get(conn, viewer, id).await?;
    if policy::may_manage_course(viewer, course.viewer_role) {
        Ok(())
    } else {
        Err(Error::forbidden("Only the teachers of this course may do that."))
    }
}

/// A course that the viewer may see.
pub(super) async fn get(conn: &mut PgConnection, viewer: &Viewer, id: CourseId) -> Result<Course, Error> {
    store::courses::list_visible(conn, viewer, &[id]).await?.pop().ok_or(Error::NotFound("course"))
}

/// Those of the courses that the viewer may see.
pub async fn courses_by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[CourseId],
) -> Result<HashMap<CourseId, Course>, Error> {
    let courses = store::courses::list_visible(&mut *services.connection().await?, viewer, ids).await?;
    Ok(courses.into_iter().map(|course| (course.id, course)).collect())
}

/// The courses of users, newest first; nothing of those whose courses the viewer may not see.
pub async fn courses_by_users(
    services: &Services,
    viewer: &Viewer,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Course>>, Error> {
    let mut by_user: HashMap<_, Vec<_>> = HashMap::new();
    for (user, course) in store::courses::list_of_users(&mut *services.connection().await?, viewer, users).await? {
        by_user.entry(user).or_default().push(course);
    }
    Ok(by_user)
}

/// The members of courses that the viewer is in, teachers first, then by name.
pub async fn members(
    services: &Services,
    viewer: &Viewer,
    courses: &[CourseId],
    role: Option<CourseRole>,
) -> Result<HashMap<CourseId, Vec<Member>>, Error> {
    let members = store::courses::list_members(&mut *services.connection().await?, viewer, courses, role).await?;
    let mut by_course: HashMap<_, Vec<_>> = HashMap::new();
    for member in members {
        by_course.entry(member.course_id).or_default().push(member);
    }
    Ok(by_course)
}

/// What some users are in some courses that the viewer is in.
pub async fn memberships(
    services: &Services,
    viewer: &Viewer,
    pairs: &[(CourseId, UserId)],
) -> Result<HashMap<(CourseId, UserId), Member>, Error> {
    let (courses, users): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let mut conn = services.connection().await?;
    let members = store::courses::list_memberships(&mut conn, viewer, &courses, &users).await?;
    Ok(members.into_iter().map(|member| ((member.course_id, member.user_id), member)).collect())
}

/// Whether the viewer may see what everybody does in the course: `NOT_FOUND` for who is not in it,
/// `FORBIDDEN` for its students. Streams ask again every few seconds.
pub async fn check_watcher(services: &Services, viewer: &Viewer, id: CourseId) -> Result<(), Error> {
    check_staff(&mut *services.connection().await?, viewer, id).await
}

/// The same within the caller's connection.
pub(super) async fn check_staff(conn: &mut PgConnection, viewer: &Viewer, id: CourseId) -> Result<(), Error> {
    let course = get(conn, viewer, id).await?;
    if policy::may_watch_course(course.viewer_role) {
        Ok(())
    } else {
        Err(Error::forbidden("Only teachers and assistants of this course may see that."))
    }
}
