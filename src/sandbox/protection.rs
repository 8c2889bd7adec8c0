//! A protection of the boxes, as it is reported; [`crate::probe`] finds out which there are.

use serde::{Deserialize, Serialize};

/// One protection and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// Stable short name, such as `memory-limit`; what [`crate::BoxLayout::may_be_missing`] lists.
    pub name: String,
    /// How it stands.
    pub state: ProtectionState,
    /// By what means, or why not.
    pub detail: String,
    /// The command or setting that would bring it in force; `None` if it is.
    pub fix: Option<String>,
}

/// How far a protection is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionState {
    /// Fully.
    InForce,
    /// Weaker than on a host that gives everything; `detail` says how.
    Reduced,
    /// Not at all.
    Missing,
}
