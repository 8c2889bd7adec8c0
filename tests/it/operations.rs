//! What operators look at: readiness, metrics, logs, migrations to come, what is deleted by age.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::time::Duration;

use codecanvas::store::schema::{self, SchemaError};
use codecanvas::telemetry::figures::{FIGURES, Figure, Role};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::service::{Service, data_dir, message};
use crate::support::workshop::{PATIENCE, Workshop, assert_whole, stdout};
use crate::support::{Person, TestApp, client, empty_database, executable, text};

const RUN: &str = "mutation($input: SubmitCodeInput!) {
    submitCode(input: $input) { attempt { id verdict steps { stdout { text } } } }
}";

async fn ready(app: &TestApp) -> (StatusCode, String) {
    let answer = client().get(app.url("/readyz")).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_counts_while_it_is_heard_of_and_not_once_it_has_said_goodbye() {
    let app = TestApp::start().await;
    assert_eq!(ready(&app).await.1, "not ready: no worker is running\n");
    let worker = app.worker(&["bash"]).await;
    assert_eq!(ready(&app).await.0, StatusCode::OK);
    worker.stop().await;
    assert_eq!(ready(&app).await.1, "not ready: no worker is running\n");

    app.promise_bash().await;
    for (age, status) in [(5, StatusCode::OK), (16, StatusCode::SERVICE_UNAVAILABLE)] {
        sqlx::query("UPDATE workers SET last_seen_at = clock_timestamp() - make_interval(secs => $1)")
            .bind(f64::from(age))
            .execute(&app.database.pool)
            .await
            .unwrap();
        assert_eq!(ready(&app).await.0, status, "after {age} seconds");
    }
}

#[tokio::test]
async fn a_schema_of_another_version_is_not_ready() {
    let app = TestApp::start().await;
    app.promise_bash().await;
    assert_eq!(ready(&app).await.0, StatusCode::OK);
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9000, 'later', true, 'x', 1)")
        .execute(&app.database.pool)
        .await
        .unwrap();
    let (status, said) = ready(&app).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && said.contains("newer codecanvas"), "{said}");
}

#[test]
fn the_worker_of_a_killed_service_makes_nobody_ready() {
    let data = data_dir();
    let mut service = Service::start(data.path());
    service.wait_until_ready();
    service.signal(nix::sys::signal::Signal::SIGKILL);
    service.wait();
    // Soon enough that the row of the first worker is still fresh.
    let mut service = Service::start(data.path());
    service.wait_until_ready();
    let at = |wanted: &str| service.seen().iter().position(|line| message(line).starts_with(wanted));
    assert!(at("ready to run programs").expect("a worker came first") < at("codecanvas is ready at ").unwrap());
    service.stop();
}

/// What is exposed at an address: types by name, and labels by name.
struct Scrape {
    text: String,
    kinds: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Scrape {
    async fn of(address: &str) -> Self {
        let answer = client().get(format!("http://{address}/metrics")).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        let text = answer.text().await.unwrap();
        let mut kinds = BTreeMap::new();
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("# TYPE ") {
                let (name, kind) = line.split_once(' ').unwrap();
                kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some((name, rest)) = line.split_once('{') {
                let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                let pairs = rest.rsplit_once('}').unwrap().0.split("\",");
                let names = pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned());
                labels.entry(name.to_owned()).or_default().extend(names.filter(|name| name != "le"));
            }
        }
        Self { text, kinds, labels }
    }

    /// The value behind a name with its labels.
    fn value(&self, series: &str) -> Option<f64> {
        let rest = self.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(rest.parse().unwrap())
    }

    /// Fails unless exactly the figures of the role are exposed, as the list says.
    fn assert_is_the_list_of(&self, role: Role) {
        let of_role = || FIGURES.iter().filter(|figure| figure.roles.contains(&role));
        let kinds = of_role().map(|Figure { name, kind, .. }| ((*name).to_owned(), kind.as_str().to_owned()));
        assert_eq!(self.kinds, kinds.collect(), "{role:?}");
        for Figure { name, labels, .. } in of_role() {
            let expected: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
            assert_eq!(self.labels.get(*name).cloned().unwrap_or_default(), expected, "{name}");
        }
    }
}

/// Reads a subscription to its end; answers with the types of its events.
async fn watch(url: &str, token: &str, attempt: &str) -> String {
    let query = "subscription($id: ID!) { attemptEvents(attemptId: $id) { __typename } }";
    let request = client().post(format!("{url}/graphql")).bearer_auth(token).header("accept", "text/event-stream");
    let answer = request.json(&json!({ "query": query, "variables": { "id": attempt } })).send().await.unwrap();
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn api_and_worker_expose_the_figures_of_the_list_and_no_others() {
    let data = data_dir();
    let arguments = ["--set", "metrics_listen=127.0.0.1:0", "--set", "worker.languages=c,bash"];
    let mut service = Service::start_with(data.path(), &arguments);
    let url = service.wait_until_ready();
    let addresses: Vec<_> = service.seen().iter().filter(|line| message(line) == "serving metrics").collect();
    let [first, second] = addresses[..] else { panic!("{addresses:#?}") };
    let (first, second) = (text(&first["address"]), text(&second["address"]));
    let is_worker = Scrape::of(&first).await.kinds.contains_key("codecanvas_worker_slots");
    let (api, worker) = if is_worker { (second, first) } else { (first, second) };

    let ada = Person::at(&url).register("ada", "correct horse battery").await;
    let source = format!("int main(void) {{ return 0; }} /* {} */", std::process::id());
    for _ in 0..2 {
        let input = json!({ "language": "c", "source": source, "waitMs": 30000 });
        assert_eq!(ada.ask(RUN, json!({ "input": input })).await["submitCode"]["attempt"]["verdict"], "OK");
    }
    let input = json!({ "language": "bash", "source": "for i in 1 2 3; do echo $i; sleep 0.2; done; exit 3" });
    let attempt = text(&ada.ask(RUN, json!({ "input": input })).await["submitCode"]["attempt"]["id"]);
    assert!(watch(&url, ada.token.as_ref().unwrap(), &attempt).await.contains("AttemptFinished"));

    // The next box is armed behind everybody's back.
    let armed = async {
        loop {
            let scrape = Scrape::of(&worker).await;
            if scrape.value("codecanvas_arm_seconds_count").is_some_and(|count| count >= 3.0) {
                return scrape;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let worker = tokio::time::timeout(PATIENCE, armed).await.unwrap();
    worker.assert_is_the_list_of(Role::Worker);
    let of_worker = |series: &str| worker.value(series).unwrap_or_else(|| panic!("{series}:\n{}", worker.text));
    assert!((of_worker("codecanvas_attempts_total{language=\"c\",verdict=\"OK\"}") - 2.0).abs() < 0.1);
    assert!((of_worker("codecanvas_attempts_total{language=\"bash\",verdict=\"RUNTIME_ERROR\"}") - 1.0).abs() < 0.1);
    assert!(of_worker("codecanvas_compile_cache_total{language=\"c\",result=\"hit\"}") >= 1.0);
    assert!(of_worker("codecanvas_queue_wait_seconds_count") >= 3.0);
    assert!(of_worker("codecanvas_recorder_batch_events_sum") >= 9.0);
    assert!(of_worker("codecanvas_event_store_seconds_count") >= 9.0);
    assert!((of_worker("codecanvas_worker_slots") - 1.0).abs() < 0.1);
    assert!(of_worker("codecanvas_worker_busy_slots").abs() < 0.1);
    assert!(worker.text.contains("codecanvas_sandbox_protection{protection=\""));

    let api = Scrape::of(&api).await;
    api.assert_is_the_list_of(Role::Api);
    let of_api = |series: &str| api.value(series).unwrap_or_else(|| panic!("{series}:\n{}", api.text));
    assert!((of_api("codecanvas_submissions_total{language=\"c\"}") - 2.0).abs() < 0.1);
    assert!(of_api("codecanvas_event_delivery_seconds_count") >= 1.0);
    assert!(of_api("codecanvas_http_request_seconds_count{status=\"200\"}") >= 4.0);
    assert!((of_api("codecanvas_workers") - 1.0).abs() < 0.1);
    assert!((of_api("codecanvas_database_up") - 1.0).abs() < 0.1);

    let asked: BTreeSet<_> = service
        .stop()
        .iter()
        .filter(|line| message(line) == "answered")
        .map(|line| text(&line["spans"][0]["http.path"]))
        .collect();
    assert_eq!(asked, BTreeSet::from(["/graphql".to_owned()]), "health checks are not worth a line");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_log_say_whose_they_are_and_hold_nothing_that_is_anybodys_business() {
    let data = data_dir();
    let filter = ["--set", "log.filter=debug,sqlx=trace,hyper=trace,tungstenite=trace"];
    let mut service = Service::start_with(data.path(), &filter);
    let url = service.wait_until_ready();
    let password = "battery-staple-4711-hush";
    let ada = Person::at(&url).register("ada", password).await;
    let refused = ada.refused(
        "mutation($p: String!) { signIn(input: { username: \"ada\", password: $p }) { token } }",
        json!({ "p": "wrong-guess-4712-hush" }),
    );
    assert_eq!(refused.await.code, "UNAUTHENTICATED");
    // The output is not in the source.
    let source = "# source-4713-hush\nread line; echo $((123457 * 1000003)); echo \"$line\" >&2; exit 1";
    let input = json!({ "language": "bash", "source": source, "stdin": "typed-4714-hush\n", "waitMs": 30000,
        "arguments": ["argument-4715-hush"] });
    let data_of = ada.ask(RUN, json!({ "input": input })).await;
    let attempt = &data_of["submitCode"]["attempt"];
    assert_eq!(attempt["steps"][0]["stdout"]["text"], "123457370371\n", "{attempt}");
    assert!(watch(&url, ada.token.as_ref().unwrap(), &text(&attempt["id"])).await.contains("AttemptFinished"));

    let lines = service.stop();
    let of_postgres = std::fs::read_to_string(data.path().join("postgres.log")).unwrap();
    let database_password = std::fs::read_to_string(data.path().join("postgres.password")).unwrap();
    let everything = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + &of_postgres;
    let token = ada.token.as_deref().unwrap();
    for secret in ["-hush", "123457370371", "1000003", token, database_password.trim()] {
        let found = everything.find(secret).map(|at| &everything[at.saturating_sub(300)..at]);
        assert_eq!(found, None, "{secret} is in the log");
    }

    let of_attempt = |line: &&Value| line["spans"][0].get("attempt.id").is_some();
    let submitted = lines.iter().filter(of_attempt).find(|line| message(line) == "answered").unwrap();
    assert!(!text(&submitted["spans"][0]["request.id"]).is_empty());
    let ended = lines.iter().find(|line| message(line) == "program ended").unwrap();
    let of_worker = &ended["spans"][0];
    assert_eq!(of_worker["attempt.id"], submitted["spans"][0]["attempt.id"]);
    let worker = lines.iter().find(|line| message(line) == "ready to run programs").unwrap();
    assert_eq!(of_worker["worker.id"], worker["worker.id"]);
    assert_eq!(ended["verdict"], "RUNTIME_ERROR");
}

fn migrate(url: &str, more: &[&str]) -> Output {
    Command::new(executable()).args(["migrate", "--database-url", url]).args(more).output().unwrap()
}

#[tokio::test]
async fn a_dry_run_of_the_migrations_tells_and_changes_nothing() {
    let database = empty_database().await;
    let url = database.url.expose();
    let told = migrate(url, &["--dry-run"]);
    assert!(told.status.success());
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.lines().count() >= 4 && told.lines().all(|line| line.starts_with("would apply 00")), "{told}");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(tables, 0);
    assert!(matches!(schema::check(&database.pool).await, Err(SchemaError::Behind { .. })));

    let applied = String::from_utf8(migrate(url, &[]).stdout).unwrap();
    assert_eq!(applied.replace("applied", "would apply"), told);
    schema::check(&database.pool).await.unwrap();
    assert_eq!(migrate(url, &["--dry-run"]).stdout, b"the schema is up to date\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn timing_older_than_the_setting_is_deleted_and_what_was_written_stays() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let lease = Duration::from_secs(10);
    let first = shop.worker(1, lease).await;
    let (_, old) = shop.submit(&ada, "echo one; sleep 0.05; echo two").await;
    let (_, new) = shop.submit(&ada, "echo three").await;
    shop.events(&ada, old.id, None).await;
    let log = shop.events(&ada, new.id, None).await;
    first.drain().await;
    sqlx::query("UPDATE attempt_logs SET packed_at = now() - interval '25 hours' WHERE attempt_id = $1")
        .bind(old.id.as_uuid())
        .execute(shop.pool())
        .await
        .unwrap();

    let second = shop.worker_with(&["bash"], 1, |settings| settings.keep_logs = Some(Duration::from_hours(24))).await;
    let logs = async || {
        let query = sqlx::query_scalar::<_, sqlx::types::Uuid>("SELECT attempt_id FROM attempt_logs");
        query.fetch_all(shop.pool()).await.unwrap()
    };
    let rest = async || {
        let tables = "SELECT (SELECT count(*) FROM submissions), (SELECT count(*) FROM submission_files),
            (SELECT count(*) FROM sources), (SELECT count(*) FROM attempts), (SELECT count(*) FROM steps),
            (SELECT count(*) FROM activity)";
        sqlx::query_as::<_, (i64, i64, i64, i64, i64, i64)>(tables).fetch_one(shop.pool()).await.unwrap()
    };
    let before = rest().await;
    let tidied = async {
        while logs().await.contains(&old.id.as_uuid()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tidied).await.expect("a worker tidies up when it starts");
    assert_eq!(logs().await, [new.id.as_uuid()]);
    assert_eq!(rest().await, before, "nothing else goes");
    let replay = shop.events(&ada, old.id, None).await;
    assert_whole(&replay);
    assert_eq!(stdout(&replay), "one\ntwo\n");
    assert_eq!(shop.events(&ada, new.id, None).await, log);
    second.drain().await;
}

#[test]
fn doctor_tells_all_that_is_missing_and_how_to_go_without() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("REQUIRE_SANDBOX").is_none(), "an ordinary user cannot hide control groups");
        eprintln!("an ordinary user cannot hide control groups: not tested");
        return;
    }
    // A host without control groups, for the one that asks.
    let hide = "umount --recursive --lazy /sys/fs/cgroup && exec \"$0\" \"$@\"";
    let data = data_dir();
    let doctor = |allowed: &str| {
        Command::new("unshare")
            .args(["--mount", "sh", "-c", hide])
            .arg(executable())
            .args(["doctor", "--set", "worker.languages=bash", "--set"])
            .arg(format!("worker.allow_missing={allowed}"))
            .arg("--data-dir")
            .arg(data.path())
            .output()
            .unwrap()
    };
    let refused = doctor("");
    let report = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(3), "{report}");
    assert_eq!(String::from_utf8_lossy(&refused.stderr), "");
    for line in [
        "  in force seccomp ",
        "  missing  memory-limit ",
        "  reduced  process-limit ",
        "--set worker.allow_missing=memory-limit\n",
        "  offered  bash ",
    ] {
        assert!(report.contains(line), "no {line:?} in {report}");
    }
    let allowed = String::from_utf8(doctor("memory-limit").stdout).unwrap();
    assert!(allowed.contains("  missing  memory-limit ") && !allowed.contains("refuses to start"), "{allowed}");
}
