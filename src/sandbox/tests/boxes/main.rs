//! Boxes on the real kernel. This executable is all of it: the tests, the keeper that they talk to, and the programs, mostly
//! hostile, that they run in boxes. So it needs no tool of the host, and runs in a virtual machine that has none.
//!
//! It takes the arguments of Rust's own test runner.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "everything here is a test"
)]

/// Makes a list of tests out of functions.
macro_rules! tests {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)+) => {
        pub const ALL: &[(&str, fn())] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),+];
        $($(#[$meta])* fn $name() $body)+
    };
}

mod ahead;
mod ends;
mod files;
mod hostile;
mod leftovers;
mod protocol;
mod support;
mod user;
mod walls;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if codecanvas_sandbox::is_keeper() {
        codecanvas_sandbox::keeper_main();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [role, name, rest @ ..] = words.as_slice()
        && role == support::PROGRAM_ROLE
    {
        return hostile::run(name, rest);
    }
    let mut arguments = Arguments::from_args();
    // Several look at what the whole host has, before and after.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests().collect()).exit_code()
}

fn tests() -> impl Iterator<Item = Trial> {
    // An ordinary user's boxes do the same, but for the limits that need a control group.
    let all = [ahead::ALL, ends::ALL, files::ALL, walls::ALL, leftovers::ALL, protocol::ALL, user::ALL];
    all.into_iter().flatten().map(|(name, test)| {
        Trial::test(*name, || {
            test();
            Ok(())
        })
    })
}
