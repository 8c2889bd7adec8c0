//! What a submitter sends, checked once: behind [`NewSubmission::new`] nobody checks again.
//!
//! Paths and names are hostile until they have passed here: they become files in a work directory,
//! entries of an archive and lines of a report.

mod files;

use sha2::{Digest, Sha256};

pub use self::files::{NewFile, NewFileInput};
use self::files::{check_files, check_path};
use crate::domain::ids::CourseId;
use crate::domain::language::OfferedLanguage;
use crate::domain::limits::{InvalidLimit, RequestedLimits};
use crate::domain::units::Bytes;

/// What a submission may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmissionBounds {
    /// Files of one submission.
    pub files: usize,
    /// All files of a submission together.
    pub source: Bytes,
    /// Standard input.
    pub stdin: Bytes,
    /// How many arguments.
    pub arguments: usize,
    /// One argument.
    pub argument: Bytes,
}

impl Default for SubmissionBounds {
    fn default() -> Self {
        Self { files: 64, source: Bytes::mib(1), stdin: Bytes::mib(1), arguments: 64, argument: Bytes::kib(4) }
    }
}

/// The longest idempotency key in characters.
const MAX_KEY_CHARACTERS: usize = 200;

/// A submission as it was sent, unchecked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSubmissionInput {
    /// Name or alias.
    pub language: String,
    /// The only file; named after the language.
    pub source: Option<String>,
    /// All files, where there are names to them.
    pub files: Option<Vec<NewFileInput>>,
    /// Which file is run or compiled first.
    pub main_path: Option<String>,
    /// Standard input.
    pub stdin: Option<String>,
    /// Arguments of the program.
    pub arguments: Option<Vec<String>>,
    /// Whether standard input stays open.
    pub is_interactive: bool,
    /// Limits of the run step.
    pub limits: RequestedLimits,
    /// The course it is made in.
    pub course_id: Option<CourseId>,
    /// Tells a repeat of this very submission from a second one.
    pub idempotency_key: Option<String>,
}

/// Input that cannot be taken, where it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidField {
    /// From the input object down to the value: `files.0.path`.
    pub path: String,
    /// A sentence that a student understands.
    pub message: String,
}

impl From<InvalidField> for super::Error {
    fn from(error: InvalidField) -> Self {
        Self::invalid(error.path, error.message)
    }
}

fn invalid<T>(path: impl Into<String>, message: impl Into<String>) -> Result<T, InvalidField> {
    Err(InvalidField { path: path.into(), message: message.into() })
}

/// A submission that has passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubmission {
    /// The language's name, aliases resolved.
    pub language: String,
    /// At least one; in the order they were sent.
    pub files: Vec<NewFile>,
    /// The path of one of the files.
    pub main_path: String,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Arguments without NUL.
    pub arguments: Vec<String>,
    /// Whether standard input stays open.
    pub is_interactive: bool,
    /// Within the language's maxima.
    pub limits: RequestedLimits,
    /// The course it is made in; membership is not checked here.
    pub course_id: Option<CourseId>,
    /// At most 200 characters.
    pub idempotency_key: Option<String>,
}

impl NewSubmission {
    /// Checks what was sent against what is on offer.
    ///
    /// # Errors
    /// The first field that cannot be taken.
    pub fn new(
        input: NewSubmissionInput,
        offered: &[OfferedLanguage],
        bounds: &SubmissionBounds,
    ) -> Result<Self, InvalidField> {
        let language = find_language(&input.language, offered)?;
        check_limits(&input.limits, language)?;
        let files = match (input.source, input.files) {
            (Some(source), None) => {
                let path = input.main_path.clone().unwrap_or_else(|| language.source_file.clone());
                if let Err(message) = check_path(&path) {
                    return invalid("mainPath", message);
                }
                vec![NewFile { path, bytes: source.into_bytes() }]
            }
            (None, Some(files)) => check_files(files, bounds)?,
            (Some(_), Some(_)) => return invalid("files", "Give either source or files, not both."),
            (None, None) => return invalid("source", "Give a program: either source or files."),
        };
        let total: usize = files.iter().map(|file| file.bytes.len()).sum();
        let at = if files.len() == 1 && input.main_path.is_none() { "source" } else { "files" };
        if total as u64 > bounds.source.0 {
            return invalid(at, format!("The program is larger than {}.", bounds.source));
        }
        let main_path = main_path(input.main_path, &files, language)?;
        let is_empty = |file: &NewFile| file.path == main_path && file.bytes.iter().all(u8::is_ascii_whitespace);
        if files.iter().any(is_empty) {
            return invalid(at, "The program is empty.");
        }
        let stdin = input.stdin.unwrap_or_default().into_bytes();
        if stdin.len() as u64 > bounds.stdin.0 {
            return invalid("stdin", format!("The standard input is larger than {}.", bounds.stdin));
        }
        let arguments = input.arguments.unwrap_or_default();
        check_arguments(&arguments, bounds)?;
        let key_is_fine =
            |key: &String| !key.is_empty() && key.chars().count() <= MAX_KEY_CHARACTERS && !key.contains('\0');
        if !input.idempotency_key.as_ref().is_none_or(key_is_fine) {
            let message = format!("The idempotency key must have 1 to {MAX_KEY_CHARACTERS} characters.");
            return invalid("idempotencyKey", message);
        }
        Ok(Self {
            language: language.name.clone(),
            files,
            main_path,
            stdin,
            arguments,
            is_interactive: input.is_interactive,
            limits: input.limits,
            course_id: input.course_id,
            idempotency_key: input.idempotency_key,
        })
    }

    /// A digest of all that was handed in; equal exactly for equal submissions.
    pub fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        // Every part is preceded by its length, so that no two inputs run together into the same bytes.
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.language.as_bytes());
        part(self.main_path.as_bytes());
        part(&self.stdin);
        part(&[u8::from(self.is_interactive)]);
        part(format!("{:?}", self.limits).as_bytes());
        part(self.course_id.map(|id| id.to_string()).unwrap_or_default().as_bytes());
        part(&(self.arguments.len() as u64).to_be_bytes());
        for argument in &self.arguments {
            part(argument.as_bytes());
        }
        for file in &self.files {
            part(file.path.as_bytes());
            part(&file.bytes);
        }
        digest.finalize().to_vec()
    }
}

fn find_language<'a>(name: &str, offered: &'a [OfferedLanguage]) -> Result<&'a OfferedLanguage, InvalidField> {
    if let Some(language) = offered.iter().find(|language| language.is_called(name)) {
        return Ok(language);
    }
    let names: Vec<_> = offered.iter().map(|language| language.name.as_str()).collect();
    let message = if names.is_empty() {
        "No language is offered at the moment: no worker is running.".to_owned()
    } else {
        let shown: String = name.chars().take(40).collect();
        format!("There is no language {shown:?} here. Offered are: {}.", names.join(", "))
    };
    invalid("language", message)
}

/// Whether the limits can be had for this language.
pub fn check_limits(limits: &RequestedLimits, language: &OfferedLanguage) -> Result<(), InvalidField> {
    limits.resolve(&language.default_limits, &language.maximum_limits).map(drop).map_err(|error: InvalidLimit| {
        InvalidField { path: format!("limits.{}", error.field()), message: format!("{error}.") }
    })
}

fn main_path(asked: Option<String>, files: &[NewFile], language: &OfferedLanguage) -> Result<String, InvalidField> {
    if let Some(path) = asked {
        if files.iter().any(|file| file.path == path) {
            return Ok(path);
        }
        return invalid("mainPath", "mainPath must be the path of one of the files.");
    }
    if let [only] = files {
        return Ok(only.path.clone());
    }
    let default = files.iter().find(|file| {
        let stem = file.path.strip_prefix("main");
        file.path == language.source_file || stem.is_some_and(|rest| language.extensions.iter().any(|e| e == rest))
    });
    match default {
        Some(file) => Ok(file.path.clone()),
        None => invalid("mainPath", format!("Say which file is the main one, or name one {}.", language.source_file)),
    }
}

fn check_arguments(arguments: &[String], bounds: &SubmissionBounds) -> Result<(), InvalidField> {
    if arguments.len() > bounds.arguments {
        return invalid("arguments", format!("There may be at most {} arguments.", bounds.arguments));
    }
    for (index, argument) in arguments.iter().enumerate() {
        let at = format!("arguments.{index}");
        if argument.len() as u64 > bounds.argument.0 {
            return invalid(at, format!("An argument may have at most {}.", bounds.argument));
        }
        if argument.contains('\0') {
            return invalid(at, "An argument cannot contain a NUL character.");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::Limits;

    fn python() -> OfferedLanguage {
        let limits = Limits {
            cpu_time_ms: 1000,
            wall_time_ms: 2000,
            memory_bytes: Bytes::mib(64),
            output_bytes: Bytes::kib(64),
            processes: 16,
            disk_bytes: Bytes::mib(16),
        };
        OfferedLanguage {
            name: "python3".into(),
            display_name: "Python 3".into(),
            version: "Python 3.11.2".into(),
            aliases: vec!["python".into(), "py".into()],
            extensions: vec![".py".into()],
            is_compiled: false,
            source_file: "main.py".into(),
            template: String::new(),
            editor_mode: "python".into(),
            default_limits: limits,
            maximum_limits: Limits { cpu_time_ms: 5000, ..limits },
            compile_limits: None,
            compile_command: None,
            run_command: "python3 main.py".into(),
        }
    }

    fn source(text: &str) -> NewSubmissionInput {
        NewSubmissionInput { language: "Py".into(), source: Some(text.into()), ..NewSubmissionInput::default() }
    }

    fn files(paths: &[&str]) -> NewSubmissionInput {
        let file = |path: &&str| NewFileInput { path: (*path).into(), text: Some("x = 1".into()), bytes: None };
        NewSubmissionInput {
            language: "python3".into(),
            files: Some(paths.iter().map(file).collect()),
            ..NewSubmissionInput::default()
        }
    }

    fn check(input: NewSubmissionInput) -> Result<NewSubmission, InvalidField> {
        NewSubmission::new(input, &[python()], &SubmissionBounds::default())
    }

    fn refusal(input: NewSubmissionInput) -> (String, String) {
        let error = check(input).expect_err("it should have been refused");
        (error.path, error.message)
    }

    #[test]
    fn a_single_source_is_named_after_the_language() {
        let new = check(source("print(1)")).unwrap();
        assert_eq!((new.language.as_str(), new.main_path.as_str()), ("python3", "main.py"));
        assert_eq!(new.files, [NewFile { path: "main.py".into(), bytes: b"print(1)".to_vec() }]);
    }

    #[test]
    fn the_main_file_is_the_only_one_or_the_one_called_main() {
        assert_eq!(check(files(&["a/b.py"])).unwrap().main_path, "a/b.py");
        assert_eq!(check(files(&["b.py", "main.py"])).unwrap().main_path, "main.py");
        assert_eq!(refusal(files(&["a.py", "b.py"])).0, "mainPath");
        let wrong = NewSubmissionInput { main_path: Some("c.py".into()), ..files(&["a.py"]) };
        assert_eq!(refusal(wrong).0, "mainPath");
    }

    #[test]
    fn paths_that_could_leave_the_work_directory_are_refused() {
        let long = "x".repeat(256);
        for path in [
            "",
            "/a",
            "../a",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "..\\a",
            &long,
            "ok.py",
            "ok.py/x",
        ] {
            assert_eq!(refusal(files(&["ok.py", path])).0, "files.1.path", "{path:?}");
        }
        assert!(check(files(&["main.py", "main.pyc", "ä b/…c.py", "..x/..."])).is_ok());
    }

    #[test]
    fn both_or_neither_of_two_ways_are_refused() {
        let both = NewSubmissionInput { source: Some("x".into()), ..files(&["a.py"]) };
        assert_eq!(refusal(both).0, "files");
        let neither = NewSubmissionInput { source: None, ..source("") };
        assert_eq!(refusal(neither).0, "source");
        let file = NewFileInput { path: "a.py".into(), text: Some("x".into()), bytes: Some(vec![1]) };
        let both = NewSubmissionInput { files: Some(vec![file]), ..files(&[]) };
        assert_eq!(refusal(both).0, "files.0.bytes");
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(refusal(source(" \n")).1, "The program is empty.");
        assert_eq!(refusal(source(&"x".repeat((1 << 20) + 1))).1, "The program is larger than 1 MiB.");
        let stdin = NewSubmissionInput { stdin: Some("x".repeat((1 << 20) + 1)), ..source("x") };
        assert_eq!(refusal(stdin).0, "stdin");
        let arguments = |arguments| NewSubmissionInput { arguments: Some(arguments), ..source("x") };
        assert_eq!(refusal(arguments(vec![String::new(); 65])).0, "arguments");
        let at = "arguments.1";
        assert_eq!(refusal(arguments(vec!["a".into(), "\0".into()])).0, at);
        assert_eq!(refusal(arguments(vec!["a".into(), "x".repeat(4097)])).0, at);
    }

    #[test]
    fn an_unknown_language_names_the_offered_ones() {
        let unknown = NewSubmissionInput { language: "cobol".into(), ..source("x") };
        assert_eq!(refusal(unknown).1, "There is no language \"cobol\" here. Offered are: python3.");
    }

    #[test]
    fn limits_above_the_maximum_are_refused_by_name() {
        let limits = RequestedLimits { cpu_time_ms: Some(5001), ..RequestedLimits::default() };
        let (path, message) = refusal(NewSubmissionInput { limits, ..source("x") });
        assert_eq!(path, "limits.cpuTimeMs");
        assert_eq!(message, "cpuTimeMs may be at most 5000 ms for this language.");
    }

    #[test]
    fn the_digest_tells_different_submissions_apart() {
        let digest = |input| check(input).unwrap().digest();
        assert_eq!(digest(source("x")), digest(source("x")));
        assert_ne!(digest(source("x")), digest(source("y")));
        assert_ne!(digest(source("x")), digest(NewSubmissionInput { stdin: Some("x".into()), ..source("x") }));
        let arguments = |list: &[&str]| NewSubmissionInput {
            arguments: Some(list.iter().map(ToString::to_string).collect()),
            ..source("x")
        };
        assert_ne!(digest(arguments(&["ab", "c"])), digest(arguments(&["a", "bc"])));
    }
}
