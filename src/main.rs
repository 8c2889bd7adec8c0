//! The executable: enters the role that its first argument names.

use std::process::ExitCode;

use codecanvas::postgres::launcher;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // Roles that codecanvas starts itself come first: they must be entered before any thread exists.
    match arguments.split_first() {
        Some((role, rest)) if role == launcher::ROLE => launcher::main(rest),
        _ => ExitCode::FAILURE,
    }
}
