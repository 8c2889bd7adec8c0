//! Lists cost as many statements for a hundred entries as for one.

use serde_json::{Value, json};
use sqlx::PgPool;

use codecanvas::domain::ids::{CourseId, UserId};

use crate::support::{Person, TestApp, statements, text, watch_statements};

/// Loads that wait for more than a moment go in several batches, on a busy machine more than on an idle one.
const SLACK: usize = 30;

/// A course with so many students, each with a submission that has run and a remark on it.
async fn fill_course(pool: &PgPool, course: &str, teacher: &Person, students: i32) {
    sqlx::query(
        "WITH people AS (
             INSERT INTO users (id, username, display_name, role, password_hash)
             SELECT gen_random_uuid(), 'student-' || $3 || '-' || number, 'Student ' || number, 'USER', '-'
             FROM generate_series(1, $3) AS number
             RETURNING id
         ), members AS (
             INSERT INTO course_members (course_id, user_id, role) SELECT $1, id, 'STUDENT' FROM people
         ), submitted AS (
             INSERT INTO submissions (id, author_id, course_id, language, main_path, stdin, arguments, is_interactive,
                 input_sha256, counted_attempt_id, counted_state, counted_verdict)
             SELECT
                 -- UUIDv7 as the service makes them: they tell when it was.
                 (lpad(to_hex((1000 * extract(epoch FROM now()))::bigint), 12, '0') || '7' || substr(md5(id::text), 1, 3)
                     || '8' || substr(md5(id::text), 4, 15))::uuid,
                 id, $1, 'bash', 'main.sh', '', '{}', false, sha256('x'), gen_random_uuid(),
                 'FINISHED', 'OK'
             FROM people
             RETURNING id, author_id, counted_attempt_id
         ), contents AS (
             INSERT INTO sources (sha256, bytes, text) VALUES (sha256('x'), 'x', 'x') ON CONFLICT DO NOTHING
         ), files AS (
             INSERT INTO submission_files (submission_id, position, path, sha256)
             SELECT id, 0, 'main.sh', sha256('x') FROM submitted
         ), tried AS (
             INSERT INTO attempts (id, submission_id, number, requested_by, requested_limits, state, verdict, finished_at)
             SELECT counted_attempt_id, id, 1, author_id, '{}', 'FINISHED', 'OK', now() FROM submitted
         ), ran AS (
             INSERT INTO steps (attempt_id, kind, limits)
             SELECT counted_attempt_id, 'RUN', (SELECT languages -> 0 -> 'default_limits' FROM workers) FROM submitted
         ), happened AS (
             INSERT INTO activity (attempt_id, author_id, course_id, state, verdict)
             SELECT counted_attempt_id, author_id, $1, 'FINISHED', 'OK' FROM submitted
         )
         INSERT INTO feedback (id, submission_id, author_id, body)
         SELECT gen_random_uuid(), id, $2, 'Good.' FROM submitted",
    )
    .bind(course.parse::<CourseId>().unwrap())
    .bind(teacher.id.parse::<UserId>().unwrap())
    .bind(students)
    .execute(pool)
    .await
    .unwrap();
}

/// A teacher's courses with one student and with a hundred.
struct Courses {
    app: TestApp,
    teacher: Person,
    one: String,
    hundred: String,
}

impl Courses {
    async fn set() -> Self {
        watch_statements();
        let app = TestApp::start().await;
        app.promise_bash().await;
        let teacher = app.teacher("teacher").await;
        let mut ids = Vec::new();
        for students in [1, 100] {
            let id = text(&teacher.create_course("C").await["id"]);
            fill_course(&app.database.pool, &id, &teacher, students).await;
            ids.push(id);
        }
        let [one, hundred] = ids.try_into().unwrap();
        Self { app, teacher, one, hundred }
    }

    /// How many statements a question about a course takes, for one student and for a hundred.
    async fn cost(&self, selection: &str, list: impl Fn(&Value) -> &Value) -> (usize, usize) {
        let query = format!("query($id: ID!) {{ course(id: $id) {{ {selection} }} }}");
        let variables = [&self.one, &self.hundred].map(|course| json!({ "id": course }));
        cost(&self.teacher, &query, variables, |answer| list(&answer["course"])).await
    }
}

/// How many statements a question takes, asked so that its answer has one entry, and so that it has a hundred.
async fn cost(
    who: &Person,
    query: &str,
    [one, hundred]: [Value; 2],
    list: impl Fn(&Value) -> &Value,
) -> (usize, usize) {
    let sent_for = async |variables: &Value, entries: usize| {
        let before = statements();
        let answer = who.ask(query, variables.clone()).await;
        assert_eq!(list(&answer).as_array().unwrap().len(), entries);
        statements() - before
    };
    sent_for(&one, 1).await;
    assert!(statements() > 0, "statements are not counted");
    (sent_for(&one, 1).await, sent_for(&hundred, 100).await)
}

#[tokio::test]
async fn a_page_of_a_hundred_takes_as_few_statements_as_one_of_one() {
    let courses = Courses::set().await;
    let (one, hundred) = courses
        .cost(
            "submissions(first: 100) { nodes { id author { username } course { title } files { path } previous { id }
               attempt { state queuePosition requestedBy { username } steps { kind verdict } submission { id } }
               attempts { number } feedback { body author { username } submission { id } } } }",
            |course| &course["submissions"]["nodes"],
        )
        .await;
    // The README tells these figures.
    println!("{one} statements for one submission, {hundred} for a hundred");
    assert!(hundred <= one + SLACK, "{one} statements for one submission, {hundred} for a hundred");
}

#[tokio::test]
async fn the_roster_of_a_hundred_takes_as_few_statements_as_that_of_one() {
    let courses = Courses::set().await;
    let (one, hundred) = courses
        .cost(
            "roster { member { role user { username } } submissionCount isStuck
               lastSubmission { id attempt { verdict steps { kind } } feedback { author { username } } } }",
            |course| &course["roster"],
        )
        .await;
    assert!(hundred <= one + SLACK, "{one} statements for one student, {hundred} for a hundred");
    let (one, hundred) = courses
        .cost("members(role: STUDENT) { role user { username displayName } }", |course| &course["members"])
        .await;
    assert!(hundred <= one + SLACK, "{one} statements for one member, {hundred} for a hundred");
}

#[tokio::test]
async fn the_students_of_a_statistic_are_named_by_one_statement() {
    let courses = Courses::set().await;
    let (one, hundred) = courses
        .cost(
            "statistics { byStudent { submissions untilOk user { username } } }",
            |course| &course["statistics"]["byStudent"],
        )
        .await;
    assert!(hundred <= one + SLACK, "{one} statements for one student, {hundred} for a hundred");
}

#[tokio::test]
async fn an_admin_sees_the_courses_of_a_hundred_users_by_as_few_statements_as_those_of_one() {
    let courses = Courses::set().await;
    let admin = courses.app.admin("root").await;
    let query = "query($first: Int!) { users(first: $first, search: \"student-100-\") {
        nodes { username courses { title } } } }";
    let variables = [json!({ "first": 1 }), json!({ "first": 100 })];
    let (one, hundred) = cost(&admin, query, variables, |answer| {
        let users = &answer["users"]["nodes"];
        assert_eq!(users[0]["courses"][0]["title"], "C");
        users
    })
    .await;
    assert!(hundred <= one + SLACK, "{one} statements for one user, {hundred} for a hundred");
}

#[tokio::test]
async fn a_hundred_things_of_a_kind_are_found_by_as_few_statements_as_one() {
    let courses = Courses::set().await;
    let query = "query($id: ID!) { course(id: $id) { members(role: STUDENT) { user { id } }
        submissions(first: 100) { nodes { id attempt { id } feedback { id } } } } }";
    let answer = courses.teacher.ask(query, json!({ "id": courses.hundred })).await;
    let members = answer["course"]["members"].as_array().unwrap();
    let submissions = answer["course"]["submissions"]["nodes"].as_array().unwrap();
    let kinds = [
        members.iter().map(|member| member["user"]["id"].clone()).collect::<Vec<_>>(),
        submissions.iter().map(|submission| submission["id"].clone()).collect(),
        submissions.iter().map(|submission| submission["attempt"]["id"].clone()).collect(),
        submissions.iter().map(|submission| submission["feedback"][0]["id"].clone()).collect(),
        tokens(&courses.teacher).await,
    ];
    for ids in kinds {
        let variables = [json!({ "ids": ids[..1] }), json!({ "ids": ids })];
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
        let (one, hundred) = cost(&courses.teacher, query, variables, |answer| {
            assert_eq!(answer["nodes"][0]["id"], ids[0]);
            &answer["nodes"]
        })
        .await;
        assert!(hundred <= one + SLACK, "{one} statements for one, {hundred} for a hundred like {}", ids[0]);
    }
}

/// As many access tokens as one may have.
async fn tokens(who: &Person) -> Vec<Value> {
    let query = "mutation { createAccessToken(input: { name: \"t\" }) { accessToken { id } } }";
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(who.ask(query, Value::Null).await["createAccessToken"]["accessToken"]["id"].clone());
    }
    ids
}

#[tokio::test]
async fn a_request_takes_few_connections_however_many_lists_it_asks_for() {
    let courses = Courses::set().await;
    let query = "query($id: ID!) { course(id: $id) {
        members(role: STUDENT) { user { submissions(first: 1) { totalCount nodes { id } } } } } }";
    let answer = courses.teacher.ask(query, json!({ "id": courses.hundred })).await;
    let members = answer["course"]["members"].as_array().unwrap();
    assert!(members.len() == 100 && members.iter().all(|m| m["user"]["submissions"]["totalCount"] == 1));
    // The pool opens one more whenever all are in use, up to thirty, which a hundred lists at once would take. Some are for
    // who listens, and for the loaders.
    let opened = courses.app.database.pool.size();
    assert!(opened < 20, "{opened} connections");
}

#[tokio::test]
async fn each_change_in_a_course_takes_a_statement_per_kind_of_child() {
    let courses = Courses::set().await;
    let mut socket = courses.teacher.socket().await;
    let watch = "subscription($id: ID!, $after: String) { courseActivity(courseId: $id, after: $after) {
        cursor state submission { author { username } } attempt { verdict } } }";
    // From the beginning, however long ago that was.
    let variables = json!({ "id": courses.hundred, "after": "0.0" });
    let before = statements();
    socket.subscribe("1", watch, variables).await;
    for _ in 0..100 {
        let message = socket.receive().await;
        assert_eq!(message["payload"]["data"]["courseActivity"]["state"], "FINISHED", "{message}");
    }
    // Submission, author and attempt, and now and then a page of the feed.
    let sent = statements() - before;
    assert!(sent <= 3 * 100 + SLACK, "{sent} statements for a hundred changes");
    courses.app.stop().await;
}
