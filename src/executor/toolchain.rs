//! Toolchains of this host: which languages' programs are there, and which build of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::language::Language;
use super::language::command::Values;
use crate::domain::language::OfferedLanguage;
use crate::domain::units::Bytes;

/// Where programs are looked for unless a language says otherwise.
pub const PATH: &str = "/usr/bin:/bin";

/// A language whose toolchain is there and works.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// What its file says.
    pub language: Language,
    /// Tells this build of the toolchain, under this language file, from any other.
    pub identity: [u8; 32],
    /// How submitters see it.
    pub offered: OfferedLanguage,
}

/// A language that this host cannot offer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The language's name.
    pub name: String,
    /// The Debian packages that bring its toolchain.
    pub packages: Vec<String>,
    /// What is the matter: `ghc is not installed`.
    pub reason: String,
}

impl Unavailable {
    /// A language that cannot be offered for this reason.
    pub fn new(language: &Language, reason: String) -> Self {
        Self { name: language.name.clone(), packages: language.packages.clone(), reason }
    }
}

/// The environment of every step of a language, before what the step itself adds.
pub fn search_path(language: &Language) -> String {
    let own = language.environment.iter().find(|(name, _)| name == "PATH");
    let values = Values { main: "", sources: &[], arguments: &[], memory: Bytes(0), warm: "" };
    own.map_or_else(|| PATH.to_owned(), |(_, path)| path.fill(&values))
}

/// Looks for a language's programs; returns the identity of the toolchain.
pub fn find(language: &Language) -> Result<[u8; 32], Unavailable> {
    let path = search_path(language);
    let mut digest = Sha256::new();
    digest.update(language.digest);
    digest.update(env!("CARGO_PKG_VERSION"));
    for tool in &language.tools {
        let Some(file) = find_program(tool, &path) else {
            return Err(Unavailable::new(language, format!("{tool} is not installed")));
        };
        // The program behind all links: an upgrade replaces that file.
        let resolved = fs::canonicalize(&file).unwrap_or(file);
        let Ok(metadata) = fs::metadata(&resolved) else {
            return Err(Unavailable::new(language, format!("{tool} cannot be read")));
        };
        digest.update(resolved.as_os_str().as_encoded_bytes());
        for number in
            [metadata.len(), metadata.ino(), metadata.mtime().cast_unsigned(), metadata.mtime_nsec().cast_unsigned()]
        {
            digest.update(number.to_le_bytes());
        }
    }
    Ok(digest.finalize().into())
}

fn find_program(name: &str, path: &str) -> Option<PathBuf> {
    let is_program = |file: &Path| fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|file| is_program(file));
    }
    path.split(':').map(|directory| Path::new(directory).join(name)).find(|file| is_program(file))
}

/// A language as submitters see it.
pub fn offer(language: &Language, version: String) -> OfferedLanguage {
    let warm = language.warm_path();
    let sources = [language.source_file.as_str()];
    let values =
        |memory| Values { main: &language.source_file, sources: &sources, arguments: &[], memory, warm: &warm };
    OfferedLanguage {
        name: language.name.clone(),
        display_name: language.display_name.clone(),
        version,
        aliases: language.aliases.clone(),
        extensions: language.extensions.clone(),
        is_compiled: language.compile.is_some(),
        source_file: language.source_file.clone(),
        template: language.template.clone(),
        editor_mode: language.editor_mode.clone(),
        default_limits: language.run.default_limits,
        maximum_limits: language.run.maximum_limits,
        compile_limits: language.compile.as_ref().map(|compile| compile.limits),
        compile_command: language.compile.as_ref().map(|compile| {
            let values = values(compile.limits.memory_bytes);
            compile.shown.as_ref().map_or_else(|| show(&compile.command.fill(&values)), |shown| shown.fill(&values))
        }),
        run_command: {
            let values = values(language.run.default_limits.memory_bytes);
            language
                .run
                .shown
                .as_ref()
                .map_or_else(|| show(&language.run.command.fill(&values)), |shown| shown.fill(&values))
        },
    }
}

/// A command line as people read it.
fn show(arguments: &[String]) -> String {
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./+=:,@%^".contains(&b));
    let quoted = arguments
        .iter()
        .map(|text| if is_plain(text) { text.clone() } else { format!("'{}'", text.replace('\'', r"'\''")) });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_so_that_they_can_be_typed() {
        let arguments = ["gcc", "-O2", "a b", "it's", ""].map(str::to_owned);
        assert_eq!(show(&arguments), r"gcc -O2 'a b' 'it'\''s' ''");
    }

    #[test]
    fn a_missing_program_is_named_with_the_packages_that_bring_it() {
        let mut languages = crate::executor::language::load(None).unwrap().into_iter();
        // One of the core, which is installed wherever tests run.
        let mut language = languages.find(|language| language.name == "bash").unwrap();
        let here = find(&language).unwrap();
        assert_eq!(find(&language).unwrap(), here, "the same toolchain has the same identity");
        language.tools.push("no-such-program".to_owned());
        let missing = find(&language).unwrap_err();
        assert_eq!(missing.reason, "no-such-program is not installed");
        assert_eq!(missing.packages, language.packages);
    }
}
