//! Every hostile program, against the real sandbox, beside a neighbour: as an operator runs them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use codecanvas::attack::suite;

/// The languages that attacks and their neighbour are written in.
const LANGUAGES: [&str; 6] = ["bash", "c", "cpp", "go", "python3", "rust"];

/// Each looks at the whole host, and must be alone with it.
static ALONE: Mutex<()> = Mutex::new(());

/// One test and not one per program, for they must take turns.
#[test]
fn no_hostile_program_gets_anywhere() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_codecanvas"))
        .args(["doctor", "--attack", "--data-dir"])
        .arg(data.path())
        .env("CODECANVAS_WORKER_LANGUAGES", "bash,c,c++,go,python3,rust")
        .env("CODECANVAS_WORKER_LANGUAGES_DIR", languages_in_a_hurry(data.path()))
        .env("CODECANVAS_WORKER_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks"))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    for attack in suite::all().unwrap() {
        let line = report.lines().find(|line| line.split_whitespace().nth(1) == Some(&attack.name));
        assert!(line.is_some_and(|line| line.starts_with("  held ")), "{} did not run:\n{report}", attack.name);
    }
}

#[test]
fn a_part_of_the_suite_is_chosen_by_words() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let doctor = |words: &str| {
        let data = tempfile::tempdir().unwrap();
        Command::new(env!("CARGO_BIN_EXE_codecanvas"))
            .args(["doctor", "--attack", "--only", words, "--data-dir"])
            .arg(data.path())
            .env("CODECANVAS_WORKER_LANGUAGES", "bash,python3")
            .output()
            .unwrap()
    };
    let report = String::from_utf8(doctor("environment,fork-bomb").stdout).unwrap();
    let attacks: Vec<_> = report.lines().skip_while(|line| *line != "Attacks").skip(1).collect();
    let words: Vec<_> = attacks.iter().map(|line| line.split("  ").nth(1).unwrap_or_default().trim()).collect();
    // Two of them are in C, which is not offered here.
    assert_eq!(words, ["not run", "held", "not run", "not run", "held"], "{report}");
    let refused = doctor("no-such-attack");
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no attack has \"no-such-attack\""));
}

/// The languages of the attacks, with compilers that are stopped sooner: eight attacks run into that limit.
fn languages_in_a_hurry(directory: &Path) -> PathBuf {
    let languages = directory.join("languages");
    std::fs::create_dir(&languages).unwrap();
    for file in LANGUAGES.map(|name| format!("{name}.toml")) {
        let text = std::fs::read_to_string(Path::new("languages").join(&file)).unwrap();
        let mut language: toml::Table = text.parse().unwrap();
        if let Some(compile) = language.get_mut("compile").and_then(toml::Value::as_table_mut) {
            let limits = compile.entry("limits").or_insert_with(|| toml::Table::new().into());
            limits.as_table_mut().unwrap().insert("cpu_time_ms".to_owned(), 4000.into());
        }
        std::fs::write(languages.join(file), toml::to_string(&language).unwrap()).unwrap();
    }
    languages
}
