//! Interactive jobs: standard input that is typed while the program runs.

use std::time::Duration;

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{ExecutionEventBody, Input, Job};

use super::support::{job, start, text, with_executor};

fn dialogue(language: &str, source: &str) -> Job {
    Job { is_interactive: true, ..job(language, source) }
}

fn typed(text: &str) -> Input {
    Input { bytes: text.into(), is_end: false }
}

#[test]
fn a_prompt_appears_before_the_answer_is_typed() {
    let c = "#include <stdio.h>\nint main(void) { char name[99]; printf(\"Name? \"); scanf(\"%98s\", name); printf(\"Hi %s\\n\", name); }";
    let cpp = "#include <iostream>\n#include <string>\nint main() { std::string n; std::cout << \"Name? \"; std::cin >> n; std::cout << \"Hi \" << n << '\\n'; }";
    let java = "import java.util.Scanner;\nclass A { public static void main(String[] a) { System.out.print(\"Name? \"); System.out.println(\"Hi \" + new Scanner(System.in).next()); } }";
    for (language, source) in [
        ("python3", "import sys\nsys.stdout.write('Name? ')\nprint('Hi', sys.stdin.readline().strip())"),
        ("c", c),
        ("c++", cpp),
        ("java", java),
        ("bash", "read -p 'no terminal' -r x < /dev/null; printf 'Name? '; read -r name; echo \"Hi $name\""),
    ] {
        with_executor(async |executor| {
            let mut running = start(&executor, dialogue(language, source));
            running.wait_for("Name? ").await;
            running.input.send(typed("Ada\n")).await.unwrap();
            running.wait_for("Hi Ada\n").await;
            let (execution, events) = running.finish().await;
            assert_eq!(execution.verdict, Verdict::Ok, "{language}: {execution:?}");
            let order: Vec<String> = events
                .iter()
                .filter_map(|event| match &event.body {
                    ExecutionEventBody::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
                    ExecutionEventBody::Input { offset: 0, bytes, is_end: false } => {
                        Some(format!("<{}>", String::from_utf8_lossy(bytes).trim()))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(order.concat(), "Name? <Ada>Hi Ada\n", "{language}");
        });
    }
}

#[test]
fn waiting_for_input_is_not_charged() {
    let limits = RequestedLimits { wall_time_ms: Some(700), ..RequestedLimits::default() };
    with_executor(async |executor| {
        let job = Job { limits, ..dialogue("python3", "print(input('? '))") };
        let mut running = start(&executor, job);
        running.wait_for("? ").await;
        // The person thinks for longer than the program may take.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        running.input.send(typed("late\n")).await.unwrap();
        let (execution, _) = running.finish().await;
        assert_eq!(execution.verdict, Verdict::Ok, "{execution:?}");
        let step = execution.steps.last().unwrap();
        assert_eq!(text(&step.stdout), "? late\n");
        assert!(step.wall_time < Duration::from_millis(700), "{step:?}");
    });
}

#[test]
fn an_interactive_program_that_does_something_else_is_charged() {
    let limits = RequestedLimits { wall_time_ms: Some(400), ..RequestedLimits::default() };
    with_executor(async |executor| {
        let running = start(&executor, Job { limits, ..dialogue("bash", "sleep 100 & read -r x") });
        let (execution, _) = running.finish().await;
        assert_eq!(execution.verdict, Verdict::WallTimeLimit, "{execution:?}");
    });
}

#[test]
fn the_end_of_input_reaches_the_program() {
    with_executor(async |executor| {
        let job = Job { stdin: b"first\n".to_vec(), ..dialogue("bash", "echo ready; wc -l") };
        let mut running = start(&executor, job);
        running.wait_for("ready").await;
        running.input.send(typed("second\nthird")).await.unwrap();
        running.input.send(Input { bytes: b"\n".to_vec(), is_end: true }).await.unwrap();
        let (execution, events) = running.finish().await;
        assert_eq!(text(&execution.steps[0].stdout), "ready\n3\n");
        let inputs: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.body {
                ExecutionEventBody::Input { offset, bytes, is_end } => Some((*offset, bytes.len(), *is_end)),
                _ => None,
            })
            .collect();
        assert_eq!(inputs, [(0, 6, false), (6, 12, false), (18, 1, true)]);
    });
}

#[test]
fn more_than_the_pipe_holds_waits_without_holding_anything_up() {
    with_executor(async |executor| {
        let mut running = start(&executor, dialogue("bash", "echo ready; sleep 0.5; wc -c"));
        running.wait_for("ready").await;
        running.input.send(Input { bytes: vec![b'x'; 1 << 20], is_end: true }).await.unwrap();
        let (execution, _) = running.finish().await;
        assert_eq!(text(&execution.steps[0].stdout), "ready\n1048576\n");
    });
}

#[test]
fn typing_to_a_program_that_reads_nothing_is_harmless() {
    with_executor(async |executor| {
        let mut running = start(&executor, dialogue("bash", "exec <&-; echo ready; sleep 0.3; echo done"));
        running.wait_for("ready").await;
        let _ = running.input.send(typed("x\n")).await;
        let (execution, _) = running.finish().await;
        assert_eq!((execution.verdict, text(&execution.steps[0].stdout).as_str()), (Verdict::Ok, "ready\ndone\n"));
    });
}
