//! What the client can read and what it sent: the Accept and Content-Type headers, by the rules of
//! RFC 9110 section 12.5.1 and of GraphQL over HTTP.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/graphql-response+json`: the status tells what happened.
    GraphQlResponse,
    /// `application/json`: well-formed answers have status 200, as old clients expect.
    Json,
    /// `text/event-stream`: graphql-sse, distinct connections mode.
    EventStream,
}

impl Format {
    /// The value of the answer's Content-Type header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            // UTF-8 always, and so without saying it (HTML standard, 9.2.5).
            Self::EventStream => "text/event-stream",
        }
    }

    /// Picks what the client likes best; `None` where it accepts nothing that we can write.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let Some(accept) = joined(headers, &ACCEPT) else { return Some(Self::Json) };
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let Some((format, quality)) = offer(range) else { continue };
            // On equal terms the one named first wins.
            if quality > 0.0 && best.is_none_or(|(so_far, _)| quality > so_far) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }
}

/// Whether the body is JSON in UTF-8. Anything else is refused: a form of a foreign page could send it
/// without asking, which JSON cannot be.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = joined(headers, &CONTENT_TYPE) else { return false };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) && parts.all(charset_is_utf8)
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn charset_is_utf8(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    }
}

/// One media range: what we would write for it, and how much the client likes that.
fn offer(range: &str) -> Option<(Format, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let format = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/graphql-response+json" => Format::GraphQlResponse,
        "application/json" | "application/*" | "*/*" => Format::Json,
        "text/event-stream" => Format::EventStream,
        _ => return None,
    };
    let mut quality = 1.0;
    for parameter in parts {
        if !charset_is_utf8(parameter) {
            return None;
        }
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("q")
        {
            quality = value.trim().parse().unwrap_or(0.0);
        }
    }
    Some((format, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(accept: &str) -> Option<Format> {
        Format::negotiate(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn the_client_gets_what_it_likes_best() {
        assert_eq!(Format::negotiate(&HeaderMap::new()), Some(Format::Json));
        assert_eq!(negotiate("*/*"), Some(Format::Json));
        assert_eq!(negotiate("application/graphql-response+json"), Some(Format::GraphQlResponse));
        assert_eq!(
            negotiate("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"),
            Some(Format::GraphQlResponse)
        );
        assert_eq!(
            negotiate("application/json;q=0.5, application/graphql-response+json"),
            Some(Format::GraphQlResponse)
        );
        assert_eq!(negotiate("text/event-stream"), Some(Format::EventStream));
        assert_eq!(negotiate("text/html, application/json;q=0.1"), Some(Format::Json));
    }

    #[test]
    fn what_cannot_be_written_is_not_offered() {
        assert_eq!(negotiate("text/html"), None);
        assert_eq!(negotiate("application/json; charset=iso-8859-1"), None);
        assert_eq!(negotiate("application/json;q=0"), None);
    }

    #[test]
    fn only_json_in_utf8_is_json() {
        let is = |value: &str| is_json(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]));
        assert!(is("application/json"));
        assert!(is("Application/JSON; charset=UTF-8"));
        for wrong in
            ["text/plain", "application/json; charset=latin1", "multipart/form-data", "application/graphql", ""]
        {
            assert!(!is(wrong), "{wrong}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
