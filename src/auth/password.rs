//! Passwords: argon2id, off the async threads and a bounded number at once.
//!
//! One hash takes some 19 MiB and tens of milliseconds of a core. Without a bound, a few hundred
//! sign-ins at once would take the memory and every core of the machine. So a few are computed at a
//! time, some more wait, and the rest are turned away at once.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// How many are computed at once: more only takes cores from the programs that run.
const COMPUTING: usize = 2;
/// How many wait or are computed at once. The last of them waits about two seconds.
const ADMITTED: usize = 64;

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many wait already.
    #[error("too many passwords are being checked")]
    Busy,
    /// The hash in the database is none, or the parameters are wrong.
    #[error("a password could not be hashed")]
    Hash(#[from] argon2::password_hash::Error),
    /// The thread that computed it is gone.
    #[error("the thread that hashed a password is gone")]
    Join(#[from] tokio::task::JoinError),
}

/// A password that cannot be taken for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Easily guessed.
    #[error("A password needs at least 8 characters.")]
    TooShort,
    /// Longer than anybody remembers; hashing it would be free work for an attacker.
    #[error("A password may have at most 1024 bytes.")]
    TooLong,
    /// The first thing that is tried.
    #[error("The password must not be the username.")]
    IsUsername,
    /// Among what is tried next: "password", "12345678", the username and a digit.
    #[error("This password is easily guessed. A few words together are better, and easy to remember.")]
    Guessable,
}

/// The longest password in bytes.
const MAX_BYTES: usize = 1024;

/// A million guesses by who knows lists of passwords, names, words, keyboards and dates: sign-ins are throttled to far
/// fewer. NIST SP 800-63B asks for such a comparison, and for no rules on kinds of characters.
const LEAST_SCORE: zxcvbn::Score = zxcvbn::Score::Two;

/// What is hard to guess by its beginning is not judged further: the time grows fast with the length, from 0.3 ms for
/// what people type to half a second for what somebody made up to take it.
const JUDGED_CHARS: usize = 24;

/// A password that somebody chose and that may be used. Never shown, never logged.
pub struct NewPassword(String);

impl NewPassword {
    /// Takes a password for an account of that name.
    pub fn parse(password: &str, username: &str) -> Result<Self, InvalidPassword> {
        if password.len() > MAX_BYTES {
            Err(InvalidPassword::TooLong)
        } else if password.chars().nth(7).is_none() {
            Err(InvalidPassword::TooShort)
        } else if password.eq_ignore_ascii_case(username) {
            Err(InvalidPassword::IsUsername)
        } else if is_guessable(password, username) {
            Err(InvalidPassword::Guessable)
        } else {
            Ok(Self(password.to_owned()))
        }
    }
}

fn is_guessable(password: &str, username: &str) -> bool {
    let beginning: String = password.chars().take(JUDGED_CHARS).collect();
    zxcvbn::zxcvbn(&beginning, &[username]).score() < LEAST_SCORE
}

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    computing: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// The hash that the passwords of unknown users are checked against.
    decoy: Arc<str>,
}

impl Passwords {
    /// With the parameters that OWASP's password storage cheat sheet gives for argon2id: 19 MiB,
    /// 2 passes, 1 lane. Computes one hash.
    pub fn new() -> Result<Self, Error> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
        let secret: [u8; 32] = rand::random();
        let decoy: PasswordHash = argon2.hash_password(&secret)?;
        Ok(Self {
            argon2,
            computing: Arc::new(Semaphore::new(COMPUTING)),
            admitted: Arc::new(Semaphore::new(ADMITTED)),
            decoy: decoy.to_string().into(),
        })
    }

    /// Hashes a new password, to PHC string format.
    pub async fn hash(&self, password: NewPassword) -> Result<String, Error> {
        let argon2 = self.argon2.clone();
        self.compute(move || {
            let hash: PasswordHash = argon2.hash_password(password.0.as_bytes())?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password is the one behind `hash`. Without a hash, because there is no such user,
    /// the answer is no and takes as long.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let argon2 = self.argon2.clone();
        let hash = hash.map(str::to_owned);
        let decoy = Arc::clone(&self.decoy);
        // What is longer is nobody's password, but is to take as long as any other.
        let is_possible = password.len() <= MAX_BYTES;
        let password = if is_possible { password.to_owned() } else { String::new() };
        self.compute(move || {
            let parsed =
                PasswordHash::new(hash.as_deref().unwrap_or(&decoy)).map_err(argon2::password_hash::Error::from)?;
            let is_right = match argon2.verify_password(password.as_bytes(), &parsed) {
                Ok(()) => true,
                Err(argon2::password_hash::Error::PasswordInvalid) => false,
                Err(error) => return Err(error.into()),
            };
            Ok(is_right && is_possible && hash.is_some())
        })
        .await
    }

    async fn compute<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_full| Error::Busy)?;
        let computing = Arc::clone(&self.computing).acquire_owned().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            // The permits live as long as the work: whoever asked may be gone before it ends.
            let _permits = (admitted, computing);
            work()
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Result<(), InvalidPassword> {
        NewPassword::parse(text, "ada-lovelace").map(|_| ())
    }

    #[test]
    fn a_new_password_is_neither_short_nor_endless_nor_the_username() {
        assert_eq!(password("1234567"), Err(InvalidPassword::TooShort));
        assert_eq!(password("äöüßéèçñ"), Ok(()));
        assert_eq!(password(&"wide oaks ".repeat(102)), Ok(()));
        assert_eq!(password(&"wide oaks ".repeat(103)), Err(InvalidPassword::TooLong));
        assert_eq!(password("Ada-Lovelace"), Err(InvalidPassword::IsUsername));
    }

    #[test]
    fn what_is_tried_first_is_no_password() {
        for guessable in
            ["password", "12345678", "Passw0rd1", "qwertyuiop", "aaaaaaaa", "iloveyou", "ada-lovelace1", "19901990"]
        {
            assert_eq!(password(guessable), Err(InvalidPassword::Guessable), "{guessable}");
        }
        for fine in ["correct horse", "hund katze maus", "7KX-94Q-2wd", "Tr0ub4dour&3"] {
            assert_eq!(password(fine), Ok(()), "{fine}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_right() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(NewPassword::parse("correct horse", "ada").unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
        assert!(!passwords.verify(&"x".repeat(5000), Some(&hash)).await.unwrap());
        assert!(matches!(passwords.verify("x", Some("plain text")).await, Err(Error::Hash(_))));
    }

    #[tokio::test]
    async fn too_many_at_once_are_turned_away() {
        let passwords = Passwords::new().unwrap();
        let _all = passwords.admitted.try_acquire_many(u32::try_from(ADMITTED).unwrap()).unwrap();
        assert!(matches!(passwords.verify("x", None).await, Err(Error::Busy)));
    }
}
