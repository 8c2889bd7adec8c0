//! The only SQL.
//!
//! Functions take a connection, so that a use case composes them in one transaction; they never begin
//! or commit one. Reading functions take the [`Viewer`](crate::auth::Viewer) and decide in their
//! `WHERE` which rows exist for them. What is expected, such as a name that is taken, is a value; an
//! error means that the database failed.

pub mod schema;
