//! One attack from start to judgement.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::host::Snapshot;
use super::suite::Attack;
use crate::domain::limits::RequestedLimits;
use crate::domain::units::Bytes;
use crate::domain::verdict::{StepKind, Verdict};
use crate::executor::{Control, Execution, ExecutionEventBody, Executor, Input, Job, SourceFile};

/// A neighbour keeps a secret in its source, its arguments, its memory and its files; when asked at the
/// end it tells whether all of it is still as it was.
const NEIGHBOUR: &str = r#"
import os, sys
secret = "neighbour-secret-in-the-source"
for path in ("kept", "/tmp/kept", "/dev/shm/kept"):
    with open(path, "w") as file:
        file.write(secret)
os.environ["SECRET"] = secret
print("ready", flush=True)
sys.stdin.readline()
for path in ("kept", "/tmp/kept", "/dev/shm/kept"):
    assert open(path).read() == secret, path
assert sorted(os.listdir("/tmp")) == ["kept"], os.listdir("/tmp")
print("unharmed")
"#;

/// The languages of the neighbour and of the program that runs after an attack.
const NEEDED: [&str; 2] = ["bash", "python3"];

/// How an attack came out.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Which attack.
    pub name: String,
    /// What it tried.
    pub attempt: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What went wrong, a sentence each; empty when everything held.
    pub problems: Vec<String>,
}

impl Judgement {
    /// Whether the protection held and nothing was left or harmed.
    pub fn has_held(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The place cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// A listener that no program may reach cannot be opened.
    #[error("a listener for the attacks cannot be opened")]
    Listener(#[from] std::io::Error),
    /// The neighbour needs a slot of its own.
    #[error("the attack suite needs an executor with at least two slots")]
    TooFewSlots,
    /// The neighbour and the next program are written in it.
    #[error("the attack suite needs {0}, which is not offered here: see the languages above")]
    LanguageMissing(&'static str),
}

/// Where attacks run: an idle executor, and listeners on the host that no program may reach.
#[derive(Debug)]
pub struct Arena {
    executor: Executor,
    baseline: Snapshot,
    tcp: TcpListener,
    port: u16,
    unix: UnixListener,
    abstract_name: String,
}

impl Arena {
    /// Prepares the host. The executor must be idle and used by nobody else.
    ///
    /// # Errors
    /// When a listener cannot be opened, the executor has one slot only, or python3 or bash is not offered.
    pub fn new(executor: Executor) -> Result<Self, ArenaError> {
        if executor.slots() < 2 {
            return Err(ArenaError::TooFewSlots);
        }
        if let Some(missing) = NEEDED.into_iter().find(|language| !offers(&executor, language)) {
            return Err(ArenaError::LanguageMissing(missing));
        }
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        tcp.set_nonblocking(true)?;
        let port = tcp.local_addr()?.port();
        let abstract_name = format!("codecanvas-attack-{}", std::process::id());
        let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?;
        unix.set_nonblocking(true)?;
        Ok(Self { executor, baseline: Snapshot::take(), tcp, port, unix, abstract_name })
    }

    /// Whether the attack's language is offered on this host.
    pub fn can_run(&self, attack: &Attack) -> bool {
        offers(&self.executor, attack.language)
    }

    /// Runs one attack beside a neighbour and judges everything that came of it.
    pub async fn run(&self, attack: &Attack) -> Judgement {
        let mut problems = Vec::new();
        let neighbour = Neighbour::start(self.executor.clone()).await;
        let execution = self.execute(job_of(attack, &self.placeholders())).await;
        problems.extend(judge(attack, &execution));
        problems.extend(neighbour.end().await);
        let next = self.execute(script("bash", "next.sh", "echo next")).await;
        if output(&next) != "next\n" {
            problems.push(format!("the next program did not run: {:?}", next.verdict));
        }
        if self.tcp.accept().is_ok() {
            problems.push("it reached a listener on the host's loopback".to_owned());
        }
        if self.unix.accept().is_ok() {
            problems.push("it reached an abstract socket of the host".to_owned());
        }
        problems.extend(self.baseline.settled().await);
        Judgement { name: attack.name.clone(), attempt: attack.attempt.clone(), verdict: execution.verdict, problems }
    }

    fn placeholders(&self) -> [(&'static str, String); 2] {
        [("{port}", self.port.to_string()), ("{abstract}", self.abstract_name.clone())]
    }

    async fn execute(&self, job: Job) -> Execution {
        let (events, mut received) = mpsc::channel(64);
        let drain = tokio::spawn(async move { while received.recv().await.is_some() {} });
        let (_input, input) = mpsc::channel(1);
        let control = Control { cancel: CancellationToken::new(), input };
        let execution = self.executor.execute(job, events, control).await;
        // The channel is closed by now: the task has ended or is about to.
        drain.abort();
        execution
    }
}

fn offers(executor: &Executor, language: &str) -> bool {
    executor.languages().iter().any(|offered| offered.name == language)
}

fn script(language: &str, path: &str, source: &str) -> Job {
    Job {
        language: language.to_owned(),
        files: vec![SourceFile { path: path.to_owned(), bytes: source.into() }],
        main_path: path.to_owned(),
        stdin: Vec::new(),
        arguments: Vec::new(),
        limits: RequestedLimits::default(),
        is_interactive: false,
    }
}

fn job_of(attack: &Attack, placeholders: &[(&str, String)]) -> Job {
    let fill = |argument: &String| {
        placeholders.iter().fold(argument.clone(), |text, (placeholder, value)| text.replace(placeholder, value))
    };
    Job {
        language: attack.language.to_owned(),
        files: attack.files.clone(),
        main_path: attack.name.clone(),
        stdin: Vec::new(),
        arguments: attack.arguments.iter().map(fill).collect(),
        limits: RequestedLimits {
            cpu_time_ms: Some(1_000),
            wall_time_ms: Some(5_000),
            memory_bytes: Some(Bytes::mib(128)),
            processes: Some(64),
            ..RequestedLimits::default()
        },
        is_interactive: false,
    }
}

/// Standard output of the run step.
fn output(execution: &Execution) -> String {
    let run = execution.steps.iter().find(|step| step.kind == StepKind::Run);
    run.map(|step| String::from_utf8_lossy(&step.stdout.bytes).into_owned()).unwrap_or_default()
}

fn judge(attack: &Attack, execution: &Execution) -> Vec<String> {
    let mut problems = Vec::new();
    if !attack.expected.contains(&execution.verdict) {
        let last = execution.steps.last();
        problems.push(format!(
            "the verdict is {:?}, not one of {:?}: {}",
            execution.verdict,
            attack.expected,
            last.and_then(|step| step.reason.as_deref()).unwrap_or("no reason given"),
        ));
    }
    for step in &execution.steps {
        for stream in [&step.stdout, &step.stderr] {
            let text = String::from_utf8_lossy(&stream.bytes);
            // A compiler may quote the source, where the word stands behind a quotation mark.
            problems.extend(text.lines().filter(|line| line.starts_with("BREACH")).map(str::to_owned));
            if text.contains("root:x:") || text.contains("root:*:") || text.contains("neighbour-secret-in") {
                problems.push("the output holds what the program must not read".to_owned());
            }
        }
    }
    if let Some(line) = &attack.says
        && !output(execution).lines().any(|said| said == line)
    {
        problems.push(format!("it did not come to the line {line:?}"));
    }
    problems
}

/// An innocent program that runs at the same time as an attack.
struct Neighbour {
    run: JoinHandle<Execution>,
    input: mpsc::Sender<Input>,
}

impl Neighbour {
    /// Starts it and waits until it has put its secret everywhere.
    async fn start(executor: Executor) -> Self {
        let (events, mut received) = mpsc::channel(64);
        let (input, typed) = mpsc::channel(1);
        let job = Job {
            is_interactive: true,
            arguments: vec!["neighbour-secret-in-an-argument".to_owned()],
            ..script("python3", "main.py", NEIGHBOUR)
        };
        let run = tokio::spawn(async move {
            executor.execute(job, events, Control { cancel: CancellationToken::new(), input: typed }).await
        });
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            while let Some(event) = received.recv().await {
                if matches!(event.body, ExecutionEventBody::Output { .. })
                    && let Some(ready) = ready.take()
                {
                    // The other side has only gone when the suite itself was stopped.
                    let _ = ready.send(());
                }
            }
        });
        // An error means that it ended without a word: its verdict will tell.
        let _ = is_ready.await;
        Self { run, input }
    }

    /// Asks it to look after its things, and says what became of it.
    async fn end(self) -> Vec<String> {
        let asked = self.input.send(Input { bytes: b"\n".to_vec(), is_end: true }).await;
        match self.run.await {
            Ok(execution) if execution.verdict == Verdict::Ok && output(&execution) == "ready\nunharmed\n" => {
                Vec::new()
            }
            Ok(execution) => {
                vec![format!("the neighbour was harmed: {:?} {:?} {:?}", execution.verdict, output(&execution), asked)]
            }
            Err(error) => vec![format!("the neighbour was lost: {error}")],
        }
    }
}
