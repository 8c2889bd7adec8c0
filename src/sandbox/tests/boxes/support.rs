//! A keeper to test with, and what a step did.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codecanvas_sandbox::message::{
    Collect, CollectedFile, Failure, NewFile, Received, Request, Response, content_from,
};
use codecanvas_sandbox::{BoxLayout, Ended, Keeper, Mount, Outcome, StepLimits, StepSpec, StopReason, THIS_EXECUTABLE};

/// The first argument that makes this executable one of the programs of [`crate::hostile`].
pub const PROGRAM_ROLE: &str = "program";
/// Where the executable is seen in a box.
pub const PROGRAM: &str = "/test-program";

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A keeper and its box.
pub struct Fixture {
    pub keeper: Keeper,
}

/// What a step did.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub stdout: String,
    #[expect(dead_code, reason = "shown when a test fails")]
    pub stderr: String,
}

impl Ran {
    /// The step's output, if it exited with 0.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.outcome.ended, Ended::Exited(0), "{self:#?}");
        &self.stdout
    }
}

/// The layout of all tests: the usual one, with this executable in it.
pub fn layout() -> BoxLayout {
    let mut layout = BoxLayout::for_slot(900);
    layout.mounts.push(Mount {
        source: std::env::current_exe().unwrap(),
        target: PathBuf::from(PROGRAM),
        access: codecanvas_sandbox::Access::ReadOnly,
        is_optional: false,
    });
    if let Ok(names) = std::env::var("BOXES_MAY_MISS") {
        layout.may_be_missing = names.split(',').map(str::to_owned).collect();
    }
    layout
}

/// Whether memory can be limited here; an ordinary user has no control groups.
pub fn has_control_groups() -> bool {
    !layout().may_be_missing.iter().any(|name| name == "memory-limit")
}

/// Limits that are not in the way, and short.
pub fn limits() -> StepLimits {
    StepLimits {
        cpu_time: Duration::from_secs(20),
        wall_time: Duration::from_secs(40),
        memory_bytes: 64 << 20,
        processes: 16,
        disk_bytes: 16 << 20,
        ..StepLimits::default()
    }
}

/// A step that runs a program of [`crate::hostile`].
pub fn program(name: &str, arguments: &[&str]) -> StepSpec {
    let argv = [PROGRAM, PROGRAM_ROLE, name].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    StepSpec { argv, env: BTreeMap::new(), cwd: PathBuf::new(), limits: limits() }
}

/// The same with other limits.
pub fn limited(name: &str, change: impl FnOnce(&mut StepLimits)) -> StepSpec {
    let mut spec = program(name, &[]);
    change(&mut spec.limits);
    spec
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(layout())
    }

    pub fn with(layout: BoxLayout) -> Self {
        let keeper = Keeper::spawn(Path::new(THIS_EXECUTABLE)).unwrap();
        let answer = keeper.call(&Request::Setup(layout), &[], PATIENCE).unwrap().message;
        assert!(matches!(answer, Response::Armed(_)), "{answer:?}");
        Self { keeper }
    }

    #[track_caller]
    pub fn call(&self, request: &Request, descriptors: &[OwnedFd]) -> Received<Response> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        self.keeper.call(request, &descriptors, PATIENCE).unwrap()
    }

    /// Runs a step to its end, without input.
    #[track_caller]
    pub fn run(&self, spec: StepSpec) -> Ran {
        self.run_with(spec, b"")
    }

    /// Runs a step to its end.
    #[track_caller]
    pub fn run_with(&self, spec: StepSpec, stdin: &[u8]) -> Ran {
        let (stdout, stderr) = (content_from(b"").unwrap(), content_from(b"").unwrap());
        let streams = [content_from(stdin).unwrap(), stdout.try_clone().unwrap(), stderr.try_clone().unwrap()];
        match self.call(&Request::Run(spec, Vec::new()), &streams).message {
            Response::Finished(outcome) => Ran { outcome, stdout: text(stdout), stderr: text(stderr) },
            other => panic!("{other:?}"),
        }
    }

    /// Starts a step; [`Fixture::finish`] waits for its end.
    #[track_caller]
    pub fn start(&self, spec: StepSpec, streams: &[OwnedFd; 3]) {
        let streams: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
        self.keeper.send(&Request::Run(spec, Vec::new()), &streams).unwrap();
    }

    #[track_caller]
    pub fn finish(&self) -> Outcome {
        match self.keeper.wait(PATIENCE).unwrap().message {
            Response::Finished(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn stop(&self, reason: StopReason) {
        self.keeper.send(&Request::Stop(reason), &[]).unwrap();
    }

    pub fn write(&self, path: &str, content: &[u8]) -> Result<(), Failure> {
        let file = NewFile { path: PathBuf::from(path), is_executable: true };
        match self.call(&Request::Write(vec![file]), &[content_from(content).unwrap()]).message {
            Response::Written => Ok(()),
            Response::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    pub fn collect(&self, what: Collect) -> Result<Vec<(CollectedFile, String)>, Failure> {
        let Received { message, descriptors } = self.call(&Request::Collect(what), &[]);
        match message {
            Response::Collected(files) => Ok(files.into_iter().zip(descriptors.into_iter().map(text)).collect()),
            Response::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    pub fn collect_file(&self, path: &str) -> Result<String, Failure> {
        let mut files = self.collect(Collect::File { path: PathBuf::from(path), max_bytes: 1 << 20 })?;
        Ok(files.remove(0).1)
    }

    /// Takes a fresh box.
    #[track_caller]
    pub fn reset(&self) {
        let answer = self.call(&Request::Reset, &[]).message;
        assert!(matches!(answer, Response::Armed(_)), "{answer:?}");
    }
}

/// What a file holds, from its start.
pub fn text(file: OwnedFd) -> String {
    let file = File::from(file);
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
