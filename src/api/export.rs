//! `GET /export/course/{id}.csv`, `.jsonl` and `.zip`: files of a course, with the same credential as
//! everywhere else, written while they are read.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::TryStreamExt as _;

use super::Api;
use super::protocol::http::{Refused, identify};
use super::protocol::negotiate;
use crate::domain::ids::CourseId;
use crate::service::Error;
use crate::service::exports::{self, Format};

/// The file of a course that the last part of the path names.
pub async fn course(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    match download(&api, peer, &file, &headers).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(negotiate::Format::Json),
    }
}

async fn download(api: &Api, peer: SocketAddr, file: &str, headers: &HeaderMap) -> Result<Response, Refused> {
    let viewer = identify(api, headers, true, peer).await?.viewer.ok_or(Error::Unauthenticated)?;
    let (id, format) = parse(file).ok_or(Error::NotFound("export"))?;
    let pieces = exports::export(Arc::clone(&api.services), viewer, id, format).await?;
    // Nothing can be said once the file has begun, but the connection breaks, so that nobody takes it for whole.
    let span = tracing::Span::current();
    let body = Body::from_stream(pieces.inspect_err(move |error| {
        span.in_scope(|| tracing::error!(error = error as &dyn std::error::Error, "an export broke off"));
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{id}.{}\"", format.extension())) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn parse(file: &str) -> Option<(CourseId, Format)> {
    let (id, extension) = file.split_once('.')?;
    Some((id.parse().ok()?, Format::from_extension(extension)?))
}
