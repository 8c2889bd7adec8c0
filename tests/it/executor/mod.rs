//! The executor on the real sandbox and the real toolchains.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the events that it is about")]

mod ahead;
mod cache;
mod dialogue;
mod languages;
mod output;
mod page_cache;
mod support;
mod verdicts;
