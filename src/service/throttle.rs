//! How often somebody may try what could be guessed: passwords, join codes, invitation codes.
//!
//! The counts are kept by each process by itself, in memory: with several api processes the limits
//! multiply, which still leaves guessing hopeless. Whether an account exists makes no difference.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::domain::ids::UserId;

/// A burst, and how long it takes until one more try is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tries that are allowed at once.
    pub burst: NonZeroU32,
    /// Until one more is allowed.
    pub every: Duration,
}

impl Rate {
    const fn new(burst: u32, every: Duration) -> Self {
        match NonZeroU32::new(burst) {
            Some(burst) => Self { burst, every },
            None => panic!("a burst of 0 allows nothing"),
        }
    }

    fn limiter<K: Hash + Eq + Clone>(self) -> DefaultKeyedRateLimiter<K> {
        // `with_period` has no answer for a period of zero only.
        let quota = Quota::with_period(self.every.max(Duration::from_millis(1))).expect("the period is not zero");
        RateLimiter::keyed(quota.allow_burst(self.burst))
    }
}

/// The limits of all throttles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Passwords tried for one account.
    pub password_per_account: Rate,
    /// Passwords tried from one address. A whole classroom may share one.
    pub password_per_address: Rate,
    /// Accounts and guests made from one address.
    pub account_per_address: Rate,
    /// Join codes tried by one user.
    pub join_per_user: Rate,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            password_per_account: Rate::new(10, Duration::from_secs(6)),
            password_per_address: Rate::new(100, Duration::from_secs(1)),
            account_per_address: Rate::new(100, Duration::from_secs(2)),
            join_per_user: Rate::new(10, Duration::from_secs(10)),
        }
    }
}

/// Counts tries.
#[derive(Debug)]
pub struct Throttles {
    clock: DefaultClock,
    password_per_account: DefaultKeyedRateLimiter<[u8; 32]>,
    password_per_address: DefaultKeyedRateLimiter<IpAddr>,
    account_per_address: DefaultKeyedRateLimiter<IpAddr>,
    join_per_user: DefaultKeyedRateLimiter<UserId>,
}

impl Throttles {
    /// Nobody has tried anything yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            clock: DefaultClock::default(),
            password_per_account: settings.password_per_account.limiter(),
            password_per_address: settings.password_per_address.limiter(),
            account_per_address: settings.account_per_address.limiter(),
            join_per_user: settings.join_per_user.limiter(),
        }
    }

    /// Somebody at that address gives a password for that username.
    pub fn password(&self, address: IpAddr, username: &str) -> Result<(), Error> {
        const MESSAGE: &str = "Too many attempts to sign in. Please wait a moment.";
        self.check(&self.password_per_address, &network(address), MESSAGE)?;
        self.check(&self.password_per_account, &account(username), MESSAGE)
    }

    /// Somebody who is signed in gives their password once more.
    pub fn own_password(&self, username: &str) -> Result<(), Error> {
        const MESSAGE: &str = "Too many attempts with this password. Please wait a moment.";
        self.check(&self.password_per_account, &account(username), MESSAGE)
    }

    /// Somebody at that address makes an account.
    pub fn account(&self, address: IpAddr) -> Result<(), Error> {
        const MESSAGE: &str = "Too many new accounts from your network. Please wait a moment.";
        self.check(&self.account_per_address, &network(address), MESSAGE)
    }

    /// Somebody tries a join code.
    pub fn join(&self, user: UserId) -> Result<(), Error> {
        self.check(&self.join_per_user, &user, "Too many join codes tried. Please wait a moment.")
    }

    /// Forgets whoever has not tried anything for a while. Without it the tables only grow.
    pub fn forget_idle(&self) {
        self.password_per_account.retain_recent();
        self.password_per_address.retain_recent();
        self.account_per_address.retain_recent();
        self.join_per_user.retain_recent();
    }

    fn check<K: Hash + Eq + Clone>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
        message: &'static str,
    ) -> Result<(), Error> {
        limiter.check_key(key).map_err(|not_until| Error::RateLimited {
            message: message.into(),
            retry_after: not_until.wait_time_from(self.clock.now()),
        })
    }
}

/// The key of an account: of fixed size however long the name that was typed.
fn account(username: &str) -> [u8; 32] {
    Sha256::digest(username.to_ascii_lowercase().as_bytes()).into()
}

/// The key of an address. Whoever has one IPv6 address has 2⁶⁴ of them: the network counts (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1));

    fn throttles() -> Throttles {
        let hour = Duration::from_hours(1);
        Throttles::new(Settings {
            password_per_account: Rate::new(2, hour),
            password_per_address: Rate::new(3, hour),
            ..Settings::default()
        })
    }

    #[test]
    fn guessing_one_account_is_slow_however_its_name_is_written() {
        let throttles = throttles();
        assert!(throttles.password(HOME, "ada").is_ok());
        assert!(throttles.password(HOME, "ADA").is_ok());
        let error = throttles.password(HOME, "Ada").unwrap_err();
        assert_eq!(error.code(), "RATE_LIMITED");
        assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(1000)));
    }

    #[test]
    fn guessing_from_one_network_is_slow_whatever_the_address_and_the_account() {
        let throttles = throttles();
        for host in 1..=3_u16 {
            let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host));
            assert!(throttles.password(address, &host.to_string()).is_ok());
        }
        assert!(throttles.password(HOME, "somebody").is_err());
        let elsewhere = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1));
        assert!(throttles.password(elsewhere, "somebody").is_ok());
    }
}
