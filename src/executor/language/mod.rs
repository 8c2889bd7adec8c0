//! Languages as data: what `languages/*.toml` say.
//!
//! - [`command`]: command lines with placeholders
//! - [`mod@file`]: reading and checking a file
//!
//! The files of this project are built into the executable; an operator's directory can add to them
//! or replace one by its name.

pub mod command;
pub mod file;
mod mounts;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use self::command::{Command, Template};
pub use self::file::LanguageFileError;
use crate::domain::limits::Limits;

/// Where what the warm-ups made is mounted in every box, a directory per language.
pub const WARM_ROOT: &str = "/opt/codecanvas";

/// A language as its file describes it; whether its toolchain is there is another question.
#[derive(Debug, Clone)]
pub struct Language {
    /// The name that submitters use.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Other names that are accepted.
    pub aliases: Vec<String>,
    /// File name extensions with the dot, the usual one first. Files with one of them are `{sources}`.
    pub extensions: Vec<String>,
    /// Whether the usual installation brings it.
    pub is_core: bool,
    /// The Debian packages that bring the toolchain.
    pub packages: Vec<String>,
    /// The programs that must be there; their files' times and sizes tell one toolchain from another.
    pub tools: Vec<String>,
    /// Prints the version on either stream; the first line that is not blank counts.
    pub version_command: Vec<String>,
    /// What is put before the version where the toolchain prints a bare number.
    pub version_prefix: String,
    /// What a single source is called.
    pub source_file: String,
    /// The editor's name for the syntax.
    pub editor_mode: String,
    /// A short program that works; the self-test.
    pub template: String,
    /// What the template prints.
    pub template_output: String,
    /// Further directories of the host that boxes show, read-only, where they exist.
    pub mounts: Vec<PathBuf>,
    /// Environment of both steps.
    pub environment: Vec<(String, Template)>,
    /// Files that are put into the work directory unless the submitter sent one of that name.
    pub files: Vec<(String, String)>,
    /// The compile hook.
    pub compile: Option<Compile>,
    /// How a program is run.
    pub run: Run,
    /// What is made once for each version of the toolchain.
    pub warm_up: Option<WarmUp>,
    /// SHA-256 of the file: another text is another language.
    pub digest: [u8; 32],
}

/// The compile hook of a language.
#[derive(Debug, Clone)]
pub struct Compile {
    /// The command.
    pub command: Command,
    /// What people are shown in its place.
    pub shown: Option<Template>,
    /// Environment of this step.
    pub environment: Vec<(String, Template)>,
    /// Limits of the step.
    pub limits: Limits,
    /// What it leaves: paths in the work directory; one that ends with `/` is a directory.
    pub artefacts: Vec<String>,
}

/// How a program is run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The command.
    pub command: Command,
    /// What people are shown in its place.
    pub shown: Option<Template>,
    /// Environment of this step.
    pub environment: Vec<(String, Template)>,
    /// What comes on top where the program is to hold a dialogue.
    pub interactive_environment: Vec<(String, Template)>,
    /// Whether and when the interpreter may be started before its program is there.
    pub ahead: Option<StartAhead>,
    /// Limits where the submitter asks for nothing else.
    pub default_limits: Limits,
    /// The most that can be asked for.
    pub maximum_limits: Limits,
}

/// An interpreter that reads its main file last, so that it can boot before there is one.
#[derive(Debug, Clone)]
pub struct StartAhead {
    /// A program would see a difference if one of these words occurs in it, or in the path of one of its files.
    pub unless: Vec<String>,
}

/// What is made once for each version of a toolchain, and shown to all boxes read-only.
#[derive(Debug, Clone)]
pub struct WarmUp {
    /// The command; it writes into `{warm}`.
    pub command: Command,
    /// Files that are in its work directory.
    pub files: Vec<(String, String)>,
    /// Limits of the whole.
    pub limits: Limits,
}

impl Language {
    /// The directory in every box where what the warm-up made is.
    pub fn warm_path(&self) -> String {
        format!("{WARM_ROOT}/{}", self.name)
    }
}

/// The languages cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] LanguageFileError),
    /// The operator's directory or a file in it cannot be read.
    #[error("{path} cannot be read")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two languages share a name or an alias.
    #[error("{first} and {second} are both called {name}")]
    Ambiguous {
        /// What both are called.
        name: String,
        /// The one language.
        first: String,
        /// The other.
        second: String,
    },
    /// A language was asked for that there is not.
    #[error("there is no language {name:?}; the nearest is {nearest:?}")]
    Unknown {
        /// Its name.
        name: String,
        /// The name most like it.
        nearest: String,
    },
}

#[derive(RustEmbed)]
#[folder = "languages/"]
struct BuiltIn;

/// All languages by name: the built-in ones, then those of `directory`.
pub fn load(directory: Option<&Path>) -> Result<Vec<Language>, LoadError> {
    let mut languages = BTreeMap::new();
    for file in BuiltIn::iter() {
        let content = BuiltIn::get(&file).map(|found| found.data).unwrap_or_default();
        let language = file::parse(&format!("languages/{file}"), &String::from_utf8_lossy(&content))?;
        languages.insert(language.name.clone(), language);
    }
    if let Some(directory) = directory {
        for path in list(directory)? {
            let text =
                std::fs::read_to_string(&path).map_err(|source| LoadError::Directory { path: path.clone(), source })?;
            let language = file::parse(&path.display().to_string(), &text)?;
            languages.insert(language.name.clone(), language);
        }
    }
    let languages: Vec<Language> = languages.into_values().collect();
    check_names(&languages)?;
    Ok(languages)
}

/// Those of the languages that have these names.
pub fn choose(languages: Vec<Language>, names: &[String]) -> Result<Vec<Language>, LoadError> {
    for name in names {
        if languages.iter().all(|language| language.name != *name) {
            // An alias is as near as can be.
            let distance = |language: &&Language| {
                let aliases = language.aliases.iter().map(|alias| strsim::damerau_levenshtein(alias, name));
                aliases.chain([strsim::damerau_levenshtein(&language.name, name)]).min()
            };
            let nearest = languages.iter().min_by_key(distance).map(|language| language.name.clone());
            return Err(LoadError::Unknown { name: name.clone(), nearest: nearest.unwrap_or_default() });
        }
    }
    Ok(languages.into_iter().filter(|language| names.contains(&language.name)).collect())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let error = |source| LoadError::Directory { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn check_names(languages: &[Language]) -> Result<(), LoadError> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for language in languages {
        for name in std::iter::once(&language.name).chain(&language.aliases) {
            if let Some(first) = owners.insert(name.to_ascii_lowercase(), &language.name) {
                return Err(LoadError::Ambiguous {
                    name: name.clone(),
                    first: first.to_owned(),
                    second: language.name.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_is_sound() {
        let languages = load(None).unwrap();
        for core in ["python3", "nodejs", "c++", "c", "go", "bash", "rust", "java", "typescript", "ruby", "php"] {
            assert!(languages.iter().any(|language| language.name == core && language.is_core), "{core}");
        }
    }

    #[test]
    fn a_language_that_there_is_not_is_refused_and_the_nearest_named() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let chosen = choose(load(None).unwrap(), &names(&["python3", "c++"])).unwrap();
        assert_eq!(chosen.iter().map(|language| language.name.as_str()).collect::<Vec<_>>(), ["c++", "python3"]);
        for (name, nearest) in [("python", "python3"), ("js", "nodejs"), ("rst", "rust")] {
            let error = choose(load(None).unwrap(), &names(&["c", name])).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no language {name:?}; the nearest is {nearest:?}"));
        }
    }

    #[test]
    fn an_operators_file_replaces_the_built_in_one_and_a_name_is_given_once() {
        let directory = tempfile::tempdir().unwrap();
        let bash = BuiltIn::get("bash.toml").unwrap().data;
        let bash = String::from_utf8(bash.into_owned()).unwrap();
        std::fs::write(directory.path().join("my.toml"), bash.replace("\"Bash\"", "\"Our Bash\"")).unwrap();
        let languages = load(Some(directory.path())).unwrap();
        assert_eq!(languages.iter().find(|l| l.name == "bash").unwrap().display_name, "Our Bash");

        std::fs::write(directory.path().join("other.toml"), bash.replace("name = \"bash\"", "name = \"bish\""))
            .unwrap();
        assert!(matches!(load(Some(directory.path())), Err(LoadError::Ambiguous { .. })));
    }
}
