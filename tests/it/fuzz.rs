//! What the fuzzers found worth keeping, looked at again: the checks stay true, and compiled.

use std::collections::BTreeSet;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod checks;

#[test]
fn every_check_holds_for_its_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut kept: BTreeSet<_> = std::fs::read_dir(&seeds).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for (name, check) in checks::CHECKS {
        let files: Vec<_> = std::fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{name} has no seeds");
        for file in files {
            println!("{}", file.display());
            check(&std::fs::read(&file).unwrap());
        }
        kept.remove(std::ffi::OsStr::new(name));
    }
    assert!(kept.is_empty(), "seeds of no check: {kept:?}");
}

#[test]
fn every_check_is_a_target_of_the_fuzzer() {
    let targets = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    let targets: BTreeSet<_> =
        targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(targets, checks::CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
