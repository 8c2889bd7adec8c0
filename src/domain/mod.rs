//! The words of the field as pure types: no I/O, no SQL, no GraphQL.
//!
//! Everything else in the project depends on this module and it depends on nothing. Values are
//! checked where they are made; behind that nobody checks again.
//!
//! - [`ids`]: one newtype per kind of row, written `sub_0192…` outside
//! - [`user`], [`course`]: people and courses, what their names may be
//! - [`statistics`]: what a teacher sees of a course at a glance
//! - [`page`]: pages of long lists
//! - [`units`]: sizes in bytes
//! - [`language`]: a language as submitters see it
//! - [`limits`]: what a step may use
//! - [`verdict`]: states, verdicts, step kinds, streams
//! - [`event`]: the log of an attempt
//! - [`submission`]: what a person handed in
//! - [`attempt`]: its executions and their steps
//! - [`text`]: what names may hold; cutting byte streams between characters

pub mod attempt;
pub mod course;
pub mod event;
pub mod ids;
pub mod language;
pub mod limits;
pub mod page;
pub mod statistics;
pub mod submission;
pub mod text;
pub mod units;
pub mod user;
pub mod verdict;
