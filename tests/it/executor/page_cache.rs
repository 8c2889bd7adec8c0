//! Whose memory the files of toolchains are.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{Executor, ExecutorSettings, Job, SourceFile};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use tokio_util::sync::CancellationToken;

use super::support::{execute, job, settings};

const FILE_BYTES: usize = 64 << 20;
/// What a program that does nothing never needs.
const LITTLE: u64 = FILE_BYTES as u64 / 2;

/// A toolchain of one big file, which is on the disk and not in memory.
struct Toolchain {
    directory: tempfile::TempDir,
    settings: ExecutorSettings,
}

impl Toolchain {
    fn new() -> Self {
        // On a disk, and where no box has something of its own: the clone may lie there.
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let (cache, mounted) = (directory.path().join("cache"), directory.path().join("mounted"));
        std::fs::create_dir(&mounted).unwrap();
        std::fs::create_dir(&cache).unwrap();
        // Programs in boxes pass through it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let mut settings = settings(&cache);
        let language = format!(
            r##"
name = "big"
display_name = "Big"
extensions = [".big"]
packages = ["coreutils"]
tools = ["sh"]
mounts = ["{mounted}"]
source_file = "main.big"
editor_mode = "shell"
template = "#!/bin/sh\ncat {mounted}/file | wc -c\n"
template_output = "{FILE_BYTES}\n"
version = {{ command = ["sh", "-c", "echo 1"] }}
run = {{ command = ["./{{main}}"] }}
"##,
            mounted = mounted.display(),
        );
        std::fs::write(settings.languages_dir.as_ref().unwrap().join("big.toml"), language).unwrap();
        settings.only_languages = Some(vec!["big".to_owned()]);
        settings.slots = std::num::NonZeroUsize::new(1);
        let toolchain = Self { directory, settings };
        File::create(toolchain.file()).unwrap().write_all(&vec![7; FILE_BYTES]).unwrap();
        toolchain.forget();
        toolchain
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("mounted/file")
    }

    /// Makes the kernel forget what it has read of the file.
    fn forget(&self) {
        let file = File::open(self.file()).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    }

    async fn start(&self) -> (Executor, CancellationToken) {
        let shutdown = CancellationToken::new();
        (Executor::start(self.settings.clone(), shutdown.clone()).await.unwrap(), shutdown)
    }
}

async fn peak_of(executor: &Executor, source: &str) -> u64 {
    let files = vec![SourceFile { path: "main.big".to_owned(), bytes: source.as_bytes().to_vec() }];
    let job = Job { language: "big".to_owned(), files, main_path: "main.big".to_owned(), ..job("bash", "") };
    let (execution, _) = execute(executor, job).await;
    assert_eq!(execution.verdict, Verdict::Ok, "{execution:?}");
    execution.steps[0].peak_memory.0
}

fn known(settings: &ExecutorSettings) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(settings.cache_dir.join("toolchains.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_toolchain_that_a_start_reads_is_not_charged_to_programs() {
    let toolchain = Toolchain::new();
    let (executor, shutdown) = toolchain.start().await;
    assert!(peak_of(&executor, "#!/bin/sh\n").await < LITTLE);
    shutdown.cancel();
    executor.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_boot_the_worker_reads_toolchains_before_programs_do() {
    let toolchain = Toolchain::new();
    let (executor, shutdown) = toolchain.start().await;
    shutdown.cancel();
    executor.closed().await;

    let mut before = known(&toolchain.settings);
    let boot = std::mem::replace(&mut before["boot"], "another".into());
    write(&toolchain.settings.cache_dir, &before);
    toolchain.forget();
    let (executor, shutdown) = toolchain.start().await;
    executor.read_toolchains();
    // Behind the back of those who use it.
    while known(&toolchain.settings)["boot"] != boot {
        peak_of(&executor, "#!/bin/sh\n").await;
    }
    let reads_all = format!("#!/bin/sh\ncat {} | wc -c\n", toolchain.file().display());
    assert!(peak_of(&executor, &reads_all).await < LITTLE);
    shutdown.cancel();
    executor.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_was_the_first_to_read_is_not_charged_to_the_next() {
    let toolchain = Toolchain::new();
    let (executor, shutdown) = toolchain.start().await;
    toolchain.forget();
    let reads_all = format!("#!/bin/sh\ncat {} | wc -c\n", toolchain.file().display());
    peak_of(&executor, &reads_all).await;
    assert!(peak_of(&executor, "#!/bin/sh\n").await < LITTLE);
    shutdown.cancel();
    executor.closed().await;
}

fn write(cache_dir: &Path, known: &serde_json::Value) {
    std::fs::write(cache_dir.join("toolchains.json"), known.to_string()).unwrap();
}
