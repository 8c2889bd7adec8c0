//! The executable: enters the role that its first argument names.

use std::process::ExitCode;

use codecanvas::cli;
use codecanvas::postgres::launcher;

fn main() -> ExitCode {
    // Roles that codecanvas starts itself come first: they must be entered before any thread exists.
    if codecanvas_sandbox::is_keeper() {
        codecanvas_sandbox::keeper_main();
    }
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|role| role == launcher::ROLE) {
        return launcher::main(&arguments.collect::<Vec<_>>());
    }
    cli::main()
}
