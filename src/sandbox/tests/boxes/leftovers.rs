//! What is left when a box, a keeper or a worker is gone: nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use codecanvas_sandbox::message::{Request, content_from};
use codecanvas_sandbox::{BoxLayout, Keeper, THIS_EXECUTABLE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Fixture, layout, program};

/// A slot of this test alone, so that its processes can be told by their uid.
fn own_layout(slot: u32) -> BoxLayout {
    let mut own = layout();
    own.slot = slot;
    own.identity = BoxLayout::for_slot(slot).identity;
    own
}

/// Ids of the host's processes that have this one as an ancestor.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn groups(keeper: u32, slot: u32) -> Vec<String> {
    let (begin, end) = (format!("slot-{slot}-"), format!("-{keeper}"));
    let mut found = Vec::new();
    let mut todo = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin) && name.ends_with(&end)) {
                    found.push(entry.path().display().to_string());
                }
                todo.push(entry.path());
            }
        }
    }
    found
}

/// Waits, for a bounded time, for something that the kernel does on its own.
#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "it did not happen");
        std::thread::yield_now();
    }
}

fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// A keeper in the middle of a step that would never end.
fn busy(slot: u32) -> (Keeper, Vec<u32>) {
    let fixture = Fixture::with(own_layout(slot));
    let streams = [content_from(b"").unwrap(), content_from(b"").unwrap(), content_from(b"").unwrap()];
    fixture.start(program("fork-and-sleep", &[]), &streams);
    let keeper = fixture.keeper;
    eventually(|| descendants(keeper.pid()).len() > 5);
    let family = descendants(keeper.pid());
    (keeper, family)
}

tests! {
    fn a_worker_that_goes_leaves_nothing() {
        let (keeper, family) = busy(901);
        let pid = keeper.pid();
        drop(keeper);
        assert!(is_gone(pid) && family.into_iter().all(is_gone));
        assert_eq!(groups(pid, 901), Vec::<String>::new());
    }

    fn a_keeper_that_is_killed_leaves_no_process_and_the_next_one_removes_its_groups() {
        let (keeper, family) = busy(902);
        let pid = keeper.pid();
        kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
        eventually(|| is_gone(pid) && family.iter().copied().all(is_gone));
        drop(keeper);
        drop(Fixture::new());
        eventually(|| {
            drop(Fixture::new());
            groups(pid, 902).is_empty()
        });
    }

    fn the_hosts_mounts_stay_as_they_are() {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let fixture = Fixture::new();
        fixture.run(program("exit", &["0"])).ok();
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }

    fn a_keeper_holds_no_more_after_many_boxes_than_after_one() {
        let fixture = Fixture::new();
        let held = || fs::read_dir(format!("/proc/{}/fd", fixture.keeper.pid())).unwrap().count();
        fixture.run(program("exit", &["0"])).ok();
        fixture.reset();
        let before = (held(), descendants(fixture.keeper.pid()).len());
        for _ in 0..30 {
            fixture.write("file", b"content").unwrap();
            fixture.run(program("daemon", &[])).ok();
            fixture.collect_file("file").unwrap();
            fixture.run(program("exit", &["0"])).ok();
            fixture.reset();
        }
        assert_eq!((held(), descendants(fixture.keeper.pid()).len()), before);
    }

    fn a_box_that_waits_is_no_load() {
        let fixture = Fixture::new();
        // What sleeps so that no signal wakes it counts as load, as what runs does.
        let sleeps = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit_once(')').unwrap().1.trim_start().starts_with('S')
        };
        let family = descendants(fixture.keeper.pid());
        assert_eq!(family.len(), 3, "a forker, pid 1 and a main process");
        eventually(|| family.iter().copied().all(sleeps));
    }

    fn a_keeper_whose_worker_never_speaks_ends_with_it() {
        let keeper = Keeper::spawn(Path::new(THIS_EXECUTABLE)).unwrap();
        let pid = keeper.pid();
        drop(keeper);
        assert!(is_gone(pid));
    }

    fn a_keeper_forgets_its_environment() {
        let fixture = Fixture::new();
        let environment = fs::read(format!("/proc/{}/environ", fixture.keeper.pid())).unwrap_or_default();
        assert_eq!(environment, Vec::<u8>::new());
        let _ = fixture.call(&Request::Reset, &[]);
    }
}
