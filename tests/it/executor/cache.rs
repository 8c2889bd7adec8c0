//! Compiled programs are made once.

use codecanvas::domain::verdict::{StepKind, Verdict};
use codecanvas::executor::{Execution, Executor, Job, SourceFile};
use tokio_util::sync::CancellationToken;

use super::support::{cache_dir, execute, job, settings, text, with_executor};

/// A source that nobody has compiled yet.
fn fresh(source: &str) -> String {
    format!("{source}\n// {}\n", uuid::Uuid::new_v4())
}

fn is_cached(execution: &Execution) -> bool {
    execution.steps.iter().any(|step| step.kind == StepKind::Compile && step.is_cached)
}

#[test]
fn the_same_program_is_compiled_once_and_says_the_same() {
    let source = fresh("#include <stdio.h>\nint main(void) { int unused; puts(\"hi\"); }");
    with_executor(async |executor| {
        let (first, _) = execute(&executor, job("c", &source)).await;
        assert!(!is_cached(&first));
        assert!(text(&first.steps[0].stderr).contains("unused variable"), "{first:?}");
        // The entry is written behind the back of the first run.
        let mut second = execute(&executor, job("c", &source)).await.0;
        while !is_cached(&second) {
            second = execute(&executor, job("c", &source)).await.0;
        }
        assert_eq!(second.verdict, Verdict::Ok);
        assert_eq!(second.steps[0].stderr, first.steps[0].stderr);
        assert_eq!(text(&second.steps[1].stdout), "hi\n");
    });
}

#[test]
fn another_file_another_name_or_another_language_is_another_program() {
    let source = fresh("#include \"n.h\"\n#include <stdio.h>\nint main(void) { printf(\"%d\\n\", N); }");
    with_header(&source, "1", "1\n", false);
    with_header(&source, "2", "2\n", false);
    let mut renamed = with_n(&source, "1");
    renamed.files[0].path = "other.c".to_owned();
    renamed.main_path = "other.c".to_owned();
    with_executor(async |executor| {
        let (execution, _) = execute(&executor, renamed).await;
        assert!(!is_cached(&execution));
    });
}

fn with_n(source: &str, n: &str) -> Job {
    let mut job = job("c", source);
    job.files.push(SourceFile { path: "n.h".to_owned(), bytes: format!("#define N {n}\n").into_bytes() });
    job
}

fn with_header(source: &str, n: &str, output: &str, cached: bool) {
    with_executor(async |executor| {
        let (execution, _) = execute(&executor, with_n(source, n)).await;
        assert_eq!(is_cached(&execution), cached);
        assert_eq!(text(&execution.steps[1].stdout), output);
    });
}

#[test]
fn a_program_cannot_change_what_is_kept_of_it() {
    let source = fresh(
        "#include <stdio.h>\n#include <unistd.h>\nint main(void) { puts(\"honest\"); unlink(\"main\"); FILE *f = fopen(\"main\", \"w\"); fputs(\"#!/bin/sh\\necho poisoned\\n\", f); fclose(f); }",
    );
    with_executor(async |executor| {
        for _ in 0..4 {
            let (execution, _) = execute(&executor, job("c", &source)).await;
            assert_eq!(text(&execution.steps[1].stdout), "honest\n");
        }
    });
}

#[test]
fn a_warm_start_asks_no_toolchain_and_offers_the_same() {
    with_executor(async |executor| {
        let mut settings = settings(&cache_dir());
        settings.cgroup_parent = settings.cgroup_parent.map(|parent| format!("{parent}-second"));
        settings.first_uid = settings.first_uid.map(|uid| uid + 8);
        let shutdown = CancellationToken::new();
        let second = Executor::start(settings, shutdown.clone()).await.unwrap();
        assert_eq!(second.languages(), executor.languages());
        let (execution, _) = execute(&second, job("bash", "echo hi")).await;
        assert_eq!(execution.verdict, Verdict::Ok);
        shutdown.cancel();
        second.closed().await;
    });
}
