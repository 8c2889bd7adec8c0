//! What a program must not leave behind on the host.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the host may take to be as it was: boxes are destroyed after the verdict is out.
const SETTLE: Duration = Duration::from_secs(10);

/// What there is on the host that programs could have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How many processes descend from this one: keepers and the inits of armed boxes.
    descendants: usize,
    /// Mounts that this process sees.
    mounts: BTreeSet<String>,
    /// Control groups below any that holds this process or a keeper.
    control_groups: usize,
    /// System V shared memory, queues and semaphores of the host.
    ipc: BTreeSet<String>,
    /// Files in the host's shared memory.
    shared_memory: BTreeSet<String>,
}

impl Snapshot {
    /// How the host is now.
    pub fn take() -> Self {
        Self {
            descendants: descendants_of(std::process::id()).len(),
            mounts: lines("/proc/self/mountinfo"),
            control_groups: control_groups(Path::new("/sys/fs/cgroup"), 0),
            ipc: ["shm", "msg", "sem"].iter().flat_map(|kind| ipc_ids(kind)).collect(),
            shared_memory: names("/dev/shm"),
        }
    }

    /// What differs in `now`, in words; empty when nothing does.
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.descendants != now.descendants {
            found.push(format!("{} processes instead of {}", now.descendants, self.descendants));
        }
        if self.control_groups != now.control_groups {
            found.push(format!("{} control groups instead of {}", now.control_groups, self.control_groups));
        }
        for (what, before, after) in [
            ("mount", &self.mounts, &now.mounts),
            ("IPC object", &self.ipc, &now.ipc),
            ("file in shared memory", &self.shared_memory, &now.shared_memory),
        ] {
            found.extend(after.difference(before).map(|line| format!("{what} left: {line}")));
        }
        found
    }

    /// Waits until the host is as it was in this snapshot. Answers with what still differs when it
    /// does not get there in ten seconds.
    pub async fn settled(&self) -> Vec<String> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let differences = self.differences(&Self::take());
            if differences.is_empty() || Instant::now() > deadline {
                return differences;
            }
            // Nothing tells when the last box is gone: the state of the host is looked at again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn lines(path: &str) -> BTreeSet<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default()
}

/// Kind, key and id of each object; the counters behind them change by themselves.
fn ipc_ids(kind: &str) -> Vec<String> {
    fs::read_to_string(format!("/proc/sysvipc/{kind}"))
        .unwrap_or_default()
        .lines()
        .skip(1)
        .map(|line| format!("{kind} {}", line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
        .collect()
}

fn control_groups(directory: &Path, depth: usize) -> usize {
    if depth > 8 {
        return 0;
    }
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| 1 + control_groups(&entry.path(), depth + 1))
        .sum()
}

/// The pids of all processes that descend from `ancestor`.
fn descendants_of(ancestor: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .map(|entries| {
            entries
                .flatten()
                .filter_map(|entry| {
                    let pid = entry.file_name().to_str()?.parse().ok()?;
                    // The second field, the name, may hold anything: what counts stands behind its last ")".
                    let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
                    Some((pid, parent))
                })
                .collect()
        })
        .unwrap_or_default();
    let mut found = BTreeSet::from([ancestor]);
    loop {
        let before = found.len();
        found.extend(
            parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            found.remove(&ancestor);
            return found;
        }
    }
}
