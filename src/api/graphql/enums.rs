//! The enums of the domain as GraphQL names them.

use async_graphql::Enum;

use crate::{config, domain};

/// What somebody is on this server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::user::SiteRole")]
pub enum SiteRole {
    /// A throw-away account with tight limits.
    Guest,
    /// Everybody who registered.
    User,
    /// May create courses.
    Teacher,
    /// Runs the server.
    Admin,
}

/// What somebody is in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::course::CourseRole")]
pub enum CourseRole {
    /// Hands in, and sees their own.
    Student,
    /// Sees everybody's submissions and remarks on them.
    Assistant,
    /// The same, and decides about the course and its members.
    Teacher,
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::verdict::AttemptState")]
pub enum AttemptState {
    /// Waits for a worker.
    Queued,
    /// The compile hook runs.
    Compiling,
    /// The program runs.
    Running,
    /// Has a verdict; nothing changes any more.
    Finished,
}

/// How a finished step or attempt ended: exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::verdict::Verdict")]
pub enum Verdict {
    /// Ended with exit code 0 within all limits.
    Ok,
    /// The compile hook ended with an error of any kind; its step tells which.
    CompileError,
    /// Non-zero exit code or killed by a signal of its own making.
    RuntimeError,
    /// Used more processor time than allowed.
    CpuTimeLimit,
    /// Took longer than allowed.
    WallTimeLimit,
    /// Used more memory than allowed.
    MemoryLimit,
    /// Wrote far more than is kept.
    OutputLimit,
    /// Stopped by a person.
    Cancelled,
    /// Our fault, never the program's.
    SystemError,
}

/// Which part of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::verdict::StepKind")]
pub enum StepKind {
    /// The language's compile hook.
    Compile,
    /// The submitted program.
    Run,
}

/// Which stream of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::verdict::OutputStream")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "config::Registration")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever has the invitation code.
    ByInvitation,
    /// Nobody: the operator makes the accounts.
    Closed,
}
