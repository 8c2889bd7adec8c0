//! Courses, who is what in them, and remarks on what was handed in.

use codecanvas::auth::Viewer;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::ids::{CourseId, SubmissionId, UserId};
use codecanvas::domain::user::SiteRole;
use codecanvas::service::courses::UpdateCourse;
use codecanvas::service::feedback::AddFeedback;
use codecanvas::service::{Error, courses, feedback, people, sessions, statistics};

use crate::support::desk::{Desk, HandedIn, client, code};

#[tokio::test]
async fn teachers_create_courses_and_students_join_by_the_code() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let ada = desk.user("ada").await;
    assert_eq!(code(courses::create(&desk.services, &ada, "Mine").await), "FORBIDDEN");
    assert_eq!(code(courses::create(&desk.services, &teacher, " ").await), "INVALID_INPUT");
    assert_eq!(code(courses::create(&desk.services, &teacher, &"x".repeat(121)).await), "INVALID_INPUT");

    let course = courses::create(&desk.services, &teacher, " Intro CS ").await.unwrap();
    assert_eq!((course.title.as_str(), course.viewer_role), ("Intro CS", Some(CourseRole::Teacher)));
    let join_code = course.join_code.clone().unwrap();
    assert!(courses::courses_by_ids(&desk.services, &ada, &[course.id]).await.unwrap().is_empty());

    let typed = join_code.replace('-', " ").to_lowercase();
    let joined = courses::join(&desk.services, &ada, &typed).await.unwrap();
    assert_eq!((joined.id, joined.viewer_role, joined.join_code), (course.id, Some(CourseRole::Student), None));
    // Whoever joins twice stays what they are.
    let teacher_again = courses::join(&desk.services, &teacher, &join_code).await.unwrap();
    assert_eq!(teacher_again.viewer_role, Some(CourseRole::Teacher));
    let members = courses::members(&desk.services, &ada, &[course.id], None).await.unwrap();
    let roles: Vec<_> = members[&course.id].iter().map(|member| (member.user_id, member.role)).collect();
    assert_eq!(roles, [(teacher.user_id, CourseRole::Teacher), (ada.user_id, CourseRole::Student)]);
    let users = [ada.user_id, teacher.user_id];
    let seen = courses::courses_by_users(&desk.services, &ada, &users).await.unwrap();
    assert!(seen[&ada.user_id].len() == 1 && !seen.contains_key(&teacher.user_id));
}

#[tokio::test]
async fn a_join_code_cannot_be_guessed() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap().viewer();
    assert_eq!(code(courses::join(&desk.services, &guest, "7KX-94Q").await), "FORBIDDEN");
    assert_eq!(code(courses::join(&desk.services, &ada, "7KX-940").await), "INVALID_INPUT");
    let mut codes = Vec::new();
    for _ in 0..10 {
        codes.push(code(courses::join(&desk.services, &ada, "7KX-94Q").await));
    }
    assert_eq!(codes[..9], ["NOT_FOUND"; 9]);
    assert_eq!(codes[9], "RATE_LIMITED");
}

#[tokio::test]
async fn a_course_is_renamed_archived_and_its_code_renewed_by_its_teachers() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let student = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let assistant = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    let stranger = desk.teacher("strange").await;
    let bob = desk.user("bob").await;
    let renamed = || UpdateCourse { title: Some("CS 1".to_owned()), ..UpdateCourse::default() };
    for (viewer, answer) in [(&student, "FORBIDDEN"), (&assistant, "FORBIDDEN"), (&stranger, "NOT_FOUND")] {
        assert_eq!(code(courses::update(&desk.services, viewer, course.id, renamed()).await), answer);
    }
    let old_code = course.join_code.clone().unwrap();
    let input = UpdateCourse { is_join_code_renewed: true, ..renamed() };
    let updated = courses::update(&desk.services, &teacher, course.id, input).await.unwrap();
    assert_eq!((updated.title.as_str(), updated.archived_at), ("CS 1", None));
    let new_code = updated.join_code.unwrap();
    assert_ne!(new_code, old_code);
    assert_eq!(code(courses::join(&desk.services, &bob, &old_code).await), "NOT_FOUND");

    let archive = |is_archived| UpdateCourse { is_archived: Some(is_archived), ..UpdateCourse::default() };
    let archived = courses::update(&desk.services, &teacher, course.id, archive(true)).await.unwrap();
    assert!(archived.archived_at.is_some() && archived.title == "CS 1");
    assert_eq!(code(courses::join(&desk.services, &bob, &new_code).await), "CONFLICT");
    assert_eq!(code(courses::join(&desk.services, &student, &new_code).await), "OK");
    let reopened = courses::update(&desk.services, &teacher, course.id, archive(false)).await.unwrap();
    assert_eq!(reopened.archived_at, None);
    courses::join(&desk.services, &bob, &new_code).await.unwrap();
}

#[tokio::test]
async fn a_course_keeps_a_teacher() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let demote = |viewer, user| courses::set_member_role(&desk.services, viewer, course.id, user, CourseRole::Student);
    assert_eq!(code(courses::leave(&desk.services, &teacher, course.id).await), "CONFLICT");
    assert_eq!(code(demote(&teacher, teacher.user_id).await), "CONFLICT");
    let remove = courses::remove_member(&desk.services, &teacher, course.id, teacher.user_id);
    assert_eq!(code(remove.await), "CONFLICT");

    courses::set_member_role(&desk.services, &teacher, course.id, ada.user_id, CourseRole::Teacher).await.unwrap();
    // Two teachers who leave at the same moment: one of them stays.
    let (one, two) = tokio::join!(
        courses::leave(&desk.services, &teacher, course.id),
        courses::leave(&desk.services, &ada, course.id),
    );
    let mut codes = [code(one), code(two)];
    codes.sort_unstable();
    assert_eq!(codes, ["CONFLICT", "OK"]);
}

#[tokio::test]
async fn whoever_leaves_or_is_removed_sees_the_course_no_more_and_their_work_stays() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let alan = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    assert_eq!(code(courses::check_watcher(&desk.services, &alan, course.id).await), "OK");
    assert_eq!(code(courses::check_watcher(&desk.services, &ada, course.id).await), "FORBIDDEN");

    for (viewer, answer) in [(&ada, "FORBIDDEN"), (&alan, "FORBIDDEN")] {
        let remove = courses::remove_member(&desk.services, viewer, course.id, ada.user_id);
        assert_eq!(code(remove.await), answer);
    }
    let left = courses::leave(&desk.services, &ada, course.id).await.unwrap();
    assert_eq!((left.id, left.viewer_role), (course.id, None));
    assert_eq!(code(courses::leave(&desk.services, &ada, course.id).await), "NOT_FOUND");
    courses::remove_member(&desk.services, &teacher, course.id, alan.user_id).await.unwrap();
    assert_eq!(code(courses::check_watcher(&desk.services, &alan, course.id).await), "NOT_FOUND");
    let remove = courses::remove_member(&desk.services, &teacher, course.id, alan.user_id);
    assert_eq!(code(remove.await), "NOT_FOUND");
    assert_eq!(desk.count("SELECT count(*) FROM submissions WHERE course_id IS NOT NULL").await, 1);
}

#[tokio::test]
async fn an_admin_gives_an_abandoned_course_a_teacher_and_reads_nothing_in_it() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.user("bob").await;
    let root = desk.person("root", SiteRole::Admin).await;
    let name = |viewer, user| courses::set_member_role(&desk.services, viewer, course.id, user, CourseRole::Teacher);
    assert_eq!(code(name(&teacher, bob.user_id).await), "NOT_FOUND", "teachers draw nobody in");
    people::delete_account(&desk.services, &teacher, crate::support::desk::PASSWORD).await.unwrap();

    let seen = courses::courses_by_ids(&desk.services, &root, &[course.id]).await.unwrap();
    assert_eq!((seen[&course.id].viewer_role, seen[&course.id].join_code.as_ref()), (None, None));
    let seen = courses::courses_by_users(&desk.services, &root, &[ada.user_id]).await.unwrap();
    assert_eq!(seen[&ada.user_id].len(), 1);
    assert_eq!(code(courses::check_watcher(&desk.services, &root, course.id).await), "FORBIDDEN");
    assert_eq!(code(statistics::roster(&desk.services, &root, course.id).await), "FORBIDDEN");
    assert_eq!(code(name(&root, UserId::new()).await), "NOT_FOUND");
    name(&root, bob.user_id).await.unwrap();
    assert_eq!(code(courses::check_watcher(&desk.services, &bob, course.id).await), "OK");
}

#[tokio::test]
async fn memberships_are_told_to_members_only() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.user("bob").await;
    let pairs = [(course.id, ada.user_id), (course.id, bob.user_id), (CourseId::new(), ada.user_id)];
    let known = courses::memberships(&desk.services, &teacher, &pairs).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&pairs[0]]);
    assert!(courses::memberships(&desk.services, &bob, &pairs).await.unwrap().is_empty());
    assert!(courses::members(&desk.services, &bob, &[course.id], None).await.unwrap().is_empty());
    let students = courses::members(&desk.services, &ada, &[course.id], Some(CourseRole::Student)).await.unwrap();
    assert_eq!(students[&course.id].len(), 1);
}

fn remark(
    submission_id: SubmissionId,
    path: Option<&str>,
    start_line: Option<i32>,
    end_line: Option<i32>,
) -> AddFeedback {
    AddFeedback { submission_id, body: "Look here.\n".to_owned(), path: path.map(str::to_owned), start_line, end_line }
}

#[tokio::test]
async fn teachers_and_assistants_remark_on_lines_and_the_author_reads_it() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.member(&teacher, &course, "bob", CourseRole::Student).await;
    let alan = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    let handed_in = desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    let private = desk.submission(&HandedIn::by(&ada, None)).await;
    let add = async |viewer: &Viewer, input: AddFeedback| feedback::add(&desk.services, viewer, &input).await;

    let whole = add(&teacher, remark(handed_in, None, None, None)).await.unwrap();
    assert_eq!((whole.body.as_str(), whole.lines), ("Look here.", None));
    let line = add(&alan, remark(handed_in, Some("main.py"), Some(2), None)).await.unwrap();
    assert_eq!((line.path.as_deref(), line.lines), (Some("main.py"), Some((2, 2))));
    add(&alan, remark(handed_in, Some("b.txt"), Some(1), Some(1))).await.unwrap();

    for (viewer, submission, answer) in [
        (&ada, handed_in, "FORBIDDEN"),
        (&bob, handed_in, "NOT_FOUND"),
        (&teacher, private, "NOT_FOUND"),
        (&ada, private, "FORBIDDEN"),
        (&teacher, SubmissionId::new(), "NOT_FOUND"),
    ] {
        assert_eq!(code(add(viewer, remark(submission, None, None, None)).await), answer);
    }
    for (path, start, end, wrong) in [
        (Some("main.c"), None, None, "path"),
        (Some("a\0"), None, None, "path"),
        (None, Some(1), None, "path"),
        (Some("main.py"), Some(0), None, "startLine"),
        (Some("main.py"), Some(4), None, "startLine"),
        (Some("main.py"), None, Some(1), "startLine"),
        (Some("main.py"), Some(2), Some(1), "endLine"),
        (Some("main.py"), Some(1), Some(i32::MAX), "endLine"),
    ] {
        let error = add(&teacher, remark(handed_in, path, start, end)).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidInput { path, .. } if path == wrong), "{wrong}: {error:?}");
    }
    let empty = AddFeedback { body: " \n".to_owned(), ..remark(handed_in, None, None, None) };
    assert_eq!(code(add(&teacher, empty).await), "INVALID_INPUT");

    let ids = [handed_in, private];
    let read = feedback::feedback_by_submissions(&desk.services, &ada, &ids).await.unwrap();
    assert_eq!(read[&handed_in].len(), 3);
    assert_eq!(read[&handed_in][0], whole);
    assert!(feedback::feedback_by_submissions(&desk.services, &bob, &ids).await.unwrap().is_empty());
    let seen_by =
        async |viewer: &Viewer| feedback::by_ids(&desk.services, viewer, &[line.id]).await.unwrap().remove(&line.id);
    assert_eq!((seen_by(&ada).await, seen_by(&bob).await), (Some(line.clone()), None));
    // Who remarked is seen by the author also when they have left.
    courses::leave(&desk.services, &alan, course.id).await.unwrap();
    courses::leave(&desk.services, &ada, course.id).await.unwrap();
    assert_eq!(people::users_by_ids(&desk.services, &ada, &[alan.user_id]).await.unwrap().len(), 1);
}
