//! Signing in and out, and telling who a secret belongs to.

use std::collections::HashMap;
use std::net::IpAddr;

use sqlx::PgConnection;

use super::{Error, Services, throttle};
use crate::auth::secret::{self, Secret};
use crate::auth::{Credential, Viewer};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::{DisplayName, Session, User, Username};
use crate::store;

/// Sessions that a user may have; the oldest give way. A script that signs in for each call must not
/// fill the table.
const MOST_SESSIONS: i64 = 50;
/// Characters of a user agent that are kept.
const USER_AGENT_CHARACTERS: usize = 200;

/// From where somebody signs in.
#[derive(Debug, Clone)]
pub struct Client {
    address: IpAddr,
    user_agent: Option<String>,
}

impl Client {
    /// An address, and what the client says it is.
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let shorten = |text: &str| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARACTERS).collect();
        Self { address, user_agent: user_agent.map(shorten).filter(|text: &String| !text.is_empty()) }
    }

    /// Where the requests come from.
    pub const fn address(&self) -> IpAddr {
        self.address
    }
}

/// Somebody who has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// Their new session.
    pub session: Session,
    /// What opens it.
    pub secret: Secret,
}

impl SignedIn {
    /// The same person as the one who asks from now on.
    pub fn viewer(&self) -> Viewer {
        Viewer {
            user_id: self.user.id,
            username: self.user.username.clone(),
            role: self.user.role,
            credential: Credential::Session(self.session.id),
            expires_at: Some(self.session.expires_at),
        }
    }
}

/// Signs in with a username, in whatever case, and its password.
pub async fn sign_in(services: &Services, client: &Client, username: &str, password: &str) -> Result<SignedIn, Error> {
    throttle::password(services, client.address, username).await?;
    // Only what can be a name is looked up; the rest takes as long as an unknown one.
    let account = if Username::is_well_formed(username) {
        store::users::find_account(&mut *services.connection().await?, username).await?
    } else {
        None
    };
    let hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    // No connection is held while the hash is computed.
    let is_right = services.passwords.verify(password, hash).await?;
    let account = account.filter(|_| is_right).ok_or(Error::WrongCredentials)?;

    let mut tx = services.begin().await?;
    // The password may have been changed meanwhile, which ended all sessions: make none by the old one.
    if store::users::lock_password(&mut tx, account.user.id).await? != Some(account.password_hash) {
        return Err(Error::WrongCredentials);
    }
    let signed_in = start(services, &mut tx, client, account.user).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Makes a throw-away account and signs in to it.
pub async fn sign_in_as_guest(services: &Services, client: &Client) -> Result<SignedIn, Error> {
    if !services.settings.accounts.guests {
        return Err(Error::forbidden("This server has no guests. Please sign in or register."));
    }
    throttle::new_account(services, client.address).await?;
    let display_name = DisplayName::parse("Guest").map_err(Error::internal)?;
    let lifetime = services.settings.accounts.guest_lifetime;
    let mut tx = services.begin().await?;
    loop {
        let id = UserId::new();
        let guest = store::users::insert_guest(&mut tx, id, &Username::of_guest(id), &display_name, lifetime).await?;
        // 48 random bits: that the name is taken happens to nobody twice.
        if let Some(guest) = guest {
            let signed_in = start(services, &mut tx, client, guest).await?;
            tx.commit().await?;
            return Ok(signed_in);
        }
    }
}

/// Starts a session within the caller's transaction.
pub(super) async fn start(
    services: &Services,
    conn: &mut PgConnection,
    client: &Client,
    user: User,
) -> Result<SignedIn, Error> {
    let secret = Secret::random(secret::Kind::Session);
    let lifetime = services.settings.accounts.session_lifetime;
    let session =
        store::sessions::insert(conn, user.id, &secret.digest(), client.user_agent.as_deref(), lifetime).await?;
    let session = session.ok_or(Error::WrongCredentials)?;
    store::sessions::trim(conn, user.id, MOST_SESSIONS).await?;
    Ok(SignedIn { user, session, secret })
}

/// Who presents this secret. `None` where it opens nothing, or nothing any more.
pub async fn authenticate(services: &Services, secret: &str) -> Result<Option<Viewer>, Error> {
    match secret::recognise(secret) {
        Some((kind, digest)) => look_up(services, kind, digest).await,
        None => Ok(None),
    }
}

/// The same for whoever begins to watch something: a stream's viewer is looked at again and again.
pub async fn authenticate_watcher(services: &Services, secret: &str) -> Result<Option<Viewer>, Error> {
    let Some((kind, digest)) = secret::recognise(secret) else {
        return Ok(None);
    };
    match services.recent.viewer(&digest) {
        Some(viewer) => Ok(Some(viewer)),
        None => look_up(services, kind, digest).await,
    }
}

async fn look_up(services: &Services, kind: secret::Kind, digest: secret::Digest) -> Result<Option<Viewer>, Error> {
    let looked = services.recent.now();
    let mut conn = services.kept.take().await?;
    let recognised = store::credentials::find_viewer(&mut conn, kind, &digest).await?;
    if let Some(recognised) = &recognised
        && recognised.is_touch_due
    {
        store::credentials::touch(&mut conn, recognised.viewer.credential).await?;
    }
    services.kept.keep(conn);
    let viewer = recognised.map(|recognised| recognised.viewer);
    if let Some(viewer) = &viewer {
        services.recent.keep_viewer(digest, viewer, looked);
    }
    Ok(viewer)
}

/// Whether the viewer of a stream is still who they were: the credential has not ended and the role on
/// the server is not less. Whether they are still in a course is for [`super::courses::check_watcher`].
pub async fn recheck(services: &Services, viewer: &Viewer) -> Result<(), Error> {
    match store::credentials::find_role(&mut *services.connection().await?, viewer).await? {
        Some(role) if role >= viewer.role => Ok(()),
        Some(_) => Err(Error::forbidden("Your role on this server has changed. Please subscribe again.")),
        None => Err(Error::Unauthenticated),
    }
}

/// Ends the viewer's session. `false` for an access token, which is revoked instead.
pub async fn sign_out(services: &Services, viewer: &Viewer) -> Result<bool, Error> {
    match viewer.session() {
        Some(session) => end(services, viewer, session).await,
        None => Ok(false),
    }
}

/// Ends any of the viewer's sessions.
pub async fn end_session(services: &Services, viewer: &Viewer, id: SessionId) -> Result<(), Error> {
    if end(services, viewer, id).await? { Ok(()) } else { Err(Error::NotFound("session")) }
}

async fn end(services: &Services, viewer: &Viewer, id: SessionId) -> Result<bool, Error> {
    let mut tx = services.begin().await?;
    let was_there = store::sessions::delete(&mut tx, viewer.user_id, id).await?;
    if was_there {
        services.commit_rights_of(tx, &[viewer.user_id]).await?;
    }
    Ok(was_there)
}

/// Where the viewer is signed in, newest first.
pub async fn list(services: &Services, viewer: &Viewer) -> Result<Vec<Session>, Error> {
    Ok(store::sessions::list(&mut *services.connection().await?, viewer).await?)
}

/// Those of the sessions that are the viewer's own. There are few: all are read.
pub async fn by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[SessionId],
) -> Result<HashMap<SessionId, Session>, Error> {
    let own = list(services, viewer).await?.into_iter();
    Ok(own.filter(|session| ids.contains(&session.id)).map(|session| (session.id, session)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_kept_short_and_plain() {
        let agent = |text: &str| Client::new(IpAddr::from([127, 0, 0, 1]), Some(text)).user_agent;
        assert_eq!(agent("curl/8\u{1b}[31m\0").as_deref(), Some("curl/8[31m"));
        assert_eq!(agent("\n"), None);
        assert_eq!(agent(&"ä".repeat(1000)).map(|text| text.chars().count()), Some(200));
    }
}
