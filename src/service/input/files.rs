//! The files of a submission: where they are to be, and what is in them.

use sha2::{Digest, Sha256};

use super::{InvalidField, SubmissionBounds, invalid};

/// The longest path of a file in bytes, and of a name in it (Linux `NAME_MAX`).
const MAX_PATH_BYTES: usize = 255;

/// A file as it was sent: exactly one of `text` and `bytes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFileInput {
    /// Where in the work directory.
    pub path: String,
    /// Contents, where they are text.
    pub text: Option<String>,
    /// Contents, where they may be anything.
    pub bytes: Option<Vec<u8>>,
}

/// A file that has passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Relative, normalised, without `..`.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl NewFile {
    /// The digest that the contents are stored under.
    pub fn sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.bytes).to_vec()
    }
}

/// Checks the files of a submission together.
pub(super) fn check_files(files: Vec<NewFileInput>, bounds: &SubmissionBounds) -> Result<Vec<NewFile>, InvalidField> {
    if files.is_empty() {
        return invalid("files", "Give at least one file.");
    }
    if files.len() > bounds.files {
        return invalid("files", format!("There may be at most {} files.", bounds.files));
    }
    let mut checked: Vec<NewFile> = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let at = |field| format!("files.{index}.{field}");
        if let Err(message) = check_path(&file.path) {
            return invalid(at("path"), message);
        }
        for other in &checked {
            if other.path == file.path {
                return invalid(at("path"), format!("Two files have the path {:?}.", file.path));
            }
            if is_inside(&other.path, &file.path) || is_inside(&file.path, &other.path) {
                let directory = if other.path.len() < file.path.len() { &other.path } else { &file.path };
                return invalid(at("path"), format!("{directory:?} is a file and a directory at once."));
            }
        }
        let bytes = match (file.text, file.bytes) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(bytes)) => bytes,
            (Some(_), Some(_)) => return invalid(at("bytes"), "Give either text or bytes, not both."),
            (None, None) => return invalid(at("text"), "Give the file's contents: either text or bytes."),
        };
        checked.push(NewFile { path: file.path, bytes });
    }
    Ok(checked)
}

/// Whether `path` lies in the directory `directory`.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Checks where a file is to be.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("A file needs a path.");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("A path may have at most 255 bytes.");
    }
    if path.starts_with('/') {
        return Err("A path must be relative: without / in front.");
    }
    // Also the characters that make text run backwards: a path is shown to teachers.
    let is_invisible = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if path.chars().any(is_invisible) {
        return Err("A path cannot contain control characters.");
    }
    // On Windows it leads to another directory where a teacher unpacks what was handed in, even out of it.
    if path.contains('\\') {
        return Err("A path has / between directories, not \\.");
    }
    for component in path.split('/') {
        match component {
            "" => return Err("A path cannot contain // or end in /."),
            "." | ".." => return Err("A path cannot contain . or .. as a directory."),
            _ => {}
        }
    }
    Ok(())
}
