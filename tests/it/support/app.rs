//! The api as its users meet it: over HTTP and WebSockets, with a database of its own.
#![allow(dead_code, reason = "a fixture offers more than today's tests use")]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use codecanvas::announcements::{Announced, Announcer};
use codecanvas::api;
use codecanvas::config::{self, Config, Overrides};
use codecanvas::lifecycle::Shutdown;
use codecanvas::service::announcements::Announcements;
use codecanvas::service::{self, Services, Settings};
use codecanvas::store::schema;
use codecanvas::worker;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{EventStream, Socket, TestDatabase, database, executable, workshop};

/// A running api process, but for the process.
pub struct TestApp {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its database.
    pub database: TestDatabase,
    /// The use cases below it.
    pub services: Arc<Services>,
    pub config: Arc<Config>,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    /// Where programs are announced to its workers; whoever reads first has it.
    announced: UnixDatagram,
}

impl TestApp {
    /// With the settings that come with codecanvas.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// With other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config::load(None, &std::collections::BTreeMap::new(), &Overrides::default()).unwrap();
        change(&mut config);
        Self::start_on(database().await, config).await
    }

    /// On a database that is there already.
    pub async fn start_on(database: TestDatabase, config: Config) -> Self {
        let mut services = Services::new(database.pool.clone(), Settings::from(&config)).unwrap();
        let (to_worker, announced) = UnixDatagram::pair().unwrap();
        services.announcements = Announcements::by(Announcer::new(to_worker).unwrap());
        let services = Arc::new(services);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let config = Arc::new(config);
        let serving = tokio::spawn(api::serve(listener, Arc::clone(&config), Arc::clone(&services), shutdown.clone()));
        Self { address, database, services, config, shutdown, serving, announced }
    }

    /// The first signal, and all that follows from it.
    pub async fn stop(self) -> TestDatabase {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        self.database
    }

    /// The signal alone.
    pub fn begin_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// A worker of this server, in this process, that offers these languages.
    pub async fn worker(&self, languages: &[&str]) -> AppWorker {
        let cache = tempfile::tempdir().unwrap();
        let mut settings = worker::Settings::from(&*self.config);
        settings.executor.keeper_executable = executable();
        settings.executor.slots = NonZeroUsize::new(2);
        settings.executor.cache_dir = cache.path().to_owned();
        settings.executor.only_languages = Some(languages.iter().map(|name| (*name).to_owned()).collect());
        let shutdown = Shutdown::default();
        let pool = schema::connect(&self.database.url, &super::settings()).await.unwrap();
        let announced = Announced::new(self.announced.try_clone().unwrap()).unwrap();
        let running = tokio::spawn(worker::run(settings, pool, announced, shutdown.clone()));
        while service::languages::list(&self.services).await.unwrap().is_empty() {
            assert!(!running.is_finished(), "the worker does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        AppWorker { shutdown, running, _cache: cache }
    }

    /// Says that bash is on offer, although nobody runs it.
    pub async fn promise_bash(&self) {
        workshop::promise_bash(&self.database.pool).await;
    }

    /// An address below this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Somebody who is not signed in.
    pub fn nobody(&self) -> Person {
        Person { app: self.address, http: client(), token: None, id: String::new() }
    }

    /// Somebody with an account.
    pub async fn student(&self, username: &str) -> Person {
        self.nobody().register(username, PASSWORD).await
    }

    /// Somebody with an account who may create courses.
    pub async fn teacher(&self, username: &str) -> Person {
        self.with_role(username, "TEACHER").await
    }

    /// Somebody who runs the server.
    pub async fn admin(&self, username: &str) -> Person {
        self.with_role(username, "ADMIN").await
    }

    async fn with_role(&self, username: &str, role: &str) -> Person {
        let person = self.student(username).await;
        // The first admin of a server is made at its command line.
        sqlx::query("UPDATE users SET role = $1::site_role WHERE username = $2")
            .bind(role)
            .bind(username)
            .execute(&self.database.pool)
            .await
            .unwrap();
        person
    }

    /// A throw-away account.
    pub async fn guest(&self) -> Person {
        let mut person = self.nobody();
        let data = person.ask("mutation { signInAsGuest { token user { id } } }", Value::Null).await;
        person.token = Some(text(&data["signInAsGuest"]["token"]));
        person.id = text(&data["signInAsGuest"]["user"]["id"]);
        person
    }
}

/// A worker with real keepers and boxes.
pub struct AppWorker {
    shutdown: Shutdown,
    running: JoinHandle<Result<(), worker::StartError>>,
    _cache: tempfile::TempDir,
}

impl AppWorker {
    /// Both signals.
    pub async fn stop(self) {
        self.shutdown.drain.cancel();
        self.shutdown.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// The password of everybody in the tests.
pub const PASSWORD: &str = "correct horse battery";

/// Somebody who uses the API.
#[derive(Debug, Clone)]
pub struct Person {
    app: SocketAddr,
    http: reqwest::Client,
    pub token: Option<String>,
    /// Their global id; empty for nobody.
    pub id: String,
}

impl Person {
    /// Somebody who is not signed in, at a server that is not of this process.
    pub fn at(url: &str) -> Self {
        let app = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { app, http: client(), token: None, id: String::new() }
    }

    /// The same person with an account.
    pub async fn register(mut self, username: &str, password: &str) -> Self {
        let input = json!({ "username": username, "password": password });
        let data = self
            .ask(
                "mutation($input: RegisterInput!) { register(input: $input) { token user { id } } }",
                json!({ "input": input }),
            )
            .await;
        self.token = Some(text(&data["register"]["token"]));
        self.id = text(&data["register"]["user"]["id"]);
        self
    }

    /// The whole answer to an operation.
    pub async fn answer(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        self.request().json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// The data of an operation that succeeds.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    /// The first error of an operation that is refused.
    pub async fn refused(&self, query: &str, variables: Value) -> Refusal {
        let answer = self.answer(query, variables).await;
        let error = answer["errors"].get(0).unwrap_or_else(|| panic!("{query} was not refused: {answer:#}"));
        Refusal {
            code: text(&error["extensions"]["code"]),
            path: error["extensions"]["path"].as_str().map(str::to_owned),
            message: text(&error["message"]),
        }
    }

    /// A new course of theirs: its `id` and `joinCode`.
    pub async fn create_course(&self, title: &str) -> Value {
        let query = "mutation($input: CreateCourseInput!) { createCourse(input: $input) { course { id joinCode } } }";
        self.ask(query, json!({ "input": { "title": title } })).await["createCourse"]["course"].take()
    }

    /// Joins the course that has this code.
    pub async fn join_course(&self, code: &Value) {
        let query = "mutation($code: String!) { joinCourse(input: { joinCode: $code }) { course { id } } }";
        self.ask(query, json!({ "code": code })).await;
    }

    /// A request of theirs, without its query.
    pub fn request(&self) -> RequestBuilder {
        let request = self.http.post(format!("http://{}/graphql", self.app));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// An operation as an event stream.
    pub async fn event_stream(&self, query: &str, variables: Value) -> EventStream {
        EventStream::open(self.request().json(&json!({ "query": query, "variables": variables }))).await
    }

    /// A WebSocket on which this person has been acknowledged.
    pub async fn socket(&self) -> Socket {
        let mut socket = Socket::open(self.app).await;
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        socket.send(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub path: Option<String>,
    pub message: String,
}

/// An HTTP client that follows no redirects and keeps no cookies.
pub fn client() -> reqwest::Client {
    // Another test may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A JSON string.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
