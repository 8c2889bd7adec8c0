//! What happens before the first job: keepers, languages, and a trial of those whose toolchains are new.
//!
//! Whatever was found out about a toolchain is kept with its identity, so that only the first start
//! after an installation or an upgrade takes its time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codecanvas_sandbox::message::Armed;
use codecanvas_sandbox::probe::{Protection, ProtectionState};
use codecanvas_sandbox::{BoxLayout, Identity};
use nix::sys::stat::{Mode, umask};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::attempt::Surroundings;
use super::cache::{ArtefactCache, hex};
use super::language::Language;
use super::pool::Pool;
use super::settings::ExecutorSettings;
use super::slot::{Slot, SlotError};
use super::toolchain::{self, Toolchain, Unavailable};
use super::trial::Trial;
use super::uids::{self, ClaimedUids};
use super::{StartError, warm_up};

/// Keepers of trials have numbers of their own, far behind those of the slots.
const FIRST_TRIAL_SLOT: u32 = 512;

/// What is known of toolchains from earlier starts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// The boot of this host since which all of them were run; see [`boot`].
    boot: String,
    toolchains: BTreeMap<String, KnownToolchain>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KnownToolchain {
    /// In hexadecimal digits.
    identity: String,
    version: String,
}

impl Known {
    const FILE: &str = "toolchains.json";

    /// Reads what is known; nothing where the file is missing or damaged.
    fn read(cache_dir: &Path) -> Self {
        let content = fs::read(cache_dir.join(Self::FILE)).unwrap_or_default();
        serde_json::from_slice(&content).unwrap_or_default()
    }

    /// Whether this build of a toolchain was tried out, and what its warm-up made is still there.
    fn is_current(&self, settings: &ExecutorSettings, language: &Language, identity: &[u8; 32]) -> bool {
        self.toolchains.get(&language.name).is_some_and(|known| known.identity == hex(identity))
            && (language.warm_up.is_none() || warm_up::directory(&settings.cache_dir, language).is_dir())
    }

    fn write(&self, cache_dir: &Path) -> io::Result<()> {
        let temporary = cache_dir.join(".toolchains.json");
        fs::write(&temporary, serde_json::to_vec_pretty(self)?)?;
        fs::rename(temporary, cache_dir.join(Self::FILE))
    }
}

/// Names the boot of this host; empty where the kernel does not tell. After a boot no file is in memory. The first to read one pays
/// for it, with time and, as control groups count, with memory.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Locks the cache directory for trials until the file is dropped; `None` where that cannot be done: then two workers may do
/// the same work.
async fn lock(cache_dir: PathBuf) -> Option<fs::File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = fs::File::create(cache_dir.join("lock"))?;
        file.lock()?;
        Ok::<_, io::Error>(file)
    });
    match locked.await.map_err(io::Error::other).flatten() {
        Ok(file) => Some(file),
        Err(error) => {
            tracing::warn!(error = %error, "the cache directory cannot be locked");
            None
        }
    }
}

/// Claims a user id for each slot; `None` where slots have none of their own.
pub fn claim_uids(settings: &ExecutorSettings, count: u32) -> Result<Option<ClaimedUids>, StartError> {
    match BoxLayout::for_slot(0).identity {
        Identity::UserNamespace | Identity::Subordinate { .. } => Ok(None),
        Identity::Ids { uid, .. } => {
            let first = settings.first_uid.unwrap_or(uid);
            uids::claim(Path::new(uids::DIRECTORY), first, count).map(Some).ok_or(StartError::UserIds { first })
        }
    }
}

/// Removes what warm-ups made for languages that are no more or whose toolchain was removed. What belongs to another build of a
/// toolchain is replaced when that one is tried out.
pub fn tidy(cache_dir: &Path, languages: &[Language]) {
    // Another worker that makes something is left alone; there is another start.
    let Ok(lock) = fs::File::create(cache_dir.join("lock")) else { return };
    if lock.try_lock().is_err() {
        return;
    }
    let is_of_use = |name: &str| {
        let named = languages.iter().find(|language| language.name == name);
        named.is_some_and(|language| language.warm_up.is_some() && toolchain::find(language).is_ok())
    };
    for entry in fs::read_dir(cache_dir.join("warm")).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_of_use) {
            continue;
        }
        match warm_up::remove(&entry.path()) {
            Ok(()) => tracing::info!(directory = %entry.path().display(), "what nobody needs any more is removed"),
            Err(error) => tracing::warn!(error = %error, "what nobody needs any more cannot be removed"),
        }
    }
}

/// Makes the directories that the boxes' layout speaks of.
pub fn make_directories(cache_dir: &Path) -> io::Result<()> {
    // Programs run as other users, also where the service was started with a umask that leaves them nothing: what keepers
    // make in a box must be theirs to read. What is not for them has its mode said when it is made.
    umask(Mode::from_bits_truncate(0o022));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(cache_dir)?;
    // Programs in boxes read it.
    fs::DirBuilder::new().recursive(true).mode(0o755).create(cache_dir.join("warm"))
}

/// Starts the keepers of all slots at once.
pub async fn start_slots(
    settings: &ExecutorSettings,
    languages: &[Language],
    count: u32,
) -> Result<(Vec<Slot>, Armed), SlotError> {
    let mut starting = JoinSet::new();
    for number in 0..count {
        let layout = settings.layout(languages, number);
        let executable = settings.keeper_executable.clone();
        starting.spawn(async move { Slot::start(&executable, layout).await });
    }
    let mut slots = Vec::new();
    let mut armed = Armed { protections: Vec::new() };
    while let Some(started) = starting.join_next().await {
        let (slot, found) = started.map_err(|error| SlotError::Spawn(io::Error::other(error)))??;
        slots.push(slot);
        armed = found;
    }
    slots.sort_by_key(|slot| slot.layout().slot);
    Ok((slots, armed))
}

/// A protection as `doctor` prints it.
pub fn describe(protection: &Protection) -> String {
    let state = match protection.state {
        ProtectionState::InForce => "in force",
        ProtectionState::Reduced => "reduced",
        ProtectionState::Missing => "missing",
    };
    let fix = protection.fix.as_ref().map(|fix| format!(" (fix: {fix})")).unwrap_or_default();
    format!("{}: {state}: {}{fix}", protection.name, protection.detail)
}

/// A protection by its name, and how far it is in force.
pub fn extent(protection: &Protection) -> (String, f64) {
    let extent = match protection.state {
        ProtectionState::InForce => 1.0,
        ProtectionState::Reduced => 0.5,
        ProtectionState::Missing => 0.0,
    };
    (protection.name.clone(), extent)
}

/// What [`prepare`] found.
pub struct Prepared {
    pub offered: Vec<Toolchain>,
    pub unavailable: Vec<Unavailable>,
    /// Those of the offered ones whose files nobody may have read since the host booted; see [`read_again`].
    pub unread: Vec<Toolchain>,
}

/// Finds the languages' toolchains and tries out those that are not known yet.
pub async fn prepare(
    settings: &Arc<ExecutorSettings>,
    languages: Vec<Language>,
    pool: &Arc<Pool>,
    surroundings: &Arc<Surroundings>,
) -> Prepared {
    let mut offered = Vec::new();
    let mut unread = Vec::new();
    let mut unavailable = Vec::new();
    let mut found = Vec::new();
    for language in languages {
        match toolchain::find(&language) {
            Ok(identity) => found.push((language, identity)),
            Err(missing) => unavailable.push(missing),
        }
    }
    let mut known = Known::read(&settings.cache_dir);
    // Another worker that shares the directory may be at it: what it finds out, this one need not.
    let _lock = if found.iter().all(|(language, identity)| known.is_current(settings, language, identity)) {
        None
    } else {
        let lock = lock(settings.cache_dir.clone()).await;
        known = Known::read(&settings.cache_dir);
        lock
    };
    let boot = boot();
    if known.toolchains.is_empty() {
        known.boot.clone_from(&boot);
    }
    let mut trying: JoinSet<Result<Toolchain, Unavailable>> = JoinSet::new();
    let mut trial_slot = FIRST_TRIAL_SLOT;
    for (language, identity) in found {
        match known.toolchains.get(&language.name) {
            Some(toolchain) if known.is_current(settings, &language, &identity) => {
                let offer = toolchain::offer(&language, toolchain.version.clone());
                let toolchain = Toolchain { language, identity, offered: offer };
                if known.boot != boot {
                    unread.push(toolchain.clone());
                }
                offered.push(toolchain);
            }
            Some(_) | None => {
                let trial = Trial {
                    settings: Arc::clone(settings),
                    pool: Arc::clone(pool),
                    surroundings: Arc::clone(surroundings),
                    slot: trial_slot,
                };
                trial_slot += 1;
                trying.spawn(async move { trial.run(language, identity).await });
            }
        }
    }
    while let Some(tried) = trying.join_next().await {
        match tried {
            Ok(Ok(toolchain)) => {
                tracing::info!(
                    language = toolchain.language.name,
                    version = toolchain.offered.version,
                    "language tried out"
                );
                known.toolchains.insert(
                    toolchain.language.name.clone(),
                    KnownToolchain { identity: hex(&toolchain.identity), version: toolchain.offered.version.clone() },
                );
                // Kept at once: a first start that is interrupted goes on where it was.
                if let Err(error) = known.write(&settings.cache_dir) {
                    tracing::warn!(error = %error, "what is known of the toolchains cannot be kept");
                }
                offered.push(toolchain);
            }
            Ok(Err(failed)) => {
                tracing::warn!(language = failed.name, reason = failed.reason, "language not offered");
                unavailable.push(failed);
            }
            Err(error) => tracing::error!(error = %error, "a language could not be tried out"),
        }
    }
    offered.sort_by(|a, b| a.language.name.cmp(&b.language.name));
    unavailable.sort_by(|a, b| a.name.cmp(&b.name));
    Prepared { offered, unavailable, unread }
}

/// Runs the templates of toolchains that were tried out before this host booted, one after the other, so that no user's program pays
/// for reading them from the disk. Nobody waits for it, and a language that fails is offered all the same: users would see.
pub async fn read_again(
    settings: Arc<ExecutorSettings>,
    unread: Vec<Toolchain>,
    pool: Arc<Pool>,
    surroundings: Arc<Surroundings>,
) -> io::Result<()> {
    // One that keeps nothing: what it knows, no compiler would be run for.
    let cache = Arc::new(ArtefactCache::open(&settings.cache_dir.join("nothing"), 0)?);
    let surroundings =
        Arc::new(Surroundings { cache, tasks: surroundings.tasks.clone(), shutdown: surroundings.shutdown.clone() });
    let trial = Trial { settings: Arc::clone(&settings), pool, surroundings, slot: FIRST_TRIAL_SLOT };
    for toolchain in unread {
        match trial.run_again(&toolchain).await {
            Ok(()) => tracing::debug!(language = toolchain.language.name, "toolchain read since the boot"),
            Err(failed) if trial.surroundings.shutdown.is_cancelled() => {
                tracing::debug!(reason = failed.reason, "toolchains are read at the next start");
                return Ok(());
            }
            Err(failed) => tracing::warn!(language = failed.name, reason = failed.reason, "a template failed"),
        }
    }
    let _lock = lock(settings.cache_dir.clone()).await;
    let mut known = Known::read(&settings.cache_dir);
    known.boot = boot();
    known.write(&settings.cache_dir)
}
