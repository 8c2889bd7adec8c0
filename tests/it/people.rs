//! Accounts, sessions and access tokens.

use std::net::IpAddr;

use chrono::{TimeDelta, Utc};
use codecanvas::auth::Viewer;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::ids::UserId;
use codecanvas::domain::page::PageRequest;
use codecanvas::domain::user::SiteRole;
use codecanvas::service::people::Register;
use codecanvas::service::sessions::Client;
use codecanvas::service::{Error, admin, courses, people, sessions, tokens};

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
async fn another_password_ends_the_other_sessions_and_no_token() {
    let desk = Desk::new().await;
    let here = desk.register("ada").await.unwrap();
    let there = sessions::sign_in(&desk.services, &client(), "ada", PASSWORD).await.unwrap();
    let viewer = here.viewer();
    let (_, token) = tokens::create(&desk.services, &viewer, "ci", None).await.unwrap();

    let change = |current, new| people::change_password(&desk.services, &viewer, current, new);
    assert_eq!(code(change("wrong horse", "battery staple").await), "INVALID_INPUT");
    assert_eq!(code(change(PASSWORD, "short").await), "INVALID_INPUT");
    assert!(desk.authenticate(there.secret.reveal()).await.is_some());
    change(PASSWORD, "battery staple").await.unwrap();

    assert!(desk.authenticate(here.secret.reveal()).await.is_some());
    assert!(desk.authenticate(there.secret.reveal()).await.is_none());
    assert!(desk.authenticate(token.reveal()).await.is_some());
    assert_eq!(code(sessions::recheck(&desk.services, &there.viewer()).await), "UNAUTHENTICATED");
    assert_eq!(code(sessions::sign_in(&desk.services, &client(), "ada", PASSWORD).await), "UNAUTHENTICATED");
    sessions::sign_in(&desk.services, &client(), "ada", "battery staple").await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let desk = Desk::new().await;
    let here = desk.user("ada").await;
    let phone = Client::new(IpAddr::from([10, 0, 0, 1]), Some("Phone\u{7} 1.0"));
    let there = sessions::sign_in(&desk.services, &phone, "ada", PASSWORD).await.unwrap();
    let bob = desk.user("bob").await;

    let listed = sessions::list(&desk.services, &here).await.unwrap();
    assert_eq!(
        listed.iter().map(|session| session.id).collect::<Vec<_>>(),
        [there.session.id, here.session().unwrap()]
    );
    assert_eq!(listed[0].user_agent.as_deref(), Some("Phone 1.0"));
    assert!(sessions::find(&desk.services, &bob, there.session.id).await.unwrap().is_none());
    assert_eq!(code(sessions::end_session(&desk.services, &bob, there.session.id).await), "NOT_FOUND");

    sessions::end_session(&desk.services, &here, there.session.id).await.unwrap();
    assert!(desk.authenticate(there.secret.reveal()).await.is_none());
    assert!(sessions::sign_out(&desk.services, &here).await.unwrap());
    assert_eq!(code(sessions::recheck(&desk.services, &here).await), "UNAUTHENTICATED");
    assert!(sessions::list(&desk.services, &here).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_oldest_sessions_give_way() {
    let desk = Desk::new().await;
    let first = desk.register("ada").await.unwrap();
    desk.sql(
        "INSERT INTO sessions (id, user_id, secret_sha256, expires_at)
         SELECT gen_random_uuid(), $1, sha256(n::text::bytea), now() + interval '1 day' FROM generate_series(1, 100) AS n",
        first.user.id.as_uuid(),
    )
    .await;
    sessions::sign_in(&desk.services, &client(), "ada", PASSWORD).await.unwrap();
    assert_eq!(desk.count("SELECT count(*) FROM sessions").await, 50);
}

#[tokio::test]
async fn a_session_ends_by_its_date_and_its_use_is_noted_once_a_minute() {
    let desk = Desk::new().await;
    let ada = desk.register("ada").await.unwrap();
    let id = ada.user.id.as_uuid();
    let age = "SELECT extract(epoch FROM now() - max(last_used_at))::bigint FROM sessions";
    desk.sql("UPDATE sessions SET last_used_at = now() - interval '59 seconds' WHERE user_id = $1", id).await;
    desk.authenticate(ada.secret.reveal()).await.unwrap();
    assert!(desk.count(age).await >= 59);
    desk.sql("UPDATE sessions SET last_used_at = now() - interval '61 seconds' WHERE user_id = $1", id).await;
    desk.authenticate(ada.secret.reveal()).await.unwrap();
    assert!(desk.count(age).await < 59);

    desk.sql("UPDATE sessions SET expires_at = now() WHERE user_id = $1", id).await;
    assert!(desk.authenticate(ada.secret.reveal()).await.is_none());
    assert_eq!(people::remove_expired(&desk.services).await.unwrap().sessions, 1);
}

#[tokio::test]
async fn access_tokens_open_the_account_until_they_are_revoked_or_end() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    let bob = desk.user("bob").await;
    let create = |name, expires_at| tokens::create(&desk.services, &ada, name, expires_at);
    assert_eq!(code(create(" ", None).await), "INVALID_INPUT");
    assert_eq!(code(create("x", Some(Utc::now() - TimeDelta::seconds(1))).await), "INVALID_INPUT");
    assert_eq!(code(create("x", Some(chrono::DateTime::<Utc>::MAX_UTC)).await), "INVALID_INPUT");
    let (ci, secret) = create("ci", Some(Utc::now() + TimeDelta::days(1))).await.unwrap();
    assert_eq!((ci.name.as_str(), ci.last_used_at), ("ci", None));

    let viewer = desk.authenticate(secret.reveal()).await.unwrap();
    assert_eq!(viewer.user_id, ada.user_id);
    assert_eq!(code(tokens::create(&desk.services, &viewer, "more", None).await), "FORBIDDEN");
    assert!(!sessions::sign_out(&desk.services, &viewer).await.unwrap());
    let listed = tokens::list(&desk.services, &ada).await.unwrap();
    assert!(listed.len() == 1 && listed[0].last_used_at.is_some());
    assert!(tokens::list(&desk.services, &bob).await.unwrap().is_empty());
    assert!(tokens::find(&desk.services, &bob, ci.id).await.unwrap().is_none());
    assert_eq!(code(tokens::revoke(&desk.services, &bob, ci.id).await), "NOT_FOUND");

    desk.sql("UPDATE access_tokens SET expires_at = now() WHERE user_id = $1", ada.user_id.as_uuid()).await;
    assert!(desk.authenticate(secret.reveal()).await.is_none());
    desk.sql("UPDATE access_tokens SET expires_at = NULL WHERE user_id = $1", ada.user_id.as_uuid()).await;
    assert!(desk.authenticate(secret.reveal()).await.is_some());
    tokens::revoke(&desk.services, &ada, ci.id).await.unwrap();
    assert!(desk.authenticate(secret.reveal()).await.is_none());
    assert_eq!(code(sessions::recheck(&desk.services, &viewer).await), "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_is_no_secret_opens_nothing() {
    let desk = Desk::new().await;
    let ada = desk.register("ada").await.unwrap();
    let secret = ada.secret.reveal();
    let other_prefix = secret.replacen("ccs_", "cct_", 1);
    for wrong in ["", "ccs_", &secret[..secret.len() - 1], &format!("{secret}x"), &other_prefix, "a\0b"] {
        assert!(desk.authenticate(wrong).await.is_none(), "{wrong:?}");
    }
    assert_eq!(
        desk.count("SELECT count(*) FROM sessions WHERE position('ccs_'::bytea IN secret_sha256) > 0").await,
        0,
        "the secret itself is nowhere"
    );
}

#[tokio::test]
async fn whoever_is_deleted_while_they_ask_is_signed_out() {
    let desk = Desk::new().await;
    let tess = desk.teacher("tess").await;
    let course = desk.course(&tess).await;
    let tom = desk.teacher("tom").await;
    people::delete_account(&desk.services, &tom, PASSWORD).await.unwrap();
    // The credential was checked before that.
    assert_eq!(code(tokens::create(&desk.services, &tom, "ci", None).await), "UNAUTHENTICATED");
    assert_eq!(code(courses::create(&desk.services, &tom, "C").await), "UNAUTHENTICATED");
    let join = courses::join(&desk.services, &tom, course.join_code.as_deref().unwrap());
    assert_eq!(code(join.await), "UNAUTHENTICATED");
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
async fn only_admins_administer() {
    let desk = Desk::new().await;
    let root = desk.person("root", SiteRole::Admin).await;
    let teacher = desk.teacher("tess").await;
    let ada = desk.user("ada").await;
    let page = PageRequest::top();
    for viewer in [&teacher, &ada] {
        assert_eq!(code(admin::search_users(&desk.services, viewer, None, &page).await), "FORBIDDEN");
        assert_eq!(code(admin::count_users(&desk.services, viewer, None).await), "FORBIDDEN");
        let promote = admin::set_user_role(&desk.services, viewer, viewer.user_id, SiteRole::Admin);
        assert_eq!(code(promote.await), "FORBIDDEN");
        assert_eq!(code(admin::delete_user(&desk.services, viewer, root.user_id).await), "FORBIDDEN");
        assert_eq!(code(admin::reset_password(&desk.services, viewer, "root", PASSWORD).await), "FORBIDDEN");
    }
    let user = admin::set_user_role(&desk.services, &root, ada.user_id, SiteRole::Teacher).await.unwrap();
    assert_eq!(user.role, SiteRole::Teacher);
    assert_eq!(code(sessions::recheck(&desk.services, &ada).await), "OK", "more rights end nothing");
    admin::set_user_role(&desk.services, &root, teacher.user_id, SiteRole::User).await.unwrap();
    assert_eq!(code(sessions::recheck(&desk.services, &teacher).await), "FORBIDDEN");
    admin::delete_user(&desk.services, &root, ada.user_id).await.unwrap();
    assert_eq!(code(admin::delete_user(&desk.services, &root, ada.user_id).await), "NOT_FOUND");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let desk = Desk::new().await;
    let root = desk.person("root", SiteRole::Admin).await;
    let demote = |id| admin::set_user_role(&desk.services, &root, id, SiteRole::User);
    assert_eq!(code(demote(root.user_id).await), "CONFLICT");
    assert_eq!(code(admin::delete_user(&desk.services, &root, root.user_id).await), "CONFLICT");
    assert_eq!(code(people::delete_account(&desk.services, &root, PASSWORD).await), "CONFLICT");

    // Two admins who remove each other at the same moment: one of them stays.
    let other = desk.person("other", SiteRole::Admin).await;
    let (one, two) = tokio::join!(
        admin::delete_user(&desk.services, &root, other.user_id),
        admin::delete_user(&desk.services, &other, root.user_id),
    );
    let mut codes = [code(one), code(two)];
    codes.sort_unstable();
    assert_eq!(codes, ["CONFLICT", "OK"]);
}

#[tokio::test]
async fn guests_get_no_role_and_no_password_by_an_admin() {
    let desk = Desk::new().await;
    let operator = Viewer::operator();
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap();
    let promote = admin::set_user_role(&desk.services, &operator, guest.user.id, SiteRole::Teacher);
    assert_eq!(code(promote.await), "CONFLICT");
    let reset = admin::reset_password(&desk.services, &operator, &guest.user.username, PASSWORD);
    assert_eq!(code(reset.await), "CONFLICT");
    let ada = desk.user("ada").await;
    let demote = admin::set_user_role(&desk.services, &operator, ada.user_id, SiteRole::Guest);
    assert_eq!(code(demote.await), "INVALID_INPUT");
    let nobody = admin::set_user_role(&desk.services, &operator, UserId::new(), SiteRole::Teacher);
    assert_eq!(code(nobody.await), "NOT_FOUND");
}

#[tokio::test]
async fn a_reset_password_throws_everybody_out() {
    let desk = Desk::new().await;
    let ada = desk.register("ada").await.unwrap();
    let (_, token) = tokens::create(&desk.services, &ada.viewer(), "ci", None).await.unwrap();
    admin::reset_password(&desk.services, &Viewer::operator(), "ADA", "battery staple").await.unwrap();
    assert!(desk.authenticate(ada.secret.reveal()).await.is_none());
    assert!(desk.authenticate(token.reveal()).await.is_none());
    sessions::sign_in(&desk.services, &client(), "ada", "battery staple").await.unwrap();
}

#[tokio::test]
async fn admins_find_users_by_the_beginning_of_their_names_page_by_page() {
    let desk = Desk::new().await;
    let operator = Viewer::operator();
    let mut expected = Vec::new();
    for (username, display_name) in [("ada", "Ada"), ("bob", "Adam"), ("carl", "100%_sure"), ("adele", "Z")] {
        let input = Register { display_name: Some(display_name.to_owned()), ..registration(username) };
        people::register(&desk.services, None, &client(), input).await.unwrap();
        if username != "carl" {
            expected.insert(0, username.to_owned());
        }
    }
    let names = |page: codecanvas::domain::page::Page<codecanvas::domain::user::User>| {
        page.items.into_iter().map(|user| user.username).collect::<Vec<_>>()
    };
    let search = async |text: &str, page: &PageRequest<UserId>| {
        admin::search_users(&desk.services, &operator, Some(text), page).await.unwrap()
    };
    let top = PageRequest::top();
    assert_eq!(names(search("AD", &top).await), expected);
    assert_eq!(names(search("100%_s", &top).await), ["carl"]);
    assert_eq!(names(search("%", &top).await), [""; 0]);
    assert_eq!(admin::count_users(&desk.services, &operator, Some("ad")).await.unwrap(), 3);
    assert_eq!(admin::count_users(&desk.services, &operator, None).await.unwrap(), 4);

    // Forwards and backwards meet the same rows.
    let first = search("ad", &PageRequest::new(Some(2), None, None, None).unwrap()).await;
    assert!(first.has_next && !first.has_previous);
    let cursor = first.items[1].id;
    let second = search("ad", &PageRequest::new(Some(2), Some(cursor), None, None).unwrap()).await;
    assert!(!second.has_next && second.has_previous);
    let before = second.items[0].id;
    let back = search("ad", &PageRequest::new(None, None, Some(2), Some(before)).unwrap()).await;
    assert_eq!(back.items, first.items);
    assert_eq!([names(first), names(second)].concat(), expected);

    assert_eq!(code(admin::count_users(&desk.services, &operator, Some("a\0")).await), "INVALID_INPUT");
    assert_eq!(code(admin::count_users(&desk.services, &operator, Some(&"x".repeat(81))).await), "INVALID_INPUT");
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
