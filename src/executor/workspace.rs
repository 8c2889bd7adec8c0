//! What goes into the work directory before a step.

use super::content::Content;
use super::job::Job;
use super::language::Language;
use super::slot::PlacedFile;

/// Paths and contents of the files of a job, with those that the language adds.
pub fn contents<'a>(job: &'a Job, language: &'a Language) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let added = language.files.iter().filter(|(path, _)| job.files.iter().all(|file| file.path != *path));
    job.files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .chain(added.map(|(path, text)| (path.as_str(), text.as_bytes())))
}

/// The same files as they are put into the work directory.
pub fn files(job: &Job, language: &Language) -> Vec<PlacedFile> {
    let placed = |(path, bytes): (&str, &[u8])| PlacedFile {
        path: path.into(),
        content: Content::Bytes(bytes.to_vec()),
        // Scripts call each other by name.
        is_executable: bytes.starts_with(b"#!"),
    };
    contents(job, language).map(placed).collect()
}

/// The files that the toolchain is to be given: the main one, then those with one of the language's extensions.
pub fn sources<'a>(job: &'a Job, language: &Language) -> Vec<&'a str> {
    let is_source = |path: &str| language.extensions.iter().any(|extension| path.ends_with(extension.as_str()));
    let others =
        job.files.iter().map(|file| file.path.as_str()).filter(|&path| path != job.main_path && is_source(path));
    std::iter::once(job.main_path.as_str()).chain(others).collect()
}

/// Adds files to others; of two with the same path the added one stays.
pub fn add(files: &mut Vec<PlacedFile>, added: &[PlacedFile]) {
    files.retain(|file| added.iter().all(|newer| newer.path != file.path));
    files.extend_from_slice(added);
}
