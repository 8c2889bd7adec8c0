//! What an entry of the cache answers to.

use sha2::{Digest, Sha256};

/// What a compilation was made from, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// What the file of its entry is called.
    pub(super) fn file_name(self) -> String {
        hex(&self.0)
    }

    /// The key that a file is named after; `None` where it is named after something else.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut key = [0; 32];
        if name.len() != 64 || !name.is_ascii() {
            return None;
        }
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&name[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(key))
    }
}

/// Builds a [`Key`] from parts, each with its length in front, so that no two lists of parts look alike.
#[derive(Debug, Clone, Default)]
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Adds how many parts there are, then each of them.
    #[must_use]
    pub fn with_all<'a>(mut self, parts: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        self.0.update((parts.len() as u64).to_le_bytes());
        parts.fold(self, Self::with)
    }

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().into())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_lists_of_parts_apart() {
        let parts = |parts: &[&str]| {
            KeyBuilder::default().with_all(parts.iter().map(|part| part.as_bytes())).with(b"x").finish()
        };
        assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
        assert_ne!(parts(&["a"]), parts(&["a", "x"]));
    }
}
