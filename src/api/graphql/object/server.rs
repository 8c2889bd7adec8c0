//! What this server is and how it fares.

use async_graphql::SimpleObject;

use crate::api::graphql::enums::Registration;
use crate::service::Services;

/// What this server is and how it fares.
#[derive(Debug, SimpleObject)]
pub struct Server {
    /// The version of codecanvas.
    version: &'static str,
    /// Who may make an account.
    registration: Registration,
    /// Whether one can try it without an account.
    are_guests_allowed: bool,
}

impl Server {
    /// As the operator has set it up.
    pub fn of(services: &Services) -> Self {
        let accounts = &services.settings.accounts;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            registration: accounts.registration.into(),
            are_guests_allowed: accounts.guests,
        }
    }
}
