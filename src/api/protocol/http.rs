//! GraphQL over HTTP: one operation per POST, queries also by GET.
//!
//! Statuses follow the GraphQL over HTTP specification (the npm package `graphql-http` audits them in
//! `tests/conformance`): a refused request is 4xx for clients that read
//! `application/graphql-response+json`, and 200 for those that only know `application/json`, unless it
//! never was GraphQL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response as Answer;
use async_graphql::parser::types::OperationType;
use async_graphql_axum::GraphQLResponse;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, State, WebSocketUpgrade};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, UPGRADE, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::{self, code};
use super::execution::execute;
use super::negotiate::{self, Format};
use super::operation::{Operation, OperationError, Parameters};
use super::{event_stream, websocket};
use crate::api::Api;
use crate::api::credential::{Credential, CredentialError, Origin};
use crate::api::identity::{Identity, IdentityError, client_of};
use crate::service;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// `GET`, `HEAD` and `POST /graphql`, and its upgrade to a WebSocket.
pub async fn graphql(
    State(api): State<Arc<Api>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    if request.method() == Method::GET && request.headers().contains_key(UPGRADE) {
        let (mut parts, _) = request.into_parts();
        return match WebSocketUpgrade::from_request_parts(&mut parts, &api).await {
            Ok(upgrade) => websocket::accept(api, upgrade, &parts.headers, address),
            Err(rejection) => rejection.into_response(),
        };
    }
    let Some(format) = Format::negotiate(request.headers()) else {
        let message =
            "This server answers in application/graphql-response+json, application/json or text/event-stream.";
        return Refused::new(StatusCode::NOT_ACCEPTABLE, code::INVALID_INPUT, message).into_response(Format::Json);
    };
    match answer_request(&api, address, format, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(format),
    }
}

/// A request that did not come as far as being executed.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    /// Boxed because it is by far the larger part, and rare.
    answer: Box<Answer>,
    headers: HeaderMap,
}

impl Refused {
    /// A refusal with one error.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::with_answer(status, Box::new(answer::refusal(code, message)))
    }

    fn with_answer(status: StatusCode, answer: Box<Answer>) -> Self {
        let mut headers = HeaderMap::new();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 15.5.2: it always says how to authenticate.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Self { status, answer, headers }
    }

    /// Writes it down.
    pub fn into_response(self, format: Format) -> Response {
        // An event stream that was refused before it began is answered in JSON.
        let format = if format == Format::EventStream { Format::Json } else { format };
        let mut response = write(format, self.status, *self.answer);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<service::Error> for Refused {
    fn from(error: service::Error) -> Self {
        let status = match &error {
            service::Error::Unauthenticated | service::Error::WrongCredentials => StatusCode::UNAUTHORIZED,
            service::Error::Forbidden(_) => StatusCode::FORBIDDEN,
            service::Error::NotFound(_) | service::Error::NoSuchJoinCode => StatusCode::NOT_FOUND,
            service::Error::InvalidInput { .. } => StatusCode::BAD_REQUEST,
            service::Error::Conflict(_) => StatusCode::CONFLICT,
            service::Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            service::Error::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
            service::Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::with_answer(status, Box::new(answer::of_service(&error)))
    }
}

impl From<CredentialError> for Refused {
    fn from(error: CredentialError) -> Self {
        let (status, code) = match error {
            CredentialError::NotBearer => (StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED),
            CredentialError::ForeignOrigin => (StatusCode::FORBIDDEN, code::FORBIDDEN),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<IdentityError> for Refused {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Ended => Self::with_answer(StatusCode::UNAUTHORIZED, error.into()),
            IdentityError::Service(error) => error.into(),
        }
    }
}

async fn answer_request(
    api: &Arc<Api>,
    address: SocketAddr,
    format: Format,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let is_get = matches!(parts.method, Method::GET | Method::HEAD);
    if !is_get && !negotiate::is_json(&parts.headers) {
        let message = "Send the request as JSON, with the header \"Content-Type: application/json\".";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_INPUT, message));
    }
    let query_string = is_get.then(|| parts.uri.query().unwrap_or_default());
    // What is asked is read while Postgres looks up who asks.
    let (identity, operation) = tokio::join!(
        biased;
        identify(api, &parts.headers, is_get, address),
        read_operation(api, query_string, body),
    );
    let (identity, operation) = (identity?, operation?);
    if is_get && operation.as_ref().is_ok_and(|operation| operation.kind == OperationType::Mutation) {
        let message = "Mutations change something: send them by POST.";
        let mut refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, code::INVALID_INPUT, message);
        refused.headers.insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refused);
    }
    if format == Format::EventStream {
        return Ok(event_stream::start(api, &identity, operation.map_err(Into::into), &parts.headers));
    }
    let answer = match operation {
        Err(error) => *Box::<Answer>::from(error),
        Ok(operation) if operation.kind == OperationType::Subscription => {
            let message = "Subscriptions need a WebSocket, or the header \"Accept: text/event-stream\".";
            return Err(Refused::new(StatusCode::BAD_REQUEST, code::INVALID_INPUT, message));
        }
        Ok(operation) => execute(api, &identity, operation).await,
    };
    let status = if format == Format::GraphQlResponse && answer::is_request_error(&answer) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut response = write(format, status, answer);
    // A browser whose session has ended goes on as nobody, and stops sending the cookie.
    if identity.is_cookie_stale
        && !response.headers().contains_key(SET_COOKIE)
        && let Ok(forget) = HeaderValue::from_str(&api.cookie.clear())
    {
        response.headers_mut().insert(SET_COOKIE, forget);
    }
    Ok(response)
}

/// Reads what is asked, from the query string where there is one. The inner error is the operation's, to be answered in the
/// format that was asked for.
async fn read_operation(
    api: &Api,
    query_string: Option<&str>,
    body: Body,
) -> Result<Result<Operation, OperationError>, Refused> {
    let parameters = match query_string {
        Some(query_string) => Parameters::from_query_string(query_string),
        None => Parameters::from_body(&read_body(api, body).await?),
    };
    let parameters = parameters.map_err(|error| Refused::with_answer(StatusCode::BAD_REQUEST, error.into()))?;
    Ok(Operation::prepare(parameters, &api.document_limits))
}

/// Finds out who asks. State may only be changed by pages of this server or by whoever holds the token.
pub async fn identify(api: &Api, headers: &HeaderMap, is_get: bool, peer: SocketAddr) -> Result<Identity, Refused> {
    let credential = Credential::from_headers(headers, api.cookie)?;
    let is_trusted = match Origin::of(headers, &api.config) {
        Origin::Own => true,
        Origin::Unknown => is_get,
        Origin::Foreign => false,
    };
    if matches!(credential, Credential::Cookie(_)) && !is_trusted {
        return Err(CredentialError::ForeignOrigin.into());
    }
    Ok(api.identify(&credential, &client_of(headers, peer, &api.config)).await?)
}

async fn read_body(api: &Api, body: Body) -> Result<axum::body::Bytes, Refused> {
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, api.body_limit())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("The request is too large: at most {} can be sent.", api.config.http.body_limit);
            Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, code::INVALID_INPUT, message))
        }
        Err(_) => {
            let message = "The request did not arrive in time.";
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, code::INVALID_INPUT, message))
        }
    }
}

fn write(format: Format, status: StatusCode, answer: Answer) -> Response {
    let body = answer::is_request_error(&answer).then(|| Body::from(answer::to_json(&answer).to_string()));
    let mut response = GraphQLResponse::from(answer).into_response();
    if let Some(body) = body {
        *response.body_mut() = body;
    }
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.append(VARY, HeaderValue::from_static("accept, authorization, cookie"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
