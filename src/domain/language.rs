//! A language as a worker offers it and as submitters see it.

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// A toolchain that a worker found, asked for its version and tried out.
///
/// Workers keep these in their row; whoever reads them there needs no toolchain of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedLanguage {
    /// The name that submitters use: `python3`, `c++`.
    pub name: String,
    /// The name for people: `Python 3`, `C++`.
    pub display_name: String,
    /// What the toolchain itself answers, e.g. `Python 3.11.2`.
    pub version: String,
    /// Other names that are accepted.
    pub aliases: Vec<String>,
    /// File name extensions with the dot, the usual one first: `.py`.
    pub extensions: Vec<String>,
    /// Whether attempts have a compile step.
    pub is_compiled: bool,
    /// What a single source is called where the submitter gave no name: `main.py`.
    pub source_file: String,
    /// A short program that works, for an empty editor.
    pub template: String,
    /// The editor's name for the syntax.
    pub editor_mode: String,
    /// Limits of the run step where nothing else is asked for.
    pub default_limits: Limits,
    /// The most that can be asked for, for the run step.
    pub maximum_limits: Limits,
    /// Limits of the compile step, which cannot be chosen; `None` where there is no such step.
    pub compile_limits: Option<Limits>,
    /// The compile command as people read it; `None` where there is no such step.
    pub compile_command: Option<String>,
    /// The run command as people read it.
    pub run_command: String,
}

impl OfferedLanguage {
    /// Whether submitters mean this language by `name`: its name or an alias, in any case.
    pub fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(&self.aliases).any(|own| own.eq_ignore_ascii_case(name))
    }
}
