//! Who asks: the secret that a request carries, and whether a browser sent it on behalf of our own pages.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};

use crate::config::{Config, Secret};

/// The secret of a session or access token, as it came.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Nobody in particular.
    None,
    /// `Authorization: Bearer …`, or the same in `connection_init`.
    Bearer(Secret),
    /// The cookie, which browsers send without being asked.
    Cookie(Secret),
}

/// The credential cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Another scheme than Bearer, or nothing behind it.
    #[error("The Authorization header must read \"Bearer \" and then your token.")]
    NotBearer,
    /// A page of another site used the visitor's cookie.
    #[error("This request carries your session cookie but does not come from a page of this server.")]
    ForeignOrigin,
}

impl Credential {
    /// Reads the headers of a request. A header wins over the cookie: whoever sends one means it.
    pub fn from_headers(headers: &HeaderMap, cookie: SessionCookie) -> Result<Self, CredentialError> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            return value.to_str().ok().and_then(bearer).ok_or(CredentialError::NotBearer);
        }
        Ok(cookie.read(headers).map_or(Self::None, Self::Cookie))
    }

    /// The secret, where there is one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Bearer(secret) | Self::Cookie(secret) => Some(secret.expose()),
        }
    }

    /// Reads `Bearer …`.
    pub fn from_authorization(value: &str) -> Result<Self, CredentialError> {
        bearer(value).ok_or(CredentialError::NotBearer)
    }
}

fn bearer(value: &str) -> Option<Credential> {
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty())
        .then(|| Credential::Bearer(Secret::from(secret.to_owned())))
}

/// How a request relates to the page that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// No browser page, or one that does not say.
    Unknown,
    /// A page of this server, or of one that the operator named.
    Own,
    /// Another page.
    Foreign,
}

impl Origin {
    /// Compares the Origin header with the host that was asked. The scheme is left out: TLS often ends
    /// at a proxy in front of us.
    pub fn of(headers: &HeaderMap, config: &Config) -> Self {
        let Some(origin) = headers.get(ORIGIN) else { return Self::Unknown };
        let Ok(origin) = origin.to_str() else { return Self::Foreign };
        if config.http.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return Self::Own;
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        match (origin.split_once("://"), host) {
            (Some((_, authority)), Some(host)) if authority.eq_ignore_ascii_case(host) => Self::Own,
            (Some(_) | None, Some(_) | None) => Self::Foreign,
        }
    }
}

/// The cookie of browsers. Scripts of a page cannot read it, and other sites' forms do not send it.
#[derive(Debug, Clone, Copy)]
pub struct SessionCookie {
    is_secure: bool,
}

impl SessionCookie {
    /// As the operator wants it.
    pub const fn new(config: &Config) -> Self {
        Self { is_secure: config.accounts.cookie_secure }
    }

    /// With the prefix `__Host-` browsers refuse to let a neighbouring host set it (RFC 6265bis, 4.1.3.2).
    const fn name(self) -> &'static str {
        if self.is_secure { "__Host-codecanvas" } else { "codecanvas" }
    }

    fn read(self, headers: &HeaderMap) -> Option<Secret> {
        let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        pairs
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == self.name() && !value.is_empty())
            .map(|(_, value)| Secret::from(value.to_owned()))
    }

    /// The Set-Cookie header that keeps `secret` for so many seconds.
    pub fn set(self, secret: &str, max_age_seconds: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_seconds}{secure}", self.name())
    }

    /// The Set-Cookie header that forgets it.
    pub fn clear(self) -> String {
        self.set("", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: SessionCookie = SessionCookie { is_secure: false };

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_header_wins_over_the_cookie() {
        let both = headers(&[(AUTHORIZATION, "bearer abc"), (COOKIE, "a=b; codecanvas=def")]);
        assert!(matches!(Credential::from_headers(&both, PLAIN), Ok(Credential::Bearer(s)) if s.expose() == "abc"));
        let cookie = headers(&[(COOKIE, "a=b; codecanvas=def")]);
        assert!(matches!(Credential::from_headers(&cookie, PLAIN), Ok(Credential::Cookie(s)) if s.expose() == "def"));
        assert!(matches!(Credential::from_headers(&HeaderMap::new(), PLAIN), Ok(Credential::None)));
        for wrong in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            let wrong = headers(&[(AUTHORIZATION, wrong)]);
            assert!(matches!(Credential::from_headers(&wrong, PLAIN), Err(CredentialError::NotBearer)));
        }
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        assert_eq!(PLAIN.set("x", 60), "codecanvas=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        let secure = SessionCookie { is_secure: true }.set("x", 60);
        assert!(secure.starts_with("__Host-codecanvas=x;") && secure.ends_with("; Secure"), "{secure}");
    }
}
