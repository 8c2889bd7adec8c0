//! What admins do to accounts, and that nobody else does.

use codecanvas::auth::Viewer;
use codecanvas::domain::ids::UserId;
use codecanvas::domain::page::PageRequest;
use codecanvas::domain::user::SiteRole;
use codecanvas::service::people::Register;
use codecanvas::service::{admin, people, sessions, tokens};

use crate::support::desk::{Desk, PASSWORD, client, code, registration};

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
