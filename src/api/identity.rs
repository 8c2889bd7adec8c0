//! Who is behind a credential, and from where they ask.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, USER_AGENT};

use super::Api;
use super::credential::Credential;
use super::protocol::answer;
use crate::auth::Viewer;
use crate::config::Config;
use crate::domain::ids::UserId;
use crate::service;
use crate::service::sessions::{self, Client};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from. Behind proxies that the operator trusts, that is the last address which is
/// not theirs.
pub fn client_of(headers: &HeaderMap, peer: SocketAddr, config: &Config) -> Client {
    let is_trusted = |address: &IpAddr| config.http.trusted_proxies.contains(address);
    let mut address = peer.ip().to_canonical();
    if is_trusted(&address) {
        let forwarded = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        for hop in hops.into_iter().rev() {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
            address = hop.to_canonical();
            if !is_trusted(&address) {
                break;
            }
        }
    }
    Client::new(address, headers.get(USER_AGENT).and_then(|value| value.to_str().ok()))
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Nobody in particular where `None`.
    pub viewer: Option<Viewer>,
    /// From where.
    pub client: Client,
    /// The browser sent a cookie whose session has ended.
    pub is_cookie_stale: bool,
}

impl Identity {
    fn of_nobody(client: &Client) -> Self {
        Self { viewer: None, client: client.clone(), is_cookie_stale: false }
    }

    fn new(viewer: Option<Viewer>, credential: &Credential, client: &Client) -> Result<Self, IdentityError> {
        if viewer.is_none() && !matches!(credential, Credential::Cookie(_)) {
            return Err(IdentityError::Ended);
        }
        Ok(Self { is_cookie_stale: viewer.is_none(), viewer, client: client.clone() })
    }

    /// Whom connections and subscriptions are counted for.
    pub fn holder(&self) -> Holder {
        self.viewer.as_ref().map_or(Holder::Address(self.client.address()), |viewer| Holder::User(viewer.user_id))
    }
}

/// Whom connections and subscriptions are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Somebody who is signed in, wherever they are.
    User(UserId),
    /// Everybody else at that address.
    Address(IpAddr),
}

/// Who asks could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No session and no access token has this secret.
    #[error("Your sign-in has expired or was ended. Please sign in again.")]
    Ended,
    /// It could not be looked up.
    #[error(transparent)]
    Service(#[from] service::Error),
}

impl From<IdentityError> for Box<async_graphql::Response> {
    fn from(error: IdentityError) -> Self {
        Self::new(match error {
            IdentityError::Ended => answer::refusal(answer::code::UNAUTHENTICATED, error.to_string()),
            IdentityError::Service(error) => answer::of_service(&error),
        })
    }
}

impl Api {
    /// Looks up who is behind a credential.
    ///
    /// # Errors
    /// A token that is not valid is an error: a script should know. A cookie that is not valid is nobody:
    /// the browser sent it unasked, and its user wants to see the page where one signs in.
    pub async fn identify(&self, credential: &Credential, client: &Client) -> Result<Identity, IdentityError> {
        let Some(secret) = credential.secret() else { return Ok(Identity::of_nobody(client)) };
        Identity::new(sessions::authenticate(&self.services, secret).await?, credential, client)
    }

    /// The same for a subscription, which may begin by what was known a moment ago.
    pub async fn identify_watcher(&self, credential: &Credential, client: &Client) -> Result<Identity, IdentityError> {
        let Some(secret) = credential.secret() else { return Ok(Identity::of_nobody(client)) };
        Identity::new(sessions::authenticate_watcher(&self.services, secret).await?, credential, client)
    }
}
