//! codecanvas runs untrusted programs and streams what they write.
//!
//! Data flows one way; a module uses those to its right, and [`domain`]:
//!
//! ```text
//!  api ──▶ service ──▶ store ──▶ (Postgres) ──▶ worker ──▶ executor ──▶ codecanvas-sandbox
//!   ▲                    ▲                        │
//!   └── events ◀── store ┴──── attempt_events ◀───┘
//! ```
//!
//! On one machine `service` also tells the `worker` of what it is storing: [`announcements`].
#![forbid(unsafe_code)]

pub mod announcements;
pub mod api;
pub mod attack;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod executor;
pub mod lifecycle;
pub mod postgres;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod worker;
