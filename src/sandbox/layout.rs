//! What a box looks like, whatever runs in it. A keeper gets one [`BoxLayout`] when it starts and
//! builds every box of its life from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::granted;

/// The uid and gid of slot 0 unless told otherwise; slot *n* has the *n*-th after it.
pub const DEFAULT_FIRST_UID: u32 = 64_000;

/// Everything about a keeper's boxes that does not change from step to step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxLayout {
    /// The worker's number for this keeper; part of the cgroup's name.
    pub slot: u32,
    /// Who the program is.
    pub identity: Identity,
    /// Host name seen inside.
    pub hostname: String,
    /// The work directory, an absolute path inside the box: where files are written to, steps start and
    /// artefacts are collected from. Empty and owned by the program's user in a fresh box.
    pub work_dir: PathBuf,
    /// Files of the host's `/etc` that programs may read, by name (`"passwd"` is not among them: the box has
    /// a `/etc/passwd` of its own with one user). Directories work too. What does not exist is left out.
    pub etc_files: Vec<String>,
    /// Directories and files of the host shown inside besides `/usr`, `/bin`, `/sbin` and `/lib*`.
    pub mounts: Vec<Mount>,
    /// How processes are counted and limited.
    pub cgroup: CgroupSettings,
    /// Most inodes (files, directories, links) a box may have in its work directory, `/tmp` and `/dev/shm`
    /// together.
    pub inodes: u32,
    /// Protections that may be missing or reduced, by [`crate::probe::Protection::name`]. Without its name
    /// here, a required protection that cannot be had makes the keeper refuse.
    pub may_be_missing: Vec<String>,
}

impl BoxLayout {
    /// The layout that suits this process: root gives each slot a uid of its own, anybody else a user
    /// namespace, with a uid of its own where root has granted some to that user.
    pub fn for_slot(slot: u32) -> Self {
        let identity = if nix::unistd::geteuid().is_root() {
            Identity::own_ids(DEFAULT_FIRST_UID, slot)
        } else {
            granted::ids_of_slot(slot).map_or(Identity::UserNamespace, |(uid, gid)| Identity::Subordinate { uid, gid })
        };
        Self {
            slot,
            identity,
            hostname: "box".to_owned(),
            work_dir: PathBuf::from("/work"),
            etc_files: DEFAULT_ETC_FILES.iter().map(|&name| name.to_owned()).collect(),
            mounts: Vec::new(),
            cgroup: CgroupSettings::default(),
            inodes: 65_536,
            may_be_missing: Vec::new(),
        }
    }
}

/// Files of `/etc` that toolchains read and that say nothing about the host.
pub const DEFAULT_ETC_FILES: &[&str] =
    &["alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "protocols", "services"];

/// Who a box's programs are on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// A uid and gid that nobody else on the host uses. Needs root.
    Ids {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// The user who started the worker, in a user namespace, where they are [`USER_NAMESPACE_UID`].
    UserNamespace,
    /// The same, but with a uid and gid of those that root has granted to that user; see subuid(5). A host where that fails
    /// gives [`Identity::UserNamespace`].
    Subordinate {
        /// User, as the host knows them.
        uid: u32,
        /// Group, as the host knows it.
        gid: u32,
    },
}

/// The uid and gid seen inside a box in a user namespace.
pub const USER_NAMESPACE_UID: u32 = 64_000;

impl Identity {
    /// The ids of a slot, counted from `first_uid`.
    pub const fn own_ids(first_uid: u32, slot: u32) -> Self {
        Self::Ids { uid: first_uid + slot, gid: first_uid + slot }
    }

    /// Uid as the program sees it.
    pub const fn uid(self) -> u32 {
        match self {
            Self::Ids { uid, .. } => uid,
            Self::UserNamespace | Self::Subordinate { .. } => USER_NAMESPACE_UID,
        }
    }

    /// Gid as the program sees it.
    pub const fn gid(self) -> u32 {
        match self {
            Self::Ids { gid, .. } => gid,
            Self::UserNamespace | Self::Subordinate { .. } => USER_NAMESPACE_UID,
        }
    }

    /// Whether boxes are in a user namespace.
    pub(crate) const fn is_in_user_namespace(self) -> bool {
        match self {
            Self::Ids { .. } => false,
            Self::UserNamespace | Self::Subordinate { .. } => true,
        }
    }
}

/// A directory or file of the host shown in every box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path in the box.
    pub target: PathBuf,
    /// How it is shown.
    #[serde(default)]
    pub access: Access,
    /// Whether a missing `source` is left out rather than refused.
    #[serde(default)]
    pub is_optional: bool,
}

/// What programs may do to a [`Mount`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read.
    #[default]
    ReadOnly,
    /// Read, and write to a layer that is this box's own and goes with it. The host's files never change.
    /// Counts towards the step's disk limit.
    CopyOnWrite,
}

/// How boxes are put into control groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupSettings {
    /// Name of the group that holds all groups of this worker, below the root of each hierarchy (v1), or
    /// below the worker's own group (v2).
    pub parent: String,
    /// Processors' worth of time a box may take, in thousandths (1500 is one and a half); `None` is all there are.
    pub cpu_milli: Option<u32>,
}

impl Default for CgroupSettings {
    fn default() -> Self {
        Self { parent: "codecanvas".to_owned(), cpu_milli: None }
    }
}
