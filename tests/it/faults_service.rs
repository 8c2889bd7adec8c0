//! The whole service as `codecanvas serve` runs it, and what happens when its processes are killed.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::support::leftovers::Traces;
use super::support::service::data_dir;
use super::support::workshop::PATIENCE;
use super::support::{client, executable, text};

/// `codecanvas serve` with a data directory of its own.
struct Service {
    process: Child,
    url: String,
}

impl Service {
    async fn start(data_dir: &Path, traces: &Traces) -> Self {
        let mut process = Command::new(executable())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .envs(traces.environment())
            .env("CODECANVAS_WORKER_LANGUAGES", "bash")
            .env("CODECANVAS_WORKER_SLOTS", "1")
            .env("CODECANVAS_WORKER_LEASE", "2s")
            .env("CODECANVAS_LOG_FORMAT", "json")
            .env("CODECANVAS_LOG_FILTER", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let (sender, address) = tokio::sync::oneshot::channel();
        // Reads on until the service ends, so that nobody has to wait to write a log.
        std::thread::spawn(move || {
            let mut sender = Some(sender);
            for line in log.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"] == "listening"
                    && let Some(sender) = sender.take()
                {
                    let _ = sender.send(text(&line["address"]));
                }
            }
        });
        let address = tokio::time::timeout(PATIENCE, address).await.expect("the api listens in time").unwrap();
        let service = Self { process, url: format!("http://{address}") };
        let ready = async {
            loop {
                let answer = client().get(format!("{}/readyz", service.url)).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the service is ready in time");
        service
    }

    /// The service and all processes below it, boxes included.
    fn processes(&self) -> Vec<Pid> {
        let mut all = vec![i32::try_from(self.process.id()).unwrap()];
        let mut index = 0;
        while index < all.len() {
            for task in std::fs::read_dir(format!("/proc/{}/task", all[index])).into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()));
            }
            index += 1;
        }
        all.into_iter().map(Pid::from_raw).collect()
    }

    /// The process in this role.
    fn role(&self, role: &str) -> Pid {
        let is_role = |pid: &Pid| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes())
        };
        self.processes().into_iter().find(is_role).unwrap()
    }

    async fn stop(mut self) {
        kill(self.role("serve"), Signal::SIGTERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || self.process.wait().unwrap());
        assert!(ended.await.unwrap().success());
    }

    /// An operation; asked again while the service is away.
    async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let asking = async {
            loop {
                let mut request = client().post(format!("{}/graphql", self.url));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let body = json!({ "query": query, "variables": variables });
                if let Ok(answer) = request.json(&body).send().await
                    && let Ok(answer) = answer.json::<Value>().await
                {
                    if answer.get("errors").is_none() {
                        return answer["data"].clone();
                    }
                    // Only what passes by itself is asked again.
                    assert_eq!(answer["errors"][0]["extensions"]["code"], "OVERLOADED", "{query}: {answer:#}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
    }

    async fn register(&self) -> String {
        let query =
            "mutation { register(input: { username: \"ada\", password: \"correct horse battery\" }) { token } }";
        text(&self.ask(None, query, Value::Null).await["register"]["token"])
    }

    async fn submit(&self, token: &str, source: &str) -> String {
        let query = "mutation($source: String!, $key: String!) {
            submitCode(input: { language: \"bash\", source: $source, idempotencyKey: $key }) { attempt { id } }
        }";
        let data = self.ask(Some(token), query, json!({ "source": source, "key": source })).await;
        text(&data["submitCode"]["attempt"]["id"])
    }

    /// Events behind a cursor, as they come, until one is like that.
    async fn follow(&self, token: &str, attempt: &str, log: &mut Vec<Value>, is_enough: impl Fn(&Value) -> bool) {
        let query = "query($id: ID!, $after: String) { attempt(id: $id) { events(after: $after) {
            __typename cursor sequence at ... on OutputChunk { offset text } ... on StateChanged { state }
            ... on AttemptFinished { attempt { verdict } }
        } } }";
        let following = async {
            loop {
                let after = log.last().map(|event| event["cursor"].clone());
                let data = self.ask(Some(token), query, json!({ "id": attempt, "after": after })).await;
                log.extend(data["attempt"]["events"].as_array().unwrap().iter().cloned());
                if log.iter().any(&is_enough) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, following).await.expect("it happens in time");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // What has ended already cannot be killed.
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.process.wait();
    }
}

fn is_last(event: &Value) -> bool {
    event["__typename"] == "AttemptFinished"
}

fn assert_whole(log: &[Value], expected: &str) {
    let sequences: Vec<_> = log.iter().map(|event| event["sequence"].as_i64().unwrap()).collect();
    assert!(sequences.iter().copied().eq(0..i64::try_from(log.len()).unwrap()), "{sequences:?}");
    assert_eq!(log.iter().filter(|event| is_last(event)).count(), 1);
    assert_eq!(log.last().unwrap()["attempt"]["verdict"], "OK");
    let restart = log.iter().rposition(|event| event["state"] == "QUEUED").unwrap();
    let output: String = log[restart..].iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(output, expected, "{log:#?}");
}

/// A program that writes for two seconds.
fn slowly(mark: &str) -> String {
    format!("echo {mark}; for i in 1 2 3 4; do sleep 0.5; echo $i; done; echo end")
}

/// What [`slowly`] writes behind its mark.
const WRITTEN: &str = "\n1\n2\n3\n4\nend\n";

fn any_output(event: &Value) -> bool {
    event["__typename"] == "OutputChunk"
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_is_killed_while_a_program_runs_and_the_reader_misses_nothing() {
    let directory = data_dir();
    let traces = Traces::of(directory.path());
    let service = Service::start(directory.path(), &traces).await;
    let token = service.register().await;
    for role in ["api", "postgres", "worker"] {
        let attempt = service.submit(&token, &slowly(role)).await;
        let mut log = Vec::new();
        service.follow(&token, &attempt, &mut log, any_output).await;
        let victim = if role == "postgres" {
            let pid = std::fs::read_to_string(directory.path().join("postgres/postmaster.pid")).unwrap();
            Pid::from_raw(pid.lines().next().unwrap().parse().unwrap())
        } else {
            service.role(role)
        };
        kill(victim, Signal::SIGKILL).unwrap();
        service.follow(&token, &attempt, &mut log, is_last).await;
        assert_whole(&log, &format!("{role}{WRITTEN}"));
    }
    service.stop().await;
    traces.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_killed_at_once_and_goes_on_after_the_next_start() {
    let directory = data_dir();
    let traces = Traces::of(directory.path());
    let service = Service::start(directory.path(), &traces).await;
    let token = service.register().await;
    let running = service.submit(&token, &slowly("begun")).await;
    let waiting = service.submit(&token, "echo later").await;
    let mut log = Vec::new();
    service.follow(&token, &running, &mut log, any_output).await;
    let before: HashSet<_> = service.processes().into_iter().collect();
    for pid in &before {
        // A child may be gone with its parent.
        let _ = kill(*pid, Signal::SIGKILL);
    }
    drop(service);
    let gone = async {
        while before.iter().any(|pid| is_alive(*pid)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("no process is left");

    let service = Service::start(directory.path(), &traces).await;
    service.follow(&token, &running, &mut log, is_last).await;
    assert_whole(&log, &format!("begun{WRITTEN}"));
    let mut later = Vec::new();
    service.follow(&token, &waiting, &mut later, is_last).await;
    assert_whole(&later, "later\n");
    service.stop().await;
    // The control groups that the first keepers could not remove are gone as well.
    traces.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_lets_programs_finish_and_what_waits_runs_after_the_next_start() {
    let directory = data_dir();
    let traces = Traces::of(directory.path());
    let service = Service::start(directory.path(), &traces).await;
    let token = service.register().await;
    let running = service.submit(&token, &slowly("begun")).await;
    let waiting = service.submit(&token, "echo later").await;
    let mut log = Vec::new();
    service.follow(&token, &running, &mut log, any_output).await;
    service.stop().await;
    traces.assert_gone().await;

    let service = Service::start(directory.path(), &traces).await;
    service.follow(&token, &running, &mut log, is_last).await;
    assert_whole(&log, &format!("begun{WRITTEN}"));
    assert_eq!(log.iter().filter(|event| event["state"] == "QUEUED").count(), 1, "it ran once");
    let mut later = Vec::new();
    service.follow(&token, &waiting, &mut later, is_last).await;
    assert_whole(&later, "later\n");
    service.stop().await;
    traces.assert_gone().await;
}

/// Whether the process runs; one that nobody has waited for does not.
fn is_alive(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
