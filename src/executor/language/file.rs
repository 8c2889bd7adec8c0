//! Reading one language file: TOML in, a checked [`Language`] out, or where it is wrong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::command::{Command, Template, UnknownPlaceholder};
use super::{Compile, Language, Run, StartAhead, WarmUp, mounts};
use crate::domain::limits::Limits;
use crate::domain::units::Bytes;

/// Limits of the run step where a file says nothing else.
const RUN: Limits = Limits {
    cpu_time_ms: 5_000,
    wall_time_ms: 15_000,
    memory_bytes: Bytes::mib(256),
    output_bytes: Bytes::mib(1),
    processes: 64,
    disk_bytes: Bytes::mib(64),
};
/// The most that a submitter can ask for where a file says nothing else.
const RUN_MAXIMUM: Limits = Limits {
    cpu_time_ms: 60_000,
    wall_time_ms: 120_000,
    memory_bytes: Bytes::mib(1024),
    output_bytes: Bytes::mib(16),
    processes: 256,
    disk_bytes: Bytes::mib(256),
};
/// Limits of the compile step where a file says nothing else.
const COMPILE: Limits = Limits {
    cpu_time_ms: 20_000,
    wall_time_ms: 30_000,
    memory_bytes: Bytes::mib(1024),
    output_bytes: Bytes::kib(256),
    processes: 64,
    disk_bytes: Bytes::mib(256),
};
/// Limits of a warm-up.
const WARM_UP: Limits = Limits {
    cpu_time_ms: 180_000,
    wall_time_ms: 300_000,
    memory_bytes: Bytes::mib(2048),
    output_bytes: Bytes::kib(256),
    processes: 256,
    disk_bytes: Bytes::mib(1024),
};

/// A language file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct LanguageFileError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    name: Spanned<String>,
    display_name: String,
    #[serde(default)]
    aliases: Vec<String>,
    extensions: Spanned<Vec<String>>,
    #[serde(default)]
    core: bool,
    packages: Vec<String>,
    tools: Spanned<Vec<String>>,
    version: VersionTable,
    source_file: Spanned<String>,
    editor_mode: String,
    template: String,
    template_output: String,
    mounts: Option<Spanned<Vec<PathBuf>>>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    compile: Option<CompileTable>,
    run: RunTable,
    warm_up: Option<WarmUpTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionTable {
    command: Spanned<Vec<String>>,
    #[serde(default)]
    prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompileTable {
    command: Spanned<Vec<String>>,
    shown: Option<Spanned<String>>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    artefacts: Spanned<Vec<String>>,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunTable {
    command: Spanned<Vec<String>>,
    shown: Option<Spanned<String>>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    interactive_environment: BTreeMap<String, Spanned<String>>,
    ahead: Option<Spanned<AheadTable>>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    maximum: Option<Spanned<LimitsTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AheadTable {
    #[serde(default)]
    unless: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WarmUpTable {
    command: Spanned<Vec<String>>,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    cpu_time_ms: Option<u32>,
    wall_time_ms: Option<u32>,
    memory_mib: Option<u32>,
    output_kib: Option<u32>,
    processes: Option<u32>,
    disk_mib: Option<u32>,
}

impl LimitsTable {
    fn over(&self, base: &Limits) -> Limits {
        let mib = |given: Option<u32>, base| given.map_or(base, |mib| Bytes::mib(mib.into()));
        Limits {
            cpu_time_ms: self.cpu_time_ms.unwrap_or(base.cpu_time_ms),
            wall_time_ms: self.wall_time_ms.unwrap_or(base.wall_time_ms),
            memory_bytes: mib(self.memory_mib, base.memory_bytes),
            output_bytes: self.output_kib.map_or(base.output_bytes, |kib| Bytes::kib(kib.into())),
            processes: self.processes.unwrap_or(base.processes),
            disk_bytes: mib(self.disk_mib, base.disk_bytes),
        }
    }
}

/// What is wrong and where, before the place is known as a line.
struct Wrong {
    span: Range<usize>,
    reason: String,
}

impl Wrong {
    fn at<T>(place: &Spanned<T>, reason: impl Into<String>) -> Self {
        Self { span: place.span(), reason: reason.into() }
    }
}

/// Reads a language file. `file` is its name, for messages.
pub fn parse(file: &str, text: &str) -> Result<Language, LanguageFileError> {
    let error = |offset: usize, reason: String| LanguageFileError {
        file: file.to_owned(),
        line: text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1,
        reason,
    };
    let raw: LanguageFile = toml::from_str(text)
        .map_err(|toml| error(toml.span().map_or(0, |span| span.start), toml.message().to_owned()))?;
    check(raw, text).map_err(|wrong| error(wrong.span.start, wrong.reason))
}

fn check(raw: LanguageFile, text: &str) -> Result<Language, Wrong> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+#-_.".contains(&b))
    };
    if !is_name(raw.name.as_ref()) || raw.name.as_ref().starts_with('.') {
        return Err(Wrong::at(&raw.name, "a name is made of lower-case letters, digits, and + # - _ ."));
    }
    let extensions = raw.extensions.as_ref();
    if extensions.is_empty() || !extensions.iter().all(|e| e.len() > 1 && e.starts_with('.')) {
        return Err(Wrong::at(&raw.extensions, "at least one extension, each with its dot, is needed"));
    }
    let source_file = raw.source_file.as_ref();
    if source_file.contains('/') || !extensions.iter().any(|e| source_file.ends_with(e.as_str())) {
        return Err(Wrong::at(&raw.source_file, "the file name must end with one of the extensions"));
    }
    if raw.tools.as_ref().is_empty() {
        return Err(Wrong::at(&raw.tools, "at least one program is needed"));
    }
    if let Some(wanted) = &raw.mounts {
        mounts::check(wanted.as_ref()).map_err(|reason| Wrong::at(wanted, reason))?;
    }
    let version_command = raw.version.command.as_ref().clone();
    if version_command.is_empty() {
        return Err(Wrong::at(&raw.version.command, "a command needs a program"));
    }

    let compile = raw.compile.map(|table| {
        if table.artefacts.as_ref().is_empty() {
            return Err(Wrong::at(&table.artefacts, "a compile step leaves at least one artefact"));
        }
        Ok(Compile {
            command: command(&table.command)?,
            shown: shown(table.shown.as_ref())?,
            environment: environment(&table.environment)?,
            limits: table.limits.over(&COMPILE),
            artefacts: table.artefacts.into_inner(),
        })
    });
    let default_limits = raw.run.limits.over(&RUN);
    let maximum_limits = match &raw.run.maximum {
        None => raise(&RUN_MAXIMUM, &default_limits),
        Some(table) => {
            let maximum = table.as_ref().over(&raise(&RUN_MAXIMUM, &default_limits));
            if raise(&maximum, &default_limits) != maximum {
                return Err(Wrong::at(table, "a maximum is below its default"));
            }
            maximum
        }
    };
    let ahead = match raw.run.ahead {
        Some(table) if compile.is_some() => {
            return Err(Wrong::at(&table, "what is compiled cannot be started ahead"));
        }
        Some(table) if table.as_ref().unless.iter().any(String::is_empty) => {
            return Err(Wrong::at(&table, "an empty word occurs everywhere"));
        }
        other => other.map(|table| StartAhead { unless: table.into_inner().unless }),
    };
    let run = Run {
        command: command(&raw.run.command)?.with_arguments(),
        shown: shown(raw.run.shown.as_ref())?,
        environment: environment(&raw.run.environment)?,
        interactive_environment: environment(&raw.run.interactive_environment)?,
        ahead,
        default_limits,
        maximum_limits,
    };
    let warm_up = raw.warm_up.map(|table| {
        let files = table.files.into_iter().collect();
        Ok(WarmUp { command: command(&table.command)?, files, limits: WARM_UP })
    });
    Ok(Language {
        display_name: raw.display_name,
        aliases: raw.aliases,
        is_core: raw.core,
        packages: raw.packages,
        tools: raw.tools.into_inner(),
        version_command,
        version_prefix: raw.version.prefix,
        editor_mode: raw.editor_mode,
        template: raw.template,
        template_output: raw.template_output,
        mounts: raw.mounts.map(Spanned::into_inner).unwrap_or_default(),
        environment: environment(&raw.environment)?,
        files: raw.files.into_iter().collect(),
        compile: compile.transpose()?,
        run,
        warm_up: warm_up.transpose()?,
        digest: Sha256::digest(text.as_bytes()).into(),
        name: raw.name.into_inner(),
        extensions: raw.extensions.into_inner(),
        source_file: raw.source_file.into_inner(),
    })
}

fn command(arguments: &Spanned<Vec<String>>) -> Result<Command, Wrong> {
    if arguments.as_ref().first().is_none_or(String::is_empty) {
        return Err(Wrong::at(arguments, "a command needs a program"));
    }
    Command::parse(arguments.as_ref()).map_err(|error| Wrong::at(arguments, error.to_string()))
}

fn shown(text: Option<&Spanned<String>>) -> Result<Option<Template>, Wrong> {
    let parse =
        |text: &Spanned<String>| Template::parse(text.as_ref()).map_err(|error| Wrong::at(text, error.to_string()));
    text.map(parse).transpose()
}

fn environment(table: &BTreeMap<String, Spanned<String>>) -> Result<Vec<(String, Template)>, Wrong> {
    let entry = |(name, value): (&String, &Spanned<String>)| {
        let template =
            Template::parse(value.as_ref()).map_err(|error: UnknownPlaceholder| Wrong::at(value, error.to_string()))?;
        Ok((name.clone(), template))
    };
    table.iter().map(entry).collect()
}

/// The larger of two sets of limits, each by itself.
fn raise(a: &Limits, b: &Limits) -> Limits {
    Limits {
        cpu_time_ms: a.cpu_time_ms.max(b.cpu_time_ms),
        wall_time_ms: a.wall_time_ms.max(b.wall_time_ms),
        memory_bytes: a.memory_bytes.max(b.memory_bytes),
        output_bytes: a.output_bytes.max(b.output_bytes),
        processes: a.processes.max(b.processes),
        disk_bytes: a.disk_bytes.max(b.disk_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "toy"
display_name = "Toy"
extensions = [".toy"]
packages = ["toy"]
tools = ["toy"]
source_file = "main.toy"
editor_mode = "toy"
template = "print"
template_output = ""

[version]
command = ["toy", "--version"]

[run]
command = ["toy", "{main}"]
limits = { memory_mib = 2048 }
"#;

    fn error(text: &str) -> String {
        parse("toy.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_with_the_least_there_must_be_is_read() {
        let language = parse("toy.toml", GOOD).unwrap();
        assert_eq!(language.run.default_limits.memory_bytes, Bytes::mib(2048));
        assert_eq!(language.run.maximum_limits.memory_bytes, Bytes::mib(2048), "a maximum is never below the default");
        assert_eq!(language.run.default_limits.cpu_time_ms, RUN.cpu_time_ms);
        assert!(language.compile.is_none());
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_reason() {
        assert!(
            error(&GOOD.replace("editor_mode", "editor_mood")).starts_with("toy.toml:7: unknown field `editor_mood`")
        );
        assert!(error(&GOOD.replace("template = \"print\"\n", "")).contains("missing field `template`"));
        assert!(
            error(&GOOD.replace("\"{main}\"", "\"{nonsense}\""))
                .starts_with("toy.toml:15: {nonsense} is not a placeholder")
        );
        assert!(error(&GOOD.replace("[\".toy\"]", "[\"toy\"]")).starts_with("toy.toml:3: at least one extension"));
        assert!(
            error(&GOOD.replace("memory_mib = 2048", "memory_mib = \"2G\"")).starts_with("toy.toml:16: invalid type")
        );
        assert!(
            error(&GOOD.replace("name = \"toy\"\nd", "name = \"To y\"\nd")).starts_with("toy.toml:1: a name is made")
        );
        assert!(
            error(&format!("{GOOD}maximum = {{ memory_mib = 1 }}\n")).starts_with("toy.toml:17: a maximum is below")
        );
        assert!(error(&format!("{GOOD}ahead = {{ until = 1 }}\n")).starts_with("toy.toml:17: unknown field `until`"));
        assert!(error(&format!("{GOOD}ahead = {{ unless = [''] }}\n")).starts_with("toy.toml:17: an empty word"));
        let compiled = format!("{GOOD}ahead = {{}}\n[compile]\ncommand = [\"c\"]\nartefacts = [\"a\"]\n");
        assert!(error(&compiled).starts_with("toy.toml:17: what is compiled"));
        for (mount, reason) in [
            ("/work/toy", "/work/toy cannot be shown: every box has its own"),
            ("/", "/ cannot be shown"),
            ("lib/toy", "lib/toy is not the whole path"),
            ("/usr/../tmp", "/usr/../tmp is not the whole path"),
        ] {
            let mounted = GOOD.replace("\n\n[version]", &format!("\nmounts = [\"{mount}\"]\n\n[version]"));
            assert!(error(&mounted).starts_with(&format!("toy.toml:10: {reason}")), "{}", error(&mounted));
        }
        assert!(error("name = ").starts_with("toy.toml:1: "));
    }
}
