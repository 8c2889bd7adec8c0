//! How often somebody may try what could be guessed: passwords, join codes, invitation codes.
//!
//! The counts are in Postgres, so they hold however many api processes there are. Whether an account exists
//! makes no difference.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Error, Services};
use crate::domain::ids::UserId;
use crate::store;

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
}

/// The limits of all throttles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Passwords tried for one account from one address.
    pub password_per_account_and_address: Rate,
    /// Passwords tried for one account from anywhere. Looser: nobody shuts out its owner from a few addresses.
    pub password_per_account: Rate,
    /// Passwords tried by somebody who is signed in to the account.
    pub password_per_owner: Rate,
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
            password_per_account_and_address: Rate::new(10, Duration::from_secs(6)),
            password_per_account: Rate::new(60, Duration::from_secs(1)),
            password_per_owner: Rate::new(10, Duration::from_secs(6)),
            password_per_address: Rate::new(100, Duration::from_secs(1)),
            account_per_address: Rate::new(100, Duration::from_secs(2)),
            join_per_user: Rate::new(10, Duration::from_secs(10)),
        }
    }
}

/// Somebody at that address gives a password for that username.
pub async fn password(services: &Services, address: IpAddr, username: &str) -> Result<(), Error> {
    const MESSAGE: &str = "Too many attempts to sign in. Please wait a moment.";
    let rates = services.settings.throttles;
    let (account, network) = (account(username), network(address));
    // The narrowest first: who is refused by it takes nothing from those who share the account or the address.
    for (kind, key, rate) in [
        ("password-account-address", [account, network].as_flattened(), rates.password_per_account_and_address),
        ("password-address", network.as_slice(), rates.password_per_address),
        ("password-account", account.as_slice(), rates.password_per_account),
    ] {
        check(services, kind, key, rate, MESSAGE).await?;
    }
    Ok(())
}

/// Somebody who is signed in gives their password once more. What strangers try at the sign-in does not count.
pub async fn own_password(services: &Services, username: &str) -> Result<(), Error> {
    const MESSAGE: &str = "Too many attempts with this password. Please wait a moment.";
    let rate = services.settings.throttles.password_per_owner;
    check(services, "password-owner", &account(username), rate, MESSAGE).await
}

/// Somebody at that address makes an account.
pub async fn new_account(services: &Services, address: IpAddr) -> Result<(), Error> {
    const MESSAGE: &str = "Too many new accounts from your network. Please wait a moment.";
    let rate = services.settings.throttles.account_per_address;
    check(services, "account-address", &network(address), rate, MESSAGE).await
}

/// Somebody tries a join code.
pub async fn join(services: &Services, user: UserId) -> Result<(), Error> {
    const MESSAGE: &str = "Too many join codes tried. Please wait a moment.";
    let rate = services.settings.throttles.join_per_user;
    check(services, "join-user", user.as_uuid().as_bytes(), rate, MESSAGE).await
}

/// Forgets whoever has not tried anything for a while.
pub(super) async fn forget_idle(services: &Services) -> Result<(), Error> {
    store::throttles::delete_idle(&mut *services.connection().await?).await?;
    Ok(())
}

/// Counts a try by itself, committed at once: that the attempt fails later does not make it good.
async fn check(services: &Services, kind: &str, key: &[u8], rate: Rate, message: &'static str) -> Result<(), Error> {
    let conn = &mut *services.connection().await?;
    match store::throttles::take(conn, kind, key, rate.burst.get(), rate.every).await? {
        None => Ok(()),
        Some(retry_after) => Err(Error::RateLimited { message: message.into(), retry_after }),
    }
}

/// The key of an account: of fixed size however long the name that was typed.
fn account(username: &str) -> [u8; 32] {
    Sha256::digest(username.to_ascii_lowercase().as_bytes()).into()
}

/// The key of an address. Whoever has one IPv6 address has 2⁶⁴ of them: the network counts (RFC 6177).
fn network(address: IpAddr) -> [u8; 32] {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)),
    };
    Sha256::digest(network.octets()).into()
}
