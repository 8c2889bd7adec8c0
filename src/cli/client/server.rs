//! The service as the command line sees it: GraphQL over HTTP, and where its socket is.
//!
//! What comes back is not trusted: its size is bounded, anything that the contract does not allow is
//! [`Failure::BadAnswer`], and no redirection is followed, so a token goes to the server it is for
//! and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// The largest answer that is read, in bytes: a page of submissions with all their output fits.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A server and, where there is one, the credential for it.
#[derive(Clone)]
pub struct Server {
    base: Url,
    token: Option<String>,
    /// Whether the token was named by a flag or the environment, so that signing in anew would change nothing.
    is_token_given: bool,
    http: Client,
    tls: Arc<ClientConfig>,
}

/// What GraphQL over HTTP answers.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

/// One GraphQL error.
#[derive(Debug, Deserialize)]
pub struct AnswerError {
    message: String,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: Option<String>,
    retry_after_ms: Option<u64>,
    path: Option<String>,
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        let extensions = error.extensions.unwrap_or_default();
        Self::Refused {
            code: extensions.code.unwrap_or_else(|| "INTERNAL".to_owned()),
            message: error.message,
            retry_after_ms: extensions.retry_after_ms,
            part: extensions.path,
        }
    }
}

#[derive(Serialize)]
struct Question<'a, V> {
    query: &'a str,
    variables: V,
}

impl Server {
    /// A server by its address, `http://…` or `https://…`; without a scheme it is `http`.
    pub fn new(address: &str, token: Option<String>) -> Result<Self, Failure> {
        let base = parse_address(address)?;
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_deref().is_some_and(|token| HeaderValue::from_str(token).is_err()) {
            return Err(Failure::Usage("the access token holds characters that no token has".to_owned()));
        }
        // One configuration for HTTP and the socket, so that both trust the same authorities: those
        // of the operating system, which is where operators install a private one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| Failure::Usage(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth();
        let http = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("codecanvas/", env!("CARGO_PKG_VERSION"), " (command line)"))
            .build()
            .map_err(|error| Failure::Usage(format!("HTTP cannot be set up: {error}")))?;
        Ok(Self { base, token, is_token_given: false, http, tls: Arc::new(tls) })
    }

    /// The same with a token that was named by a flag or the environment.
    pub fn with_given_token(address: &str, token: String) -> Result<Self, Failure> {
        Ok(Self { is_token_given: true, ..Self::new(address, Some(token))? })
    }

    /// The address as credentials are filed under: no path, query or trailing slash.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether a credential is at hand.
    pub fn is_signed_in(&self) -> bool {
        self.token.is_some()
    }

    /// `Bearer …`, for the header and for `connection_init`.
    pub fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {token}"))
    }

    /// The TLS settings for the socket.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// Where the GraphQL socket is, `ws://…` or `wss://…`.
    pub fn socket_url(&self) -> String {
        let url = self.base.join("graphql").unwrap_or_else(|_| self.base.clone());
        url.as_str().replacen("http", "ws", 1)
    }

    /// Whether whoever is between here and there can read along.
    pub fn is_readable_on_the_way(&self) -> bool {
        let is_loopback = match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.base.scheme() == "http" && !is_loopback
    }

    /// Sends a document and reads the `data` it is answered with.
    pub async fn ask<T: DeserializeOwned>(&self, query: &str, variables: impl Serialize) -> Result<T, Failure> {
        let url = self.base.join("graphql").map_err(|error| self.bad_answer(error.to_string()))?;
        let mut request = self
            .http
            .post(url)
            .header(ACCEPT, "application/graphql-response+json, application/json;q=0.9")
            // Longer than the longest `waitMs`.
            .timeout(Duration::from_secs(90))
            .json(&Question { query, variables });
        if let Some(authorization) = self.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.read_bounded(response).await?;
        let answer: Answer<T> = match serde_json::from_slice(&body) {
            Ok(answer) => answer,
            // What was refused is missing in the data.
            Err(error) => {
                let answer = serde_json::from_slice::<Answer<IgnoredAny>>(&body).ok();
                return Err(match answer.and_then(|answer| answer.errors.into_iter().next()) {
                    Some(refusal) => self.refused(refusal),
                    None if status.is_server_error() => {
                        Failure::Unreachable { server: self.address().to_owned(), detail: format!("status {status}") }
                    }
                    None => self.bad_answer(format!("status {status}, {error}")),
                });
            }
        };
        match (answer.errors.into_iter().next(), answer.data) {
            (Some(error), _) => Err(self.refused(error)),
            (None, Some(data)) => Ok(data),
            (None, None) => Err(self.bad_answer("neither data nor errors".to_owned())),
        }
    }

    /// Starts a plain download below the server's address; the body is left to the caller.
    pub async fn download(&self, path: &str) -> Result<Response, Failure> {
        let url = self.base.join(path).map_err(|error| self.bad_answer(error.to_string()))?;
        let mut request = self.http.get(url);
        if let Some(authorization) = self.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read_bounded(response).await?;
        match serde_json::from_slice::<Answer<serde_json::Value>>(&body).ok().and_then(|a| a.errors.into_iter().next())
        {
            Some(error) => Err(self.refused(error)),
            None => Err(match status.as_u16() {
                401 => self.unauthenticated(),
                403 | 404 => Failure::Refused {
                    code: "NOT_FOUND".to_owned(),
                    message: "there is no such export for you: it is for those who teach the course".to_owned(),
                    retry_after_ms: None,
                    part: None,
                },
                _ => self.bad_answer(format!("status {status}")),
            }),
        }
    }

    /// An answer outside the contract.
    pub fn bad_answer(&self, detail: impl Into<String>) -> Failure {
        Failure::BadAnswer { server: self.address().to_owned(), detail: detail.into() }
    }

    /// A refusal; for one who has no credential, or a bad one, it says how to get one.
    pub fn refused(&self, error: AnswerError) -> Failure {
        match error.extensions.as_ref().and_then(|extensions| extensions.code.as_deref()) {
            Some("UNAUTHENTICATED") => self.unauthenticated(),
            Some(_) | None => error.into(),
        }
    }

    /// The server does not know who is asking.
    pub fn unauthenticated(&self) -> Failure {
        let server = self.address();
        let message = match (self.is_signed_in(), self.is_token_given) {
            (false, _) => return Failure::NotSignedIn { server: server.to_owned() },
            (true, true) => {
                format!(
                    "{server} does not know the token of --token or CODECANVAS_TOKEN: it is wrong, expired or revoked"
                )
            }
            (true, false) => {
                format!("the sign-in at {server} has expired or was ended: run `codecanvas login --server {server}`")
            }
        };
        Failure::Refused { code: "UNAUTHENTICATED".to_owned(), message, retry_after_ms: None, part: None }
    }

    /// A transport failure, told by its innermost cause: "error sending request" helps nobody.
    pub fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Failure::Unreachable { server: self.address().to_owned(), detail: innermost.to_string() }
    }

    async fn read_bounded(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.bad_answer("it does not end"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Reads a server's address as people type it.
fn parse_address(address: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("`{address}` is not the address of a server: {why}"));
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("names and passwords do not belong there, use `codecanvas login`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("the host is missing"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_type_them() {
        let address = |text: &str| Server::new(text, None).map(|server| server.address().to_owned());
        assert_eq!(address("http://localhost:10100/").unwrap(), "http://localhost:10100");
        assert_eq!(address("localhost:10100").unwrap(), "http://localhost:10100");
        assert_eq!(address("https://runs.example.org").unwrap(), "https://runs.example.org");
        assert_eq!(address("https://example.org/runs").unwrap(), "https://example.org/runs");
        for wrong in ["", "ftp://x", "http://", "http://ada:secret@host", "http://a b"] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_socket_is_beside_the_http_endpoint() {
        let socket = |text: &str| Server::new(text, None).unwrap().socket_url();
        assert_eq!(socket("http://localhost:10100"), "ws://localhost:10100/graphql");
        assert_eq!(socket("https://http.example/x"), "wss://http.example/x/graphql");
    }

    #[test]
    fn only_plain_http_beyond_this_machine_can_be_read_on_the_way() {
        let is_readable = |text: &str| Server::new(text, None).unwrap().is_readable_on_the_way();
        assert!(!is_readable("http://127.0.0.1:1"));
        assert!(!is_readable("http://[::1]:1"));
        assert!(!is_readable("https://example.org"));
        assert!(is_readable("http://example.org"));
        assert!(is_readable("http://127.0.0.1.example.org"));
    }

    #[test]
    fn who_is_not_known_is_told_what_helps() {
        let message = |server: Server| server.unauthenticated().to_string();
        assert!(message(Server::new("localhost", None).unwrap()).starts_with("not signed in"));
        assert!(message(Server::new("localhost", Some("t".into())).unwrap()).contains("codecanvas login"));
        let given = message(Server::with_given_token("localhost", "t".into()).unwrap());
        assert!(given.contains("CODECANVAS_TOKEN") && !given.contains("codecanvas login"), "{given}");
    }

    #[test]
    fn a_token_with_a_line_break_is_no_token() {
        assert!(Server::new("localhost", Some("a\nb".to_owned())).is_err());
        assert!(!Server::new("localhost", Some(" \n".to_owned())).unwrap().is_signed_in());
    }
}
