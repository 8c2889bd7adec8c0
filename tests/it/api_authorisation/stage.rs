//! A course, the people in and around it, and what its student, the author, has left there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use codecanvas::domain::ids::{AccessTokenId, CourseId, SessionId, UserId};
use serde_json::{Value, json};

use super::role::Role;
use crate::support::{AppWorker, Person, TestApp, text};

const SUBMIT: &str =
    "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } attempt { id } } }";

/// Everything that the table is about.
pub struct Stage {
    pub app: TestApp,
    worker: AppWorker,
    people: Vec<Person>,
    /// Ids by the names that documents use for them.
    ids: BTreeMap<&'static str, String>,
    made: AtomicU32,
}

impl Stage {
    /// People first, then the course, then what is in it.
    pub async fn set() -> Self {
        let app = TestApp::start_with(|config| {
            let quota = &mut config.quota;
            for quota in [&mut quota.guest, &mut quota.user, &mut quota.teacher, &mut quota.admin] {
                quota.waiting = 1000;
                quota.per_minute = 1000;
            }
            config.graphql.max_complexity = 1_000_000;
        })
        .await;
        let worker = app.worker(&["bash"]).await;
        let author = app.student("author").await;
        let mut stage = Self { app, worker, people: Vec::new(), ids: BTreeMap::new(), made: AtomicU32::new(0) };
        stage.ids.insert("author", author.id.clone());
        let founder = stage.newcomer(Some("TEACHER"), false).await;
        for (name, title) in [("course", "The course"), ("other", "Another course")] {
            stage.ids.insert(name, text(&founder.create_course(title).await["id"]));
        }
        for role in Role::ALL {
            let person = match role {
                Role::Nobody => stage.app.nobody(),
                Role::Author => author.clone(),
                Role::Token => {
                    let mut person = author.clone();
                    person.token = Some(stage.access_token(&author.id).await.1);
                    person
                }
                Role::Guest
                | Role::Stranger
                | Role::Outsider
                | Role::Classmate
                | Role::Assistant
                | Role::Teacher
                | Role::Admin => stage.understudy(role).await,
            };
            stage.people.push(person);
        }
        stage.enrol(&author.id, "course", "STUDENT").await;
        // The courses are those of their teachers.
        for course in ["course", "other"] {
            let leave = "mutation($id: ID!) { leaveCourse(input: { courseId: $id }) { course { id } } }";
            founder.ask(leave, json!({ "id": stage.id(course) })).await;
        }
        stage.fill_course().await;
        stage
    }

    /// Ends what runs.
    pub async fn clear(self) {
        self.worker.stop().await;
    }

    pub fn person(&self, role: Role) -> &Person {
        &self.people[Role::ALL.iter().position(|other| *other == role).unwrap()]
    }

    pub fn id(&self, name: &str) -> &str {
        self.ids.get(name).unwrap_or_else(|| panic!("nothing is called {name}"))
    }

    /// Replaces `$name` by the id of what is called so.
    pub fn fill(&self, document: &str) -> String {
        self.ids
            .iter()
            .fold(document.to_owned(), |text, (name, id)| text.replace(&format!("${name}"), &format!("{id:?}")))
    }

    /// Somebody new in the same position, for what changes whom it happens to.
    pub async fn understudy(&self, role: Role) -> Person {
        let person = self.newcomer(role.on_the_server(), role == Role::Token).await;
        for (course, role) in [("course", role.in_the_course()), ("other", role.in_the_other_course())] {
            if let Some(role) = role {
                self.enrol(&person.id, course, role).await;
            }
        }
        person
    }

    /// A name that nobody has.
    pub fn name(&self) -> String {
        format!("person-{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// Somebody new with the author's password, made without its costly hash; nobody without a role.
    async fn newcomer(&self, role: Option<&str>, by_token: bool) -> Person {
        let mut person = self.app.nobody();
        let Some(role) = role else { return person };
        let id = UserId::new();
        sqlx::query(
            "INSERT INTO users (id, username, display_name, role, password_hash, expires_at)
             SELECT $1, $2, $2, $3::site_role, CASE WHEN $3 <> 'GUEST' THEN author.password_hash END,
                 CASE WHEN $3 = 'GUEST' THEN now() + interval '1 day' END
             FROM users AS author
             WHERE author.username = 'author'",
        )
        .bind(id)
        .bind(self.name())
        .bind(role)
        .execute(&self.app.database.pool)
        .await
        .unwrap();
        person.id = id.to_string();
        person.token =
            Some(if by_token { self.access_token(&person.id).await.1 } else { self.session(&person.id).await.1 });
        person
    }

    async fn enrol(&self, user: &str, course: &str, role: &str) {
        sqlx::query("INSERT INTO course_members (course_id, user_id, role) VALUES ($1, $2, $3::course_role)")
            .bind(self.id(course).parse::<CourseId>().unwrap())
            .bind(user.parse::<UserId>().unwrap())
            .bind(role)
            .execute(&self.app.database.pool)
            .await
            .unwrap();
    }

    /// A further session of somebody's, and its secret.
    pub async fn session(&self, user: &str) -> (String, String) {
        let (id, secret) = (SessionId::new(), format!("ccs_{:0>43}", self.name()));
        sqlx::query(
            "INSERT INTO sessions (id, user_id, secret_sha256, expires_at)
             VALUES ($1, $2, sha256($3), now() + interval '1 day')",
        )
        .bind(id)
        .bind(user.parse::<UserId>().unwrap())
        .bind(secret.as_bytes())
        .execute(&self.app.database.pool)
        .await
        .unwrap();
        (id.to_string(), secret)
    }

    /// A further access token of somebody's, and its secret.
    pub async fn access_token(&self, user: &str) -> (String, String) {
        let (id, secret) = (AccessTokenId::new(), format!("cct_{:0>43}", self.name()));
        sqlx::query("INSERT INTO access_tokens (id, user_id, name, secret_sha256) VALUES ($1, $2, 't', sha256($3))")
            .bind(id)
            .bind(user.parse::<UserId>().unwrap())
            .bind(secret.as_bytes())
            .execute(&self.app.database.pool)
            .await
            .unwrap();
        (id.to_string(), secret)
    }

    /// A program of somebody's; its submission and its attempt.
    pub async fn submit(&self, role: Role, source: &str, course: Option<&str>) -> (String, String) {
        let input = json!({ "language": "bash", "source": source, "courseId": course.map(|name| self.id(name)) });
        self.hand_in(role, input).await
    }

    async fn hand_in(&self, role: Role, input: Value) -> (String, String) {
        let answer = self.person(role).ask(SUBMIT, json!({ "input": input })).await["submitCode"].take();
        (text(&answer["submission"]["id"]), text(&answer["attempt"]["id"]))
    }

    /// A run of the author's that waits to be typed into.
    pub async fn dialogue(&self, source: &str) -> (String, String) {
        let input =
            json!({ "language": "bash", "source": source, "isInteractive": true, "courseId": self.id("course") });
        let (submission, attempt) = self.hand_in(Role::Author, input).await;
        self.watch(&attempt, "StepStarted").await;
        (submission, attempt)
    }

    /// Waits for an event of that kind.
    async fn watch(&self, attempt: &str, kind: &str) {
        let mut socket = self.person(Role::Author).socket().await;
        let query = "subscription($id: ID!) { attemptEvents(attemptId: $id) { __typename } }";
        socket.subscribe("1", query, json!({ "id": attempt })).await;
        while socket.receive().await["payload"]["data"]["attemptEvents"]["__typename"] != kind {}
    }

    /// Two submissions in the course, the later one with a dialogue and a remark, and a private one.
    async fn fill_course(&mut self) {
        let (earlier, _) = self.submit(Role::Author, "echo before", Some("course")).await;
        let (private, unseen) = self.submit(Role::Author, "echo private", None).await;
        self.watch(&unseen, "AttemptFinished").await;
        let (submission, attempt) = self.dialogue("read -r line; echo \"$line\"; exit 3").await;
        let write = "mutation($id: ID!) { writeStdin(input: { attemptId: $id, text: \"hello\\n\" }) { nextOffset } }";
        self.person(Role::Author).ask(write, json!({ "id": attempt })).await;
        self.watch(&attempt, "AttemptFinished").await;
        let remark = "mutation($input: AddFeedbackInput!) { addFeedback(input: $input) { feedback { id } } }";
        let input = json!({ "submissionId": submission, "body": "Why 3?", "path": "main.sh", "startLine": 1 });
        let remark = self.person(Role::Teacher).ask(remark, json!({ "input": input })).await;
        let worker = self.person(Role::Admin).ask("{ server { workers { id } } }", Value::Null).await;
        let author = self.id("author").to_owned();
        let ids = [
            ("earlier", earlier),
            ("private", private),
            ("unseen", unseen),
            ("submission", submission),
            ("attempt", attempt),
            ("feedback", text(&remark["addFeedback"]["feedback"]["id"])),
            ("worker", text(&worker["server"]["workers"][0]["id"])),
            ("session", self.session(&author).await.0),
            ("token", self.access_token(&author).await.0),
            ("teacher", self.person(Role::Teacher).id.clone()),
            ("outsider", self.person(Role::Outsider).id.clone()),
        ];
        self.ids.extend(ids);
    }
}
