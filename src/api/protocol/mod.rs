//! GraphQL on the wire: over HTTP, over WebSockets and as event streams.
//!
//! The handlers that come with the GraphQL library do not conform to the specifications, execute
//! mutations by GET and accept what a foreign page can send without asking; these are our own.
//!
//! - [`http`]: GraphQL over HTTP, and the door to the two others
//! - [`websocket`]: the protocol graphql-transport-ws
//! - [`event_stream`]: the protocol graphql-sse
//! - [`negotiate`]: Accept and Content-Type
//! - [`operation`]: from parameters to something that can be executed
//! - [`execution`]: its execution
//! - [`document`]: how large a query may be
//! - [`answer`]: errors with stable codes

pub mod answer;
pub mod document;
pub mod event_stream;
pub mod execution;
pub mod http;
pub mod negotiate;
pub mod operation;
pub mod websocket;
