//! Settings of the executor, read by `config` and handed in.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use codecanvas_sandbox::{Access, BoxLayout, Identity, Mount};

use super::language::{Language, WARM_ROOT};

/// Settings of the executor.
#[derive(Debug, Clone)]
pub struct ExecutorSettings {
    /// The executable that starts as a keeper with `keeper` as its first argument; `/proc/self/exe` for
    /// the running one.
    pub keeper_executable: PathBuf,
    /// How many jobs run at the same time; `None` for one per core.
    pub slots: Option<NonZeroUsize>,
    /// Where artefacts, precompiled headers and the like are kept. Made if it is not there.
    pub cache_dir: PathBuf,
    /// The most that artefacts may take on disk.
    pub artefact_cache_bytes: u64,
    /// A directory of further language files; one of the same name replaces the built-in one.
    pub languages_dir: Option<PathBuf>,
    /// Only these languages, by name; `None` for all whose toolchain is there.
    pub only_languages: Option<Vec<String>>,
    /// How long an interactive program may wait for input, all its waits together.
    pub idle_limit: Duration,
    /// How long an interpreter that was started ahead waits for its program; `None`: none is started ahead.
    pub start_ahead: Option<Duration>,
    /// The uid of the first slot, and of those behind it one each; `None` for the usual ones. Counts where the
    /// worker is root.
    pub first_uid: Option<u32>,
    /// The control group that holds those of the boxes; `None` for the usual one. Two workers of one host
    /// need two.
    pub cgroup_parent: Option<String>,
    /// Names of protections that the operator agrees to do without. Empty is the default and means
    /// that every one is required.
    pub waived_protections: Vec<String>,
}

impl ExecutorSettings {
    /// How the boxes of a slot look.
    pub fn layout(&self, languages: &[Language], slot: u32) -> BoxLayout {
        let mut layout = BoxLayout::for_slot(slot);
        layout.may_be_missing.clone_from(&self.waived_protections);
        if let (Identity::Ids { .. }, Some(first_uid)) = (layout.identity, self.first_uid) {
            layout.identity = Identity::own_ids(first_uid, slot);
        }
        if let Some(parent) = &self.cgroup_parent {
            layout.cgroup.parent.clone_from(parent);
        }
        let warm = Mount {
            source: self.cache_dir.join("warm"),
            target: PathBuf::from(WARM_ROOT),
            access: Access::ReadOnly,
            is_optional: false,
        };
        let extra = languages.iter().flat_map(|language| &language.mounts).map(|directory| Mount {
            source: directory.clone(),
            target: directory.clone(),
            access: Access::ReadOnly,
            is_optional: true,
        });
        layout.mounts.push(warm);
        layout.mounts.extend(extra);
        layout
    }
}
