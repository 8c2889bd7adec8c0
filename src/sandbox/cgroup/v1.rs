//! Control groups, version 1: one hierarchy for each controller. All boxes of a keeper share its groups, one after the
//! other, so counters are read before and after.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::Flock;

use super::dir::{Dir, get, get_keyed, get_number, keyed, put};
use super::{Abilities, Usage};
use crate::layout::CgroupSettings;
use crate::spec::StepLimits;

/// The forker and pid 1 are in the group too.
const OWN_PROCESSES: u32 = 2;
/// What the kernel reads as no limit.
const UNLIMITED: &str = "-1";
/// The period of the processor quota.
const CPU_PERIOD_US: u64 = 100_000;

/// Fewer bytes of files than this do not matter for a peak.
const WORTH_A_LOOK_BYTES: u64 = 256 * 1024;

/// The groups of one slot.
pub(crate) struct Groups {
    name: String,
    /// For each hierarchy the parent group and ours in it.
    places: Vec<(Dir, Flock<OwnedFd>)>,
    memory: Option<Memory>,
    pids: Option<Pids>,
    cpu_usage: Option<File>,
    before: Before,
    is_relaxed: bool,
}

struct Memory {
    limit: File,
    /// Memory and swap together; only where the kernel accounts swap.
    with_swap: Option<File>,
    peak: File,
    stat: Option<File>,
    oom_control: File,
    limited_to: Option<u64>,
}

struct Pids {
    max: File,
    events: File,
}

/// The counters as they were when the step started.
#[derive(Default)]
struct Before {
    cpu_ns: u64,
    oom_kills: u64,
    refused_forks: u64,
    /// Pages of files that earlier steps were the first to read. They stay with the group, and are not this step's.
    file_bytes: u64,
}

impl Memory {
    /// What of files is held in memory for the group; files in memory alone, such as those of tmpfs, are not counted.
    fn file_bytes(&self) -> io::Result<u64> {
        let Some(stat) = &self.stat else { return Ok(0) };
        let text = get(stat)?;
        Ok(["active_file", "inactive_file"].iter().map(|key| keyed(&text, key)).sum())
    }
}

impl Groups {
    /// `None` if the host has no controller that could be used.
    pub(super) fn make(
        hierarchies: &[(&'static str, PathBuf)],
        settings: &CgroupSettings,
        name: &str,
    ) -> io::Result<Option<Self>> {
        let mut groups = Self {
            name: name.to_owned(),
            places: Vec::new(),
            memory: None,
            pids: None,
            cpu_usage: None,
            before: Before::default(),
            is_relaxed: true,
        };
        let mut made: Vec<&PathBuf> = Vec::new();
        for (controller, point) in hierarchies {
            if !made.contains(&point) {
                let (parent, own) = match make_group(point, &settings.parent, name) {
                    Ok(made) => made,
                    // Not ours to write: the controller counts as missing.
                    Err(error) if is_forbidden(&error) => continue,
                    Err(error) => return Err(error),
                };
                groups.places.push((parent, own));
                made.push(point);
            }
            let place = made.iter().position(|known| *known == point).unwrap_or_default();
            let dir = Dir::of(&groups.places[place].1)?;
            groups.adopt(controller, &dir, settings)?;
        }
        Ok((!groups.places.is_empty()).then_some(groups))
    }

    fn adopt(&mut self, controller: &str, dir: &Dir, settings: &CgroupSettings) -> io::Result<()> {
        match controller {
            "memory" => {
                if let (Some(limit), Some(peak), Some(oom_control)) = (
                    dir.file("memory.limit_in_bytes")?,
                    dir.file("memory.max_usage_in_bytes")?,
                    dir.file("memory.oom_control")?,
                ) {
                    // Not every kernel allows it; the limit of memory and swap together holds anyway.
                    let _ = dir.write("memory.swappiness", "0");
                    let with_swap = dir.file("memory.memsw.limit_in_bytes")?;
                    let stat = dir.file("memory.stat")?;
                    self.memory = Some(Memory { limit, with_swap, peak, stat, oom_control, limited_to: None });
                }
            }
            "pids" => {
                if let (Some(max), Some(events)) = (dir.file("pids.max")?, dir.file("pids.events")?) {
                    self.pids = Some(Pids { max, events });
                }
            }
            "cpuacct" => self.cpu_usage = dir.file("cpuacct.usage")?,
            "cpu" => {
                if let Some(milli) = settings.cpu_milli {
                    dir.write("cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
                    dir.write("cpu.cfs_quota_us", &(CPU_PERIOD_US * u64::from(milli) / 1000).to_string())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            version: Some(1),
            limits_memory: self.memory.is_some(),
            limits_swap: self.memory.as_ref().is_some_and(|memory| memory.with_swap.is_some()),
            limits_processes: self.pids.is_some(),
            counts_cpu: self.cpu_usage.is_some(),
        }
    }

    pub(super) fn join(&self) -> io::Result<()> {
        for (_, own) in &self.places {
            // 0 is whoever writes.
            Dir::of(own)?.write("cgroup.procs", "0")?;
        }
        Ok(())
    }

    pub(super) fn start(&mut self, limits: &StepLimits) -> io::Result<()> {
        if self.memory.as_ref().is_some_and(|memory| memory.limited_to.is_some_and(|now| now != limits.memory_bytes)) {
            self.relax()?;
        }
        self.is_relaxed = false;
        if let Some(memory) = &mut self.memory {
            if memory.limited_to.is_none() {
                let value = limits.memory_bytes.to_string();
                // The limit without swap may never be the higher one. As it was lifted, this is always lowering.
                put(&memory.limit, &value)?;
                if let Some(with_swap) = &memory.with_swap {
                    put(with_swap, &value)?;
                }
                memory.limited_to = Some(limits.memory_bytes);
            }
            put(&memory.peak, "0")?;
            self.before.file_bytes = memory.file_bytes()?;
            self.before.oom_kills = get_keyed(&memory.oom_control, "oom_kill")?;
        }
        if let Some(pids) = &self.pids {
            put(&pids.max, &(limits.processes + OWN_PROCESSES).to_string())?;
            self.before.refused_forks = get_keyed(&pids.events, "max")?;
        }
        if let Some(usage) = &self.cpu_usage {
            self.before.cpu_ns = get_number(usage)?;
        }
        Ok(())
    }

    pub(super) fn cpu_time(&self) -> io::Result<Option<Duration>> {
        match &self.cpu_usage {
            None => Ok(None),
            Some(usage) => Ok(Some(Duration::from_nanos(get_number(usage)?.saturating_sub(self.before.cpu_ns)))),
        }
    }

    pub(super) fn usage(&self) -> io::Result<Usage> {
        let mut usage = Usage { cpu_time: self.cpu_time()?, ..Usage::default() };
        if let Some(memory) = &self.memory {
            // What the kernel dropped of those files to make room was used by the step.
            let foreign = match self.before.file_bytes {
                ..WORTH_A_LOOK_BYTES => 0,
                before => memory.file_bytes()?.min(before),
            };
            usage.peak_memory_bytes = Some(get_number(&memory.peak)?.saturating_sub(foreign));
            usage.oom_kills = get_keyed(&memory.oom_control, "oom_kill")?.saturating_sub(self.before.oom_kills);
        }
        if let Some(pids) = &self.pids {
            usage.refused_forks = get_keyed(&pids.events, "max")?.saturating_sub(self.before.refused_forks);
        }
        Ok(usage)
    }

    pub(super) fn relax(&mut self) -> io::Result<()> {
        if self.is_relaxed {
            return Ok(());
        }
        if let Some(memory) = &mut self.memory {
            if let Some(with_swap) = &memory.with_swap {
                put(with_swap, UNLIMITED)?;
            }
            put(&memory.limit, UNLIMITED)?;
            memory.limited_to = None;
        }
        if let Some(pids) = &self.pids {
            put(&pids.max, "max")?;
        }
        self.is_relaxed = true;
        Ok(())
    }

    pub(super) fn remove(&mut self) {
        for (parent, _) in &self.places {
            parent.remove(&self.name);
        }
    }
}

fn make_group(root: &Path, parent: &str, name: &str) -> io::Result<(Dir, Flock<OwnedFd>)> {
    let parent = Dir::open(root)?.child(parent)?;
    let own = parent.locked_child(name)?;
    parent.remove_unlocked_children()?;
    Ok((parent, own))
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
