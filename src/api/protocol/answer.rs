//! What clients get: a GraphQL answer whose every error has a stable code.
//!
//! Resolvers fail with [`service::Error`] as it is; here, on the way out, it gets its code and its
//! hints, and what only the operator may know goes to the log, once.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use serde_json::json;

use super::document::DocumentError;
use super::operation::{OperationError, ParameterError};
use crate::api::graphql::scalar::how_to_write;
use crate::service;

/// The codes of refusals that no use case makes.
pub mod code {
    /// The request itself is wrong.
    pub const INVALID_INPUT: &str = "INVALID_INPUT";
    /// The request asks for too much at once.
    pub const TOO_COMPLEX: &str = "TOO_COMPLEX";
    /// The credential is not valid (any more).
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// The request may not be made from there.
    pub const FORBIDDEN: &str = "FORBIDDEN";
    /// Too much at a time by one user.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// Our fault.
    pub const INTERNAL: &str = "INTERNAL";
}

/// An answer that is nothing but one error.
pub fn refusal(code: &'static str, message: impl Into<String>) -> Response {
    let mut error = ServerError::new(message, None);
    extensions(&mut error).set("code", code);
    Response::from_errors(vec![error])
}

/// The answer to somebody who does too much at a time; one second later there may be room.
pub fn refusal_for_now(message: impl Into<String>) -> Response {
    let mut response = refusal(code::RATE_LIMITED, message);
    for error in &mut response.errors {
        extensions(error).set("retryAfterMs", 1000);
    }
    response
}

/// The answer to a refusal of a use case that was asked before anything was executed.
pub fn of_service(error: &service::Error) -> Response {
    let mut answer = ServerError::new(error.to_string(), None);
    describe(&mut answer, error);
    Response::from_errors(vec![answer])
}

/// The answer where something of ours broke.
pub fn broken() -> Response {
    refusal(code::INTERNAL, "Something went wrong on our side. It has been noted.")
}

fn extensions(error: &mut ServerError) -> &mut ErrorExtensionValues {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default)
}

fn describe(answer: &mut ServerError, error: &service::Error) {
    if matches!(error, service::Error::Internal(_) | service::Error::Overloaded { .. }) {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let chain = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        tracing::error!(code = error.code(), chain, "a request could not be served");
    }
    let extensions = extensions(answer);
    extensions.set("code", error.code());
    if let service::Error::InvalidInput { path, .. } = error {
        extensions.set("path", path.as_str());
    }
    if let Some(wait) = error.retry_after() {
        extensions.set("retryAfterMs", milliseconds(wait));
    }
}

/// Rounded up: whoever comes back after that time is let in.
fn milliseconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

/// Gives every error its code. Those of the library itself tell what is wrong with the request.
pub fn finish(mut response: Response) -> Response {
    for answer in &mut response.errors {
        let source = answer.source.take();
        let of_service = source.as_ref().and_then(|source| {
            source
                .downcast_ref::<service::Error>()
                .or_else(|| source.downcast_ref::<Arc<service::Error>>().map(AsRef::as_ref))
        });
        if let Some(error) = of_service {
            describe(answer, error);
        } else if answer.extensions.as_ref().is_none_or(|extensions| extensions.get("code").is_none()) {
            extensions(answer).set("code", code::INVALID_INPUT);
            place(answer);
        }
    }
    response
}

/// Says where in the input the library found what it cannot take, and how to write it.
fn place(answer: &mut ServerError) {
    if let Some((wrong, _)) = answer.message.split_once(" (occurred while parsing ") {
        answer.message.truncate(wrong.len());
    }
    let Some(rest) = answer.message.strip_prefix("Invalid value for argument \"") else { return };
    let Some((argument, wrong)) = rest.split_once("\", ") else { return };
    let path = argument.strip_prefix("input.").unwrap_or(argument).to_owned();
    let scalar = wrong.strip_prefix("expected type \"").and_then(|name| name.strip_suffix('"'));
    if let Some(how) = scalar.and_then(|name| how_to_write(name.trim_end_matches('!'))) {
        answer.message.push_str(": ");
        answer.message.push_str(how);
        answer.message.push('.');
    }
    extensions(answer).set("path", path);
}

/// Whether nothing was executed: then there is no `data`, not even null (specification, 7.1).
pub fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.is_empty())
}

/// The answer as JSON.
pub fn to_json(response: &Response) -> serde_json::Value {
    if is_request_error(response) { json!({ "errors": response.errors }) } else { json!(response) }
}

impl From<ParameterError> for Box<Response> {
    fn from(error: ParameterError) -> Self {
        Self::new(refusal(code::INVALID_INPUT, error.to_string()))
    }
}

impl From<OperationError> for Box<Response> {
    fn from(error: OperationError) -> Self {
        let code = match &error {
            OperationError::Document(DocumentError::TooComplex { .. }) => code::TOO_COMPLEX,
            OperationError::Document(DocumentError::Syntax(_) | DocumentError::Cycle(_))
            | OperationError::Unknown(_)
            | OperationError::Ambiguous
            | OperationError::MissingVariable { .. }
            | OperationError::SeveralRootFields => code::INVALID_INPUT,
        };
        let mut response = refusal(code, error.to_string());
        if let OperationError::Document(DocumentError::Syntax(syntax)) = &error {
            response.errors[0].locations = syntax.positions().collect();
        }
        Self::new(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(error: service::Error) -> serde_json::Value {
        let error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
        to_json(&finish(Response::from_errors(vec![error])))["errors"][0]["extensions"].clone()
    }

    #[test]
    fn refusals_carry_their_code_and_what_helps() {
        assert_eq!(finished(service::Error::Unauthenticated), json!({ "code": "UNAUTHENTICATED" }));
        assert_eq!(
            finished(service::Error::invalid("files.0.path", "No.")),
            json!({ "code": "INVALID_INPUT", "path": "files.0.path" })
        );
        let limited =
            service::Error::RateLimited { message: "Slow down.".into(), retry_after: Duration::from_micros(1500) };
        assert_eq!(finished(limited), json!({ "code": "RATE_LIMITED", "retryAfterMs": 2 }));
    }

    #[test]
    fn errors_of_the_library_have_a_code_too() {
        let answer = finish(Response::from_errors(vec![ServerError::new("Unknown field", None)]));
        assert_eq!(to_json(&answer)["errors"][0]["extensions"], json!({ "code": "INVALID_INPUT" }));
    }

    #[test]
    fn errors_of_the_library_say_where_and_how() {
        let finished = |message: &str| {
            let answer = finish(Response::from_errors(vec![ServerError::new(message, None)]));
            let error = to_json(&answer)["errors"][0].clone();
            (error["message"].clone(), error["extensions"]["path"].clone())
        };
        let (message, path) =
            finished("Invalid value for argument \"input.limits.memoryBytes\", expected type \"Long\"");
        assert!(message.as_str().unwrap().ends_with("\"Long\": give a whole number from 0 to 2^53 - 1."), "{message}");
        assert_eq!(path, "limits.memoryBytes");
        assert_eq!(finished("Invalid value for argument \"ids\", expected type \"ID\"").1, "ids");
        let nested = "Too large (occurred while parsing \"A\") (occurred while parsing \"B\")";
        assert_eq!(finished(nested), (json!("Too large"), json!(null)));
    }
}
