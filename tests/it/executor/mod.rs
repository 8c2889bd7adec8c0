//! The executor on the real sandbox and the real toolchains.

mod cache;
mod dialogue;
mod languages;
mod output;
mod support;
mod verdicts;
