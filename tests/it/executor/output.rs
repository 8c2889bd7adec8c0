//! Output arrives while the program runs, whole and bounded.

use std::time::Duration;

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::units::Bytes;
use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{ExecutionEventBody, Job};

use super::support::{execute, job, run, run_job, start, text, with_executor};

#[test]
fn a_slow_program_is_heard_line_by_line() {
    let c = "#include <stdio.h>\n#include <unistd.h>\nint main(void) { for (int i = 0; i < 3; i++) { printf(\"%d\\n\", i); sleep(1); } }";
    for (language, source) in [
        ("python3", "import time\nfor i in range(3):\n    print(i)\n    time.sleep(1)"),
        ("c", c),
        ("bash", "for i in 0 1 2; do echo $i; sleep 1; done"),
    ] {
        with_executor(async |executor| {
            let (execution, events) = execute(&executor, job(language, source)).await;
            assert_eq!(execution.verdict, Verdict::Ok, "{execution:?}");
            let times: Vec<_> = events
                .iter()
                .filter(|event| matches!(event.body, ExecutionEventBody::Output { .. }))
                .map(|event| event.at)
                .collect();
            assert_eq!(times.len(), 3, "{language}: {events:?}");
            assert!((times[2] - times[0]).to_std().unwrap() > Duration::from_millis(1500));
        });
    }
}

#[test]
fn past_the_limit_output_is_counted_and_the_exit_code_kept() {
    let limits = RequestedLimits { output_bytes: Some(Bytes(1000)), ..RequestedLimits::default() };
    let source = "import sys\nsys.stdout.write('x' * 3000)\nsys.stderr.write('é' * 900)\nsys.exit(7)";
    let (verdict, step) = run_job(Job { limits, ..job("python3", source) });
    assert_eq!((verdict, step.exit_code), (Verdict::RuntimeError, Some(7)));
    assert_eq!((step.stdout.bytes.len(), step.stdout.total_bytes), (1000, 3000));
    assert_eq!((step.stderr.bytes.len(), step.stderr.total_bytes), (1000, 1800));
}

#[test]
fn a_flood_is_stopped() {
    let (verdict, step) = run("bash", "exec cat /dev/zero");
    assert_eq!(verdict, Verdict::OutputLimit);
    assert!(step.reason.as_deref().unwrap_or_default().starts_with("output limit 1 MiB reached: "), "{step:?}");
    assert_eq!(step.stdout.bytes.len(), 1 << 20);
    assert!(step.stdout.total_bytes > 4 << 20);
    assert_eq!(run("bash", "exec cat /dev/zero >&2").0, Verdict::OutputLimit);
}

#[test]
fn bytes_that_are_no_text_come_through() {
    let (_, step) = run("python3", "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 3)");
    assert_eq!(step.stdout.bytes, (0..=255).cycle().take(768).collect::<Vec<u8>>());
}

#[test]
fn characters_written_byte_by_byte_stay_whole() {
    let source = "import os, time\nfor b in 'aé€😀'.encode() * 20:\n    os.write(1, bytes([b]))\n    time.sleep(0.004)";
    with_executor(async |executor| {
        let (execution, events) = execute(&executor, job("python3", source)).await;
        assert_eq!(text(&execution.steps[0].stdout), "aé€😀".repeat(20));
        for event in events {
            if let ExecutionEventBody::Output { bytes, .. } = event.body {
                assert!(std::str::from_utf8(&bytes).is_ok(), "{bytes:?}");
            }
        }
    });
}

#[test]
fn a_reader_that_is_slow_slows_the_program_and_misses_nothing() {
    with_executor(async |executor| {
        let mut running = start(&executor, job("python3", "for i in range(20000): print(i, 'x' * 20)"));
        running.wait_for("0 x").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (execution, _) = running.finish().await;
        assert_eq!(execution.verdict, Verdict::Ok, "{:?}", execution.steps[0].reason);
        assert!(text(&execution.steps[0].stdout).ends_with(&format!("19999 {}\n", "x".repeat(20))));
    });
}

#[test]
fn a_grandchild_that_holds_the_pipe_holds_nobody_up() {
    let (verdict, step) = run("bash", "(sleep 1000; echo late) & echo early");
    assert_eq!((verdict, text(&step.stdout).as_str()), (Verdict::Ok, "early\n"));
    assert!(step.wall_time < Duration::from_secs(5));
}

#[test]
fn standard_input_and_arguments_reach_the_program() {
    let source = "import sys\nprint(sys.argv[1:], sys.stdin.read().upper(), end='')";
    let arguments = ["a b", "$HOME", "-x", ""].map(str::to_owned).to_vec();
    let (_, step) = run_job(Job { stdin: "zeile\n".into(), arguments, ..job("python3", source) });
    assert_eq!(text(&step.stdout), "['a b', '$HOME', '-x', ''] ZEILE\n");
    let (_, step) = run("python3", "import sys\nprint(repr(sys.stdin.read()))");
    assert_eq!(text(&step.stdout), "''\n");
}

#[test]
fn large_input_is_read_to_its_end() {
    let (_, step) = run_job(Job { stdin: vec![b'x'; 8 << 20], ..job("bash", "wc -c") });
    assert_eq!(text(&step.stdout), "8388608\n");
}
