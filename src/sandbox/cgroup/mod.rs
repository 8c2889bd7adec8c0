//! Control groups: what counts and limits a box as a whole.
//!
//! Version 1 and version 2 differ in where a process gets into its group. Moving one costs 10 ms, a grace period of the
//! kernel. With version 2 a process is born into a group, so each box and each step has a fresh one. With version 1 it
//! is born into the group of its parent, so the keeper has a forker that lives in the groups and forks the boxes
//! there, and counters are read before and after a step.
//!
//! ```text
//!  v1   HIERARCHY/codecanvas/SLOT/             forker, pid 1, the step; one such for each controller
//!  v2   OWN GROUP/codecanvas/SLOT/box-3/       limits of memory
//!                                  ├── init     pid 1
//!                                  └── step-1   the step; limit of processes, counters
//!
//!  SLOT is slot-0-4026531836-4711: number of the slot, pid namespace and pid of its keeper
//! ```
//!
//! A group's directory is locked (flock(2)) for as long as its keeper lives. What is not locked was left by a keeper that
//! was killed, and the next one to start removes it.

mod dir;
mod v1;
mod v2;

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::{During, Fault, Step};
use crate::layout::CgroupSettings;
use crate::spec::StepLimits;

/// What the groups of one slot can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent answers of the kernel")]
pub(crate) struct Abilities {
    /// 1 or 2; `None` without any group.
    pub(crate) version: Option<u8>,
    pub(crate) limits_memory: bool,
    pub(crate) limits_swap: bool,
    pub(crate) limits_processes: bool,
    pub(crate) counts_cpu: bool,
}

/// What a step used, as far as it was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) oom_kills: u64,
    pub(crate) refused_forks: u64,
}

/// The control groups of one slot.
pub(crate) enum Cgroups {
    V1(v1::Groups),
    V2(v2::Groups),
    /// None can be had: nothing is limited here.
    None,
}

impl Cgroups {
    /// Makes the groups of a slot, and removes those of keepers that died without doing so.
    pub(crate) fn make(settings: &CgroupSettings, slot: u32) -> Result<Self, Fault> {
        let found = Hierarchies::find().during(Step::Cgroup)?;
        // Containers of one host may share the parent group, and number their processes alike.
        let namespace = fs::metadata("/proc/self/ns/pid").during(Step::Cgroup)?.ino();
        let name = format!("slot-{slot}-{namespace}-{}", std::process::id());
        if let Some(root) = &found.v2
            && let Some(groups) = v2::Groups::make(root, &found.own_v2, settings, &name).during(Step::Cgroup)?
        {
            return Ok(Self::V2(groups));
        }
        match v1::Groups::make(&found.v1, settings, &name).during(Step::Cgroup)? {
            Some(groups) => Ok(Self::V1(groups)),
            None => Ok(Self::None),
        }
    }

    pub(crate) fn abilities(&self) -> Abilities {
        match self {
            Self::V1(groups) => groups.abilities(),
            Self::V2(groups) => groups.abilities(),
            Self::None => Abilities {
                version: None,
                limits_memory: false,
                limits_swap: false,
                limits_processes: false,
                counts_cpu: false,
            },
        }
    }

    /// Called by the forker: puts it where its children have to be born.
    pub(crate) fn join(&self) -> Result<(), Fault> {
        match self {
            Self::V1(groups) => groups.join().during(Step::Cgroup),
            Self::V2(_) | Self::None => Ok(()),
        }
    }

    /// Makes ready for a fresh box. Returns the group that its pid 1 is to be born into.
    pub(crate) fn open_box(&mut self) -> Result<Option<BorrowedFd<'_>>, Fault> {
        match self {
            Self::V2(groups) => groups.open_box().map(Some).during(Step::Cgroup),
            // A step that went wrong may have left its limits.
            Self::V1(groups) => groups.relax().during(Step::CgroupLimit).map(|()| None),
            Self::None => Ok(None),
        }
    }

    /// Makes ready for a step. Returns the group that its main process is to be born into.
    pub(crate) fn open_step(&mut self) -> Result<Option<BorrowedFd<'_>>, Fault> {
        match self {
            Self::V2(groups) => groups.open_step().map(Some).during(Step::Cgroup),
            Self::V1(_) | Self::None => Ok(None),
        }
    }

    /// Sets the limits of the step that starts now and starts to count.
    pub(crate) fn start(&mut self, limits: &StepLimits) -> Result<(), Fault> {
        match self {
            Self::V1(groups) => groups.start(limits).during(Step::CgroupLimit),
            Self::V2(groups) => groups.start(limits).during(Step::CgroupLimit),
            Self::None => Ok(()),
        }
    }

    /// Processor time of the step so far.
    pub(crate) fn cpu_time(&self) -> io::Result<Option<Duration>> {
        match self {
            Self::V1(groups) => groups.cpu_time(),
            Self::V2(groups) => groups.cpu_time().map(Some),
            Self::None => Ok(None),
        }
    }

    /// What the step used; to be called when its processes are gone.
    pub(crate) fn usage(&self) -> Result<Usage, Fault> {
        match self {
            Self::V1(groups) => groups.usage().during(Step::Cgroup),
            Self::V2(groups) => groups.usage().during(Step::Cgroup),
            Self::None => Ok(Usage::default()),
        }
    }

    /// Lifts the limits between steps: only our own processes are in the groups then, and files that a step left must not
    /// make the kernel kill them.
    pub(crate) fn relax(&mut self) -> Result<(), Fault> {
        match self {
            Self::V1(groups) => groups.relax().during(Step::CgroupLimit),
            Self::V2(groups) => groups.relax().during(Step::CgroupLimit),
            Self::None => Ok(()),
        }
    }

    /// Removes what belongs to a box whose processes are gone.
    pub(crate) fn close_box(&mut self) {
        match self {
            Self::V2(groups) => groups.close_box(),
            Self::V1(_) | Self::None => {}
        }
    }

    /// Removes the slot's groups; to be called when all processes in them are gone.
    pub(crate) fn remove(&mut self) {
        match self {
            Self::V1(groups) => groups.remove(),
            Self::V2(groups) => groups.remove(),
            Self::None => {}
        }
    }
}

/// Where this host has its control groups.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hierarchies {
    /// Mount point for each controller of version 1.
    v1: Vec<(&'static str, PathBuf)>,
    /// Mount point of version 2.
    v2: Option<PathBuf>,
    /// This process's group of version 2, below the mount point.
    own_v2: PathBuf,
}

/// The controllers of version 1 that are used.
const V1_CONTROLLERS: [&str; 4] = ["memory", "pids", "cpuacct", "cpu"];

impl Hierarchies {
    fn find() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/mountinfo")?, &fs::read_to_string("/proc/self/cgroup")?))
    }

    /// See `proc_pid_mountinfo(5)` and cgroups(7).
    fn parse(mountinfo: &str, own: &str) -> Self {
        let mut found = Self::default();
        let mut root_v2 = PathBuf::from("/");
        for line in mountinfo.lines() {
            let Some((mounted, filesystem)) = line.split_once(" - ") else { continue };
            let mounted: Vec<_> = mounted.split(' ').collect();
            let filesystem: Vec<_> = filesystem.split(' ').collect();
            let (Some(root), Some(point), Some(kind)) = (mounted.get(3), mounted.get(4), filesystem.first()) else {
                continue;
            };
            match *kind {
                "cgroup2" if found.v2.is_none() => {
                    found.v2 = Some(PathBuf::from(point));
                    root_v2 = PathBuf::from(root);
                }
                "cgroup" => {
                    let options = filesystem.get(2).copied().unwrap_or_default();
                    for name in V1_CONTROLLERS {
                        if options.split(',').any(|option| option == name)
                            && !found.v1.iter().any(|(known, _)| *known == name)
                        {
                            found.v1.push((name, PathBuf::from(point)));
                        }
                    }
                }
                _ => {}
            }
        }
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        // A container without a cgroup namespace sees its own part mounted, but its path in full.
        let own = std::path::Path::new(own);
        let relative = own.strip_prefix(&root_v2).or_else(|_| own.strip_prefix("/")).unwrap_or(own);
        relative.clone_into(&mut found.own_v2);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 29 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
31 29 0:27 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory
32 29 0:28 / /sys/fs/cgroup/unified rw,relatime shared:11 - cgroup2 cgroup2 rw";

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let found = Hierarchies::parse(HYBRID, "4:memory:/a\n0::/user.slice\n");
        assert_eq!(
            found.v1,
            [
                ("cpuacct", PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")),
                ("cpu", PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")),
                ("memory", PathBuf::from("/sys/fs/cgroup/memory")),
            ]
        );
        assert_eq!(found.v2, Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(found.own_v2, PathBuf::from("user.slice"));
    }

    #[test]
    fn a_container_that_sees_its_part_only_finds_its_own_group() {
        let mountinfo = "30 29 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw";
        assert_eq!(Hierarchies::parse(mountinfo, "0::/docker/abc\n").own_v2, PathBuf::from(""));
    }

    #[test]
    fn a_host_without_control_groups_has_none() {
        assert_eq!(Hierarchies::parse("", ""), Hierarchies::default());
    }
}
