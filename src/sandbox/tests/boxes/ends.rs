//! How a step can end, and what is told about it.

use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::time::Duration;

use codecanvas_sandbox::message::{Request, Response, content_from};
use codecanvas_sandbox::probe::ProtectionState;
use codecanvas_sandbox::{Ended, Keeper, Signal, StepLimits, StopReason, THIS_EXECUTABLE};

use crate::support::{Fixture, Ran, has_control_groups, layout, limited, program};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The program's three streams: its stdin to write to and its stdout to read from.
pub fn pipes() -> (std::io::PipeWriter, PipeReader, [OwnedFd; 3]) {
    let (stdin, to_stdin) = pipe().unwrap();
    let (from_stdout, stdout) = pipe().unwrap();
    (to_stdin, from_stdout, [stdin.into(), stdout.into(), content_from(b"").unwrap()])
}

/// What is true of memory where there are no control groups: nobody gets a box that way without agreeing to it by name, the keeper
/// reports it, and what a step used is not told.
fn memory_is_not_limited_and_that_is_said() {
    let mut strict = layout();
    strict.may_be_missing.clear();
    let keeper = Keeper::spawn(THIS_EXECUTABLE.as_ref()).unwrap();
    let answer = keeper.call(&Request::Setup(strict), &[], Duration::from_secs(20)).unwrap().message;
    let Response::Failed(failure) = answer else { panic!("{answer:?}") };
    assert!(failure.to_string().contains("memory-limit"), "{failure:?}");

    let keeper = Keeper::spawn(THIS_EXECUTABLE.as_ref()).unwrap();
    let answer = keeper.call(&Request::Setup(layout()), &[], Duration::from_secs(20)).unwrap().message;
    let Response::Armed(armed) = answer else { panic!("{answer:?}") };
    let memory = armed.protections.iter().find(|protection| protection.name == "memory-limit").unwrap();
    assert_eq!(memory.state, ProtectionState::Missing);
    assert!(memory.fix.is_some());

    let ran = Fixture::new().run(program("print", &["small"]));
    assert_eq!((ran.ok(), ran.outcome.peak_memory_bytes), ("small", None));
}

fn run_limited(name: &str, change: impl FnOnce(&mut StepLimits)) -> Ran {
    Fixture::new().run(limited(name, change))
}

tests! {
    fn an_exit_code_is_told() {
        let fixture = Fixture::new();
        for code in [0, 1, 7, 127, 137, 255] {
            let ran = fixture.run(program("exit", &[&code.to_string()]));
            assert_eq!(ran.outcome.ended, Ended::Exited(code));
        }
    }

    fn a_signal_is_told_by_its_name() {
        let fixture = Fixture::new();
        for name in ["SEGV", "KILL", "ABRT", "TERM", "FPE", "USR1"] {
            let ran = fixture.run(program("signal", &[&format!("SIG{name}")]));
            let Ended::Signaled(signal) = ran.outcome.ended else { panic!("{name} {ran:#?}") };
            assert_eq!((signal.name().as_str(), ran.outcome.oom_kills), (name, 0));
        }
    }

    fn a_stack_overflow_is_the_programs_own_signal() {
        let ran = run_limited("stack", |limits| limits.stack_bytes = 1 << 20);
        assert!(matches!(ran.outcome.ended, Ended::Signaled(Signal(6 | 11))), "{ran:#?}");
    }

    fn spinning_is_stopped_at_the_cpu_limit() {
        let ran = run_limited("spin", |limits| limits.cpu_time = ms(300));
        assert_eq!(ran.outcome.ended, Ended::Stopped(StopReason::CpuTime));
        assert!((ms(300)..ms(1500)).contains(&ran.outcome.cpu_time), "{ran:#?}");
    }

    fn cpu_time_of_grandchildren_counts() {
        let ran = run_limited("spin-in-grandchild", |limits| limits.cpu_time = ms(300));
        assert_eq!(ran.outcome.ended, Ended::Stopped(StopReason::CpuTime));
        assert!(ran.outcome.cpu_time >= ms(300), "{ran:#?}");
    }

    fn cpu_time_of_threads_counts() {
        let ran = run_limited("spin-in-threads", |limits| limits.cpu_time = ms(300));
        assert_eq!(ran.outcome.ended, Ended::Stopped(StopReason::CpuTime));
    }

    fn sleeping_is_stopped_at_the_wall_limit() {
        let ran = run_limited("sleep", |limits| limits.wall_time = ms(200));
        assert_eq!(ran.outcome.ended, Ended::Stopped(StopReason::WallTime));
        assert!(ran.outcome.wall_time >= ms(200) && ran.outcome.cpu_time < ms(200), "{ran:#?}");
    }

    fn a_program_that_stops_itself_is_stopped_at_the_wall_limit() {
        let mut spec = program("signal", &["SIGSTOP"]);
        spec.limits.wall_time = ms(200);
        assert_eq!(Fixture::new().run(spec).outcome.ended, Ended::Stopped(StopReason::WallTime));
    }

    fn waiting_for_input_without_being_interactive_is_stopped_at_the_wall_limit() {
        let fixture = Fixture::new();
        let (_stdin, _stdout, streams) = pipes();
        fixture.start(limited("cat", |limits| limits.wall_time = ms(200)), &streams);
        assert_eq!(fixture.finish().ended, Ended::Stopped(StopReason::WallTime));
    }

    fn memory_above_the_limit_is_an_oom_kill() {
        if !has_control_groups() {
            return memory_is_not_limited_and_that_is_said();
        }
        let ran = run_limited("eat", |limits| limits.memory_bytes = 32 << 20);
        assert_eq!(ran.outcome.ended, Ended::Signaled(Signal(9)));
        assert!(ran.outcome.oom_kills >= 1, "{ran:#?}");
        if let Some(peak) = ran.outcome.peak_memory_bytes {
            assert!((30 << 20..33 << 20).contains(&peak), "{ran:#?}");
        }
    }

    fn memory_above_the_limit_in_a_child_is_told_even_if_the_program_goes_on() {
        if !has_control_groups() {
            return memory_is_not_limited_and_that_is_said();
        }
        let ran = run_limited("eat-in-child", |limits| limits.memory_bytes = 32 << 20);
        assert_eq!(ran.outcome.ended, Ended::Exited(0));
        assert!(ran.stdout.contains("signal: 9") && ran.outcome.oom_kills >= 1, "{ran:#?}");
    }

    fn files_in_memory_count_as_memory_and_the_next_box_is_not_worse_off() {
        let fixture = Fixture::new();
        for path in ["/tmp/full", "/dev/shm/full", "full"] {
            let mut spec = program("fill", &[path]);
            spec.limits.memory_bytes = 16 << 20;
            spec.limits.disk_bytes = 64 << 20;
            if !has_control_groups() {
                // The disk's own limit is all there is.
                spec.limits.disk_bytes = 8 << 20;
            }
            let ran = fixture.run(spec);
            if has_control_groups() {
                assert!(ran.outcome.oom_kills >= 1, "{ran:#?}");
            } else {
                assert!(ran.ok().ends_with("StorageFull\n"), "{ran:#?}");
            }
            fixture.reset();
            let after = fixture.run(program("print", &["well"]));
            assert_eq!((after.ok(), after.outcome.oom_kills), ("well", 0));
        }
    }

    fn processes_above_the_limit_are_refused() {
        let fixture = Fixture::new();
        let ran = fixture.run(limited("fork", |limits| limits.processes = 5));
        assert_eq!(ran.ok(), "4 WouldBlock\n");
        let threads = fixture.run(limited("threads", |limits| limits.processes = 5));
        assert_eq!(threads.ok(), "4\n");
        if has_control_groups() {
            assert!(ran.outcome.refused_forks >= 1 && threads.outcome.refused_forks >= 1, "{ran:#?} {threads:#?}");
        }
    }

    fn files_above_the_limit_are_refused() {
        let fixture = Fixture::new();
        let mut spec = program("fill", &["full"]);
        spec.limits.disk_bytes = 4 << 20;
        let ran = fixture.run(spec);
        assert!(ran.ok().ends_with("StorageFull\n"), "{ran:#?}");
        // What is there already counts, wherever it is.
        let mut spec = program("fill", &["/tmp/more"]);
        spec.limits.disk_bytes = 5 << 20;
        let ran = fixture.run(spec);
        let written: u64 = ran.ok().split(' ').next().unwrap().parse().unwrap();
        assert!((900 << 10..=1 << 20).contains(&written), "{ran:#?}");
    }

    fn a_box_made_ready_for_other_limits_has_those_of_its_step() {
        let fixture = Fixture::new();
        // Twice the same, more, and less than before: a box is made ready for what the step before had.
        for (mib, processes) in [(32, 5), (32, 5), (48, 9), (24, 7)] {
            let with = |name: &str, arguments: &[&str]| {
                let mut spec = program(name, arguments);
                spec.limits.memory_bytes = mib << 20;
                spec.limits.disk_bytes = (mib / 8) << 20;
                spec.limits.processes = processes;
                spec
            };
            let ran = fixture.run(with("threads", &[]));
            assert_eq!(ran.ok(), format!("{}\n", processes - 1));
            let ran = fixture.run(with("fill", &["full"]));
            let written: u64 = ran.ok().split(' ').next().unwrap().parse().unwrap();
            assert!(written <= (mib / 8) << 20 && written + (1 << 20) > (mib / 8) << 20, "{ran:#?}");
            fixture.reset();
            if has_control_groups() {
                let ran = fixture.run(with("eat", &[]));
                assert!(ran.outcome.oom_kills >= 1, "{ran:#?}");
                let peak = ran.outcome.peak_memory_bytes.unwrap_or(mib << 20);
                assert!(((mib - 2) << 20..(mib + 1) << 20).contains(&peak), "{ran:#?}");
                fixture.reset();
            }
        }
    }

    fn the_usage_of_a_step_starts_at_nothing() {
        let fixture = Fixture::new();
        fixture.run(limited("spin", |limits| limits.cpu_time = ms(300)));
        for _ in 0..2 {
            let ran = fixture.run(program("print", &["well"]));
            assert!(ran.ok() == "well" && ran.outcome.cpu_time < ms(200), "{ran:#?}");
            fixture.reset();
        }
    }

    fn inodes_above_the_limit_are_refused() {
        let mut layout = crate::support::layout();
        layout.inodes = 100;
        let ran = Fixture::with(layout).run(program("inodes", &["/tmp"]));
        assert!(ran.ok().ends_with("StorageFull\n"), "{ran:#?}");
    }

    fn a_program_that_is_missing_is_told_by_its_name() {
        let fixture = Fixture::new();
        let mut spec = program("", &[]);
        spec.argv = vec!["no-such-program".to_owned()];
        let _ = spec.env.insert("PATH".to_owned(), "/nowhere:/usr/bin".to_owned());
        assert_eq!(
            fixture.run(spec.clone()).outcome.ended,
            Ended::ExecFailed { errno: 2, program: "no-such-program".to_owned(), interpreter: None }
        );
        fixture.write("script", b"#! /usr/bin/no-such-interpreter -x\n").unwrap();
        fixture.write("text", b"no program\n").unwrap();
        let mut ended = |program: &str| {
            spec.argv = vec![program.to_owned()];
            fixture.run(spec.clone()).outcome.ended
        };
        let Ended::ExecFailed { interpreter, .. } = ended("./script") else { panic!("it ran") };
        assert_eq!(interpreter.as_deref(), Some("/usr/bin/no-such-interpreter"));
        assert!(matches!(ended("./text"), Ended::ExecFailed { errno: 8, .. }));
        assert!(matches!(ended("/tmp"), Ended::ExecFailed { errno: 13, .. }));
    }

    fn an_executor_can_stop_a_step_and_names_the_reason() {
        let fixture = Fixture::new();
        for reason in [StopReason::Cancelled, StopReason::OutputLimit] {
            let (_stdin, _stdout, streams) = pipes();
            fixture.start(program("sleep", &[]), &streams);
            fixture.stop(reason);
            assert_eq!(fixture.finish().ended, Ended::Stopped(reason));
        }
    }

    fn a_step_that_is_stopped_on_its_way_to_the_program_does_no_harm_to_the_next() {
        let fixture = Fixture::new();
        for round in 0..100 {
            let (_stdin, _stdout, streams) = pipes();
            fixture.start(program("sleep", &[]), &streams);
            // Later each time, until the program runs.
            (0..round * 20).for_each(|_| std::thread::yield_now());
            fixture.stop(StopReason::Cancelled);
            assert_eq!(fixture.finish().ended, Ended::Stopped(StopReason::Cancelled));
        }
        assert_eq!(fixture.run(program("print", &["well"])).ok(), "well");
    }

    fn a_stop_that_comes_too_late_does_not_hit_the_next_step() {
        let fixture = Fixture::new();
        assert_eq!(fixture.run(program("print", &["one"])).ok(), "one");
        fixture.stop(StopReason::Cancelled);
        assert_eq!(fixture.run(program("print", &["two"])).ok(), "two");
    }

    fn output_arrives_while_the_program_runs_and_input_reaches_it() {
        let fixture = Fixture::new();
        let (mut stdin, mut stdout, streams) = pipes();
        fixture.start(program("talk", &[]), &streams);
        drop(streams);
        let mut prompt = [0; 6];
        stdout.read_exact(&mut prompt).unwrap();
        assert_eq!(&prompt, b"name? ");
        stdin.write_all(b"Ada\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), fixture.finish().ended), ("hello Ada\n", Ended::Exited(0)));
    }

    fn an_interactive_program_is_not_charged_for_waiting() {
        let fixture = Fixture::new();
        let (mut stdin, mut stdout, streams) = pipes();
        let spec = limited("talk", |limits| {
            limits.wall_time = ms(1000);
            limits.idle_time = Some(ms(10_000));
        });
        fixture.start(spec, &streams);
        drop(streams);
        // The user thinks, for longer than the wall limit.
        std::thread::sleep(ms(2000));
        stdin.write_all(b"Ada\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        let outcome = fixture.finish();
        assert_eq!(outcome.ended, Ended::Exited(0), "{outcome:#?}");
        assert!(outcome.wall_time >= ms(1500) && outcome.charged_wall_time() < ms(1000), "{outcome:#?}");
    }

    fn an_interactive_program_may_not_wait_for_ever() {
        let fixture = Fixture::new();
        let (_stdin, _stdout, streams) = pipes();
        let spec = limited("talk", |limits| limits.idle_time = Some(ms(200)));
        fixture.start(spec, &streams);
        let outcome = fixture.finish();
        assert_eq!(outcome.ended, Ended::Stopped(StopReason::IdleTime));
        assert!(outcome.idle_time >= ms(200), "{outcome:#?}");
    }

    fn an_interactive_program_is_charged_for_sleeping() {
        let spec = limited("sleep", |limits| {
            limits.wall_time = ms(200);
            limits.idle_time = Some(ms(10_000));
        });
        let fixture = Fixture::new();
        let (_stdin, _stdout, streams) = pipes();
        fixture.start(spec, &streams);
        assert_eq!(fixture.finish().ended, Ended::Stopped(StopReason::WallTime));
    }

    fn the_end_of_a_step_is_the_end_of_its_main_process() {
        let fixture = Fixture::new();
        let ran = fixture.run(program("daemon", &[]));
        assert_eq!(ran.ok(), "left\n");
        // Neither its daemon nor anybody else is left.
        assert_eq!(fixture.run(program("processes", &[])).ok().lines().count(), 2);
    }

    fn the_end_of_a_stopped_step_is_the_end_of_all_its_processes() {
        let fixture = Fixture::new();
        let ran = fixture.run(limited("fork-and-sleep", |limits| limits.wall_time = ms(300)));
        assert_eq!(ran.outcome.ended, Ended::Stopped(StopReason::WallTime));
        let left = fixture.run(program("processes", &[]));
        assert_eq!(left.ok().lines().count(), 2, "{left:#?}");
    }
}
