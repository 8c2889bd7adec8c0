//! What changed from one submission to another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::submissions::files_by_submissions;
use super::{Error, Services};
use crate::auth::Viewer;
use crate::domain::ids::SubmissionId;
use crate::domain::submission::{FileDiff, StoredFile};

/// How long the diff of one file may be worked on; what is left then is shown as changed as a whole.
const DEADLINE: Duration = Duration::from_millis(200);

/// What changed in each file from one submission to another. Files that are the same are left out.
pub async fn compare(
    services: &Services,
    viewer: &Viewer,
    from: SubmissionId,
    to: SubmissionId,
) -> Result<Vec<FileDiff>, Error> {
    let mut files = files_by_submissions(services, viewer, &[from, to]).await?;
    let mut take = |id| files.remove(&id).ok_or(Error::NotFound("submission"));
    let new = take(to)?;
    let old = if from == to { new.clone() } else { take(from)? };
    tokio::task::spawn_blocking(move || diff_files(&old, &new)).await.map_err(Error::internal)
}

fn diff_files(old: &[StoredFile], new: &[StoredFile]) -> Vec<FileDiff> {
    let mut pairs: BTreeMap<&str, (Option<&StoredFile>, Option<&StoredFile>)> = BTreeMap::new();
    for file in old {
        pairs.entry(&file.path).or_default().0 = Some(file);
    }
    for file in new {
        pairs.entry(&file.path).or_default().1 = Some(file);
    }
    pairs
        .into_iter()
        .filter(|(_, (old, new))| old.map(|file| &file.sha256) != new.map(|file| &file.sha256))
        .map(|(path, (old, new))| diff_file(path, old, new))
        .collect()
}

fn diff_file(path: &str, old: Option<&StoredFile>, new: Option<&StoredFile>) -> FileDiff {
    let text = |file: Option<&StoredFile>| file.map_or(Some(String::new()), |file| file.text().map(ToOwned::to_owned));
    let (Some(old_text), Some(new_text)) = (text(old), text(new)) else {
        let unified = format!("Binary files a/{path} and b/{path} differ\n");
        return FileDiff { path: path.to_owned(), unified, added_lines: 0, removed_lines: 0 };
    };
    let diff = similar::TextDiff::configure().timeout(DEADLINE).diff_lines(&old_text, &new_text);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let name = |file: Option<&StoredFile>, side| file.map_or("/dev/null".to_owned(), |_| format!("{side}/{path}"));
    FileDiff {
        path: path.to_owned(),
        unified: diff.unified_diff().context_radius(3).header(&name(old, "a"), &name(new, "b")).to_string(),
        added_lines: count(similar::ChangeTag::Insert),
        removed_lines: count(similar::ChangeTag::Delete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: &[u8]) -> StoredFile {
        StoredFile { path: path.to_owned(), bytes: bytes.to_vec(), sha256: bytes.to_vec() }
    }

    #[test]
    fn a_diff_shows_what_changed_per_file() {
        let old = [file("a.py", b"x = 1\ny = 2\n"), file("gone.py", b"z\n"), file("same.py", b"s\n")];
        let new = [file("a.py", b"x = 1\ny = 3\n"), file("new.bin", b"\xff"), file("same.py", b"s\n")];
        let diffs = diff_files(&old, &new);
        let figures: Vec<_> = diffs.iter().map(|d| (d.path.as_str(), d.added_lines, d.removed_lines)).collect();
        assert_eq!(figures, [("a.py", 1, 1), ("gone.py", 0, 1), ("new.bin", 0, 0)]);
        assert_eq!(diffs[0].unified, "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n");
        assert!(diffs[1].unified.starts_with("--- a/gone.py\n+++ /dev/null\n"));
        assert_eq!(diffs[2].unified, "Binary files a/new.bin and b/new.bin differ\n");
    }

    #[test]
    fn a_hostile_pair_of_files_takes_bounded_time() {
        let lines = |seed: u64| {
            let line = |i: u64| format!("{}\n", (i * 2_654_435_761 + seed * i * i) % 97);
            (0..100_000).map(line).collect::<String>()
        };
        let started = std::time::Instant::now();
        let diffs = diff_files(&[file("a", lines(1).as_bytes())], &[file("a", lines(2).as_bytes())]);
        assert_eq!(diffs.len(), 1);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
