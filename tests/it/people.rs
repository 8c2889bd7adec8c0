//! Accounts: made, changed, deleted, and seen by others.

use chrono::{TimeDelta, Utc};
use codecanvas::auth::Viewer;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::user::SiteRole;
use codecanvas::service::people::Register;
use codecanvas::service::{Error, people, sessions, tokens};

use crate::support::desk::{Desk, HandedIn, PASSWORD, client, code, registration};

#[tokio::test]
async fn whoever_registers_can_sign_in_again_whatever_the_case_of_the_name() {
    let desk = Desk::new().await;
    let ada = desk.register("Ada").await.unwrap();
    assert_eq!((ada.user.username.as_str(), ada.user.display_name.as_str()), ("Ada", "Ada"));
    assert_eq!(ada.user.role, SiteRole::User);
    let again = desk.sign_in("aDA").await;
    assert_eq!(again.user_id, ada.user.id);
    let viewer = desk.authenticate(ada.secret.reveal()).await.unwrap();
    assert_eq!(viewer, ada.viewer());
    assert_eq!(people::own_user(&desk.services, &viewer).await.unwrap(), ada.user);
    assert_eq!(code(desk.register("ADA").await), "CONFLICT");
}

#[tokio::test]
async fn bad_input_is_named_and_leaves_nothing() {
    let desk = Desk::new().await;
    let ada = || registration("ada");
    for (input, path) in [
        (Register { username: "a b".to_owned(), ..ada() }, "username"),
        (Register { username: "guest-1".to_owned(), ..ada() }, "username"),
        (Register { username: "a\0".to_owned(), ..ada() }, "username"),
        (Register { password: "short".to_owned(), ..ada() }, "password"),
        (Register { password: "password1".to_owned(), ..ada() }, "password"),
        (Register { password: "x".repeat(1025), ..ada() }, "password"),
        (Register { username: "ada-lovelace".to_owned(), password: "Ada-Lovelace".to_owned(), ..ada() }, "password"),
        (Register { display_name: Some("\u{202e}nimda".to_owned()), ..ada() }, "displayName"),
        (Register { display_name: Some("\0".to_owned()), ..ada() }, "displayName"),
    ] {
        let error = people::register(&desk.services, None, &client(), input).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidInput { path: named, .. } if named == path), "{path}: {error:?}");
    }
    assert_eq!(desk.count("SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn who_exists_is_not_told_to_who_cannot_sign_in() {
    let desk = Desk::new().await;
    desk.register("ada").await.unwrap();
    let mut answers = Vec::new();
    for (username, password) in [("ada", "wrong horse"), ("bob", PASSWORD), ("a\0", ""), (&*"x".repeat(10_000), "")] {
        let error = sessions::sign_in(&desk.services, &client(), username, password).await.unwrap_err();
        answers.push((error.code(), error.to_string()));
    }
    assert_eq!(answers[0].0, "UNAUTHENTICATED");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn guessing_passwords_is_throttled_whether_the_account_exists_or_not() {
    let desk = Desk::new().await;
    desk.register("ada").await.unwrap();
    for username in ["ada", "nobody"] {
        let mut codes = Vec::new();
        for _ in 0..12 {
            let error = sessions::sign_in(&desk.services, &client(), username, "wrong horse").await.unwrap_err();
            codes.push((error.code(), error.retry_after().is_some()));
        }
        assert!(codes[..10].iter().all(|answer| *answer == ("UNAUTHENTICATED", false)), "{username}: {codes:?}");
        assert_eq!(codes[11], ("RATE_LIMITED", true), "{username}");
    }
    // Nobody else suffers for it.
    desk.register("bob").await.unwrap();
    desk.sign_in("bob").await;
}

#[tokio::test]
async fn registration_is_as_open_as_the_operator_wants() {
    let closed = Desk::with(&[("accounts.registration", "CLOSED")]).await;
    assert_eq!(code(closed.register("ada").await), "FORBIDDEN");
    closed.person("ada", SiteRole::User).await;

    let invited =
        Desk::with(&[("accounts.registration", "BY_INVITATION"), ("accounts.invitation_code", "open sesame")]).await;
    for (given, answer) in [
        (None, "INVALID_INPUT"),
        (Some(""), "INVALID_INPUT"),
        (Some("sesame"), "INVALID_INPUT"),
        (Some("open sesame"), "OK"),
    ] {
        let input = Register { invitation_code: given.map(str::to_owned), ..registration("ada") };
        assert_eq!(code(people::register(&invited.services, None, &client(), input).await), answer);
    }
}

#[tokio::test]
async fn a_guest_who_registers_keeps_the_account_and_its_history() {
    let desk = Desk::new().await;
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap();
    assert_eq!(guest.user.role, SiteRole::Guest);
    assert!(guest.session.expires_at < Utc::now() + TimeDelta::days(2), "a guest's session ends with the guest");
    let viewer = guest.viewer();
    desk.submission(&HandedIn::by(&viewer, None)).await;
    assert_eq!(code(tokens::create(&desk.services, &viewer, "ci", None).await), "FORBIDDEN");
    assert_eq!(code(people::update_profile(&desk.services, &viewer, "Ada").await), "FORBIDDEN");
    assert_eq!(code(people::change_password(&desk.services, &viewer, "", PASSWORD).await), "FORBIDDEN");

    desk.register("bob").await.unwrap();
    let taken = people::register(&desk.services, Some(&viewer), &client(), registration("BOB")).await;
    assert_eq!(code(taken), "CONFLICT");
    let ada = people::register(&desk.services, Some(&viewer), &client(), registration("ada")).await.unwrap();
    assert_eq!((ada.user.id, ada.user.role), (guest.user.id, SiteRole::User));
    assert_eq!(desk.count("SELECT count(*) FROM submissions").await, 1);
    assert!(desk.authenticate(guest.secret.reveal()).await.is_none(), "the guest's secret opens nothing any more");
    // The old credential cannot be used for a second account either.
    let twice = people::register(&desk.services, Some(&viewer), &client(), registration("carl")).await;
    assert_eq!(code(twice), "UNAUTHENTICATED");
    desk.sql("UPDATE sessions SET expires_at = now() + interval '30 days' WHERE user_id = $1", ada.user.id.as_uuid())
        .await;
    people::remove_expired(&desk.services).await.unwrap();
    desk.sign_in("ada").await;
}

#[tokio::test]
async fn guests_come_only_where_they_are_wanted_and_go_when_their_time_is_over() {
    let desk = Desk::with(&[("accounts.guests", "false")]).await;
    assert_eq!(code(sessions::sign_in_as_guest(&desk.services, &client()).await), "FORBIDDEN");

    let desk = Desk::new().await;
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap();
    let other = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap();
    desk.submission(&HandedIn::by(&guest.viewer(), None)).await;
    desk.sql("UPDATE users SET expires_at = now() - interval '1 second' WHERE id = $1", guest.user.id.as_uuid()).await;
    let removed = people::remove_expired(&desk.services).await.unwrap();
    assert_eq!(removed.guests, 1);
    assert!(desk.authenticate(guest.secret.reveal()).await.is_none());
    assert!(desk.authenticate(other.secret.reveal()).await.is_some());
    assert_eq!(desk.count("SELECT count(*) FROM submissions").await, 0);
}

#[tokio::test]
async fn an_account_is_deleted_with_all_that_is_its_own_and_nothing_else() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.member(&teacher, &course, "bob", CourseRole::Student).await;
    for viewer in [&ada, &bob] {
        desk.submission(&HandedIn::by(viewer, Some(&course))).await;
        tokens::create(&desk.services, viewer, "ci", None).await.unwrap();
    }
    assert_eq!(code(people::delete_account(&desk.services, &ada, "wrong horse").await), "INVALID_INPUT");
    people::delete_account(&desk.services, &ada, PASSWORD).await.unwrap();
    for (table, left) in [
        ("SELECT count(*) FROM users", 2),
        ("SELECT count(*) FROM submissions", 1),
        ("SELECT count(*) FROM attempts", 1),
        ("SELECT count(*) FROM access_tokens", 1),
        ("SELECT count(*) FROM course_members", 2),
        ("SELECT count(*) FROM courses", 1),
    ] {
        assert_eq!(desk.count(table).await, left, "{table}");
    }
    assert_eq!(code(sessions::recheck(&desk.services, &ada).await), "UNAUTHENTICATED");
    // A course outlives its teacher.
    people::delete_account(&desk.services, &teacher, PASSWORD).await.unwrap();
    assert_eq!(desk.count("SELECT count(*) FROM courses").await, 1);
    // A guest has no password to give.
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap();
    people::delete_account(&desk.services, &guest.viewer(), "").await.unwrap();
}

#[tokio::test]
async fn a_profile_is_changed_by_its_owner() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    let user = people::update_profile(&desk.services, &ada, "  Ada Lovelace ").await.unwrap();
    assert_eq!(user.display_name, "Ada Lovelace");
    assert_eq!(code(people::update_profile(&desk.services, &ada, "a\u{200b}").await), "INVALID_INPUT");
    assert_eq!(code(people::update_profile(&desk.services, &ada, &"x".repeat(81)).await), "INVALID_INPUT");
}

#[tokio::test]
async fn people_see_those_with_whom_they_share_a_course_or_a_submission() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.user("bob").await;
    let root = desk.person("root", SiteRole::Admin).await;
    let sees = async |viewer: &Viewer, other: &Viewer| {
        let ids = [other.user_id];
        !people::users_by_ids(&desk.services, viewer, &ids).await.unwrap().is_empty()
    };
    assert!(sees(&ada, &ada).await && sees(&ada, &teacher).await && sees(&teacher, &ada).await);
    assert!(!sees(&bob, &ada).await && !sees(&ada, &bob).await && !sees(&teacher, &bob).await);
    assert!(sees(&root, &bob).await && sees(&Viewer::operator(), &bob).await);

    // The author of what the teacher may read is seen also after leaving.
    desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    codecanvas::service::courses::leave(&desk.services, &ada, course.id).await.unwrap();
    assert!(sees(&teacher, &ada).await && !sees(&ada, &teacher).await);
    // So is who ran it again.
    desk.sql(
        "INSERT INTO attempts (id, submission_id, number, requested_by, requested_limits, state)
         SELECT gen_random_uuid(), id, 2, $1, '{}', 'QUEUED' FROM submissions",
        teacher.user_id.as_uuid(),
    )
    .await;
    assert!(sees(&ada, &teacher).await);
    // Private runs show nobody anything.
    desk.submission(&HandedIn::by(&bob, None)).await;
    assert!(!sees(&teacher, &bob).await);
}
