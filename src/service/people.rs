//! Accounts: registering, one's own profile and password, leaving for good, and seeing others.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::sessions::{self, Client, SignedIn};
use super::{Error, Services, throttle};
use crate::auth::password::NewPassword;
use crate::auth::{Viewer, policy};
use crate::config::{Accounts, Registration, Secret};
use crate::domain::ids::UserId;
use crate::domain::user::{DisplayName, SiteRole, User, Username};
use crate::store;
use crate::store::users::{NewUser, Promotion};

/// What somebody gives to register.
#[derive(Clone)]
pub struct Register {
    /// The name to sign in with.
    pub username: String,
    /// The password to sign in with.
    pub password: String,
    /// What others will see; `None` for the username.
    pub display_name: Option<String>,
    /// What the operator handed out, where registration is by invitation.
    pub invitation_code: Option<String>,
}

/// Makes an account and signs in to it. A guest who registers keeps their id, and with it all that
/// they have done.
pub async fn register(
    services: &Services,
    viewer: Option<&Viewer>,
    client: &Client,
    input: Register,
) -> Result<SignedIn, Error> {
    throttle::new_account(services, client.address()).await?;
    check_invitation(&services.settings.accounts, input.invitation_code.as_deref())?;
    let username = Username::parse(&input.username).map_err(|error| Error::invalid("username", error))?;
    let display_name = DisplayName::parse(input.display_name.as_deref().unwrap_or(&input.username))
        .map_err(|error| Error::invalid("displayName", error))?;
    let password =
        NewPassword::parse(&input.password, username.as_str()).map_err(|error| Error::invalid("password", error))?;
    let password_hash = services.passwords.hash(password).await?;
    let guest = viewer.filter(|viewer| viewer.is_guest()).map(|viewer| viewer.user_id);
    let new = NewUser {
        id: guest.unwrap_or_else(UserId::new),
        username: &username,
        display_name: &display_name,
        role: SiteRole::User,
        password_hash: &password_hash,
    };

    let mut tx = services.begin().await?;
    let user = if guest.is_some() {
        promote(&mut tx, &new).await?
    } else {
        store::users::insert(&mut tx, &new).await?.ok_or_else(name_taken)?
    };
    let signed_in = sessions::start(services, &mut tx, client, user).await?;
    // Sessions of a guest have ended with the promotion.
    let promoted = guest.is_some().then_some(signed_in.user.id);
    services.commit_rights_of(tx, promoted.as_slice()).await?;
    Ok(signed_in)
}

async fn promote(conn: &mut PgConnection, new: &NewUser<'_>) -> Result<User, Error> {
    match store::users::promote_guest(conn, new).await? {
        Promotion::Done(user) => {
            // Whoever knew the guest's secret does not thereby get into the account.
            store::sessions::delete_all(conn, user.id, None).await?;
            Ok(user)
        }
        Promotion::NameTaken => Err(name_taken()),
        // The guest's time was over, or they registered twice at the same moment.
        Promotion::NoSuchGuest => Err(Error::Unauthenticated),
    }
}

fn name_taken() -> Error {
    Error::conflict("This username is taken. Please choose another one.")
}

fn check_invitation(accounts: &Accounts, code: Option<&str>) -> Result<(), Error> {
    match accounts.registration {
        Registration::Open => Ok(()),
        Registration::Closed => {
            Err(Error::forbidden("Registration is closed on this server. Please ask whoever runs it for an account."))
        }
        Registration::ByInvitation => {
            let given = code.filter(|code| !code.is_empty()).map(|code| Secret::from(code.to_owned()));
            // Without a code nobody gets in, not even whoever gives none.
            if given.is_some() && given == accounts.invitation_code {
                Ok(())
            } else {
                Err(Error::invalid("invitationCode", "You need an invitation code to register here; this is none."))
            }
        }
    }
}

/// Replaces the password and ends all sessions but the one in use.
pub async fn change_password(services: &Services, viewer: &Viewer, current: &str, new: &str) -> Result<User, Error> {
    if !policy::may_keep_account(viewer) {
        return Err(Error::forbidden("A guest has no password. Register to keep your work."));
    }
    let hash = check_own_password(services, viewer, "currentPassword", current).await?;
    let new = NewPassword::parse(new, &viewer.username).map_err(|error| Error::invalid("newPassword", error))?;
    let new_hash = services.passwords.hash(new).await?;

    let mut tx = services.begin().await?;
    if store::users::lock_password(&mut tx, viewer.user_id).await? != Some(Some(hash)) {
        return Err(Error::conflict("The password was changed at the same time. Please try again."));
    }
    let user = store::users::set_password(&mut tx, viewer.user_id, &new_hash).await?.ok_or(Error::Unauthenticated)?;
    store::sessions::delete_all(&mut tx, viewer.user_id, viewer.session()).await?;
    services.commit_rights_of(tx, &[viewer.user_id]).await?;
    Ok(user)
}

/// Checks the viewer's own password once more; returns its hash.
async fn check_own_password(
    services: &Services,
    viewer: &Viewer,
    path: &'static str,
    password: &str,
) -> Result<String, Error> {
    throttle::own_password(services, &viewer.username).await?;
    let account = store::users::find_own_account(&mut *services.connection().await?, viewer).await?;
    let hash = account.and_then(|account| account.password_hash).ok_or(Error::Unauthenticated)?;
    if services.passwords.verify(password, Some(&hash)).await? {
        Ok(hash)
    } else {
        Err(Error::invalid(path, "This is not your password."))
    }
}

/// Changes what others see.
pub async fn update_profile(services: &Services, viewer: &Viewer, display_name: &str) -> Result<User, Error> {
    if !policy::may_keep_account(viewer) {
        return Err(Error::forbidden("A guest has no profile. Register to have one."));
    }
    let display_name = DisplayName::parse(display_name).map_err(|error| Error::invalid("displayName", error))?;
    let mut conn = services.connection().await?;
    store::users::set_display_name(&mut conn, viewer.user_id, &display_name).await?.ok_or(Error::Unauthenticated)
}

/// Deletes the viewer's account and all that is theirs. A guest, who has no password, gives none.
pub async fn delete_account(services: &Services, viewer: &Viewer, password: &str) -> Result<(), Error> {
    if !viewer.is_guest() {
        check_own_password(services, viewer, "password", password).await?;
    }
    delete(services, viewer.user_id).await
}

/// Deletes a user and all that is theirs; never the last admin.
pub(super) async fn delete(services: &Services, id: UserId) -> Result<(), Error> {
    let mut tx = services.begin().await?;
    if store::users::lock_admins(&mut tx).await? == [id] {
        return Err(Error::conflict("This is the last admin. Make somebody else an admin first."));
    }
    if !store::users::delete(&mut tx, id).await? {
        return Err(Error::NotFound("user"));
    }
    services.commit_rights_of(tx, &[id]).await
}

/// The viewer as others see them.
pub async fn own_user(services: &Services, viewer: &Viewer) -> Result<User, Error> {
    let account = store::users::find_own_account(&mut *services.connection().await?, viewer).await?;
    account.map(|account| account.user).ok_or(Error::Unauthenticated)
}

/// Those of the users that the viewer may see.
pub async fn users_by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[UserId],
) -> Result<HashMap<UserId, User>, Error> {
    let users = store::directory::list_visible(&mut *services.connection().await?, viewer, ids).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// What was removed by [`remove_expired`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Guests with all that was theirs.
    pub guests: usize,
    /// Sessions that had ended.
    pub sessions: u64,
    /// Access tokens that had ended a while ago.
    pub tokens: u64,
}

/// Removes what has ended by itself: guests, sessions, access tokens. That several processes do it at once
/// does no harm.
pub async fn remove_expired(services: &Services) -> Result<Removed, Error> {
    /// Guests per transaction: what they handed in goes with them, and locks are to be held shortly.
    const BATCH: i64 = 20;
    let mut conn = services.connection().await?;
    let mut removed = Removed {
        guests: 0,
        sessions: store::sessions::delete_expired(&mut conn).await?,
        tokens: store::tokens::delete_expired(&mut conn).await?,
    };
    drop(conn);
    loop {
        let mut tx = services.begin().await?;
        let guests = store::users::delete_expired_guests(&mut tx, BATCH).await?;
        services.commit_rights_of(tx, &guests).await?;
        removed.guests += guests.len();
        if guests.is_empty() {
            return Ok(removed);
        }
    }
}
