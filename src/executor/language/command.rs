//! Command lines with placeholders, as language files write them.
//!
//! `{sources}` and `{arguments}` stand alone and become any number of arguments. The others may be
//! part of an argument: `{main}`, `{main_stem}`, `{main_dir}`, `{warm}`, `{memory_mib}`,
//! `{memory_bytes}`. A command is never given to a shell, so nothing in a file name is special.

use crate::domain::units::Bytes;

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The file that is compiled or run first, relative to the work directory.
    pub main: &'a str,
    /// Every file that the toolchain is to be given, the main one first.
    pub sources: &'a [&'a str],
    /// Arguments of the program.
    pub arguments: &'a [String],
    /// The memory limit of the step.
    pub memory: Bytes,
    /// Where what the warm-up made is mounted.
    pub warm: &'a str,
}

/// One placeholder inside an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Main,
    MainStem,
    MainDir,
    Warm,
    MemoryMib,
    MemoryBytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(Placeholder),
}

/// A text with placeholders in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// Reads a text; a brace that is not part of a known placeholder stands for itself, unless it
    /// encloses a word: that is a spelling mistake. Doubled braces always stand for themselves.
    pub fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            literal.push_str(before);
            if let Some(behind) = from.strip_prefix("{{") {
                literal.push_str("{{");
                rest = behind;
                continue;
            }
            let word = from[1..].split('}').next().unwrap_or_default();
            let is_closed = from.as_bytes().get(word.len() + 1) == Some(&b'}');
            let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if !(is_closed && is_word) {
                literal.push('{');
                rest = &from[1..];
                continue;
            }
            let placeholder = match word {
                "main" => Placeholder::Main,
                "main_stem" => Placeholder::MainStem,
                "main_dir" => Placeholder::MainDir,
                "warm" => Placeholder::Warm,
                "memory_mib" => Placeholder::MemoryMib,
                "memory_bytes" => Placeholder::MemoryBytes,
                _ => return Err(UnknownPlaceholder(word.to_owned())),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Placeholder(placeholder));
            rest = &from[word.len() + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// The text with its placeholders filled in.
    pub fn fill(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(Placeholder::Main) => text.push_str(&as_operand(values.main)),
                Part::Placeholder(Placeholder::MainStem) => text.push_str(&as_operand(stem(values.main))),
                Part::Placeholder(Placeholder::MainDir) => text.push_str(&directory(values.main)),
                Part::Placeholder(Placeholder::Warm) => text.push_str(values.warm),
                Part::Placeholder(Placeholder::MemoryMib) => text.push_str(&(values.memory.0 >> 20).max(1).to_string()),
                Part::Placeholder(Placeholder::MemoryBytes) => text.push_str(&values.memory.0.to_string()),
            }
        }
        text
    }
}

/// A word in braces that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{{0}}} is not a placeholder that can stand here")]
pub struct UnknownPlaceholder(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Sources,
    Arguments,
    Text(Template),
}

/// A command line with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<Argument>);

impl Command {
    /// Reads a command line from its arguments.
    pub fn parse(arguments: &[String]) -> Result<Self, UnknownPlaceholder> {
        let parse = |text: &String| match text.as_str() {
            "{sources}" => Ok(Argument::Sources),
            "{arguments}" => Ok(Argument::Arguments),
            text => Template::parse(text).map(Argument::Text),
        };
        arguments.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The same with the program's arguments at the end, unless they have a place already.
    #[must_use]
    pub fn with_arguments(mut self) -> Self {
        if !self.0.contains(&Argument::Arguments) {
            self.0.push(Argument::Arguments);
        }
        self
    }

    /// The arguments with their placeholders filled in.
    pub fn fill(&self, values: &Values<'_>) -> Vec<String> {
        let mut filled = Vec::with_capacity(self.0.len() + values.sources.len() + values.arguments.len());
        for argument in &self.0 {
            match argument {
                Argument::Sources => filled.extend(values.sources.iter().map(|path| as_operand(path))),
                Argument::Arguments => filled.extend(values.arguments.iter().cloned()),
                Argument::Text(text) => filled.push(text.fill(values)),
            }
        }
        filled
    }
}

/// A path that no tool takes for an option.
fn as_operand(path: &str) -> String {
    if path.starts_with(['-', '+', '@']) { format!("./{path}") } else { path.to_owned() }
}

/// The path without the extension of its last part.
fn stem(path: &str) -> &str {
    match path.rfind('.') {
        Some(dot) if dot > path.rfind('/').map_or(0, |slash| slash + 1) => &path[..dot],
        Some(_) | None => path,
    }
}

/// The directory of a path as an operand: `.` or `./lib`.
fn directory(path: &str) -> String {
    path.rsplit_once('/').map_or_else(|| ".".to_owned(), |(directory, _)| format!("./{directory}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(command: &[&str], main: &str) -> Vec<String> {
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        let values = Values {
            main,
            sources: &[main, "lib/util.c"],
            arguments: &["{main}".to_owned(), "b c".to_owned()],
            memory: Bytes::mib(64),
            warm: "/opt/codecanvas/c",
        };
        Command::parse(&command).unwrap().with_arguments().fill(&values)
    }

    #[test]
    fn placeholders_are_filled_in_and_arguments_come_last() {
        assert_eq!(
            fill(&["gcc", "-I{warm}", "-o", "{main_stem}", "{sources}"], "a.b/main.c"),
            ["gcc", "-I/opt/codecanvas/c", "-o", "a.b/main", "a.b/main.c", "lib/util.c", "{main}", "b c"]
        );
        assert_eq!(
            fill(&["x", "{arguments}", "-m{memory_mib}", "{main_dir}"], "src/main"),
            ["x", "{main}", "b c", "-m64", "./src"]
        );
    }

    #[test]
    fn a_file_name_is_never_an_option() {
        assert_eq!(fill(&["python3", "{main}", "{arguments}"], "-c.py")[1], "./-c.py");
        assert_eq!(fill(&["cat", "{main_stem}", "{arguments}"], ".hidden")[1], ".hidden");
    }

    #[test]
    fn other_braces_stand_for_themselves_and_misspelt_words_are_refused() {
        assert_eq!(fill(&["awk", "{ print $1 } {} {{end}}", "{arguments}"], "m")[1], "{ print $1 } {} {{end}}");
        assert_eq!(Template::parse("-I{wram}"), Err(UnknownPlaceholder("wram".to_owned())));
        assert_eq!(Template::parse("a{sources}"), Err(UnknownPlaceholder("sources".to_owned())));
    }
}
