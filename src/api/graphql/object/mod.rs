//! The types that clients read.

mod account;
mod attempt;
mod course;
mod event;
mod feedback;
mod language;
mod node;
mod server;
mod submission;
mod user;

pub use account::{AccessToken, Session};
pub use attempt::{Attempt, Step};
pub use course::Course;
pub use event::{Activity, AttemptEvent};
pub use feedback::Feedback;
pub use language::{Language, Limits, LimitsInput};
pub use node::Node;
pub use server::{Server, Worker};
pub use submission::{Submission, SubmissionConnection, SubmissionFilter};
pub use user::{User, UserConnection};
