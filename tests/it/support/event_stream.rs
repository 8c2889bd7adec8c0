//! A client of graphql-sse, distinct connections mode: one operation, one response that is read event by
//! event.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// Whatever takes longer will never come.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open event stream.
pub struct EventStream {
    response: Response,
    buffer: Vec<u8>,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// `next` or `complete`.
    pub kind: String,
    /// What `Last-Event-ID` would be.
    pub id: Option<String>,
    /// Null where the event has no data.
    pub data: Value,
}

impl EventStream {
    /// Sends the request of an operation.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: Vec::new() }
    }

    /// The headers that it began with.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next event, comments left out; `None` where the response ends.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                match parse(std::str::from_utf8(&block).unwrap()) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let piece = timeout(PATIENCE, self.response.chunk()).await.expect("no event came").unwrap()?;
            self.buffer.extend_from_slice(&piece);
        }
    }
}

/// Reads what stands between two empty lines. `None` for comments.
fn parse(block: &str) -> Option<StreamEvent> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let kind = field("event:")?.to_owned();
    let data = field("data:").filter(|data| !data.is_empty());
    Some(StreamEvent {
        kind,
        id: field("id:").map(str::to_owned),
        data: data.map_or(Value::Null, |data| serde_json::from_str(data).unwrap()),
    })
}
