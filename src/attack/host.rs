//! What a program must not leave behind on the host.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use codecanvas_sandbox::DEFAULT_FIRST_UID;

/// How long the host may take to be as it was: boxes are destroyed after the verdict is out.
const SETTLE: Duration = Duration::from_secs(10);

/// What there is on the host that programs could have made. Other services may share the host: what is
/// theirs does not count.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The processes that descend from this one: keepers and the inits of armed boxes.
    descendants: BTreeSet<u32>,
    /// Mounts that this process sees.
    mounts: BTreeSet<String>,
    /// Control groups of our keepers, whose names end with the keeper's pid namespace and pid.
    control_groups: usize,
    /// System V shared memory, queues and semaphores on the host that belong to a user of boxes.
    ipc: BTreeSet<String>,
    /// Files in the host's shared memory that belong to a user of boxes.
    shared_memory: BTreeSet<String>,
}

impl Snapshot {
    /// How the host is now.
    pub fn take() -> Self {
        Self::with_keepers_of(&BTreeSet::new())
    }

    /// How the host is now; the groups of keepers that have gone since `before` count as well.
    fn with_keepers_of(before: &BTreeSet<u32>) -> Self {
        let descendants = descendants_of(std::process::id());
        let keepers = descendants.union(before).copied().collect();
        Self {
            mounts: lines("/proc/self/mountinfo"),
            control_groups: control_groups(Path::new("/sys/fs/cgroup"), &keepers, false, 0),
            ipc: ["shm", "msg", "sem"].iter().flat_map(|kind| ipc_ids(kind)).collect(),
            shared_memory: names("/dev/shm"),
            descendants,
        }
    }

    /// What differs in `now`, in words; empty when nothing does.
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.descendants.len() != now.descendants.len() {
            found.push(format!("{} processes instead of {}", now.descendants.len(), self.descendants.len()));
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
            let differences = self.differences(&Self::with_keepers_of(&self.descendants));
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

/// Whether a program in a box could be the owner. The uids of slots begin here and are used by nobody else.
fn is_of_a_box(uid: u32) -> bool {
    (DEFAULT_FIRST_UID..DEFAULT_FIRST_UID + 1000).contains(&uid)
}

fn names(directory: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|file| is_of_a_box(file.uid())))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The objects of one kind, by the names of the columns that proc(5) gives them.
fn ipc_ids(kind: &str) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
    let mut lines = table.lines();
    let header: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    let (Some(id), Some(uid)) =
        (header.iter().position(|name| name.ends_with("id")), header.iter().position(|name| *name == "uid"))
    else {
        return Vec::new();
    };
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.get(uid).and_then(|uid| uid.parse().ok()).is_some_and(is_of_a_box))
        .map(|row| format!("{kind} {}", row.get(id).unwrap_or(&"?")))
        .collect()
}

/// How many groups there are from those of `keepers` downwards.
fn control_groups(directory: &Path, keepers: &BTreeSet<u32>, is_inside: bool, depth: usize) -> usize {
    if depth > 10 {
        return 0;
    }
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| {
            let name = entry.file_name();
            let is_inside = is_inside || keeper_of(&name).is_some_and(|pid| keepers.contains(&pid));
            usize::from(is_inside) + control_groups(&entry.path(), keepers, is_inside, depth + 1)
        })
        .sum()
}

/// The pid of the keeper that a slot's control group belongs to, where it is one of this pid namespace.
fn keeper_of(group: &OsStr) -> Option<u32> {
    let mut parts = group.to_str()?.strip_prefix("slot-")?.rsplit('-');
    let (pid, namespace) = (parts.next()?, parts.next()?);
    let own = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    if namespace.parse() == Ok(own) { pid.parse().ok() } else { None }
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
