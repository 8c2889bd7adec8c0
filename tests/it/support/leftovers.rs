//! What a worker leaves on the host when it and its keepers are gone: nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::workshop::PATIENCE;

/// The users of one test's boxes.
const USERS: u32 = 8;

/// Where the workers of one test are, so that what they leave can be told from what others do meanwhile:
/// users, control groups and a directory of their own.
#[derive(Debug)]
pub struct Traces {
    /// What `worker.uid_base` is.
    pub uid_base: u32,
    /// What `worker.cgroup_parent` is.
    pub cgroup_parent: String,
    directory: PathBuf,
}

impl Traces {
    /// Of workers whose cache is below this directory, which nobody else uses.
    pub fn of(directory: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self {
            // Other test binaries may run at the same time; process ids end at 2²².
            uid_base: 1_000_000 + process * 512 + number % 64 * USERS,
            cgroup_parent: format!("codecanvas-it-{process}-{number}"),
            directory: directory.to_owned(),
        }
    }

    /// The same as settings in the environment.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("CODECANVAS_WORKER_UID_BASE", self.uid_base.to_string()),
            ("CODECANVAS_WORKER_CGROUP_PARENT", self.cgroup_parent.clone()),
        ]
    }

    /// Waits until there is no process, no control group and no mount of these workers; fails where something stays.
    pub async fn assert_gone(&self) {
        let gone = async {
            while !self.left().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let is_gone = tokio::time::timeout(PATIENCE, gone).await.is_ok();
        assert!(is_gone, "this is left: {:#?}", self.left());
    }

    fn left(&self) -> Vec<String> {
        let mut left = self.processes();
        left.extend(self.groups().map(|group| format!("control group {}", group.display())));
        left
    }

    /// Processes that run as a user of ours, that see a mount of ours (a keeper, all that is in its boxes, and the host
    /// itself, if a mount got out), or that were given our directory.
    fn processes(&self) -> Vec<String> {
        let directory = self.directory.to_str().unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
            let arguments = read("cmdline").replace('\0', " ");
            let is_ours =
                |uid: &str| uid.parse().is_ok_and(|uid: u32| (self.uid_base..self.uid_base + USERS).contains(&uid));
            let status = read("status");
            let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
            // A zombie is gone, but for its parent, who may be this test.
            let is_zombie = status.lines().any(|line| line.starts_with("State:") && line.contains('Z'));
            if !is_zombie
                && (uids.split_whitespace().any(is_ours)
                    || read("mountinfo").contains(directory)
                    || arguments.contains(directory))
            {
                found.push(format!("process {pid}: {arguments}"));
            }
        }
        found
    }

    /// Groups of keepers, in all hierarchies. The parent stays for the next worker of that name.
    fn groups(&self) -> impl Iterator<Item = PathBuf> + use<> {
        parents(&self.cgroup_parent).into_iter().flat_map(|parent| {
            let entries = fs::read_dir(parent).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        })
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        for parent in parents(&self.cgroup_parent) {
            // It stays where a test has failed.
            fs::remove_dir(parent).ok();
        }
    }
}

/// The directories of a group's name: below each hierarchy of version 1, and anywhere below that of version 2.
fn parents(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((directory, depth)) = todo.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name() == name {
                    found.push(entry.path());
                } else if depth < 6 {
                    todo.push((entry.path(), depth + 1));
                }
            }
        }
    }
    found
}
