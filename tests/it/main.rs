//! Integration tests: the real Postgres, the real sandbox, the real HTTP and WebSocket server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests look at the database and start the executable")]
#![allow(missing_docs, reason = "tests are sentences")]
#![allow(clippy::large_futures, reason = "each test has the stack of its thread to itself")]

mod administration;
mod api_authorisation;
mod api_export;
mod api_hostile;
mod api_http;
mod api_lost_rights;
mod api_pages;
mod api_private_runs;
mod api_relay;
mod api_runs;
mod api_schema;
mod api_security;
mod api_statements;
mod api_websocket;
mod attacks;
mod cli_backup;
mod cli_command;
mod cli_hostile;
mod cli_runs;
mod cli_service;
mod courses;
mod credentials;
mod events;
mod executor;
mod exports;
mod faults;
mod faults_database;
mod faults_disk;
mod faults_service;
mod fuzz;
mod history;
mod operations;
mod people;
mod queue;
mod runs;
mod schema;
mod serve;
mod speculation;
mod statistics;
mod support;
mod throttles;
mod traces;
