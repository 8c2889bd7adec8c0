//! Source files as they are handed in: read from disk, named relative to what they have in common.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::answers::Binary;
use super::failure::Failure;

/// More files than this are surely a mistake: the home directory instead of the project.
const MAX_FILES: usize = 1000;
/// The same for their size together, in bytes.
const MAX_BYTES: u64 = 32 << 20;

/// A file to hand in.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Relative, with `/` between its parts.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl Source {
    /// The file as `SourceFileInput`.
    pub fn to_input(&self) -> Value {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => json!({ "path": self.path, "text": text }),
            Err(_) => json!({ "path": self.path, "bytes": Binary(self.bytes.clone()) }),
        }
    }
}

/// What is handed in, and which of it is run.
#[derive(Debug, PartialEq, Eq)]
pub struct Sources {
    /// In the order of their paths.
    pub files: Vec<Source>,
    /// `None` leaves the choice to the service.
    pub main_path: Option<String>,
}

/// Reads files, and directories with all that is in them.
///
/// Paths are kept relative to the innermost directory that holds everything. In directories hidden
/// entries, symbolic links and the leftovers of build tools are passed over.
pub fn collect(arguments: &[PathBuf], main: Option<&Path>) -> Result<Sources, Failure> {
    let mut found: BTreeMap<PathBuf, u64> = BTreeMap::new();
    let mut roots = Vec::new();
    for argument in arguments {
        let full = resolve(argument)?;
        let metadata = fs::metadata(&full).map_err(Failure::io(format!("cannot read {}", argument.display())))?;
        if metadata.is_dir() {
            walk(&full, &mut found)?;
            roots.push(full);
        } else if metadata.is_file() {
            roots.push(full.parent().unwrap_or(Path::new("/")).to_owned());
            add(full, metadata.len(), &mut found)?;
        } else {
            return Err(Failure::Usage(format!("{} is neither a file nor a directory", argument.display())));
        }
    }
    if found.is_empty() {
        return Err(Failure::Usage(
            "there is no file in what was given; hidden ones, links, node_modules, __pycache__ and target are left out"
                .to_owned(),
        ));
    }
    let root = common_root(&roots);
    let main_path = main.map(|main| find_main(main, &root, &found)).transpose()?;
    let mut files = Vec::with_capacity(found.len());
    for full in found.into_keys() {
        let bytes = fs::read(&full).map_err(Failure::io(format!("cannot read {}", full.display())))?;
        files.push(Source { path: relative(&full, &root)?, bytes });
    }
    Ok(Sources { files, main_path })
}

fn resolve(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(Failure::io(format!("cannot read {}", path.display())))
}

fn add(full: PathBuf, size: u64, found: &mut BTreeMap<PathBuf, u64>) -> Result<(), Failure> {
    found.insert(full, size);
    if found.len() > MAX_FILES || found.values().sum::<u64>() > MAX_BYTES {
        return Err(Failure::Usage(format!(
            "more than {MAX_FILES} files or {} MiB: is that the right directory?",
            MAX_BYTES >> 20
        )));
    }
    Ok(())
}

fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, u64>) -> Result<(), Failure> {
    let failed = |error| Failure::io(format!("cannot read {}", directory.display()))(error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(failed)?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() && !matches!(name.as_ref(), "node_modules" | "__pycache__" | "target") {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            add(entry.path(), entry.metadata().map_err(failed)?.len(), found)?;
        }
    }
    Ok(())
}

/// The innermost directory that is an ancestor of all.
fn common_root(directories: &[PathBuf]) -> PathBuf {
    let mut root = directories.first().cloned().unwrap_or_default();
    while !directories.iter().all(|directory| directory.starts_with(&root)) && root.pop() {}
    root
}

/// `--main` is a path here, or the path that the file gets there.
fn find_main(main: &Path, root: &Path, found: &BTreeMap<PathBuf, u64>) -> Result<String, Failure> {
    [fs::canonicalize(main).ok(), fs::canonicalize(root.join(main)).ok()]
        .into_iter()
        .flatten()
        .find(|full| found.contains_key(full))
        .ok_or_else(|| Failure::Usage(format!("{} is not among the files that are sent", main.display())))
        .and_then(|full| relative(&full, root))
}

fn relative(full: &Path, root: &Path) -> Result<String, Failure> {
    let parts: Option<Vec<&str>> = full
        .strip_prefix(root)
        .unwrap_or(full)
        .components()
        .map(|component| match component {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    parts
        .map(|parts| parts.join("/"))
        .ok_or_else(|| Failure::Usage(format!("the name of {} is not UTF-8", full.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        directory
    }

    fn paths(sources: &Sources) -> Vec<&str> {
        sources.files.iter().map(|source| source.path.as_str()).collect()
    }

    #[test]
    fn one_file_is_sent_under_its_own_name() {
        let tree = tree(&["deep/down/main.py"]);
        let sources = collect(&[tree.path().join("deep/down/main.py")], None).unwrap();
        assert_eq!(paths(&sources), ["main.py"]);
        assert_eq!(sources.files[0].bytes, b"deep/down/main.py");
    }

    #[test]
    fn a_directory_sends_its_files_and_passes_over_leftovers() {
        let tree = tree(&["p/main.py", "p/lib/util.py", "p/.git/config", "p/__pycache__/x.pyc"]);
        std::os::unix::fs::symlink("/etc/passwd", tree.path().join("p/link")).unwrap();
        let sources = collect(&[tree.path().join("p")], Some(Path::new("main.py"))).unwrap();
        assert_eq!(paths(&sources), ["lib/util.py", "main.py"]);
        assert_eq!(sources.main_path.as_deref(), Some("main.py"));
    }

    #[test]
    fn paths_are_relative_to_what_all_have_in_common() {
        let tree = tree(&["p/src/main.c", "p/include/x.h"]);
        let sources = collect(&[tree.path().join("p/src/main.c"), tree.path().join("p/src/../include")], None).unwrap();
        assert_eq!(paths(&sources), ["include/x.h", "src/main.c"]);
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let tree = tree(&["p/main.py"]);
        let message = |path: &str, main: Option<&str>| {
            collect(&[tree.path().join(path)], main.map(Path::new)).unwrap_err().to_string()
        };
        assert!(message("absent.py", None).contains("cannot read"));
        assert!(message("p/main.py", Some("other.py")).contains("not among the files"));
        fs::create_dir(tree.path().join("empty")).unwrap();
        assert!(message("empty", None).contains("no file"));
    }

    #[test]
    fn bytes_that_are_not_text_travel_as_base64() {
        let source = Source { path: "x".into(), bytes: vec![0xff] };
        assert_eq!(source.to_input(), json!({ "path": "x", "bytes": "/w==" }));
    }
}
