//! What admins do with other people's accounts, by the API or at the server's command line.

use super::{Error, Services, people};
use crate::auth::password::NewPassword;
use crate::auth::{Viewer, policy};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::user::{DisplayName, SiteRole, User, Username};
use crate::store;
use crate::store::users::NewUser;

/// Characters of a search: no name has more.
const MOST_SEARCH_CHARACTERS: usize = 80;

/// An account that an admin makes for somebody.
#[derive(Clone)]
pub struct CreateUser {
    /// The name to sign in with.
    pub username: String,
    /// The password to sign in with.
    pub password: String,
    /// What others will see; `None` for the username.
    pub display_name: Option<String>,
    /// Not that of a guest.
    pub role: SiteRole,
}

fn check(viewer: &Viewer) -> Result<(), Error> {
    if policy::may_administer(viewer) {
        Ok(())
    } else {
        Err(Error::forbidden("Only admins of this server may do that."))
    }
}

/// Users whose username or display name begins with `search`, newest first.
pub async fn search_users(
    services: &Services,
    viewer: &Viewer,
    search: Option<&str>,
    page: &PageRequest<UserId>,
) -> Result<Page<User>, Error> {
    check(viewer)?;
    let search = parse_search(search)?;
    let rows = store::directory::search(&mut *services.connection().await?, viewer, search, page).await?;
    Ok(Page::new(rows, page))
}

/// How many users [`search_users`] finds on all pages.
pub async fn count_users(services: &Services, viewer: &Viewer, search: Option<&str>) -> Result<i64, Error> {
    check(viewer)?;
    let search = parse_search(search)?;
    Ok(store::directory::count_found(&mut *services.connection().await?, viewer, search).await?)
}

fn parse_search(search: Option<&str>) -> Result<&str, Error> {
    let search = search.unwrap_or_default().trim();
    if search.chars().nth(MOST_SEARCH_CHARACTERS).is_some() {
        return Err(Error::invalid("search", format!("It may have at most {MOST_SEARCH_CHARACTERS} characters.")));
    }
    if search.contains('\0') {
        return Err(Error::invalid("search", "Text must not contain NUL characters."));
    }
    Ok(search)
}

/// The user with that name, whatever its case.
pub async fn find_by_username(services: &Services, viewer: &Viewer, username: &str) -> Result<User, Error> {
    check(viewer)?;
    if !Username::is_well_formed(username) {
        return Err(Error::NotFound("user"));
    }
    let account = store::users::find_account(&mut *services.connection().await?, username).await?;
    account.map(|account| account.user).ok_or(Error::NotFound("user"))
}

/// Makes an account for somebody, whoever may register.
pub async fn create_user(services: &Services, viewer: &Viewer, input: CreateUser) -> Result<User, Error> {
    check(viewer)?;
    let role = parse_role(input.role)?;
    let username = Username::parse(&input.username).map_err(|error| Error::invalid("username", error))?;
    let display_name = DisplayName::parse(input.display_name.as_deref().unwrap_or(&input.username))
        .map_err(|error| Error::invalid("displayName", error))?;
    let password =
        NewPassword::parse(&input.password, username.as_str()).map_err(|error| Error::invalid("password", error))?;
    let password_hash = services.passwords.hash(password).await?;
    let new = NewUser {
        id: UserId::new(),
        username: &username,
        display_name: &display_name,
        role,
        password_hash: &password_hash,
    };
    let user = store::users::insert(&mut *services.connection().await?, &new).await?;
    user.ok_or_else(|| Error::conflict("This username is taken."))
}

fn parse_role(role: SiteRole) -> Result<SiteRole, Error> {
    match role {
        SiteRole::Guest => Err(Error::invalid("role", "Guests make their accounts themselves; nobody becomes one.")),
        SiteRole::User | SiteRole::Teacher | SiteRole::Admin => Ok(role),
    }
}

/// Gives a user another role. Streams opened under a higher one end.
pub async fn set_user_role(services: &Services, viewer: &Viewer, id: UserId, role: SiteRole) -> Result<User, Error> {
    check(viewer)?;
    let role = parse_role(role)?;
    let mut tx = services.begin().await?;
    if role != SiteRole::Admin && store::users::lock_admins(&mut tx).await? == [id] {
        return Err(Error::conflict("This is the last admin. Make somebody else an admin first."));
    }
    let Some(user) = store::users::set_role(&mut tx, id, role).await? else {
        let guest = store::directory::list_visible(&mut tx, viewer, &[id]).await?;
        return Err(if guest.is_empty() {
            Error::NotFound("user")
        } else {
            Error::conflict("A guest has to register before they can have a role.")
        });
    };
    services.commit_rights_of(tx, &[id]).await?;
    Ok(user)
}

/// Gives a user another password and ends all their sessions and access tokens: whoever got in by
/// the old one is out.
pub async fn reset_password(
    services: &Services,
    viewer: &Viewer,
    username: &str,
    password: &str,
) -> Result<User, Error> {
    let user = find_by_username(services, viewer, username).await?;
    let password = NewPassword::parse(password, &user.username).map_err(|error| Error::invalid("password", error))?;
    let hash = services.passwords.hash(password).await?;
    let mut tx = services.begin().await?;
    let Some(user) = store::users::set_password(&mut tx, user.id, &hash).await? else {
        return Err(Error::conflict("A guest has no password."));
    };
    store::sessions::delete_all(&mut tx, user.id, None).await?;
    store::tokens::delete_all(&mut tx, user.id).await?;
    services.commit_rights_of(tx, &[user.id]).await?;
    Ok(user)
}

/// Deletes a user and all that is theirs; never the last admin.
pub async fn delete_user(services: &Services, viewer: &Viewer, id: UserId) -> Result<(), Error> {
    check(viewer)?;
    people::delete(services, id).await
}
