//! Every "may X do Y" that does not depend on whose row it is.
//!
//! Who may *see* a row is decided by the statement that reads it (`crate::store`); what is not seen is
//! not found. These functions decide what somebody may *do* with what they see. They are pure: what
//! they need to know comes as arguments.

use super::{Credential, Viewer};
use crate::domain::course::CourseRole;
use crate::domain::ids::UserId;
use crate::domain::user::SiteRole;

/// Users search, roles of others, deleting others, workers: everything about the server itself.
pub const fn may_administer(viewer: &Viewer) -> bool {
    viewer.is_admin()
}

/// Whether the account can have access tokens, a password, a profile of its own.
pub const fn may_keep_account(viewer: &Viewer) -> bool {
    !viewer.is_guest()
}

/// A token cannot make further tokens: else one that leaked would outlive its revocation.
pub const fn may_create_access_token(viewer: &Viewer) -> bool {
    may_keep_account(viewer)
        && match viewer.credential {
            Credential::Session(_) => true,
            Credential::AccessToken(_) | Credential::Operator => false,
        }
}

/// Whether they may create courses.
pub const fn may_create_course(viewer: &Viewer) -> bool {
    match viewer.role {
        SiteRole::Guest | SiteRole::User => false,
        // The operator has no account that could be the teacher.
        SiteRole::Teacher | SiteRole::Admin => !matches!(viewer.credential, Credential::Operator),
    }
}

/// Which courses somebody is in: they themselves, and who runs the server.
pub fn may_see_courses_of(viewer: &Viewer, user: UserId) -> bool {
    viewer.user_id == user || viewer.is_admin()
}

/// Guests take part in nothing: their account may be gone tomorrow.
pub const fn may_join_courses(viewer: &Viewer) -> bool {
    !viewer.is_guest() && !matches!(viewer.credential, Credential::Operator)
}

/// Title, archive, join code, members and their roles. Admins may as well: a course whose teacher has
/// left would otherwise be nobody's.
pub const fn may_manage_course(viewer: &Viewer, role: Option<CourseRole>) -> bool {
    viewer.is_admin() || matches!(role, Some(CourseRole::Teacher))
}

/// Whether they may give a role in the course to somebody who has not joined. Teachers cannot draw
/// people into a course; an admin gives an abandoned course a teacher that way.
pub const fn may_enrol(viewer: &Viewer) -> bool {
    viewer.is_admin()
}

/// The code that lets people in.
pub const fn may_see_join_code(role: Option<CourseRole>) -> bool {
    matches!(role, Some(CourseRole::Teacher))
}

/// Everybody's submissions, the live class, roster, statistics, exports. The site role does not
/// count: an admin who is not in the course does not read what students write.
pub const fn may_watch_course(role: Option<CourseRole>) -> bool {
    match role {
        Some(role) => role.is_staff(),
        None => false,
    }
}

/// Remarks on what others handed in.
pub const fn may_remark(role: Option<CourseRole>) -> bool {
    may_watch_course(role)
}

/// Whether they may hand in for the course.
pub const fn may_submit_to_course(role: Option<CourseRole>, is_archived: bool) -> bool {
    role.is_some() && !is_archived
}

/// Another attempt of a submission: its author, and the staff of its course.
pub const fn may_rerun(is_author: bool, course_role: Option<CourseRole>) -> bool {
    is_author || may_watch_course(course_role)
}

/// Stopping an attempt or typing into it: who asked for it. Typing into somebody's program as
/// somebody else would make their history a lie.
pub const fn may_type_into(is_requester: bool) -> bool {
    is_requester
}

/// Stopping an attempt: who asked for it, the author, and the staff of the course.
pub const fn may_cancel(is_requester: bool, is_author: bool, course_role: Option<CourseRole>) -> bool {
    is_requester || is_author || may_watch_course(course_role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AccessTokenId, SessionId};

    fn viewer(role: SiteRole) -> Viewer {
        Viewer {
            user_id: UserId::new(),
            username: "ada".to_owned(),
            role,
            credential: Credential::Session(SessionId::new()),
            expires_at: None,
        }
    }

    fn roles_that(may: impl Fn(&Viewer) -> bool) -> Vec<SiteRole> {
        SiteRole::ALL.into_iter().filter(|role| may(&viewer(*role))).collect()
    }

    fn course_roles_that(may: impl Fn(Option<CourseRole>) -> bool) -> Vec<CourseRole> {
        assert!(!may(None), "whoever is not in the course may nothing");
        CourseRole::ALL.into_iter().filter(|role| may(Some(*role))).collect()
    }

    #[test]
    fn site_roles_open_what_they_should() {
        use SiteRole::{Admin, Teacher, User};
        assert_eq!(roles_that(may_administer), [Admin]);
        assert_eq!(roles_that(may_keep_account), [User, Teacher, Admin]);
        assert_eq!(roles_that(may_create_access_token), [User, Teacher, Admin]);
        assert_eq!(roles_that(may_create_course), [Teacher, Admin]);
        assert_eq!(roles_that(may_join_courses), [User, Teacher, Admin]);
        assert_eq!(roles_that(may_enrol), [Admin]);
        assert_eq!(roles_that(|viewer| may_see_courses_of(viewer, UserId::new())), [Admin]);
        assert_eq!(roles_that(|viewer| may_see_courses_of(viewer, viewer.user_id)), SiteRole::ALL);
        assert_eq!(roles_that(|viewer| may_manage_course(viewer, None)), [Admin]);
        assert_eq!(roles_that(|viewer| may_manage_course(viewer, Some(CourseRole::Assistant))), [Admin]);
        assert_eq!(roles_that(|viewer| may_manage_course(viewer, Some(CourseRole::Teacher))), SiteRole::ALL);
    }

    #[test]
    fn course_roles_open_what_they_should() {
        use CourseRole::{Assistant, Teacher};
        assert_eq!(course_roles_that(may_see_join_code), [Teacher]);
        assert_eq!(course_roles_that(may_watch_course), [Assistant, Teacher]);
        assert_eq!(course_roles_that(may_remark), [Assistant, Teacher]);
        assert_eq!(course_roles_that(|role| may_rerun(false, role)), [Assistant, Teacher]);
        assert_eq!(course_roles_that(|role| may_cancel(false, false, role)), [Assistant, Teacher]);
        assert_eq!(course_roles_that(|role| may_submit_to_course(role, false)), CourseRole::ALL);
        assert_eq!(course_roles_that(|role| may_submit_to_course(role, true)), []);
    }

    #[test]
    fn what_is_ones_own_needs_no_course() {
        assert!(may_rerun(true, None));
        assert!(may_cancel(true, false, None) && may_cancel(false, true, None));
        assert!(may_type_into(true) && !may_type_into(false));
    }

    #[test]
    fn a_token_makes_no_tokens_and_the_operator_has_no_courses() {
        let token = Viewer { credential: Credential::AccessToken(AccessTokenId::new()), ..viewer(SiteRole::Admin) };
        assert!(!may_create_access_token(&token));
        assert!(may_create_course(&token));
        assert!(!may_create_course(&Viewer::operator()) && !may_join_courses(&Viewer::operator()));
        assert!(may_administer(&Viewer::operator()));
    }
}
