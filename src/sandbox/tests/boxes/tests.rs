use crate::support::{Fixture, program};
use codecanvas_sandbox::Ended;
pub const ALL: &[(&str, fn())] = &[("exit_code", exit_code), ("status", status)];

fn exit_code() {
    let fixture = Fixture::new();
    let ran = fixture.run(program("exit", &["7"]));
    eprintln!("{ran:#?}");
    assert_eq!(ran.outcome.ended, Ended::Exited(7));
}
fn status() {
    let fixture = Fixture::new();
    eprintln!("{}", fixture.run(program("ids", &[])).ok());
}
