//! Who may see and do what: every field and mutation of the schema, asked for by everybody, compared with
//! `authorisation.txt`. A field without a line there fails, and so does a line without a field.
//!
//! The subject of all questions is Ada, a student, with a submission in a course. A cell says `yes`, `null`,
//! or the code of the refusal.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestApp, text};

const COLUMNS: [&str; 8] = ["nobody", "guest", "outsider", "classmate", "ada", "assistant", "teacher", "admin"];

/// Types that are reached through one field only, whose line tells all: what mutations answer, and what
/// subscriptions deliver.
fn is_told_elsewhere(name: &str) -> bool {
    name.starts_with("__") || name.ends_with("Payload") || ["Mutation", "Subscription", "Activity"].contains(&name)
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let stage = Stage::set().await;
    let mut table = String::new();
    writeln!(table, "{:<38}{}", "", COLUMNS.map(|column| format!("{column:<16}")).join("").trim_end()).unwrap();
    for (name, document, variables) in stage.reads().await {
        let mut cells = Vec::new();
        for person in &stage.people {
            cells.push(outcome(&person.answer(&document, variables.clone()).await));
        }
        write_line(&mut table, &name, &cells);
    }
    for name in stage.mutations().await {
        let mut cells = Vec::new();
        for (number, person) in stage.people.iter().enumerate() {
            cells.push(stage.mutate(&name, number, person).await);
        }
        write_line(&mut table, &format!("Mutation.{name}"), &cells);
    }
    for (name, query) in [
        ("attemptEvents", "subscription($attempt: ID!) { attemptEvents(attemptId: $attempt) { cursor } }"),
        ("courseActivity", "subscription($course: ID!) { courseActivity(courseId: $course) { cursor } }"),
        ("viewerActivity", "subscription { viewerActivity { cursor } }"),
    ] {
        let mut cells = Vec::new();
        for person in &stage.people {
            cells.push(stage.subscribe(query, person).await);
        }
        write_line(&mut table, &format!("Subscription.{name}"), &cells);
    }
    let expected = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/authorisation.txt")).unwrap();
    if table != expected {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorisation.txt");
        std::fs::write(&path, &table).unwrap();
        let differences = similar::TextDiff::from_lines(&expected, &table);
        panic!(
            "{}\nIf this is as it should be: cp {} tests/it/authorisation.txt",
            differences.unified_diff().context_radius(0),
            path.display()
        );
    }
}

fn write_line(table: &mut String, name: &str, cells: &[String]) {
    let cells: String = cells.iter().map(|cell| format!("{cell:<16}")).collect();
    writeln!(table, "{name:<38}{}", cells.trim_end()).unwrap();
}

/// What came of an operation with one leaf.
fn outcome(answer: &Value) -> String {
    if let Some(error) = answer["errors"].get(0) {
        return text(&error["extensions"]["code"]);
    }
    // Down to where the only field leads.
    let mut value = &answer["data"];
    loop {
        match value {
            Value::Object(map) => match map.values().next() {
                Some(next) => value = next,
                None => return "yes".into(),
            },
            Value::Array(list) => {
                match list.iter().find(|entry| !entry.as_object().is_some_and(serde_json::Map::is_empty)) {
                    Some(next) => value = next,
                    None => return "yes".into(),
                }
            }
            Value::Null => return "null".into(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => return "yes".into(),
        }
    }
}

struct Stage {
    app: TestApp,
    people: Vec<Person>,
    ids: Value,
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::start_with(|config| {
            for quota in
                [&mut config.quota.guest, &mut config.quota.user, &mut config.quota.teacher, &mut config.quota.admin]
            {
                quota.waiting = 1000;
                quota.per_minute = 1000;
            }
        })
        .await;
        app.promise_bash().await;
        let teacher = app.teacher("teacher").await;
        let (outsider, admin) = (app.teacher("outsider").await, app.admin("admin").await);
        let (ada, classmate, assistant) =
            (app.student("ada").await, app.student("classmate").await, app.student("assistant").await);
        let people = vec![app.nobody(), app.guest().await, outsider, classmate, ada, assistant, teacher, admin];
        let mut stage = Self { app, people, ids: Value::Null };
        let course = stage.course().await;
        let ada = &stage.people[4];
        let submit =
            "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } attempt { id } } }";
        let input = json!({ "language": "bash", "source": "echo", "courseId": course });
        let first = ada.ask(submit, json!({ "input": input })).await["submitCode"].take();
        let private =
            ada.ask(submit, json!({ "input": { "language": "bash", "source": "echo 2" } })).await["submitCode"].take();
        let own = ada.ask("{ viewer { sessions { id } } }", Value::Null).await;
        let token =
            ada.ask("mutation { createAccessToken(input: { name: \"t\" }) { accessToken { id } } }", Value::Null).await;
        let remark = "mutation($input: AddFeedbackInput!) { addFeedback(input: $input) { feedback { id } } }";
        let input = json!({ "submissionId": first["submission"]["id"], "body": "Good." });
        let remark = stage.people[6].ask(remark, json!({ "input": input })).await;
        let worker = stage.people[7].ask("{ server { workers { id } } }", Value::Null).await;
        stage.ids = json!({
            "ada": ada.id, "course": course, "submission": first["submission"]["id"], "attempt": first["attempt"]["id"],
            "private": private["submission"]["id"], "session": own["viewer"]["sessions"][0]["id"],
            "token": token["createAccessToken"]["accessToken"]["id"], "feedback": remark["addFeedback"]["feedback"]["id"],
            "worker": worker["server"]["workers"][0]["id"],
        });
        stage.finish_attempt().await;
        stage
    }

    /// A course in which everybody is what their column says.
    async fn course(&self) -> String {
        let teacher = &self.people[6];
        let made =
            teacher.ask("mutation { createCourse(input: { title: \"C\" }) { course { id } } }", Value::Null).await;
        let course = &made["createCourse"]["course"];
        let id = text(&course["id"]);
        for (person, role) in [(3, "STUDENT"), (4, "STUDENT"), (5, "ASSISTANT")] {
            // Joining by the code is throttled.
            sqlx::query(
                "INSERT INTO course_members (course_id, user_id, role) VALUES ($1::uuid, $2::uuid, $3::course_role)",
            )
            .bind(&id["crs_".len()..])
            .bind(&self.people[person].id["usr_".len()..])
            .bind(role)
            .execute(&self.app.database.pool)
            .await
            .unwrap();
        }
        id
    }

    /// Ends Ada's attempt, so that there are a step and a whole log to look at.
    async fn finish_attempt(&self) {
        let cancel = "mutation($id: ID!) { cancelAttempt(input: { attemptId: $id }) { attempt { state } } }";
        self.people[4].ask(cancel, json!({ "id": self.ids["attempt"] })).await;
        sqlx::query(
            "INSERT INTO steps (attempt_id, kind, limits)
             SELECT id, 'RUN', (SELECT languages -> 0 -> 'default_limits' FROM workers) FROM attempts WHERE state = 'FINISHED'",
        )
        .execute(&self.app.database.pool)
        .await
        .unwrap();
    }

    /// Every field of every type, as a document with that field as its only leaf.
    async fn reads(&self) -> Vec<(String, String, Value)> {
        let introspection = "{ __schema { types { kind name fields { name type { kind name ofType { kind name ofType { kind name ofType { kind } } } } } } } }";
        let schema = self.people[0].ask(introspection, Value::Null).await;
        let mut reads = Vec::new();
        for kind in schema["__schema"]["types"].as_array().unwrap() {
            let name = text(&kind["name"]);
            if kind["kind"] != "OBJECT" || is_told_elsewhere(&name) {
                continue;
            }
            let (before, after) = way_to(&name).unwrap_or_else(|| panic!("no way leads to {name}: add one to way_to"));
            for field in kind["fields"].as_array().unwrap() {
                let field_name = text(&field["name"]);
                let arguments = arguments_of(&name, &field_name);
                let selection = if is_composite(&field["type"]) { " { __typename }" } else { "" };
                let document = format!("{before}{field_name}{arguments}{selection}{after}");
                let (document, variables) = self.with_variables(&document);
                reads.push((format!("{name}.{field_name}"), document, variables));
            }
        }
        let (document, variables) = self.with_variables("{ submission(id: $private) { id } }");
        reads.push(("Query.submission (private)".into(), document, variables));
        reads.sort_by(|a, b| a.0.cmp(&b.0));
        reads
    }

    /// Declares the variables that a document uses.
    fn with_variables(&self, document: &str) -> (String, Value) {
        let used: Vec<_> =
            self.ids.as_object().unwrap().iter().filter(|(name, _)| document.contains(&format!("${name}"))).collect();
        if used.is_empty() {
            return (document.to_owned(), Value::Null);
        }
        let declared: Vec<_> = used.iter().map(|(name, _)| format!("${name}: ID!")).collect();
        let variables = used.into_iter().map(|(name, id)| (name.clone(), id.clone())).collect();
        (format!("query({}) {document}", declared.join(", ")), Value::Object(variables))
    }

    async fn mutations(&self) -> Vec<String> {
        let answer = self.people[0].ask("{ __schema { mutationType { fields { name } } } }", Value::Null).await;
        let fields = answer["__schema"]["mutationType"]["fields"].as_array().unwrap().clone();
        let mut names: Vec<_> = fields.iter().map(|field| text(&field["name"])).collect();
        names.sort();
        names
    }

    /// What comes of a mutation. Whatever it changes was made for this one time.
    async fn mutate(&self, name: &str, number: usize, person: &Person) -> String {
        let input = match name {
            "register" => json!({ "username": format!("new-{number}"), "password": PASSWORD }),
            "signInAsGuest" | "signOut" => Value::Null,
            "signIn" => json!({ "username": "ada", "password": PASSWORD }),
            "changePassword" => json!({ "currentPassword": "wrong", "newPassword": PASSWORD }),
            "createAccessToken" => json!({ "name": "token" }),
            "revokeAccessToken" => json!({ "id": self.ids["token"] }),
            "endSession" => json!({ "id": self.spare_session().await }),
            "updateProfile" => json!({ "displayName": "Somebody" }),
            "deleteAccount" => json!({ "password": "wrong" }),
            "setUserRole" => json!({ "userId": self.victim(number, name).await, "role": "TEACHER" }),
            "deleteUser" => json!({ "userId": self.victim(number, name).await }),
            "submitCode" => json!({ "language": "bash", "source": "echo", "courseId": self.ids["course"] }),
            "rerunSubmission" => json!({ "submissionId": self.ids["submission"] }),
            "cancelAttempt" => json!({ "attemptId": self.ids["attempt"] }),
            "writeStdin" => json!({ "attemptId": self.ids["attempt"], "text": "x" }),
            "createCourse" => json!({ "title": "Mine" }),
            "updateCourse" => json!({ "id": self.course().await, "title": "Other" }),
            "joinCourse" => json!({ "joinCode": "no code" }),
            "leaveCourse" => json!({ "courseId": self.course().await }),
            "setMemberRole" => {
                json!({ "courseId": self.course().await, "userId": self.people[3].id, "role": "ASSISTANT" })
            }
            "removeMember" => json!({ "courseId": self.course().await, "userId": self.people[4].id }),
            "addFeedback" => json!({ "submissionId": self.ids["submission"], "body": "Well done." }),
            _ => panic!("no input for the mutation {name}: add one"),
        };
        // Guests who register or leave are gone; whoever signs out is signed out.
        let spare = match name {
            "register" | "deleteAccount" if number == 1 => Some(self.app.guest().await),
            "signOut" if number == 1 => Some(self.app.guest().await),
            "signOut" if number > 1 => Some(self.signed_in_again(COLUMNS[number]).await),
            _ => None,
        };
        let capital = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = if input.is_null() {
            format!("mutation {{ {name} {{ __typename }} }}")
        } else {
            format!("mutation($input: {capital}!) {{ {name}(input: $input) {{ __typename }} }}")
        };
        outcome(&spare.as_ref().unwrap_or(person).answer(&document, json!({ "input": input })).await)
    }

    /// Somebody that nobody will miss.
    async fn victim(&self, number: usize, fate: &str) -> String {
        self.app.student(&format!("{fate}-{number}")).await.id
    }

    async fn signed_in_again(&self, username: &str) -> Person {
        let mut person = self.app.nobody();
        let sign_in = "mutation($input: SignInInput!) { signIn(input: $input) { token } }";
        let answer = person.ask(sign_in, json!({ "input": { "username": username, "password": PASSWORD } })).await;
        person.token = Some(text(&answer["signIn"]["token"]));
        person
    }

    /// A session of Ada's that nobody uses.
    async fn spare_session(&self) -> Value {
        self.signed_in_again("ada").await;
        let sessions = self.people[4].ask("{ viewer { sessions { id isCurrent } } }", Value::Null).await;
        let sessions = sessions["viewer"]["sessions"].as_array().unwrap().clone();
        sessions.into_iter().find(|session| session["isCurrent"] == false).unwrap()["id"].clone()
    }

    /// What comes first of a subscription; nothing within a moment is as good as an event.
    async fn subscribe(&self, query: &str, person: &Person) -> String {
        let mut socket = person.socket().await;
        let mut variables = self.ids.clone();
        variables.as_object_mut().unwrap().retain(|name, _| query.contains(&format!("${name}:")));
        socket.subscribe("1", query, variables).await;
        // An operation behind it is answered, so the refusal would have come.
        for id in 0..20 {
            socket.subscribe(&format!("q{id}"), "{ server { queueDepth } }", Value::Null).await;
            let message = socket.receive().await;
            if message["id"] == "1" {
                return if message["type"] == "error" {
                    text(&message["payload"][0]["extensions"]["code"])
                } else {
                    "yes".into()
                };
            }
        }
        "yes".into()
    }
}

/// The way from the root to a type: what comes before one of its fields, and after.
fn way_to(name: &str) -> Option<(String, String)> {
    let fields: &[&str] = match name {
        "Query" => &[],
        "User" => &["node(id: $ada)", "... on User"],
        "Session" => &["node(id: $session)", "... on Session"],
        "AccessToken" => &["node(id: $token)", "... on AccessToken"],
        "UserConnection" => &["users"],
        "UserEdge" => &["users", "edges"],
        "Language" => &["language(name: \"bash\")"],
        "Limits" => &["language(name: \"bash\")", "defaultLimits"],
        "Submission" => &["submission(id: $submission)"],
        "SourceFile" => &["submission(id: $submission)", "files"],
        "FileDiff" => &["submission(id: $submission)", "diff(from: $private)"],
        "SubmissionConnection" => &["node(id: $ada)", "... on User", "submissions"],
        "SubmissionEdge" => &["course(id: $course)", "submissions", "edges"],
        "PageInfo" => &["course(id: $course)", "submissions", "pageInfo"],
        "Attempt" => &["attempt(id: $attempt)"],
        "Step" => &["attempt(id: $attempt)", "steps"],
        "Output" => &["attempt(id: $attempt)", "steps", "stdout"],
        "StateChanged" => &["attempt(id: $attempt)", "events", "... on StateChanged"],
        "StepStarted" => &["attempt(id: $attempt)", "events", "... on StepStarted"],
        "OutputChunk" => &["attempt(id: $attempt)", "events", "... on OutputChunk"],
        "InputChunk" => &["attempt(id: $attempt)", "events", "... on InputChunk"],
        "StepFinished" => &["attempt(id: $attempt)", "events", "... on StepFinished"],
        "AttemptFinished" => &["attempt(id: $attempt)", "events", "... on AttemptFinished"],
        "Course" => &["course(id: $course)"],
        "Member" => &["course(id: $course)", "members"],
        "RosterRow" => &["course(id: $course)", "roster"],
        "CourseStatistics" => &["course(id: $course)", "statistics"],
        "VerdictCount" => &["course(id: $course)", "statistics", "byVerdict"],
        "LanguageCount" => &["course(id: $course)", "statistics", "byLanguage"],
        "TimeBucket" => &["course(id: $course)", "statistics", "overTime"],
        "Feedback" => &["node(id: $feedback)", "... on Feedback"],
        "Server" => &["server"],
        "Worker" => &["node(id: $worker)", "... on Worker"],
        _ => return None,
    };
    let before: String = fields.iter().map(|field| format!("{field} {{ ")).collect();
    Some((format!("{{ {before}"), format!(" }}{}", " }".repeat(fields.len()))))
}

fn arguments_of(kind: &str, field: &str) -> &'static str {
    match (kind, field) {
        ("Query", "node") => "(id: $ada)",
        ("Query", "nodes") => "(ids: [$ada])",
        ("Query", "language") => "(name: \"bash\")",
        ("Query", "submission") => "(id: $submission)",
        ("Query", "attempt") => "(id: $attempt)",
        ("Query", "course") => "(id: $course)",
        ("Submission", "diff") => "(from: $submission)",
        _ => "",
    }
}

/// Whether a selection has to follow.
fn is_composite(kind: &Value) -> bool {
    match kind["kind"].as_str() {
        Some("OBJECT" | "INTERFACE") => true,
        Some("LIST" | "NON_NULL") => is_composite(&kind["ofType"]),
        _ => false,
    }
}
