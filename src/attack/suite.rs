//! The hostile programs: files under `tests/attacks`, each with a comment at its top that says what
//! it tries and what is right. The files are part of the executable.

use rust_embed::RustEmbed;

use crate::domain::verdict::Verdict;
use crate::executor::SourceFile;

#[derive(RustEmbed)]
#[folder = "tests/attacks"]
struct Programs;

/// What all attacks in C include.
const HEADER: &str = "attack.h";

/// What is there for people.
const README: &str = "README.md";

/// One hostile program.
#[derive(Debug, Clone)]
pub struct Attack {
    /// Its file name: `fork-bomb.c`.
    pub name: String,
    /// What it tries, in a sentence.
    pub attempt: String,
    /// The language it is written in.
    pub language: &'static str,
    /// The verdicts that are right.
    pub expected: Vec<Verdict>,
    /// A line that its standard output must hold.
    pub says: Option<String>,
    /// Its arguments; `{port}` and `{abstract}` stand for listeners of the host.
    pub arguments: Vec<String>,
    /// Its sources, the program itself first.
    pub files: Vec<SourceFile>,
}

/// The comment at the top of a program is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct InvalidAttack {
    file: String,
    reason: String,
}

/// All attacks, by name.
pub fn all() -> Result<Vec<Attack>, InvalidAttack> {
    let mut names: Vec<String> =
        Programs::iter().map(|name| name.to_string()).filter(|name| name != HEADER && name != README).collect();
    names.sort();
    names.into_iter().map(|name| parse(&name, &contents(&name))).collect()
}

fn contents(name: &str) -> Vec<u8> {
    Programs::get(name).map(|file| file.data.into_owned()).unwrap_or_default()
}

fn parse(name: &str, bytes: &[u8]) -> Result<Attack, InvalidAttack> {
    let invalid = |reason: &str| InvalidAttack { file: name.to_owned(), reason: reason.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("not UTF-8"))?;
    let field = |key: &str| {
        text.lines().take(8).find_map(|line| {
            let (_, value) = line
                .trim_start_matches(['/', '*', '#', ' '])
                .split_once(key)
                .filter(|(before, _)| before.is_empty())?;
            Some(value.trim().to_owned())
        })
    };
    let language = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("c") => "c",
        Some("cpp") => "c++",
        Some("py") => "python3",
        Some("sh") => "bash",
        Some("rs") => "rust",
        Some("go") => "go",
        Some(_) | None => return Err(invalid("no language has this extension")),
    };
    let expected = field("expect:").ok_or_else(|| invalid("no line `expect:`"))?;
    let expected = expected
        .split_whitespace()
        .map(|word| {
            serde_json::from_value(serde_json::Value::from(word))
                .map_err(|_| invalid(&format!("no verdict is called {word}")))
        })
        .collect::<Result<Vec<Verdict>, _>>()?;
    let mut files = vec![SourceFile { path: name.to_owned(), bytes: bytes.to_vec() }];
    if language == "c" {
        files.push(SourceFile { path: HEADER.to_owned(), bytes: contents(HEADER) });
    }
    Ok(Attack {
        name: name.to_owned(),
        attempt: field("attack:").ok_or_else(|| invalid("no line `attack:`"))?,
        language,
        expected,
        says: field("says:"),
        arguments: field("args:").map(|line| line.split_whitespace().map(str::to_owned).collect()).unwrap_or_default(),
        files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_says_what_it_tries_and_what_is_right() {
        let attacks = all().unwrap();
        assert!(attacks.len() >= 60, "{}", attacks.len());
        for attack in attacks {
            assert!(!attack.attempt.is_empty() && !attack.expected.is_empty(), "{}", attack.name);
            assert!(!attack.expected.contains(&Verdict::SystemError), "{}", attack.name);
        }
    }
}
