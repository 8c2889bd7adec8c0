//! Interpreters started ahead: when a program has ended, its slot starts the interpreter again at once, in the fresh box, where
//! it waits, booted, for the next program.
//!
//! It is started by the very command of the program that ended, with the same environment and limits. A program gets it only if
//! its own are the same; any other one starts as if there were none. How an interpreter can wait without knowing of it is told at
//! [`Ahead`]; which programs would see a difference is told here and in the language's file.

use std::path::Path;

use codecanvas_sandbox::StepSpec;
use codecanvas_sandbox::message::{Ahead, MAX_MAIN_BYTES};

use super::job::Job;
use super::language::{Language, StartAhead};

/// A job with more than this is not searched for words: its files take longer to read than an interpreter to boot.
const MAX_SEARCHED_BYTES: usize = 1 << 20;

/// How an interpreter for this job can be started ahead; `None` where it must not be. `spec` is the run step.
pub fn wanted(language: &Language, job: &Job, spec: &StepSpec) -> Option<Ahead> {
    let rules = language.run.ahead.as_ref()?;
    may_wait(rules, language, job).then(|| Ahead { spec: spec.clone(), main: job.main_path.clone().into() })
}

fn may_wait(rules: &StartAhead, language: &Language, job: &Job) -> bool {
    let extension = |path: &str| Path::new(path).extension().map(ToOwned::to_owned);
    let Some(main) = job.files.iter().find(|file| file.path == job.main_path) else { return false };
    // A NUL is in no program, but in an archive, which some interpreters run as well: they look for its end before they read.
    let is_plain = main.bytes.len() <= MAX_MAIN_BYTES && !main.bytes.contains(&0);
    // Of another kind of main file, such as a module, the interpreter may want to know more before it reads it.
    let is_usual = !main.path.contains('/') && extension(&main.path) == extension(&language.source_file);
    let size: usize = job.files.iter().map(|file| file.bytes.len()).sum();
    is_plain
        && is_usual
        && size <= MAX_SEARCHED_BYTES
        && !rules.unless.iter().any(|word| {
            job.files.iter().any(|file| file.path.contains(word.as_str()) || contains(&file.bytes, word.as_bytes()))
        })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use codecanvas_sandbox::StepLimits;

    use super::*;
    use crate::domain::limits::RequestedLimits;
    use crate::executor::job::SourceFile;

    fn is_wanted(name: &str, main: &str, files: &[(&str, &[u8])]) -> bool {
        let languages = crate::executor::language::load(None).unwrap();
        let language = languages.iter().find(|language| language.name == name).unwrap();
        let file = |(path, bytes): &(&str, &[u8])| SourceFile { path: (*path).to_owned(), bytes: bytes.to_vec() };
        let job = Job {
            language: name.to_owned(),
            files: files.iter().map(file).collect(),
            main_path: main.to_owned(),
            stdin: Vec::new(),
            arguments: Vec::new(),
            limits: RequestedLimits::default(),
            is_interactive: false,
        };
        let limits = StepLimits::default();
        let spec = StepSpec { argv: Vec::new(), env: BTreeMap::new(), cwd: "".into(), limits };
        wanted(language, &job, &spec).is_some()
    }

    #[test]
    fn an_ordinary_program_is_waited_for() {
        assert!(is_wanted("python3", "main.py", &[("main.py", b"print(1)"), ("lib/json.py", b"x = 1")]));
        assert!(is_wanted("nodejs", "main.js", &[("main.js", b"console.log(1)")]));
        assert!(
            !is_wanted("c", "main.c", &[("main.c", b"int main(void) {}")]),
            "the language's file says nothing of it"
        );
    }

    #[test]
    fn a_program_that_would_see_a_difference_is_not() {
        assert!(!is_wanted("python3", "main.py", &[("main.py", b"# coding: latin-1\nprint(1)")]));
        assert!(!is_wanted("python3", "main.py", &[("main.py", b"PK\x03\x04\x00")]));
        assert!(!is_wanted("python3", "main.py", &[("main.py", &vec![b'#'; MAX_MAIN_BYTES + 1])]));
        assert!(!is_wanted("python3", "a/main.py", &[("a/main.py", b"print(1)")]));
        assert!(!is_wanted("nodejs", "main.mjs", &[("main.mjs", b"console.log(1)")]));
        assert!(!is_wanted("nodejs", "main.js", &[("main.js", b""), ("package.json", b"{}")]));
        assert!(!is_wanted("nodejs", "main.js", &[("main.js", b"console.log(performance.now())")]));
        assert!(!is_wanted("nodejs", "main.js", &[("main.js", b"1"), ("big", &vec![b'x'; MAX_SEARCHED_BYTES])]));
    }
}
