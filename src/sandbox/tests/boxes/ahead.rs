//! Steps that are started before their main file is there.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use codecanvas_sandbox::message::{Ahead, MAX_MAIN_BYTES, NewFile, Request, Response, content_from};
use codecanvas_sandbox::{Ended, Outcome, StepLimits, StepSpec, StopReason};

use crate::support::{Fixture, limits, program, text};

const MAIN: &str = "main";

/// A step whose interpreter is the program `interpret` of this executable.
fn ahead() -> Ahead {
    Ahead { spec: program("interpret", &[MAIN]), main: MAIN.into() }
}

/// The program's ends of its streams, and files to read its output from.
struct Started {
    stdout: OwnedFd,
    stdin: OwnedFd,
}

fn start(fixture: &Fixture, ahead: Ahead) -> Started {
    let (stdin, stdout) = (content_from(b"").unwrap(), content_from(b"").unwrap());
    let streams = [stdin.try_clone().unwrap(), stdout.try_clone().unwrap(), content_from(b"").unwrap()];
    assert_eq!(fixture.call(&Request::StartAhead(ahead), &streams).message, Response::Waiting);
    Started { stdout, stdin }
}

fn go(fixture: &Fixture, limits: StepLimits) -> Option<Outcome> {
    go_with(fixture, limits, &[])
}

/// Lets it go on with files, a name and a content each.
fn go_with(fixture: &Fixture, limits: StepLimits, files: &[(&str, &[u8])]) -> Option<Outcome> {
    let names = files.iter().map(|(path, _)| NewFile { path: path.into(), is_executable: false }).collect();
    let contents: Vec<_> = files.iter().map(|(_, content)| content_from(content).unwrap()).collect();
    match fixture.call(&Request::Go(limits, names), &contents).message {
        Response::Going => Some(fixture.finish()),
        Response::Gone => None,
        other => panic!("{other:?}"),
    }
}

/// Waits until the interpreter has booted, by its own word.
fn wait_until_booted(started: &Started) {
    let file = std::fs::File::from(started.stdout.try_clone().unwrap());
    while file.metadata().unwrap().len() == 0 {
        std::thread::yield_now();
    }
}

tests! {
    fn an_interpreter_waits_for_its_program_and_runs_it() {
        for waits_until_booted in [true, false] {
            let fixture = Fixture::new();
            let started = start(&fixture, ahead());
            if waits_until_booted {
                wait_until_booted(&started);
            }
            // The position is the program's.
            std::fs::File::from(started.stdin).write_all_at(b"typed", 0).unwrap();
            let outcome = go_with(&fixture, limits(), &[("beside", b"there"), (MAIN, b"program")]).unwrap();
            assert_eq!(outcome.ended, Ended::Exited(0), "{outcome:#?}");
            let out = text(started.stdout);
            let expected = "booted\nprogram\nnow: program\nbeside: there\ninput: typed\n\
                descriptors: [\"/proc/self/fd/0\", \"/proc/self/fd/1\", \"/proc/self/fd/2\"]\n";
            assert_eq!(out, expected);
        }
    }

    fn what_came_before_the_program_is_not_charged() {
        let fixture = Fixture::new();
        let mut slow = ahead();
        // It burns half a second before it waits.
        slow.spec.argv.push("slow".to_owned());
        let started = start(&fixture, slow);
        wait_until_booted(&started);
        fixture.write(MAIN, b"program").unwrap();
        let outcome = go(&fixture, limits()).unwrap();
        assert!(outcome.cpu_time < Duration::from_millis(500), "{outcome:#?}");
        assert!(outcome.wall_time < Duration::from_millis(500), "{outcome:#?}");
    }

    fn the_limits_hold_from_then_on() {
        for (name, change, reason) in [
            ("spin", (|limits| limits.cpu_time = Duration::from_millis(200)) as fn(&mut StepLimits), StopReason::CpuTime),
            ("sleep", |limits| limits.wall_time = Duration::from_millis(200), StopReason::WallTime),
        ] {
            let fixture = Fixture::new();
            let mut limited = ahead();
            change(&mut limited.spec.limits);
            let limits = limited.spec.limits.clone();
            drop(start(&fixture, limited));
            fixture.write(MAIN, name.as_bytes()).unwrap();
            assert_eq!(go(&fixture, limits).unwrap().ended, Ended::Stopped(reason));
        }
    }

    fn the_next_box_knows_nothing_of_it() {
        let fixture = Fixture::new();
        drop(start(&fixture, ahead()));
        fixture.reset();
        assert_eq!(fixture.run(program("list", &["."])).ok(), "");
        fixture.reset();
        let started = start(&fixture, ahead());
        fixture.write(MAIN, b"program").unwrap();
        assert_eq!(go(&fixture, limits()).unwrap().ended, Ended::Exited(0));
        assert!(text(started.stdout).contains("now: program"));
    }

    fn one_that_ended_or_has_other_limits_is_gone() {
        let fixture = Fixture::new();
        loop {
            let mut missing = ahead();
            "/no/such/program".clone_into(&mut missing.spec.argv[0]);
            drop(start(&fixture, missing));
            fixture.write(MAIN, b"program").unwrap();
            let outcome = go(&fixture, limits());
            fixture.reset();
            // One that had not tried yet tells it as ever.
            let Some(outcome) = outcome else { break };
            assert!(matches!(outcome.ended, Ended::ExecFailed { .. }), "{outcome:#?}");
        }
        drop(start(&fixture, ahead()));
        fixture.write(MAIN, b"program").unwrap();
        assert_eq!(go(&fixture, StepLimits { processes: 15, ..limits() }), None);
        assert_eq!(go(&fixture, limits()), None, "there is nothing any more");
        fixture.reset();
        assert_eq!(fixture.run(program("print", &["well"])).ok(), "well");
    }

    fn what_makes_no_sense_is_refused() {
        let fixture = Fixture::new();
        let streams = || [content_from(b"").unwrap(), content_from(b"").unwrap(), content_from(b"").unwrap()];
        let refused = |request: &Request, streams: &[OwnedFd]| match fixture.call(request, streams).message {
            Response::Failed(failure) => failure,
            other => panic!("{other:?}"),
        };
        assert!(refused(&Request::StartAhead(ahead()), &[]).is_refusal);
        for main in ["", ".", "..", "a/b", "/main"] {
            let _ = refused(&Request::StartAhead(Ahead { main: main.into(), ..ahead() }), &streams());
            fixture.reset();
        }
        drop(start(&fixture, ahead()));
        let step: StepSpec = program("exit", &["0"]);
        assert!(refused(&Request::Run(step, Vec::new()), &streams()).is_refusal);
        assert!(refused(&Request::StartAhead(ahead()), &streams()).is_refusal);
        let big = vec![b'x'; MAX_MAIN_BYTES + 1];
        assert!(fixture.write(MAIN, &big).unwrap_err().is_refusal);
        fixture.reset();
        fixture.run(program("print", &["used"])).ok();
        assert!(refused(&Request::StartAhead(ahead()), &streams()).is_refusal);
    }

    fn the_longest_program_that_can_be_waited_for_arrives_whole() {
        let fixture = Fixture::new();
        let started = start(&fixture, ahead());
        let long = "x".repeat(MAX_MAIN_BYTES);
        let file = NewFile { path: MAIN.into(), is_executable: false };
        let content = content_from(long.as_bytes()).unwrap();
        assert_eq!(fixture.call(&Request::Write(vec![file]), &[content]).message, Response::Written);
        assert_eq!(go(&fixture, limits()).unwrap().ended, Ended::Exited(0));
        assert!(text(started.stdout).starts_with(&format!("booted\n{long}\nnow: {long}\n")));
    }
}
