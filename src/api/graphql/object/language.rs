//! Toolchains and limits.

use async_graphql::{ID, InputObject, SimpleObject};
use std::fmt::Write as _;

use crate::api::graphql::scalar::Long;
use crate::domain::language::OfferedLanguage;
use crate::domain::limits;
use crate::service::Error;

/// A toolchain that at least one live worker offers.
#[derive(Debug, SimpleObject)]
pub struct Language {
    /// Its global id.
    pub id: ID,
    /// The name that submitters use: python3, nodejs, c++, go, bash, rust, c, java, ...
    name: String,
    /// The name for people.
    display_name: String,
    /// What the toolchain itself answers, e.g. "Python 3.11.2".
    version: String,
    /// Other names that are accepted.
    aliases: Vec<String>,
    /// With the dot: `.py`.
    file_extensions: Vec<String>,
    /// Whether attempts have a compile step.
    is_compiled: bool,
    /// A short program that works, for an empty editor.
    template: String,
    /// The editor's name for the syntax.
    editor_mode: String,
    /// The compile command as people read it; null where there is no such step.
    compile_command: Option<String>,
    /// The run command as people read it.
    run_command: String,
    /// Limits of the run step where nothing else is asked for.
    default_limits: Limits,
    /// The most that can be asked for.
    maximum_limits: Limits,
}

/// What ids of languages start with; behind it is the name in hexadecimal, because of "c++".
const ID_PREFIX: &str = "lng_";

impl Language {
    /// The global id of the language with this name.
    pub fn id_of(name: &str) -> ID {
        let mut id = ID_PREFIX.to_owned();
        for byte in name.bytes() {
            write!(id, "{byte:02x}").expect("a String takes everything");
        }
        ID(id)
    }

    /// Whether an id is one of a language.
    pub fn is_id(id: &ID) -> bool {
        id.starts_with(ID_PREFIX)
    }
}

impl From<OfferedLanguage> for Language {
    fn from(language: OfferedLanguage) -> Self {
        Self {
            id: Self::id_of(&language.name),
            name: language.name,
            display_name: language.display_name,
            version: language.version,
            aliases: language.aliases,
            file_extensions: language.extensions,
            is_compiled: language.is_compiled,
            template: language.template,
            editor_mode: language.editor_mode,
            compile_command: language.compile_command,
            run_command: language.run_command,
            default_limits: language.default_limits.into(),
            maximum_limits: language.maximum_limits.into(),
        }
    }
}

/// Limits of one step (compile or run).
#[derive(Debug, Clone, SimpleObject)]
pub struct Limits {
    /// Processor time of the whole process tree.
    cpu_time_ms: i32,
    /// Time on the clock; not charged while an interactive program waits for input.
    wall_time_ms: i32,
    /// Memory of the whole process tree, files in memory included.
    memory_bytes: Long,
    /// Per stream; what follows is counted, not kept.
    output_bytes: Long,
    /// Processes and threads at the same time.
    processes: i32,
    /// Everything the step may write to its work directory and /tmp.
    disk_bytes: Long,
}

impl From<limits::Limits> for Limits {
    fn from(limits: limits::Limits) -> Self {
        let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        Self {
            cpu_time_ms: int(limits.cpu_time_ms),
            wall_time_ms: int(limits.wall_time_ms),
            memory_bytes: limits.memory_bytes.into(),
            output_bytes: limits.output_bytes.into(),
            processes: int(limits.processes),
            disk_bytes: limits.disk_bytes.into(),
        }
    }
}

/// Lower or higher limits for the run step, up to the language's maximum; above it is INVALID_INPUT.
#[derive(Debug, Default, InputObject)]
pub struct LimitsInput {
    /// Processor time of the whole process tree.
    cpu_time_ms: Option<i32>,
    /// Time on the clock.
    wall_time_ms: Option<i32>,
    /// Memory of the whole process tree.
    memory_bytes: Option<Long>,
    /// Per stream.
    output_bytes: Option<Long>,
    /// Processes and threads at the same time.
    processes: Option<i32>,
    /// Everything the step may write.
    disk_bytes: Option<Long>,
}

impl LimitsInput {
    /// As the use cases take them.
    pub fn parse(self) -> Result<limits::RequestedLimits, Error> {
        let positive = |field: &str, value: Option<i32>| {
            let parsed = value.map(u32::try_from).transpose();
            parsed.map_err(|_| Error::invalid(format!("limits.{field}"), format!("{field} must be at least 1.")))
        };
        Ok(limits::RequestedLimits {
            cpu_time_ms: positive("cpuTimeMs", self.cpu_time_ms)?,
            wall_time_ms: positive("wallTimeMs", self.wall_time_ms)?,
            memory_bytes: self.memory_bytes.map(Into::into),
            output_bytes: self.output_bytes.map(Into::into),
            processes: positive("processes", self.processes)?,
            disk_bytes: self.disk_bytes.map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_languages_are_safe_in_a_url() {
        let id = Language::id_of("c++");
        assert_eq!(id.as_str(), "lng_632b2b");
        assert!(Language::is_id(&id));
    }
}
