//! Control groups, version 2: one hierarchy. Each box and each step has a group of its own, so counters start at nothing.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::Flock;

use super::dir::{Dir, get_keyed, get_number, put};
use super::{Abilities, Usage};
use crate::layout::CgroupSettings;
use crate::spec::StepLimits;

/// The period of the processor quota.
const CPU_PERIOD_US: u64 = 100_000;
/// The worker's own processes go here when its group starts to have children: version 2 wants processes in leaves only.
const LEAF: &str = "worker";

/// The groups of one slot.
pub(crate) struct Groups {
    name: String,
    parent: Dir,
    own: Flock<OwnedFd>,
    slot: Dir,
    abilities: Abilities,
    boxes_made: u64,
    current: Option<BoxGroups>,
}

/// The groups of the current box. Their files are opened ahead: nobody is to wait for that.
struct BoxGroups {
    name: String,
    dir: Dir,
    init: Dir,
    memory: Option<BoxMemory>,
    steps_made: u64,
    step: Option<StepGroup>,
    oom_kills_before: u64,
    /// Processor time of a step that was started ahead, before it went on.
    cpu_before: Duration,
}

struct BoxMemory {
    max: File,
    current: File,
    events: File,
}

/// The group of a step.
struct StepGroup {
    name: String,
    dir: Dir,
    cpu: File,
    /// Linux 5.19 or later.
    peak: Option<File>,
    processes: Option<StepProcesses>,
}

struct StepProcesses {
    max: File,
    events: File,
}

impl Groups {
    /// `None` if version 2 has not the controllers that are needed, or they cannot be had.
    pub(super) fn make(root: &Path, own: &Path, settings: &CgroupSettings, name: &str) -> io::Result<Option<Self>> {
        let Some(parent) = find_parent(root, own, settings)? else { return Ok(None) };
        enable(&parent)?;
        parent.remove_unlocked_children()?;
        let locked = parent.locked_child(name)?;
        let slot = Dir::of(&locked)?;
        enable(&slot)?;
        if let Some(milli) = settings.cpu_milli {
            let quota = CPU_PERIOD_US * u64::from(milli) / 1000;
            slot.write("cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
        }
        let abilities = Abilities {
            version: Some(2),
            limits_memory: slot.file("memory.max")?.is_some(),
            limits_swap: slot.file("memory.swap.max")?.is_some(),
            limits_processes: slot.file("pids.max")?.is_some(),
            counts_cpu: true,
        };
        Ok(Some(Self { name: name.to_owned(), parent, own: locked, slot, abilities, boxes_made: 0, current: None }))
    }

    pub(super) fn abilities(&self) -> Abilities {
        self.abilities
    }

    pub(super) fn open_box(&mut self) -> io::Result<BorrowedFd<'_>> {
        self.boxes_made += 1;
        let name = format!("box-{}", self.boxes_made);
        let dir = self.slot.child(&name)?;
        enable(&dir)?;
        if self.abilities.limits_swap {
            dir.write("memory.swap.max", "0")?;
        }
        let init = dir.child("init")?;
        let memory = if self.abilities.limits_memory {
            let file = |name| existing(&dir, name);
            Some(BoxMemory {
                max: file("memory.max")?,
                current: file("memory.current")?,
                events: file("memory.events")?,
            })
        } else {
            None
        };
        let made = BoxGroups {
            name,
            dir,
            init,
            memory,
            steps_made: 0,
            step: None,
            oom_kills_before: 0,
            cpu_before: Duration::ZERO,
        };
        Ok(self.current.insert(made).init.fd())
    }

    pub(super) fn open_step(&mut self) -> io::Result<BorrowedFd<'_>> {
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if let Some(StepGroup { name, .. }) = current.step.take() {
            current.dir.remove(name);
        }
        current.steps_made += 1;
        let name = format!("step-{}", current.steps_made);
        let dir = current.dir.child(&name)?;
        let processes = if self.abilities.limits_processes {
            Some(StepProcesses { max: existing(&dir, "pids.max")?, events: existing(&dir, "pids.events")? })
        } else {
            None
        };
        let step = StepGroup { name, cpu: existing(&dir, "cpu.stat")?, peak: dir.file("memory.peak")?, processes, dir };
        Ok(current.step.insert(step).dir.fd())
    }

    fn current(&self) -> io::Result<(&BoxGroups, &StepGroup)> {
        let current = self.current.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let step = current.step.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok((current, step))
    }

    pub(super) fn start(&mut self, limits: &StepLimits) -> io::Result<()> {
        let (current, step) = self.current()?;
        let mut oom_kills_before = 0;
        if let Some(memory) = &current.memory {
            if get_number(&memory.current)? >= limits.memory_bytes {
                // The kernel would take the limit and kill pid 1.
                return Err(Errno::EBUSY.into());
            }
            put(&memory.max, &limits.memory_bytes.to_string())?;
            oom_kills_before = get_keyed(&memory.events, "oom_kill")?;
        }
        if let Some(processes) = &step.processes {
            put(&processes.max, &limits.processes.to_string())?;
        }
        let cpu_before = cpu_usage(step)?;
        if let Some(current) = &mut self.current {
            current.oom_kills_before = oom_kills_before;
            current.cpu_before = cpu_before;
        }
        Ok(())
    }

    pub(super) fn cpu_time(&self) -> io::Result<Duration> {
        let (current, step) = self.current()?;
        Ok(cpu_usage(step)?.saturating_sub(current.cpu_before))
    }

    pub(super) fn usage(&self) -> io::Result<Usage> {
        let (current, step) = self.current()?;
        let mut usage = Usage { cpu_time: Some(self.cpu_time()?), ..Usage::default() };
        if let Some(memory) = &current.memory {
            usage.peak_memory_bytes = step.peak.as_ref().map(get_number).transpose()?;
            let oom_kills = get_keyed(&memory.events, "oom_kill")?;
            usage.oom_kills = oom_kills.saturating_sub(current.oom_kills_before);
        }
        if let Some(processes) = &step.processes {
            usage.refused_forks = get_keyed(&processes.events, "max")?;
        }
        Ok(usage)
    }

    pub(super) fn relax(&mut self) -> io::Result<()> {
        let (current, step) = self.current()?;
        if let Some(memory) = &current.memory {
            put(&memory.max, "max")?;
        }
        if let Some(processes) = &step.processes {
            put(&processes.max, "max")?;
        }
        Ok(())
    }

    pub(super) fn close_box(&mut self) {
        if let Some(current) = self.current.take() {
            current.dir.kill();
            current.dir.remove_children();
            self.slot.remove(&current.name);
        }
    }

    pub(super) fn remove(&mut self) {
        self.close_box();
        if let Ok(own) = Dir::of(&self.own) {
            own.remove_children();
        }
        self.parent.remove(&self.name);
    }
}

/// The group that holds all slots: in this process's own group, or, for root, at the top.
fn find_parent(root: &Path, own: &Path, settings: &CgroupSettings) -> io::Result<Option<Dir>> {
    let own_path = root.join(own);
    let top = Dir::open(root)?;
    if !has_controllers(&top)? {
        return Ok(None);
    }
    // A sibling of this process's leaf, if an earlier keeper has made it.
    let own_path = if own_path.ends_with(LEAF) { own_path.parent().unwrap_or(root).to_owned() } else { own_path };
    for (path, is_own) in [(own_path.as_path(), true), (root, false)] {
        let Ok(dir) = Dir::open(path) else { continue };
        if !has_controllers(&dir)? {
            continue;
        }
        match enable(&dir) {
            Ok(()) => {}
            // Processes are in it. Those of this worker can go to a leaf; anybody else's are left alone.
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) && is_own => {
                if !is_alone(&dir)? || move_to_leaf(&dir).is_err() || enable(&dir).is_err() {
                    continue;
                }
            }
            Err(_) => continue,
        }
        if let Ok(parent) = dir.child(&settings.parent) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

fn has_controllers(dir: &Dir) -> io::Result<bool> {
    let text = dir.read("cgroup.controllers")?;
    Ok(["memory", "pids"].iter().all(|wanted| text.split_whitespace().any(|has| has == *wanted)))
}

/// Lets the groups in this one have the controllers.
fn enable(dir: &Dir) -> io::Result<()> {
    let available = dir.read("cgroup.controllers")?;
    let wanted: Vec<_> = ["memory", "pids", "cpu"]
        .into_iter()
        .filter(|wanted| available.split_whitespace().any(|has| has == *wanted))
        .map(|wanted| format!("+{wanted}"))
        .collect();
    dir.write("cgroup.subtree_control", &wanted.join(" "))
}

/// Whether all processes of the group are this one, one that it descends from (the worker, `serve`), or a child of those.
fn is_alone(dir: &Dir) -> io::Result<bool> {
    let mut family = vec![std::process::id()];
    while let Some(parent) = family.last().and_then(|pid| parent_of(*pid)) {
        family.push(parent);
    }
    Ok(dir.read("cgroup.procs")?.lines().filter_map(|line| line.parse::<u32>().ok()).all(|pid| {
        family.contains(&pid) || parent_of(pid).is_some_and(|parent| parent > 1 && family.contains(&parent))
    }))
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    (parent > 0).then_some(parent)
}

fn move_to_leaf(dir: &Dir) -> io::Result<()> {
    let leaf = dir.child(LEAF)?;
    for pid in dir.read("cgroup.procs")?.lines() {
        match leaf.write("cgroup.procs", pid) {
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            other => other?,
        }
    }
    Ok(())
}

fn cpu_usage(step: &StepGroup) -> io::Result<Duration> {
    Ok(Duration::from_micros(get_keyed(&step.cpu, "usage_usec")?))
}

fn existing(dir: &Dir, name: &str) -> io::Result<File> {
    dir.file(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}
