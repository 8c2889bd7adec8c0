//! The types that clients read.

mod account;
mod node;
mod server;
mod user;

pub use account::{AccessToken, Session};
pub use node::Node;
pub use server::Server;
pub use user::{User, UserConnection};
