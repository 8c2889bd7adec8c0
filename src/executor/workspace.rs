//! What goes into the work directory before a step.

use super::job::Job;
use super::language::Language;
use super::slot::PlacedFile;

/// The files of a job as they are put into the work directory, with those that the language adds.
pub fn files(job: &Job, language: &Language) -> Vec<PlacedFile> {
    let placed = |path: &str, bytes: &[u8]| PlacedFile {
        path: path.into(),
        bytes: bytes.to_vec(),
        // Scripts call each other by name.
        is_executable: bytes.starts_with(b"#!"),
    };
    let added = language.files.iter().filter(|(path, _)| job.files.iter().all(|file| file.path != *path));
    job.files
        .iter()
        .map(|file| placed(&file.path, &file.bytes))
        .chain(added.map(|(path, text)| placed(path, text.as_bytes())))
        .collect()
}

/// The files that the toolchain is to be given: the main one, then those with one of the language's extensions.
pub fn sources<'a>(job: &'a Job, language: &Language) -> Vec<&'a str> {
    let is_source = |path: &str| language.extensions.iter().any(|extension| path.ends_with(extension.as_str()));
    let others =
        job.files.iter().map(|file| file.path.as_str()).filter(|&path| path != job.main_path && is_source(path));
    std::iter::once(job.main_path.as_str()).chain(others).collect()
}

/// Adds files to others; of two with the same path the added one stays.
pub fn add(files: &mut Vec<PlacedFile>, added: Vec<PlacedFile>) {
    files.retain(|file| added.iter().all(|newer| newer.path != file.path));
    files.extend(added);
}
