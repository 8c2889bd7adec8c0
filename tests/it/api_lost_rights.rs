//! Streams end within seconds when the viewer loses the right to them, over WebSockets and as event
//! streams alike.
//!
//! Tom, an assistant of a course, watches a student's run, the course, and his own runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{EventStream, PASSWORD, Person, Socket, TestApp, text};

/// The check that needs no notice comes every ten seconds; here each loss gives notice.
const SECONDS: Duration = Duration::from_secs(5);

const EVENTS: &str = "subscription($id: ID!) { attemptEvents(attemptId: $id) { __typename sequence } }";
const COURSE: &str = "subscription($id: ID!) { courseActivity(courseId: $id) { submission { id } } }";
const OWN: &str = "subscription { viewerActivity { submission { id } } }";
const SUBMIT: &str =
    "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } attempt { id } } }";

/// A subscription over either transport.
enum Watch {
    Socket(Box<Socket>),
    Events(EventStream),
}

impl Watch {
    async fn both(person: &Person, query: &str, variables: &Value) -> [Self; 2] {
        let mut socket = person.socket().await;
        socket.subscribe("1", query, variables.clone()).await;
        [Self::Socket(Box::new(socket)), Self::Events(person.event_stream(query, variables.clone()).await)]
    }

    /// The next event, or the code by which the stream has ended.
    async fn next(&mut self) -> Result<Value, String> {
        match self {
            Self::Socket(socket) => {
                let mut message = socket.receive().await;
                match message["type"].as_str() {
                    Some("next") => Ok(message["payload"]["data"].take()),
                    Some("error") => Err(text(&message["payload"][0]["extensions"]["code"])),
                    _ => panic!("{message}"),
                }
            }
            Self::Events(events) => {
                let mut event = events.next().await.expect("a stream says why it ends");
                if event.data["data"].is_null() {
                    assert_eq!(events.next().await.map(|event| event.kind).as_deref(), Some("complete"));
                    assert_eq!(events.next().await, None);
                    return Err(text(&event.data["errors"][0]["extensions"]["code"]));
                }
                Ok(event.data["data"].take())
            }
        }
    }

    /// Waits for the end, which is to come in time. What happens before the notice has come may be shown.
    async fn ends(&mut self, since: Instant) -> String {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(code) => {
                    assert!(since.elapsed() < SECONDS, "{code} after {:?}", since.elapsed());
                    return code;
                }
            }
        }
    }

    /// Waits for news of a submission.
    async fn shows(&mut self, submission: &str) {
        while !self.next().await.expect("the stream goes on").to_string().contains(submission) {}
    }
}

struct Scene {
    app: TestApp,
    teacher: Person,
    ada: Person,
    tom: Person,
    course: String,
    attempt: String,
}

/// What of a run, of the course, and of one's own is watched, over both transports.
struct Watches {
    run: [Watch; 2],
    course: [Watch; 2],
    own: [Watch; 2],
}

impl Scene {
    async fn set() -> Self {
        let app = TestApp::start().await;
        app.promise_bash().await;
        let (teacher, ada, tom) = (app.teacher("teacher").await, app.student("ada").await, app.student("tom").await);
        let course = teacher.create_course("C").await;
        for person in [&ada, &tom] {
            person.join_course(&course["joinCode"]).await;
        }
        let mut scene = Self { app, teacher, ada, tom, course: text(&course["id"]), attempt: String::new() };
        scene.give_tom("ASSISTANT").await;
        scene.attempt = scene.submit(&scene.ada, true).await.1;
        scene
    }

    async fn give_tom(&self, role: &str) {
        let query = "mutation($input: SetMemberRoleInput!) { setMemberRole(input: $input) { course { id } } }";
        let input = json!({ "courseId": self.course, "userId": self.tom.id, "role": role });
        self.teacher.ask(query, json!({ "input": input })).await;
    }

    /// A submission and its attempt.
    async fn submit(&self, person: &Person, in_course: bool) -> (String, String) {
        let course = in_course.then_some(&self.course);
        let input = json!({ "language": "bash", "source": "echo", "courseId": course });
        let answer = person.ask(SUBMIT, json!({ "input": input })).await["submitCode"].take();
        (text(&answer["submission"]["id"]), text(&answer["attempt"]["id"]))
    }

    /// Opens all streams and sees each of them live.
    async fn watch(&self, tom: &Person) -> Watches {
        let mut watches = Watches {
            run: Watch::both(tom, EVENTS, &json!({ "id": self.attempt })).await,
            course: Watch::both(tom, COURSE, &json!({ "id": self.course })).await,
            own: Watch::both(tom, OWN, &Value::Null).await,
        };
        let (of_ada, of_tom) = (self.submit(&self.ada, true).await.0, self.submit(tom, false).await.0);
        for transport in 0..2 {
            assert_eq!(watches.run[transport].next().await.unwrap()["attemptEvents"]["sequence"], 0);
            watches.course[transport].shows(&of_ada).await;
            watches.own[transport].shows(&of_tom).await;
        }
        watches
    }

    /// Something happens at once, and all streams end by these codes.
    async fn assert_ended(&self, mut watches: Watches, run: &str, course: &str, own: Option<&str>) {
        let since = Instant::now();
        self.submit(&self.ada, true).await;
        for transport in 0..2 {
            assert_eq!(watches.run[transport].ends(since).await, run);
            assert_eq!(watches.course[transport].ends(since).await, course);
            if let Some(own) = own {
                assert_eq!(watches.own[transport].ends(since).await, own);
            }
        }
        if own.is_none() {
            let (news, _) = self.submit(&self.tom, false).await;
            for watch in &mut watches.own {
                watch.shows(&news).await;
            }
        }
    }

    async fn assert_signed_out(&self, watches: Watches) {
        self.assert_ended(watches, "UNAUTHENTICATED", "UNAUTHENTICATED", Some("UNAUTHENTICATED")).await;
    }

    async fn sign_in(&self) -> Person {
        let query = "mutation($input: SignInInput!) { signIn(input: $input) { token } }";
        let input = json!({ "username": "tom", "password": PASSWORD });
        let mut person = self.tom.clone();
        person.token = Some(text(&self.app.nobody().ask(query, json!({ "input": input })).await["signIn"]["token"]));
        person
    }
}

#[tokio::test]
async fn whoever_leaves_the_course_watches_only_their_own_runs() {
    let scene = Scene::set().await;
    let watches = scene.watch(&scene.tom).await;
    let leave = "mutation($id: ID!) { leaveCourse(input: { courseId: $id }) { course { id } } }";
    scene.tom.ask(leave, json!({ "id": scene.course })).await;
    scene.assert_ended(watches, "NOT_FOUND", "NOT_FOUND", None).await;
}

#[tokio::test]
async fn whoever_is_removed_from_the_course_watches_only_their_own_runs() {
    let scene = Scene::set().await;
    let watches = scene.watch(&scene.tom).await;
    let remove = "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { course { id } } }";
    scene.teacher.ask(remove, json!({ "input": { "courseId": scene.course, "userId": scene.tom.id } })).await;
    scene.assert_ended(watches, "NOT_FOUND", "NOT_FOUND", None).await;
}

#[tokio::test]
async fn an_assistant_who_becomes_a_student_watches_only_their_own_runs() {
    let scene = Scene::set().await;
    let watches = scene.watch(&scene.tom).await;
    scene.give_tom("STUDENT").await;
    scene.assert_ended(watches, "NOT_FOUND", "FORBIDDEN", None).await;
}

#[tokio::test]
async fn whoever_loses_a_role_on_the_server_subscribes_again_under_the_lower_one() {
    let scene = Scene::set().await;
    let admin = scene.app.admin("admin").await;
    let set_role = "mutation($input: SetUserRoleInput!) { setUserRole(input: $input) { user { id } } }";
    let input = |role: &str| json!({ "input": { "userId": scene.tom.id, "role": role } });
    admin.ask(set_role, input("TEACHER")).await;
    let watches = scene.watch(&scene.tom).await;
    admin.ask(set_role, input("USER")).await;
    scene.assert_ended(watches, "FORBIDDEN", "FORBIDDEN", Some("FORBIDDEN")).await;
    scene.watch(&scene.tom).await;
}

#[tokio::test]
async fn signing_out_ends_the_streams_of_that_session_alone() {
    let scene = Scene::set().await;
    let elsewhere = scene.sign_in().await;
    let (here, mut there) = (scene.watch(&scene.tom).await, scene.watch(&elsewhere).await);
    scene.tom.ask("mutation { signOut { isSignedOut } }", Value::Null).await;
    scene.assert_signed_out(here).await;
    let (news, _) = scene.submit(&scene.ada, true).await;
    for watch in &mut there.course {
        watch.shows(&news).await;
    }
}

#[tokio::test]
async fn a_session_that_is_ended_from_elsewhere_ends_its_streams() {
    let scene = Scene::set().await;
    let elsewhere = scene.sign_in().await;
    let watches = scene.watch(&elsewhere).await;
    let sessions = elsewhere.ask("{ viewer { sessions { id isCurrent } } }", Value::Null).await;
    let sessions = sessions["viewer"]["sessions"].as_array().unwrap();
    let current = sessions.iter().find(|session| session["isCurrent"] == true).unwrap();
    let end = "mutation($id: ID!) { endSession(input: { id: $id }) { endedId } }";
    scene.tom.ask(end, json!({ "id": current["id"] })).await;
    scene.assert_signed_out(watches).await;
}

#[tokio::test]
async fn a_session_that_ends_by_its_date_ends_its_streams() {
    let scene = Scene::set().await;
    // Long enough to see the streams live, on a machine whose disk is busy with what was just compiled.
    sqlx::query("UPDATE sessions SET expires_at = now() + interval '20 seconds' WHERE user_id <> $1")
        .bind(scene.ada.id.parse::<codecanvas::domain::ids::UserId>().unwrap())
        .execute(&scene.app.database.pool)
        .await
        .unwrap();
    let mut watches = scene.watch(&scene.tom).await;
    for watch in watches.run.iter_mut().chain(&mut watches.course).chain(&mut watches.own) {
        let ended = tokio::time::timeout(Duration::from_secs(40), watch.next()).await;
        assert_eq!(ended.expect("the streams end with the session"), Err("UNAUTHENTICATED".to_owned()));
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_its_streams() {
    let scene = Scene::set().await;
    let create = "mutation { createAccessToken(input: { name: \"t\" }) { secret accessToken { id } } }";
    let token = scene.tom.ask(create, Value::Null).await["createAccessToken"].take();
    let mut by_token = scene.tom.clone();
    by_token.token = Some(text(&token["secret"]));
    let watches = scene.watch(&by_token).await;
    let revoke = "mutation($id: ID!) { revokeAccessToken(input: { id: $id }) { revokedId } }";
    scene.tom.ask(revoke, json!({ "id": token["accessToken"]["id"] })).await;
    scene.assert_signed_out(watches).await;
}

#[tokio::test]
async fn another_password_ends_the_streams_of_other_sessions_alone() {
    let scene = Scene::set().await;
    let elsewhere = scene.sign_in().await;
    let (there, mut here) = (scene.watch(&elsewhere).await, scene.watch(&scene.tom).await);
    let change = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { user { id } } }";
    let input = json!({ "currentPassword": PASSWORD, "newPassword": "quite another one" });
    scene.tom.ask(change, json!({ "input": input })).await;
    scene.assert_signed_out(there).await;
    let (news, _) = scene.submit(&scene.ada, true).await;
    for watch in &mut here.course {
        watch.shows(&news).await;
    }
}

#[tokio::test]
async fn an_account_that_is_deleted_ends_all_its_streams() {
    let scene = Scene::set().await;
    let watches = scene.watch(&scene.tom).await;
    let delete = "mutation($input: DeleteAccountInput!) { deleteAccount(input: $input) { deletedId } }";
    scene.tom.ask(delete, json!({ "input": { "password": PASSWORD } })).await;
    scene.assert_signed_out(watches).await;
}

#[tokio::test]
async fn a_user_whom_an_admin_deletes_watches_nothing_more() {
    let scene = Scene::set().await;
    let admin = scene.app.admin("admin").await;
    let watches = scene.watch(&scene.tom).await;
    let delete = "mutation($id: ID!) { deleteUser(input: { userId: $id }) { deletedId } }";
    admin.ask(delete, json!({ "id": scene.tom.id })).await;
    scene.assert_signed_out(watches).await;
}

#[tokio::test]
async fn a_stream_that_never_pauses_ends_as_well() {
    const STORED: i32 = 40_000;
    let scene = Scene::set().await;
    // A run that writes faster than anybody reads.
    sqlx::query(
        "INSERT INTO attempt_events (attempt_id, sequence, at, kind, step, stream, byte_offset, bytes)
         SELECT queue.attempt_id, number, now(), 'OUTPUT_CHUNK', 'RUN', 'STDOUT', number, 'x'
         FROM queue
         CROSS JOIN generate_series(1, $1) AS number",
    )
    .bind(STORED)
    .execute(&scene.app.database.pool)
    .await
    .unwrap();
    for mut watch in Watch::both(&scene.tom, EVENTS, &json!({ "id": scene.attempt })).await {
        scene.give_tom("ASSISTANT").await;
        let mut seen = 0;
        let code = loop {
            match watch.next().await {
                Ok(_) => seen += 1,
                Err(code) => break code,
            }
            if seen == 100 {
                scene.give_tom("STUDENT").await;
            }
        };
        assert_eq!(code, "NOT_FOUND");
        assert!(seen < STORED, "all of it was shown");
    }
}
