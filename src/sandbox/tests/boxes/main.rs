//! Boxes on the real kernel. This executable is all of it: the tests, the keeper that they talk to, and the programs, mostly
//! hostile, that they run in boxes. So it needs no tool of the host, and runs in a virtual machine that has none.
//!
//! Arguments of the test runner: words that a test's name must contain, and `--list`.

#![expect(missing_docs, reason = "a test program, read by its own authors")]

mod hostile;
mod support;
mod tests;

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
    let words: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = tests::ALL.iter().filter(|(name, _)| words.iter().all(|word| name.contains(word.as_str())));
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in chosen {
        match catch_unwind(test) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(name);
            }
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {} failed", failed.len());
    for name in &failed {
        println!("    {name}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
