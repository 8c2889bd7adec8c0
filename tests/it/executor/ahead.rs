//! Interpreters started ahead do what ordinary ones do: each program runs on two executors, one that starts them and one that
//! does not, and more than once, so that the former has one waiting.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::units::Bytes;
use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{Executor, ExecutorSettings, Input, Job, SourceFile, StepResult};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::support::{cache_dir, execute, job, settings, start, text};

/// With interpreters started ahead, and without. One slot each: the next program meets what the last one left.
static BOTH: OnceLock<(Runtime, [Executor; 2])> = OnceLock::new();

fn settings_of(cache: &Path, lane: u32, starts_ahead: bool) -> ExecutorSettings {
    let usual = settings(cache);
    ExecutorSettings {
        slots: std::num::NonZeroUsize::new(1),
        only_languages: Some(["python3", "nodejs", "php", "bash"].map(str::to_owned).to_vec()),
        start_ahead: usual.start_ahead.filter(|_| starts_ahead),
        // Two executors of one process need two of each.
        first_uid: usual.first_uid.map(|first| first + 10 + lane),
        cgroup_parent: usual.cgroup_parent.map(|parent| format!("{parent}-{lane}")),
        ..usual
    }
}

/// One test after the other: each is about what the slot's last program left.
static ALONE: Mutex<()> = Mutex::new(());

fn with_both<F: Future>(test: impl FnOnce([Executor; 2]) -> F) -> F::Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (runtime, both) = BOTH.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let started = runtime.block_on(async {
            let cache = cache_dir();
            let ahead = Executor::start(settings_of(&cache, 0, true), CancellationToken::new()).await.unwrap();
            let ordinary = Executor::start(settings_of(&cache, 1, false), CancellationToken::new()).await.unwrap();
            [ahead, ordinary]
        });
        (runtime, started)
    });
    runtime.block_on(test(both.clone()))
}

/// What a submitter sees of a step, but for times and sizes.
fn seen(verdict: Verdict, step: &StepResult) -> (Verdict, Option<i32>, Option<String>, String, String) {
    (verdict, step.exit_code, step.signal.clone(), text(&step.stdout), without_addresses(&text(&step.stderr)))
}

/// Libraries lie elsewhere in each process, and some builds of Node.js say where when they abort.
fn without_addresses(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(|word| if word.starts_with("0x") { "0x… " } else { word }).collect()
}

/// Runs a job twice ahead and once in the ordinary way, and compares. Returns the last step of the second run.
#[track_caller]
fn same(job: &Job) -> (Verdict, StepResult) {
    with_both(async |[ahead, ordinary]| {
        let (expected, _) = execute(&ordinary, job.clone()).await;
        let expected = seen(expected.verdict, expected.steps.last().unwrap());
        let mut last = None;
        for round in 0..3 {
            let (execution, _) = execute(&ahead, job.clone()).await;
            let step = execution.steps.last().unwrap().clone();
            assert_eq!(seen(execution.verdict, &step), expected, "in round {round}");
            last = Some((execution.verdict, step));
        }
        last.unwrap()
    })
}

fn with_files(language: &str, files: &[(&str, &str)]) -> Job {
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() };
    Job { files: files.iter().map(file).collect(), ..job(language, "") }
}

#[test]
fn the_second_program_finds_its_interpreter_booted_and_is_not_charged_for_that() {
    with_both(async |[ahead, ordinary]| {
        let (is_early, _) = was_booted_before(&ordinary).await;
        assert!(!is_early);
        let (is_early, without) = was_booted_before(&ordinary).await;
        assert!(!is_early);
        was_booted_before(&ahead).await;
        // One that has not come as far as booting when its program comes is no failure, but the busy machine's.
        let mut tries = 0;
        let with = loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let (is_early, step) = was_booted_before(&ahead).await;
            if is_early {
                break step;
            }
            tries += 1;
            assert!(tries < 50, "no interpreter was started ahead");
        };
        assert!(with.cpu_time < without.cpu_time, "{with:?} {without:?}");
        // What the interpreter holds counts, whenever it took it; pages of its files count for whoever touches them first.
        assert!(with.peak_memory > Bytes::mib(4), "{with:?}");
    });
}

/// Runs a program that says itself when its interpreter was booted; spelt so that it is not noticed.
async fn was_booted_before(executor: &Executor) -> (bool, StepResult) {
    let asked = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
    let program = "console.log(Date.now() - process['up' + 'time']() * 1000)";
    let (execution, _) = execute(executor, job("nodejs", program)).await;
    let step = execution.steps.last().unwrap().clone();
    let booted: f64 = text(&step.stdout).trim().parse().unwrap();
    // `Date.now()` is in whole milliseconds.
    (booted + 1.0 < asked, step)
}

#[test]
fn python_programs_see_no_difference() {
    let everything = "import os, sys, json, site\n\
        print(sys.argv, sys.flags, sys.path, sys.orig_argv, __name__, __file__, __spec__, __builtins__, __doc__)\n\
        print(sorted(os.environ.items()), sorted(sys.modules), list(map(str, map(type, sys.meta_path))), sorted(sys.path_importer_cache))\n\
        fds = os.listdir('/proc/self/fd')\n\
        print(sorted(fd for fd in fds if os.path.exists('/proc/self/fd/' + fd)))\n\
        print([(s.name, s.mode, s.encoding, s.errors, s.isatty(), s.line_buffering, s.write_through)\n\
            for s in (sys.stdin, sys.stdout, sys.stderr)], sys.stdin.seekable(), sys.stdin.buffer.tell())\n\
        print(open('/proc/self/cmdline').read(), os.getcwd(), sorted(os.listdir('.')), os.stat('main.py').st_mode)\n\
        print(os.getppid(), os.getsid(0) == os.getpid(), sorted(globals()), open('main.py').read() == open(__file__).read())\n\
        import resource\n\
        print([resource.getrlimit(n) for n in range(16)])\n\
        print(os.popen('cat /proc/self/environ').read())\n";
    let (verdict, step) = same(&job("python3", everything));
    assert_eq!(verdict, Verdict::Ok, "{step:?}");
    for source in [
        "def f(): g()\ndef g(): 1/0\nf()",
        "x = (1,\nprint('unclosed'",
        "if True:\n\tx = 1\n        y = 2\n",
        "# coding: latin-1\nprint(ascii('\u{e9}'))",
        "\u{feff}print('a mark before')",
        "",
        "import sys; sys.exit(3)",
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True))",
        "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n    m.set_start_method('spawn')\n    \
            p = m.Process(target=f, args=(3,)); p.start(); p.join(); print(p.exitcode)",
        "print('\\u20ac' * 5); raise ValueError('\\u20ac')",
        "print(1); import sys; sys.stdout.close()",
    ] {
        same(&job("python3", source));
    }
}

#[test]
fn node_programs_see_no_difference() {
    let everything = "const fs = require('fs');\n\
        console.log(process.argv, process.execArgv, process.execPath, process.title, __filename, module.paths);\n\
        console.log(process.env, require.main === module, Object.keys(require.cache), process.cwd(), fs.readdirSync('.'));\n\
        console.log(fs.readdirSync('/proc/self/fd').filter(fd => +fd < 3), process.stdin.isTTY, process.stdout.isTTY);\n\
        console.log(fs.readFileSync('/proc/self/cmdline', 'utf8'), fs.statSync('main.js').mode, process.ppid);\n\
        console.log(fs.readFileSync('/proc/self/limits', 'utf8'), fs.readFileSync('main.js', 'utf8').length);\n\
        console.log(Object.keys(globalThis), module.children, module.loaded);\n";
    let (verdict, step) = same(&job("nodejs", everything));
    assert_eq!(verdict, Verdict::Ok, "{step:?}");
    for source in [
        "function f() { null.x; }\nf();",
        "console.log('unclosed",
        "import fs from 'fs'; console.log(typeof fs.readFileSync);",
        "console.log(typeof await Promise.resolve(1));",
        "process.exit(4)",
        "process.abort()",
        "Promise.reject(new Error('nobody cares'))",
        "const { Worker, isMainThread } = require('worker_threads');\n\
            if (isMainThread) new Worker(__filename).on('exit', c => console.log(c)); else console.log(process.execArgv);",
        "const { fork } = require('child_process');\nif (process.argv[2]) process.send(process.execArgv); else \
            fork(__filename, ['child']).on('message', m => console.log(m));",
        "process.stdin.on('data', d => console.log(String(d))).on('end', () => console.log('end'))",
    ] {
        same(&job("nodejs", source));
    }
}

#[test]
fn php_programs_see_no_difference() {
    for source in [
        "<?php var_dump($argv, __FILE__, getcwd(), get_included_files(), scandir('.'), getenv(), stream_get_contents(STDIN));",
        "#!/usr/bin/php\n<?php echo __LINE__;\nfunction f() { throw new Exception('x'); }\nf();",
        "<?php echo 1",
        "no program",
        "",
        "<?php exit(7);",
        "<?php echo gettype($_SERVER['REQUEST_TIME']), PHP_EOL, substr(file_get_contents(__FILE__), 0, 5);",
        "<?php echo file_get_contents(__FILE__, false, null, __COMPILER_HALT_OFFSET__);\n__halt_compiler();data",
    ] {
        same(&job("php", source));
    }
}

#[test]
fn files_beside_the_program_are_found_as_ever() {
    let print = "import json, lib.util\nprint(json.__file__, lib.util.twice(21))";
    let util = ("lib/util.py", "def twice(x): return 2 * x\n");
    same(&with_files("python3", &[("main.py", print), util]));
    same(&with_files("python3", &[("main.py", print), util, ("json.py", "print('mine')\n")]));
    let (_, step) = same(&with_files(
        "python3",
        &[
            ("main.py", "import sys\nprint(sys.modules['sitecustomize'].__file__, sys.path)"),
            ("sitecustomize.py", "print('not at the start')"),
            ("usercustomize.py", "print('nor this')"),
            (".local/lib/python3.11/site-packages/usercustomize.py", "print('but this may be')"),
        ],
    ));
    assert!(!text(&step.stdout).contains("not at the start"), "{step:?}");
    for package in ["{\"type\": \"module\"}", "{\"type\": \"commonjs\"}", "{"] {
        let main = "console.log(typeof require, import.meta.url)";
        same(&with_files("nodejs", &[("main.js", main), ("package.json", package)]));
    }
    same(&with_files("nodejs", &[("main.js", "console.log(require('./lib/a'))"), ("lib/a.js", "module.exports = 42")]));
}

#[test]
fn another_main_file_arguments_input_and_limits_are_honoured() {
    let show = "import sys\nprint(sys.argv, sys.stdin.read(), __file__)";
    let arguments = vec!["a b".to_owned(), "--version".to_owned()];
    same(&Job { arguments: arguments.clone(), ..job("python3", show) });
    same(&Job { stdin: b"typed\n".to_vec(), ..job("python3", show) });
    let other =
        Job { main_path: "other.py".to_owned(), ..with_files("python3", &[("other.py", show), ("main.py", "1/0")]) };
    same(&other);
    same(&Job { main_path: "a/b.py".to_owned(), ..with_files("python3", &[("a/b.py", show)]) });
    same(&Job {
        main_path: "main.mjs".to_owned(),
        ..with_files("nodejs", &[("main.mjs", "console.log(import.meta.url)")])
    });
    same(&Job { arguments, ..job("nodejs", "console.log(process.argv)") });

    let limits = RequestedLimits { cpu_time_ms: Some(300), ..RequestedLimits::default() };
    let (verdict, step) = same(&Job { limits, ..job("python3", "while True: pass") });
    assert_eq!(verdict, Verdict::CpuTimeLimit, "{step:?}");
    let limits = RequestedLimits { memory_bytes: Some(Bytes::mib(64)), ..RequestedLimits::default() };
    let (verdict, step) = same(&Job { limits, ..job("python3", "x = bytearray(500 << 20)") });
    assert_eq!(verdict, Verdict::MemoryLimit, "{step:?}");
    let limits = RequestedLimits { processes: Some(4), ..RequestedLimits::default() };
    same(&Job {
        limits,
        ..job(
            "python3",
            "import os\ntry:\n    for i in range(9): os.fork() or os._exit(0)\nexcept OSError as e: print(e)",
        )
    });
}

#[test]
fn one_language_after_the_other_gets_its_own_interpreter() {
    for _ in 0..2 {
        for (language, source) in [("python3", "print(1)"), ("nodejs", "console.log(1)"), ("bash", "echo 1")] {
            let (verdict, step) = same(&job(language, source));
            assert_eq!((verdict, text(&step.stdout).as_str()), (Verdict::Ok, "1\n"), "{language}");
            with_both(async |[ahead, _]| {
                let (execution, _) = execute(&ahead, job("bash", "ls; ps 2>/dev/null | grep -c node")).await;
                let out = text(&execution.steps[0].stdout);
                assert!(out.starts_with("main.sh\n"), "{out}");
            });
        }
    }
}

#[test]
fn a_dialogue_is_one_also_with_an_interpreter_that_waited() {
    let source =
        "name = input('name? ')\nprint('hello', name)\nimport sys\nprint(sys.stdin.seekable(), sys.stdin.read())";
    with_both(async |both| {
        for executor in both {
            for _ in 0..3 {
                let mut running = start(&executor, Job { is_interactive: true, ..job("python3", source) });
                running.wait_for("name? ").await;
                running.input.send(Input { bytes: b"Ada\n".to_vec(), is_end: false }).await.unwrap();
                running.wait_for("hello Ada\n").await;
                running.input.send(Input { bytes: b"rest".to_vec(), is_end: true }).await.unwrap();
                let (execution, _) = running.finish().await;
                assert_eq!(execution.verdict, Verdict::Ok, "{execution:?}");
                assert!(text(&execution.steps[0].stdout).ends_with("False rest\n"), "{execution:?}");
            }
        }
    });
}

#[test]
fn a_program_leaves_nothing_to_the_next_ones_interpreter() {
    let leave = "import os, sys\nopen('left.py', 'w').write('x = 1')\nopen('/tmp/left', 'w').write('x')\n\
        os.makedirs('/work/.loc' + 'al/lib/python3.11/site-packages')\n\
        open('/work/.loc' + 'al/lib/python3.11/site-packages/usercustomize.py', 'w').write('print(666)')\n";
    let look = "import os\nprint(os.listdir('/work'), os.listdir('/tmp'))";
    with_both(async |[ahead, _]| {
        for _ in 0..3 {
            assert_eq!(execute(&ahead, job("python3", leave)).await.0.verdict, Verdict::Ok);
            let (execution, _) = execute(&ahead, job("python3", look)).await;
            assert_eq!(text(&execution.steps[0].stdout), "['main.py'] []\n");
        }
    });
}
