//! How a transport resumes a subscription without touching its document.

use std::sync::{Arc, Mutex, PoisonError};

/// A cursor that came beside the request; it takes the place of the argument `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeAfter(pub String);

/// Where the subscription notes the cursor of the event that it hands out, for a transport that shows it.
#[derive(Debug, Clone, Default)]
pub struct LastCursor(Arc<Mutex<Option<String>>>);

impl LastCursor {
    /// Notes a cursor.
    pub fn set(&self, cursor: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }

    /// Takes what was noted last.
    pub fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
