//! Directories of the host that a language asks to be shown in its boxes.

use std::path::{Component, Path, PathBuf};

/// Where every box has something of its own, which lies over what is shown of the host.
const OF_THE_BOX: [&str; 4] = ["/work", "/tmp", "/proc", "/dev"];

/// Says why one of them cannot be shown.
pub fn check(wanted: &[PathBuf]) -> Result<(), String> {
    for path in wanted {
        let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !is_plain {
            return Err(format!("{} is not the whole path of a directory", path.display()));
        }
        if path == Path::new("/") || OF_THE_BOX.iter().any(|own| path.starts_with(own)) {
            return Err(format!("{} cannot be shown: every box has its own {}", path.display(), OF_THE_BOX.join(", ")));
        }
    }
    Ok(())
}
