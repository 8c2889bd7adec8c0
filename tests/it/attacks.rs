//! Every hostile program, against the real sandbox, beside a neighbour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use codecanvas::attack::{Arena, suite};
use codecanvas::executor::{Executor, ExecutorSettings};
use tokio_util::sync::CancellationToken;

/// The languages that attacks and their neighbour are written in.
const LANGUAGES: [&str; 6] = ["bash", "c", "c++", "go", "python3", "rust"];

/// One test and not one per program: each looks at the whole host, and must be alone with it.
#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_program_gets_anywhere() {
    let cache = tempfile::tempdir().unwrap();
    let shutdown = CancellationToken::new();
    let settings = ExecutorSettings {
        keeper_executable: PathBuf::from(env!("CARGO_BIN_EXE_codecanvas")),
        slots: std::num::NonZero::new(2),
        cache_dir: cache.path().to_owned(),
        artefact_cache_bytes: 1 << 30,
        languages_dir: Some(languages_in_a_hurry(cache.path())),
        only_languages: Some(LANGUAGES.map(str::to_owned).to_vec()),
        idle_limit: Duration::from_mins(2),
        first_uid: None,
        cgroup_parent: None,
        waived_protections: Vec::new(),
    };
    let executor = Executor::start(settings, shutdown.clone()).await.unwrap();
    let offered: Vec<_> = executor.languages().iter().map(|language| language.name.clone()).collect();
    for language in LANGUAGES {
        assert!(offered.iter().any(|name| name == language), "{language} is not offered: {offered:?}");
    }
    let arena = Arena::new(executor).unwrap();
    let only = std::env::var("ATTACK").ok();
    let mut failures = Vec::new();
    for attack in suite::all().unwrap() {
        if only.as_ref().is_some_and(|part| !attack.name.contains(part)) {
            continue;
        }
        let judgement = arena.run(&attack).await;
        println!(
            "{} {}: {:?}",
            if judgement.has_held() { "held  " } else { "FAILED" },
            judgement.name,
            judgement.verdict
        );
        for problem in &judgement.problems {
            println!("       {problem}");
        }
        if !judgement.has_held() {
            failures.push(judgement.name);
        }
    }
    shutdown.cancel();
    assert!(failures.is_empty(), "these did not hold: {failures:?}");
}

/// The languages of the attacks, with compilers that are stopped sooner: eight attacks run into that limit.
fn languages_in_a_hurry(directory: &Path) -> PathBuf {
    let languages = directory.join("languages");
    std::fs::create_dir(&languages).unwrap();
    for file in ["bash", "c", "cpp", "go", "python3", "rust"].map(|name| format!("{name}.toml")) {
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
