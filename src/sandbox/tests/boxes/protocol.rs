//! Messages that break the rules.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use codecanvas_sandbox::message::{MessageError, NewFile, Request, Response, content_from};
use codecanvas_sandbox::{Ended, Keeper, THIS_EXECUTABLE};
use nix::sys::socket::{MsgFlags, send};

use crate::support::{Fixture, layout, program};

#[track_caller]
fn refused(fixture: &Fixture, request: &Request) {
    match fixture.call(request, &[]).message {
        Response::Failed(failure) => assert!(failure.is_refusal, "{failure:?}"),
        other => panic!("{other:?}"),
    }
}

tests! {
    fn requests_that_make_no_sense_are_refused_and_the_keeper_goes_on() {
        let fixture = Fixture::new();
        refused(&fixture, &Request::Setup(layout()));
        // No streams.
        refused(&fixture, &Request::Run(program("exit", &["0"]), Vec::new()));
        let mut nothing = program("exit", &[]);
        nothing.argv.clear();
        let streams = [content_from(b"").unwrap(), content_from(b"").unwrap(), content_from(b"").unwrap()];
        assert!(matches!(fixture.call(&Request::Run(nothing, Vec::new()), &streams).message, Response::Failed(_)));
        for cwd in ["..", "/", "missing"] {
            let mut elsewhere = program("exit", &["0"]);
            elsewhere.cwd = cwd.into();
            assert!(matches!(fixture.call(&Request::Run(elsewhere, Vec::new()), &streams).message, Response::Failed(_)), "{cwd}");
        }
        let mut zero = program("print", &["a\0b"]);
        assert!(matches!(fixture.call(&Request::Run(zero.clone(), Vec::new()), &streams).message, Response::Failed(_)));
        zero.argv.truncate(3);
        assert_eq!(fixture.run(zero).ok(), "");
    }

    fn a_keeper_ends_at_what_is_no_message() {
        for garbage in [&b"\0{"[..], b"\x07", b"\x01", b"\0\xff\xfe", b"\0{\"run\":{}}"] {
            let fixture = Fixture::new();
            send(fixture.keeper.socket().as_raw_fd(), garbage, MsgFlags::empty()).unwrap();
            assert!(matches!(fixture.keeper.wait(Duration::from_secs(20)), Err(MessageError::Closed)));
        }
    }

    fn a_long_message_and_many_descriptors_arrive() {
        let fixture = Fixture::new();
        let long = "x".repeat(100_000);
        assert_eq!(fixture.run(program("print", &[&long])).ok(), long);
        let many: Vec<_> = (0..200).map(|_| content_from(b"content").unwrap()).collect();
        let files = (0..200)
            .map(|n| NewFile { path: format!("{n}").into(), is_executable: false })
            .collect();
        assert_eq!(fixture.call(&Request::Write(files), &many).message, Response::Written);
        assert_eq!(fixture.run(program("list", &["."])).ok().lines().count(), 200);
    }

    fn files_come_with_the_step_that_finds_them_and_none_is_run_without_them() {
        let fixture = Fixture::new();
        let streams = || vec![content_from(b"").unwrap(), content_from(b"").unwrap(), content_from(b"").unwrap()];
        let file = |path: &str| NewFile { path: path.into(), is_executable: false };
        let with_contents = |count: usize| {
            streams().into_iter().chain((0..count).map(|_| content_from(b"content").unwrap())).collect::<Vec<_>>()
        };
        let run = |files: Vec<NewFile>, contents: usize| {
            fixture.call(&Request::Run(program("list", &["."]), files), &with_contents(contents)).message
        };
        for (files, contents) in [(vec![file("a")], 0), (vec![], 1), (vec![file("a")], 2), (vec![file("../a")], 1)] {
            let Response::Failed(failure) = run(files.clone(), contents) else { panic!("{files:?} {contents}") };
            assert!(failure.is_refusal, "{failure:?}");
        }
        let Response::Finished(outcome) = run(vec![file("b"), file("c/d")], 2) else { panic!() };
        assert_eq!(outcome.ended, Ended::Exited(0));
        assert_eq!(fixture.run(program("list", &["."])).ok(), "b\nc\n");
    }

    fn a_box_that_cannot_be_had_is_refused_with_the_reason() {
        let mut impossible = layout();
        impossible.mounts[0].source = "/no/such/file".into();
        let keeper = Keeper::spawn(THIS_EXECUTABLE.as_ref()).unwrap();
        let answer = keeper.call(&Request::Setup(impossible), &[], Duration::from_secs(20)).unwrap().message;
        let Response::Failed(failure) = answer else { panic!("{answer:?}") };
        assert_eq!(failure.to_string(), "show a directory of the host in boxes: No such file or directory");
        let _ = keeper.socket().as_fd();
    }
}
