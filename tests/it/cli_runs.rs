//! Programs at the command line, against the real service.

use serde_json::json;

use crate::cli_command::Cli;
use crate::cli_service::{Cable, Service};
use crate::support::PASSWORD;

const BYTES: &str = r#"
import sys
sys.stdout.buffer.write(bytes(range(256)) + "Grüße".encode())
sys.stdout.flush()
sys.stderr.write("to stderr\n")
sys.exit(3)
"#;

#[tokio::test]
async fn output_passes_byte_for_byte_and_the_exit_code_with_it() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let ended = ada.run(&["run", &ada.file("bytes.py", BYTES)]).await;
    let mut expected: Vec<u8> = (0..=255).collect();
    expected.extend_from_slice("Grüße".as_bytes());
    assert_eq!((ended.code, ended.stderr.as_str()), (3, "to stderr\n"));
    assert_eq!(ended.stdout, expected);

    let document = ada.run(&["run", "--json", &ada.file("bytes.py", BYTES)]).await;
    assert_eq!((document.code, document.stderr.as_str()), (3, ""));
    let document = document.json();
    assert_eq!(document["verdict"], "RUNTIME_ERROR");
    assert_eq!(document["exitStatus"], 3);
    assert_eq!(document["steps"][0]["stderr"]["text"], "to stderr\n");
}

#[tokio::test]
async fn input_arguments_and_files_reach_the_program() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let sum = ada.file("sum.py", "print(sum(map(int, input().split())))");
    assert_eq!(ada.run_with_input(&["run", &sum], b"1 2 3\n").await.ok().text(), "6\n");
    let numbers = ada.file("numbers", "4 5 6\n");
    assert_eq!(ada.run(&["run", &sum, "--stdin", &numbers]).await.ok().text(), "15\n");

    // What is no text cannot be handed in with the program: it is sent while that runs.
    let echo = ada.file("echo.py", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())");
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(ada.run_with_input(&["run", &echo], &bytes).await.ok().stdout, bytes);

    let arguments = ada.file("arguments.sh", "printf '%s|' \"$@\"");
    let ended = ada.run(&["run", &arguments, "--", "-l", "two words", ""]).await.ok();
    assert_eq!(ended.text(), "-l|two words||");

    ada.file("project/main.py", "from lib.util import word\nprint(word)");
    let util = ada.file("project/lib/util.py", "word = 'found'");
    let project = util.trim_end_matches("/lib/util.py");
    assert_eq!(ada.run(&["run", project]).await.ok().text(), "found\n");
    let other = ada.file("project/other.py", "print('other')");
    assert_eq!(ada.run(&["run", project, "--main", &other]).await.ok().text(), "other\n");
}

#[tokio::test]
async fn each_way_to_end_has_its_exit_code() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    for (name, source, code) in [
        ("ok.sh", "exit 0", 0),
        ("wrong.c", "int main(void) { return x; }", 65),
        ("segv.c", "#include <signal.h>\nint main(void) { raise(SIGSEGV); }", 139),
        ("loop.sh", "while :; do :; done", 124),
        ("hog.py", "x = []\nwhile True: x.append(bytearray(1 << 20))", 137),
    ] {
        let ended = ada.run(&["run", &ada.file(name, source)]).await;
        assert_eq!(ended.code, code, "{name}: {ended:?}");
        if name == "wrong.c" {
            assert!(ended.stdout.is_empty() && ended.stderr.contains("undeclared"), "{ended:?}");
        }
    }
    for (arguments, sentence) in [
        (vec!["run", &ada.file("data.xyz", "x")], "say which with -l, one of bash, c, python3"),
        (vec!["run", "-l", "cobol", &ada.file("a.py", "1")], "does not offer `cobol`"),
        (vec!["run", "/nonexistent.py"], "cannot read /nonexistent.py"),
        (vec!["watch", "att_00000000000000000000000000000000"], "no such thing"),
    ] {
        let ended = ada.run(&arguments).await;
        assert!(ended.stderr.contains(sentence), "{ended:?}");
        assert_eq!(ended.code, 64, "{ended:?}");
    }
    let nobody = Cli::new(service.app.url(""), None);
    let ended = nobody.run(&["run", &nobody.file("a.py", "1")]).await;
    assert!(ended.code == 77 && ended.stderr.contains("codecanvas login"), "{ended:?}");
}

#[tokio::test]
async fn what_is_too_much_or_too_strange_is_refused_in_a_sentence() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let refused = async |path: &str, input: &[u8], part: &str| {
        let ended = ada.run_with_input(&["run", path], input).await;
        assert!(ended.code == 64 && ended.stdout.is_empty(), "{part}: {ended:?}");
        assert!(ended.stderr.contains(part) && !ended.stderr.contains('\x1b'), "{part}: {ended:?}");
    };
    let echo = ada.file("echo.sh", "cat");
    for (mebibytes, part) in [(2, "larger than 1 MiB"), (9, "at most 8 MiB"), (33, "more than 32 MiB")] {
        refused(&echo, &vec![b'x'; mebibytes << 20], part).await;
    }
    for n in 0..70 {
        ada.file(&format!("many/{n}.txt"), "x");
    }
    let directory = |main: &str| ada.file(main, "ls").trim_end_matches("/main.sh").to_owned();
    refused(&directory("many/main.sh"), b"", "at most 64 files").await;
    ada.file("strange/a\x1b[2J.txt", "x");
    refused(&directory("strange/main.sh"), b"", "a␛[2J.txt: A path cannot contain control characters").await;

    // What is no text arrives as it is; what leads out of the directory is left where it is.
    ada.file("mixed/all.bin", (0..=255).collect::<Vec<u8>>());
    let mixed = directory("mixed/main.sh");
    std::os::unix::fs::symlink("/etc/passwd", format!("{mixed}/link")).unwrap();
    ada.file("mixed/main.sh", "ls; cat all.bin");
    let mut expected = b"all.bin\nmain.sh\n".to_vec();
    expected.extend(0..=255);
    assert_eq!(ada.run(&["run", &mixed]).await.ok().stdout, expected);
}

#[tokio::test]
async fn at_a_terminal_one_talks_with_the_program() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let talk = ada.file("talk.py", "name = input('Name? ')\nprint('Hello', name)\nprint(input('More? '))");
    let mut terminal = ada.at_terminal(&["run", &talk]).wait_for("Name? ").await;
    terminal.type_keys("ada\n");
    let mut terminal = terminal.wait_for("Hello ada").await.wait_for("More? ").await;
    // Ctrl-D at the beginning of a line ends the input.
    terminal.type_keys("\x04");
    let (screen, code) = terminal.end().await;
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("EOFError") && screen.contains("! error, exit code 1"), "{screen}");
}

#[tokio::test]
async fn ctrl_c_stops_the_program_and_waits_for_its_end() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let sleeper = ada.file("sleeper.py", "import time\nprint('begun')\ntime.sleep(600)");
    let terminal = ada.at_terminal(&["run", &sleeper]).wait_for("begun").await;
    terminal.interrupt();
    let (screen, code) = terminal.end().await;
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("■ stopped"), "{screen}");
    let history = ada.run(&["history", "--json"]).await.ok().json();
    assert_eq!(history[0]["attempt"]["verdict"], "CANCELLED");
}

#[tokio::test]
async fn a_cut_connection_loses_nothing_and_repeats_nothing() {
    let service = Service::start().await;
    let ada = service.app.student("ada").await;
    let cable = Cable::lay(service.app.address).await;
    let cli = Cli::new(&cable.address, ada.token.as_deref());
    let slow = cli.file("slow.py", "import time\nfor n in range(5):\n    print(f'line {n}')\n    time.sleep(0.2)");
    let terminal = cli.at_terminal(&["run", &slow]).wait_for("line 0").await;
    cable.cut();
    let terminal = terminal.wait_for("line 2").await;
    cable.cut();
    let (screen, code) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    for n in 0..5 {
        assert_eq!(screen.matches(&format!("line {n}")).count(), 1, "{screen}");
    }
}

#[tokio::test]
async fn what_was_run_is_found_shown_repeated_and_stopped() {
    let service = Service::start().await;
    let ada = service.student("ada").await;
    let hello = ada.file("hello.py", "print('hello\\x1b[2J')");
    let ids = ada.run(&["run", "--detach", "--json", &hello]).await.ok().json();
    let (submission, attempt) = (ids["submissionId"].as_str().unwrap(), ids["attemptId"].as_str().unwrap());
    // Its own author gets the program's bytes, whenever.
    assert_eq!(ada.run(&["watch", attempt]).await.ok().stdout, b"hello\x1b[2J\n");
    assert_eq!(ada.run(&["rerun", submission]).await.ok().stdout, b"hello\x1b[2J\n");

    let shown = ada.run(&["show", submission, "--source"]).await.ok();
    for part in ["python3 by ada", "hello.py", "✓ ok", "hello␛[2J", "print('hello\\x1b[2J')", "Attempt 2"] {
        assert!(shown.text().contains(part), "{part}: {}", shown.text());
    }
    assert!(!shown.stdout.contains(&0x1b));

    ada.run(&["run", &ada.file("fails.sh", "exit 7")]).await;
    let listed = |arguments: &'static [&'static str]| {
        let ada = &ada;
        async move { ada.run(arguments).await.ok().text().to_owned() }
    };
    assert_eq!(listed(&["history"]).await.lines().count(), 3);
    let failed = listed(&["history", "--verdict", "runtime-error", "--language", "bash"]).await;
    assert!(failed.contains("! error") && failed.lines().count() == 2, "{failed}");
    // By the names that `run -l` takes, too.
    assert_eq!(listed(&["history", "-l", "Shell"]).await, failed);
    assert_eq!(listed(&["history", "--contains", "exit 7"]).await.lines().count(), 2);
    let nothing = ada.run(&["history", "--until", "2020-01-01"]).await.ok();
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("nothing was handed in"), "{nothing:?}");
    // A narrow terminal shows what other commands take.
    let narrow = ada.at_terminal(&["history", "-n", "1"]).end().await.0;
    assert!(narrow.lines().any(|line| line.starts_with("sub_") && line.trim_end().len() > 36), "{narrow}");
    assert_eq!(listed(&["history", "-n", "1"]).await.lines().count(), 2);

    let sleeper = ada.file("sleeper.sh", "sleep 600");
    let attempt = ada.run(&["run", "--detach", &sleeper]).await.ok().text().trim().to_owned();
    ada.run(&["cancel", &attempt]).await.ok();
    assert_eq!(ada.run(&["watch", &attempt]).await.code, 130);
    assert!(ada.run(&["cancel", &attempt]).await.ok().text().contains("already ended"));
    let langs = ada.run(&["langs", "--json"]).await.ok().json();
    let names: Vec<_> = langs.as_array().unwrap().iter().map(|language| language["name"].clone()).collect();
    assert_eq!(names, ["bash", "c", "python3"]);
}

#[tokio::test]
async fn a_class_is_watched_while_its_students_work() {
    let service = Service::start().await;
    let grace = service.app.teacher("grace").await;
    let made =
        grace.ask("mutation { createCourse(input: {title: \"Intro CS\"}) { course { joinCode } } }", json!(null)).await;
    let code = made["createCourse"]["course"]["joinCode"].as_str().unwrap();
    let teacher = Cli::new(service.app.url(""), grace.token.as_deref());
    let ada = service.student("ada").await;
    assert_eq!(ada.run(&["join", code]).await.ok().text(), "You are in Intro CS\n");
    assert!(ada.run(&["courses"]).await.ok().text().contains("student"));

    let live = teacher.at_terminal(&["class", "intro"]).wait_for("1 student ").await;
    let fails = ada.file("fails.sh", "exit 7");
    assert_eq!(ada.run(&["run", "--course", "Intro CS", &fails]).await.code, 7);
    let live = live.wait_for("! error").await;
    live.interrupt();
    let (_, code) = live.end().await;
    assert_eq!(code, 0);

    let history = teacher.run(&["history", "--course", "intro", "--author", "ada"]).await.ok();
    assert!(history.text().contains("ada") && history.text().contains("! error"), "{history:?}");
    let table = teacher.home.path().join("intro.csv");
    teacher.run(&["export", "intro", "--output", table.to_str().unwrap()]).await.ok();
    assert!(std::fs::read_to_string(table).unwrap().contains("RUNTIME_ERROR"));
    for command in ["class", "export"] {
        let refused = ada.run(&[command, "intro"]).await;
        assert_eq!(refused.code, 77, "{refused:?}");
        assert!(refused.stderr.contains("Only teachers and assistants of this course"), "{refused:?}");
    }
}

#[tokio::test]
async fn signing_in_lasts_until_signing_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = crate::support::TestApp::start().await;
    let ada = app.student("ada").await;
    let cli = Cli::new(app.url(""), None);
    let wrong = cli.run_with_input(&["login", "--username", "ada"], b"wrong password\n").await;
    assert_eq!(wrong.code, 77, "{wrong:?}");
    assert_eq!(cli.run(&["whoami"]).await.code, 77);

    let login = cli.run_with_input(&["login", "--username", "ada"], format!("{PASSWORD}\n").as_bytes()).await.ok();
    assert!(login.text().contains("as ada"), "{login:?}");
    let file = cli.home.path().join("config/codecanvas/credentials.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(cli.run(&["whoami", "--json"]).await.ok().json()["username"], "ada");
    cli.run(&["logout"]).await.ok();
    assert_eq!(cli.run(&["whoami"]).await.code, 77);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("token"));

    let made = ada.ask("mutation { createAccessToken(input: {name: \"laptop\"}) { secret } }", json!(null)).await;
    let secret = made["createAccessToken"]["secret"].as_str().unwrap();
    cli.run_with_input(&["login", "--token", "-"], format!("{secret}\n").as_bytes()).await.ok();
    assert_eq!(cli.run(&["whoami", "--json"]).await.ok().json()["username"], "ada");
    let wrong = cli.run(&["login", "--token", "cct_wrong"]).await;
    assert!(wrong.code == 77 && wrong.stderr.contains("does not know the token"), "{wrong:?}");
    // An access token outlives logout: it is only forgotten here.
    assert!(cli.run(&["logout"]).await.ok().text().contains("stays valid"));
    let with_token = Cli::new(app.url(""), Some(secret));
    with_token.run(&["whoami"]).await.ok();
}
