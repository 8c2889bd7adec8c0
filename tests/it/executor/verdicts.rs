//! Each way to end has one verdict, from what was measured.

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::units::Bytes;
use codecanvas::domain::verdict::{StepKind, Verdict};
use codecanvas::executor::{Job, SourceFile};

use super::support::{execute, job, run, run_job, start, text, with_executor};

fn limited(language: &str, source: &str, limits: RequestedLimits) -> Job {
    Job { limits, ..job(language, source) }
}

fn reason(step: &codecanvas::executor::StepResult) -> &str {
    step.reason.as_deref().unwrap_or_default()
}

#[test]
fn an_endless_loop_hits_the_cpu_limit() {
    let limits = RequestedLimits { cpu_time_ms: Some(300), ..RequestedLimits::default() };
    let (verdict, step) = run_job(limited("bash", "while :; do :; done", limits));
    assert_eq!(verdict, Verdict::CpuTimeLimit);
    assert!(reason(&step).starts_with("cpu time limit 0.3 s reached: 0."), "{step:?}");
    assert!(step.cpu_time.as_millis() >= 300 && step.cpu_time.as_millis() < 1500, "{step:?}");
    assert_eq!(step.signal.as_deref(), Some("KILL"));
}

#[test]
fn processor_time_of_grandchildren_counts() {
    let limits = RequestedLimits { cpu_time_ms: Some(300), ..RequestedLimits::default() };
    let source = "(setsid bash -c 'while :; do :; done' &) ; sleep 100";
    assert_eq!(run_job(limited("bash", source, limits)).0, Verdict::CpuTimeLimit);
}

#[test]
fn a_sleeper_hits_the_wall_limit_and_so_does_one_that_stops_itself() {
    let limits = RequestedLimits { wall_time_ms: Some(300), ..RequestedLimits::default() };
    for source in ["sleep 100", "kill -STOP $$", "trap '' TERM INT HUP; sleep 100", "exec >&- 2>&-; sleep 100"] {
        let (verdict, step) = run_job(limited("bash", source, limits));
        assert_eq!(verdict, Verdict::WallTimeLimit, "{source}: {step:?}");
        assert!(reason(&step).starts_with("wall time limit 0.3 s reached after 0.3"), "{step:?}");
    }
}

#[test]
fn too_much_memory_is_a_memory_limit_in_the_program_and_in_a_child_and_in_files() {
    let limits = RequestedLimits { memory_bytes: Some(Bytes::mib(64)), ..RequestedLimits::default() };
    for source in [
        "x = bytearray(500 << 20)\nprint(len(x))",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytearray(500 << 20)'])\nprint('survived')",
        "f = open('/dev/shm/x', 'wb')\ntry:\n    while True: f.write(bytes(1 << 20))\nexcept OSError: print('full')\nx = bytearray(60 << 20)",
    ] {
        let (verdict, step) = run_job(limited("python3", source, limits));
        assert_eq!(verdict, Verdict::MemoryLimit, "{source}: {step:?}");
        assert_eq!(reason(&step), "memory limit 64 MiB reached");
    }
}

#[test]
fn an_exit_code_is_reported_as_it_is() {
    for code in [1, 3, 137, 139, 255] {
        let (verdict, step) = run("bash", &format!("exit {code}"));
        assert_eq!((verdict, step.exit_code, step.signal), (Verdict::RuntimeError, Some(code), None));
    }
}

#[test]
fn a_signal_of_its_own_making_is_a_runtime_error_with_its_name() {
    for signal in ["KILL", "SEGV", "ABRT", "TERM", "XCPU"] {
        let (verdict, step) = run("bash", &format!("kill -{signal} $$; sleep 1"));
        assert_eq!(verdict, Verdict::RuntimeError, "{step:?}");
        assert_eq!((step.exit_code, step.signal.as_deref()), (None, Some(signal)));
    }
}

#[test]
fn a_null_pointer_and_a_bottomless_recursion_are_segmentation_faults() {
    for source in [
        "int main(void) { volatile int *p = 0; return *p; }",
        "int f(volatile int *x) { volatile int y[1000]; y[0] = *x; return f(y) + y[1]; } int main(void) { int x = 1; return f(&x); }",
    ] {
        // Also where the memory limit is the size of the largest stack.
        for memory_bytes in [None, Some(Bytes::mib(64))] {
            let limits = RequestedLimits { memory_bytes, ..RequestedLimits::default() };
            let (verdict, step) = run_job(limited("c", source, limits));
            assert_eq!((verdict, step.signal.as_deref()), (Verdict::RuntimeError, Some("SEGV")), "{step:?}");
        }
    }
}

#[test]
fn an_exception_is_a_runtime_error_with_its_text() {
    let (verdict, step) = run("python3", "raise ValueError('no good')");
    assert_eq!((verdict, step.exit_code), (Verdict::RuntimeError, Some(1)));
    assert!(text(&step.stderr).ends_with("ValueError: no good\n"));
}

#[test]
fn a_failure_at_the_process_limit_says_so() {
    let limits = RequestedLimits { processes: Some(8), ..RequestedLimits::default() };
    let source =
        "import os, time\nfor i in range(30):\n    if os.fork() == 0:\n        time.sleep(5)\n        os._exit(0)";
    let (verdict, step) = run_job(limited("python3", source, limits));
    assert_eq!(verdict, Verdict::RuntimeError, "{step:?}");
    assert_eq!(reason(&step), "exit code 1; the limit of 8 processes was reached");
}

#[test]
fn a_missing_interpreter_is_our_fault_and_named() {
    let mut job = job("bash", "#!/usr/bin/no-such-thing\n");
    job.language = "raw".to_owned();
    let (verdict, step) = run_job(job);
    assert_eq!(verdict, Verdict::SystemError, "{step:?}");
    assert!(reason(&step).starts_with("/usr/bin/no-such-thing cannot be executed"), "{step:?}");
}

#[test]
fn a_compile_error_has_the_compilers_text_and_there_is_no_run() {
    for (language, source, message) in [
        ("c", "int main(void) { return x; }", "'x' undeclared"),
        ("c++", "#include <iostream>\nint main() { cout << 1; }", "'cout' was not declared"),
        ("go", "package main\nfunc main() { x := \"a\" + 1 }", "\"a\" + 1"),
        ("rust", "fn main() { let x: i32 = \"a\"; }", "mismatched types"),
        ("java", "class A { void f() { int x = \"a\"; } }", "incompatible types"),
        ("typescript", "const x: number = 'a';", "TS2322"),
    ] {
        let (verdict, step) = run(language, source);
        assert_eq!(
            (verdict, step.kind, step.verdict),
            (Verdict::CompileError, StepKind::Compile, Verdict::RuntimeError)
        );
        let output = text(&step.stdout) + &text(&step.stderr).replace(['‘', '’'], "'");
        assert!(output.contains(message), "{language}: {output}");
        assert!(output.contains("main."), "the file's name as it was sent: {output}");
    }
}

#[test]
fn bombs_for_compilers_end_at_their_limits() {
    let flood = "int x = \"no number, and a long line to complain about\";\n".repeat(20_000);
    for (language, source) in [
        ("c", flood.as_str()),
        ("c", "#include \"/dev/zero\"\nint main(void) { return 0; }"),
        ("c", "char x[0x7fffffff] = {1}; char y[0x7fffffff] = {1}; int main(void) { return 0; }"),
        ("c++", "template<int N> struct A { A<N + 1> a; }; int main() { A<0> a; }"),
        (
            "c++",
            "template<int N, int M> struct F { static constexpr long v = F<N - 1, M>::v + F<N - 1, M + 1>::v; }; template<int M> struct F<0, M> { static constexpr long v = M; }; int main() { return F<3000, 0>::v; }",
        ),
    ] {
        let (verdict, step) = run(language, source);
        assert_eq!((verdict, step.kind), (Verdict::CompileError, StepKind::Compile), "{step:?}");
        assert!(step.stderr.bytes.len() <= 256 << 10);
    }
}

#[test]
fn the_compiler_reads_nothing_of_the_host() {
    let (_, step) = run(
        "c",
        "#include \"/etc/shadow\"\n#include \"/root/.bashrc\"\n#include \"/proc/1/environ\"\nint main(void) { return 0; }",
    );
    assert!(text(&step.stderr).contains("/etc/shadow: No such file or directory"), "{step:?}");
    let (_, step) = run("c", "#include \"/etc/passwd\"\nint main(void) { return 0; }");
    assert!(!text(&step.stderr).contains("root:/root"), "{step:?}");
}

#[test]
fn limits_above_the_maximum_are_never_given() {
    let limits = RequestedLimits { cpu_time_ms: Some(u32::MAX), ..RequestedLimits::default() };
    let (verdict, step) = run_job(limited("bash", "echo ran", limits));
    assert_eq!(verdict, Verdict::SystemError);
    assert_eq!(text(&step.stdout), "");
}

#[test]
fn a_cancelled_job_stops_wherever_it_is() {
    with_executor(async |executor| {
        let mut running = start(&executor, job("bash", "echo started; sleep 100"));
        running.wait_for("started").await;
        running.cancel.cancel();
        let (execution, _) = running.finish().await;
        assert_eq!(execution.verdict, Verdict::Cancelled);
        assert_eq!(execution.steps.last().unwrap().verdict, Verdict::Cancelled);

        let waiting = start(&executor, job("bash", "echo never"));
        waiting.cancel.cancel();
        let (execution, _) = waiting.finish().await;
        assert_eq!(execution.verdict, Verdict::Cancelled);
    });
}

#[test]
fn a_caller_that_went_away_cancels() {
    with_executor(async |executor| {
        let mut running = start(&executor, job("bash", "while :; do echo x; sleep 0.01; done"));
        running.wait_for("x").await;
        running.events.close();
        let (execution, _) = {
            while running.events.recv().await.is_some() {}
            execute(&executor, job("bash", "echo next")).await
        };
        assert_eq!(execution.verdict, Verdict::Ok);
    });
}

#[test]
fn what_a_job_leaves_behind_is_gone_for_the_next() {
    let leave = "echo secret > /tmp/left; echo secret > left; (setsid sleep 1000 > /dev/null 2>&1 &); echo done";
    let look = "ls -A /tmp . | grep -v main.sh | grep left; ls /proc | grep -c '^[0-9]'";
    for _ in 0..3 {
        assert_eq!(run("bash", leave).0, Verdict::Ok);
    }
    for _ in 0..3 {
        let (_, step) = run("bash", look);
        assert!(!text(&step.stdout).contains("left"), "{step:?}");
        let processes: u32 = text(&step.stdout).trim().parse().unwrap();
        assert!(processes <= 5, "{step:?}");
    }
}

#[test]
fn files_that_cannot_be_placed_are_named_and_nothing_runs() {
    let mut job = job("bash", "echo ran");
    job.files.push(SourceFile { path: "../escaped".to_owned(), bytes: b"x".to_vec() });
    let (verdict, step) = run_job(job);
    assert_eq!((verdict, text(&step.stdout).as_str()), (Verdict::SystemError, ""));
}
