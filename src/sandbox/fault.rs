//! Where building a box went wrong. The processes that build it name the step, so that one sentence tells
//! an operator which kernel feature is missing.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// A step of building a box that the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {}", self.step.describe(), Errno::from_raw(self.errno).desc())]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) errno: i32,
}

/// Adds the step to a kernel's refusal.
pub(crate) trait During<T> {
    fn during(self, step: Step) -> Result<T, Fault>;
}

impl<T> During<T> for nix::Result<T> {
    fn during(self, step: Step) -> Result<T, Fault> {
        self.map_err(|errno| Fault { step, errno: errno as i32 })
    }
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, step: Step) -> Result<T, Fault> {
        self.map_err(|error| Fault { step, errno: error.raw_os_error().unwrap_or(libc::EIO) })
    }
}

macro_rules! steps {
    ($($(#[doc = $doc:literal])* $step:ident => $text:literal,)+) => {
        /// The steps, in about the order in which they happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum Step { $($(#[doc = $doc])* $step,)+ }

        impl Step {
            /// What was being done, as a sentence continues after "cannot".
            pub(crate) const fn describe(self) -> &'static str {
                match self { $(Self::$step => $text,)+ }
            }
        }
    };
}

steps! {
    Host => "look at the host",
    UserNamespace => "make a user namespace",
    KeeperNamespaces => "make the mount and network namespaces",
    PrivateMounts => "make the mounts private",
    Root => "make the root of boxes",
    RootMount => "show a directory of the host in boxes",
    Devices => "make the devices of boxes",
    Etc => "make /etc of boxes",
    SwitchRoot => "switch to the root of boxes",
    Cgroup => "make the control groups",
    CgroupLimit => "set a limit of the control group",
    Seccomp => "compile the system call filter",
    Fork => "start a process",
    BoxNamespaces => "make the namespaces of a box",
    Channel => "talk to a process of the box",
    Disk => "make the file system of a box",
    DiskLimit => "limit the file system of a box",
    Signals => "reset the signals",
    Hostname => "set the host name",
    Proc => "mount /proc",
    Work => "mount the work directory",
    Overlay => "mount a copy-on-write directory",
    Session => "start a session",
    OomScore => "prefer the program when memory is short",
    Groups => "drop the supplementary groups",
    Gid => "change the group",
    Uid => "change the user",
    Capabilities => "drop the capabilities",
    NoNewPrivileges => "forbid new privileges",
    Filter => "install the system call filter",
    ResourceLimit => "set a resource limit",
    Gate => "start an interpreter ahead",
    Descriptors => "pass the standard streams",
    WorkingDirectory => "enter the working directory",
    Arguments => "pass the arguments",
    Exec => "execute the program",
}
