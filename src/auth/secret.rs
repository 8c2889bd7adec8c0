//! What sessions and access tokens are made of: 256 random bits behind a prefix that tells people and
//! secret scanners what they found.
//!
//! Only the SHA-256 of a secret is stored. A secret is looked up by its digest, so that no comparison
//! of the secret itself leaks by its duration how much of a guess was right; a fast hash suffices,
//! because nobody can try 2²⁵⁶ secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A session.
    Session,
    /// An access token.
    AccessToken,
}

impl Kind {
    /// How secrets of this kind start.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "ccs_",
            Self::AccessToken => "cct_",
        }
    }
}

/// SHA-256 of a secret.
pub type Digest = [u8; 32];

/// A secret that was just made: shown once, then forgotten.
///
/// Two secrets cannot be compared; only their digests can.
///
/// ```compile_fail
/// use codecanvas::auth::secret::{Kind, Secret};
/// let (one, other) = (Secret::random(Kind::Session), Secret::random(Kind::Session));
/// let _ = one == other;
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new secret from the operating system's generator.
    pub fn random(kind: Kind) -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What is stored of it.
    pub fn digest(&self) -> Digest {
        digest(&self.0)
    }

    /// The secret for its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Tells what a presented secret would open, and its digest. `None` for what cannot be a secret.
pub fn recognise(text: &str) -> Option<(Kind, Digest)> {
    let kind = [Kind::Session, Kind::AccessToken].into_iter().find(|kind| text.starts_with(kind.prefix()))?;
    // 43 characters of base64 hold 32 bytes; what is longer need not be hashed.
    (text.len() == kind.prefix().len() + 43).then(|| (kind, digest(text)))
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_by_its_prefix_and_length() {
        for kind in [Kind::Session, Kind::AccessToken] {
            let secret = Secret::random(kind);
            assert_eq!(recognise(secret.reveal()), Some((kind, secret.digest())));
        }
        for wrong in ["", "ccs_", "cct_short", "xxx_0123456789012345678901234567890123456789012"] {
            assert_eq!(recognise(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_does_not_appear_in_debug_output() {
        let secret = Secret::random(Kind::Session);
        assert!(!format!("{secret:?}").contains(&secret.reveal()[4..]));
    }
}
