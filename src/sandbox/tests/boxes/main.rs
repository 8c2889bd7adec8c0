//! Boxes on the real kernel. This executable is all of it: the tests, the keeper that they talk to, and the programs, mostly
//! hostile, that they run in boxes. So it needs no tool of the host, and runs in a virtual machine that has none.
//!
//! Arguments of the test runner: words that a test's name must contain, or `-WORD` for one that it must not, and `--list`.

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

mod ends;
mod files;
mod hostile;
mod leftovers;
mod protocol;
mod support;
mod user;
mod walls;

use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    if codecanvas_sandbox::is_keeper() {
        codecanvas_sandbox::keeper_main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, name, rest @ ..] = arguments.as_slice()
        && role == support::PROGRAM_ROLE
    {
        return hostile::run(name, rest);
    }
    let is_chosen = |name: &str| {
        arguments.iter().filter(|argument| !argument.starts_with("--")).all(|argument| {
            match argument.strip_prefix('-') {
                Some(word) => !name.contains(word),
                None => name.contains(argument.as_str()),
            }
        })
    };
    let chosen = tests().filter(|(name, _)| is_chosen(name));
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    // Failures of one test say nothing about the next, and a keeper takes a moment: one after the other.
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in chosen {
        if catch_unwind(test).is_ok() {
            println!("test {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed.push(name);
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {} failed", failed.len());
    for name in &failed {
        println!("    {name}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tests() -> impl Iterator<Item = &'static (&'static str, fn())> {
    // An ordinary user's boxes do the same, but for the limits that need a control group.
    let all = [ends::ALL, files::ALL, walls::ALL, leftovers::ALL, protocol::ALL, user::ALL];
    all.into_iter().flatten()
}
