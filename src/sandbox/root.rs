//! The root directory of a keeper's boxes, and the mounts that each box adds to it.
//!
//! The keeper makes the root once and moves into it: neither it nor its children see the host's files any more.
//! Each box starts with a copy of the keeper's few mounts and adds its own `/proc` and one size-limited
//! tmpfs, shown as work directory, `/tmp` and `/dev/shm`.
//!
//! All of the host that is shown is picked up (`open_tree(2)`) before anything is mounted, and put down afterwards,
//! so no mount here can hide the source of another.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{chdir, chroot, pivot_root, sethostname};

use crate::credentials::with_files_of;
use crate::fault::{During, Fault, Step};
use crate::layout::{Access, BoxLayout};
use crate::sys;

/// Directories of programs and libraries; a link stays a link, what is missing stays missing.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const READ_ONLY: u64 = sys::ATTR_READ_ONLY | sys::ATTR_NO_SUID | sys::ATTR_NO_DEV;

/// The three directories of a box's tmpfs and where they are shown; the work directory comes first.
const DISK: [&str; 3] = ["work", "tmp", "shm"];

/// More than any worker writes.
const UNLIMITED: u64 = 1 << 40;

/// How the keeper got into its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switched {
    /// By `pivot_root`: the host's root is gone.
    Pivoted,
    /// By a move of the mount and chroot, where `pivot_root` is denied: the host's root is out of reach for whoever
    /// cannot call chroot.
    Moved,
}

/// A part of the host picked up for the box.
struct Picked {
    tree: OwnedFd,
    is_dir: bool,
    target: PathBuf,
}

/// A symbolic link and where it points.
type Link = (PathBuf, PathBuf);

fn c_path(path: &Path) -> nix::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Makes the root in a mount namespace of its own and moves this process into it.
pub(crate) fn enter(layout: &BoxLayout) -> Result<Switched, Fault> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).during(Step::KeeperNamespaces)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .during(Step::PrivateMounts)?;
    let (shown, links) = pick_up(layout)?;
    let root = new_root()?;

    for (link, target) in links {
        symlink(target, below(&root, &link)).during(Step::Root)?;
    }
    for directory in ["proc", "tmp", "dev/shm", "etc"] {
        make_dir(&root.join(directory)).during(Step::Root)?;
    }
    make_dir(&below(&root, &layout.work_dir)).during(Step::Root)?;
    for (link, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        symlink(format!("/proc/self/fd{target}"), root.join("dev").join(link)).during(Step::Devices)?;
    }
    write_etc(&root.join("etc"), layout).during(Step::Etc)?;
    for picked in shown {
        let target = below(&root, &picked.target);
        make_mount_point(&target, picked.is_dir).during(Step::RootMount)?;
        sys::move_mount(picked.tree.as_fd(), &c_path(&target).during(Step::RootMount)?).during(Step::RootMount)?;
    }
    let switched = switch_to(&root)?;
    // The root alone: below it, /dev/null must stay writable.
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).during(Step::Root)?;
    Ok(switched)
}

/// Picks up everything of the host that boxes see, and notes the links among the system's directories.
fn pick_up(layout: &BoxLayout) -> Result<(Vec<Picked>, Vec<Link>), Fault> {
    let mut shown = Vec::new();
    let mut links = Vec::new();
    for directory in SYSTEM.map(Path::new) {
        match fs::symlink_metadata(directory) {
            Ok(found) if found.is_symlink() => {
                links.push((directory.to_owned(), fs::read_link(directory).during(Step::Root)?));
            }
            Ok(_) => shown.extend(pick(directory, directory, READ_ONLY, false)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).during(Step::Root),
        }
    }
    for device in DEVICES {
        let path = Path::new("/dev").join(device);
        shown.extend(pick(&path, &path, sys::ATTR_NO_SUID | sys::ATTR_NO_EXEC, false)?);
    }
    for name in etc_names(&layout.etc_files).during(Step::Etc)? {
        let path = Path::new("/etc").join(name);
        shown.extend(pick(&path, &path, READ_ONLY | sys::ATTR_NO_EXEC, true)?);
    }
    for wanted in &layout.mounts {
        let inside = wanted.target.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !wanted.target.is_absolute() || !inside {
            return Err(Errno::EINVAL).during(Step::RootMount);
        }
        shown.extend(pick(&wanted.source, &wanted.target, READ_ONLY, wanted.is_optional)?);
    }
    if layout.identity.is_in_user_namespace() {
        // The kernel lets a user namespace mount /proc only where one is fully visible already: the host's lies
        // below each box's own.
        shown.extend(pick(Path::new("/proc"), Path::new("/proc"), sys::ATTR_NO_SUID, false)?);
    }
    Ok((shown, links))
}

fn pick(source: &Path, target: &Path, attributes: u64, is_optional: bool) -> Result<Option<Picked>, Fault> {
    let path = c_path(source).during(Step::RootMount)?;
    let tree = match sys::open_tree_clone(&path) {
        Err(Errno::ENOENT) if is_optional => return Ok(None),
        other => other.during(Step::RootMount)?,
    };
    sys::mount_setattr(tree.as_fd(), attributes).during(Step::RootMount)?;
    let is_dir = fs::metadata(source).during(Step::RootMount)?.is_dir();
    Ok(Some(Picked { tree, is_dir, target: target.to_owned() }))
}

/// Expands `name*` to all names of `/etc` that start so.
fn etc_names(wanted: &[String]) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for name in wanted {
        if name.contains('/') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match name.strip_suffix('*') {
            None => names.push(name.clone()),
            Some(start) => {
                for entry in fs::read_dir("/etc")? {
                    if let Ok(found) = entry?.file_name().into_string()
                        && found.starts_with(start)
                    {
                        names.push(found);
                    }
                }
            }
        }
    }
    Ok(names)
}

/// Attaches a fresh tmpfs over some directory that every host has, and returns its path.
fn new_root() -> Result<PathBuf, Fault> {
    let context = sys::fsopen(c"tmpfs").during(Step::Root)?;
    sys::fsconfig_set(context.as_fd(), c"size", c"1m").during(Step::Root)?;
    sys::fsconfig_set(context.as_fd(), c"mode", c"0755").during(Step::Root)?;
    sys::fsconfig_create(context.as_fd()).during(Step::Root)?;
    let tmpfs = sys::fsmount(context.as_fd(), sys::ATTR_NO_SUID | sys::ATTR_NO_DEV).during(Step::Root)?;
    for place in ["/tmp", "/mnt", "/run", "/var"] {
        let path = PathBuf::from(place);
        match sys::move_mount(tmpfs.as_fd(), &c_path(&path).during(Step::Root)?) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            other => return other.during(Step::Root).map(|()| path),
        }
    }
    Err(Errno::ENOENT).during(Step::Root)
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    root.join(absolute.strip_prefix("/").unwrap_or(absolute))
}

fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn make_mount_point(path: &Path, is_dir: bool) -> io::Result<()> {
    if is_dir {
        return make_dir(path);
    }
    make_dir(path.parent().unwrap_or(path))?;
    fs::OpenOptions::new().create(true).append(true).open(path).map(drop)
}

/// The files of `/etc` that say who and where the program is.
fn write_etc(etc: &Path, layout: &BoxLayout) -> io::Result<()> {
    let (uid, gid, host) = (layout.identity.uid(), layout.identity.gid(), &layout.hostname);
    let home = layout.work_dir.display();
    fs::write(etc.join("passwd"), format!("root:x:0:0:root:/:/bin/sh\nbox:x:{uid}:{gid}:box:{home}:/bin/sh\n"))?;
    fs::write(etc.join("group"), format!("root:x:0:\nbox:x:{gid}:\n"))?;
    fs::write(etc.join("hostname"), format!("{host}\n"))?;
    fs::write(etc.join("hosts"), format!("127.0.0.1 localhost {host}\n::1 localhost\n"))?;
    fs::write(etc.join("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")
}

fn switch_to(root: &Path) -> Result<Switched, Fault> {
    chdir(root).during(Step::SwitchRoot)?;
    let switched = match pivot_root(".", ".") {
        // The old root now lies over the new one; see pivot_root(2).
        Ok(()) => {
            umount2(".", MntFlags::MNT_DETACH).during(Step::SwitchRoot)?;
            Switched::Pivoted
        }
        Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL) => {
            mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).during(Step::SwitchRoot)?;
            chroot(".").during(Step::SwitchRoot)?;
            Switched::Moved
        }
        Err(errno) => return Err(errno).during(Step::SwitchRoot),
    };
    chdir("/").during(Step::SwitchRoot)?;
    Ok(switched)
}

/// The one file system that a box can write to. Its files live as long as this or the box does.
pub(crate) struct Disk {
    /// The mount of its root.
    pub(crate) root: OwnedFd,
    /// The work directory.
    pub(crate) work: OwnedFd,
    size: Option<u64>,
}

impl Disk {
    /// The work directory's name below the root.
    pub(crate) const WORK: &str = DISK[0];

    /// Makes one of this size, attached nowhere yet.
    pub(crate) fn new(layout: &BoxLayout, size: u64) -> Result<Self, Fault> {
        let context = sys::fsopen(c"tmpfs").during(Step::Disk)?;
        for (key, value) in [
            (c"size", size.to_string()),
            (c"nr_inodes", layout.inodes.to_string()),
            (c"mode", "0755".to_owned()),
            (c"uid", layout.identity.uid().to_string()),
            (c"gid", layout.identity.gid().to_string()),
        ] {
            let value = CString::new(value).map_err(|_| Errno::EINVAL).during(Step::Disk)?;
            sys::fsconfig_set(context.as_fd(), key, &value).during(Step::Disk)?;
        }
        sys::fsconfig_create(context.as_fd()).during(Step::Disk)?;
        let root = sys::fsmount(context.as_fd(), sys::ATTR_NO_SUID | sys::ATTR_NO_DEV).during(Step::Disk)?;
        with_files_of(layout.identity, || {
            for name in
                DISK.map(str::to_owned).into_iter().chain(layers(layout).flat_map(|(up, temporary, _)| [up, temporary]))
            {
                mkdirat(&root, name.as_str(), Mode::from_bits_truncate(0o755))?;
            }
            nix::Result::Ok(())
        })
        .during(Step::Disk)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let work = openat(&root, DISK[0], flags, Mode::empty()).during(Step::Disk)?;
        Ok(Self { root, work, size: Some(size) })
    }

    /// Sets how many bytes it holds. What is there already stays, even if it is more.
    pub(crate) fn limit(&mut self, size: u64) -> Result<(), Fault> {
        if self.size == Some(size) {
            return Ok(());
        }
        match self.resize(size) {
            Err(Errno::EINVAL) => {
                let found = fstatvfs(&self.root).during(Step::DiskLimit)?;
                let used = (found.blocks() - found.blocks_free()) * found.fragment_size();
                self.resize(used.max(size)).during(Step::DiskLimit)?;
            }
            other => other.during(Step::DiskLimit)?,
        }
        self.size = Some(size);
        Ok(())
    }

    /// Lets it hold so many bytes more, in so many files, for what the worker puts into it.
    pub(crate) fn make_room(&mut self, bytes: u64, files: u64) -> Result<(), Fault> {
        if self.size.is_none() {
            return Ok(());
        }
        let found = fstatvfs(&self.root).during(Step::DiskLimit)?;
        // The last page of each file is seldom full.
        let pages = (bytes / found.fragment_size()).saturating_add(files);
        if pages > found.blocks_free() {
            self.resize(UNLIMITED).during(Step::DiskLimit)?;
            self.size = None;
        }
        Ok(())
    }

    fn resize(&self, size: u64) -> nix::Result<()> {
        let context = sys::fspick(self.root.as_fd())?;
        let value = CString::new(size.to_string()).map_err(|_| Errno::EINVAL)?;
        sys::fsconfig_set(context.as_fd(), c"size", &value)?;
        sys::fsconfig_reconfigure(context.as_fd())
    }
}

/// The copy-on-write mounts: names of the two directories that an overlay needs, and where it is shown.
fn layers(layout: &BoxLayout) -> impl Iterator<Item = (String, String, &Path)> {
    let copied = layout.mounts.iter().filter(|mount| mount.access == Access::CopyOnWrite);
    copied.enumerate().map(|(n, mount)| (format!("layer{n}"), format!("layer{n}.work"), mount.target.as_path()))
}

/// Adds what is this box's own; called by pid 1 in the box's namespaces. Returns the box's `/proc`.
pub(crate) fn furnish(layout: &BoxLayout, disk: &OwnedFd) -> Result<OwnedFd, Fault> {
    sethostname(OsStr::new(&layout.hostname)).during(Step::Hostname)?;

    let context = sys::fsopen(c"proc").during(Step::Proc)?;
    sys::fsconfig_create(context.as_fd()).during(Step::Proc)?;
    let attributes = READ_ONLY | sys::ATTR_NO_EXEC;
    let proc = sys::fsmount(context.as_fd(), attributes).during(Step::Proc)?;
    sys::move_mount(proc.as_fd(), c"/proc").during(Step::Proc)?;

    let place = &layout.work_dir;
    sys::move_mount(disk.as_fd(), &c_path(place).during(Step::Work)?).during(Step::Work)?;
    let is_user = layout.identity.is_in_user_namespace();
    for (up, temporary, target) in layers(layout) {
        if !target.exists() {
            // An optional source that was not there.
            continue;
        }
        let (up, temporary) = (place.join(up), place.join(temporary));
        // Nothing to copy takes no overlay. That would take CAP_DAC_OVERRIDE, which containers need not give: its layers
        // belong to the box's user, and the kernel makes its work directory with mode 0.
        if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none()) {
            mount(Some(&up), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).during(Step::Overlay)?;
            continue;
        }
        let Ok(target_text) = std::str::from_utf8(target.as_os_str().as_bytes()) else {
            return Err(Errno::EINVAL).during(Step::Overlay);
        };
        let mut options = format!("lowerdir={target_text},upperdir={},workdir={}", up.display(), temporary.display());
        if is_user {
            options.push_str(",userxattr");
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("overlay"), target, Some("overlay"), flags, Some(options.as_str())).during(Step::Overlay)?;
    }
    for (name, target) in [(DISK[1], Path::new("/tmp")), (DISK[2], Path::new("/dev/shm")), (DISK[0], place)] {
        // The work directory last: it covers the root of the tmpfs, which nobody reaches from then on.
        mount(Some(&place.join(name)), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).during(Step::Work)?;
    }
    Ok(proc)
}
