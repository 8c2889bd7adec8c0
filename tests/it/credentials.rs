//! Sessions and access tokens: what they open, how long, and who ends them.

use std::net::IpAddr;

use chrono::{TimeDelta, Utc};
use codecanvas::service::sessions::Client;
use codecanvas::service::{courses, people, sessions, tokens};

use crate::support::desk::{Desk, PASSWORD, client, code};

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
    assert_eq!(code(change(PASSWORD, "12345678").await), "INVALID_INPUT");
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
    assert!(sessions::by_ids(&desk.services, &bob, &[there.session.id]).await.unwrap().is_empty());
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
    assert!(tokens::by_ids(&desk.services, &bob, &[ci.id]).await.unwrap().is_empty());
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
