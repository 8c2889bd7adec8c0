//! What students run for themselves is on no path of their teachers'.

use serde_json::{Value, json};

use crate::support::{Person, TestApp, client, text};

const SUBMIT: &str =
    "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } attempt { id } } }";

/// What is in every private run and nowhere else.
const SECRET: &str = "my-own-business";

/// Hands in; answers with the ids of submission and attempt.
async fn submit(person: &Person, source: &str, course: Option<&Value>) -> (String, String) {
    let input = json!({ "language": "bash", "source": source, "courseId": course, "isInteractive": true });
    let submitted = person.ask(SUBMIT, json!({ "input": input })).await["submitCode"].take();
    (text(&submitted["submission"]["id"]), text(&submitted["attempt"]["id"]))
}

#[tokio::test]
async fn private_runs_are_on_no_path_of_the_teachers() {
    let app = TestApp::start().await;
    app.promise_bash().await;
    let (teacher, ada) = (app.teacher("teacher").await, app.student("ada").await);
    let course = teacher.create_course("C").await;
    ada.join_course(&course["joinCode"]).await;
    let mut handed_in = Vec::new();
    let mut private = Vec::new();
    // Before, between and behind what is handed in in the course.
    for round in 0..3 {
        private.push(submit(&ada, &format!("echo {SECRET} {round}"), None).await);
        handed_in.push(submit(&ada, &format!("echo {round}"), Some(&course["id"])).await);
    }
    private.push(submit(&ada, &format!("echo {SECRET}"), None).await);
    let hides = |what: &str, answer: &str| {
        let ids = private.iter().flat_map(|(submission, attempt)| [submission.as_str(), attempt]);
        for secret in ids.chain([SECRET]) {
            assert!(!answer.contains(secret), "{what} tells of {secret}: {answer}");
        }
    };

    let submissions = "totalCount nodes { id files { text } attempt { id } attempts { id } previous { id }
        author { submissions(last: 3) { totalCount nodes { id } } } }";
    let lists = format!(
        "query($course: ID!, $ada: ID!, $filter: SubmissionFilter) {{
            course(id: $course) {{
                submissions(first: 10, filter: $filter) {{ {submissions} }}
                roster {{ submissionCount lastSubmission {{ id previous {{ id previous {{ id previous {{ id }} }} }} }} }}
                statistics {{ submissions byLanguage {{ count }} byStudent {{ submissions }} overTime {{ submissions }} }}
            }}
            node(id: $ada) {{ ... on User {{ submissions(first: 10, filter: $filter) {{ {submissions} }} }} }}
        }}"
    );
    let ask = async |filter: Value| {
        let variables = json!({ "course": course["id"], "ada": ada.id, "filter": filter });
        let answer = teacher.ask(&lists, variables).await;
        hides("a list", &answer.to_string());
        answer
    };
    let all = ask(Value::Null).await;
    assert_eq!(all["course"]["submissions"]["totalCount"], 3);
    assert_eq!(all["node"]["submissions"]["totalCount"], 3);
    let last = &all["course"]["roster"][0]["lastSubmission"];
    assert_eq!(all["course"]["roster"][0]["submissionCount"], 3);
    assert_eq!([&last["id"], &last["previous"]["id"]], [&handed_in[2].0, &handed_in[1].0]);
    assert_eq!(last["previous"]["previous"]["previous"], Value::Null, "before the first one in the course is none");
    let statistics = &all["course"]["statistics"];
    assert_eq!([&statistics["submissions"], &statistics["byStudent"][0]["submissions"]], [3, 3]);
    for filter in [
        json!({ "sourceContains": SECRET }),
        json!({ "sourceContains": "echo" }),
        json!({ "authorIds": [ada.id] }),
        json!({ "states": ["QUEUED"] }),
        json!({ "languages": ["bash"] }),
    ] {
        ask(filter).await;
    }

    let refused = async |query: String| teacher.refused(&query, Value::Null).await.code;
    for (submission, attempt) in &private {
        let ids = json!({ "ids": [submission, attempt] });
        let found = teacher.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids).await;
        assert_eq!(found["nodes"], json!([null, null]));
        for query in [
            format!("{{ submission(id: {submission:?}) {{ id }} }}"),
            format!("{{ attempt(id: {attempt:?}) {{ id }} }}"),
            format!("{{ submission(id: {:?}) {{ diff(from: {submission:?}) {{ path }} }} }}", handed_in[0].0),
            format!("mutation {{ rerunSubmission(input: {{ submissionId: {submission:?} }}) {{ attempt {{ id }} }} }}"),
            format!("mutation {{ cancelAttempt(input: {{ attemptId: {attempt:?} }}) {{ attempt {{ id }} }} }}"),
            format!("mutation {{ writeStdin(input: {{ attemptId: {attempt:?}, text: \"x\" }}) {{ nextOffset }} }}"),
            format!(
                "mutation {{ addFeedback(input: {{ submissionId: {submission:?}, body: \"x\" }}) {{ feedback {{ id }} }} }}"
            ),
        ] {
            assert_eq!(refused(query.clone()).await, "NOT_FOUND", "{query}");
        }
        let mut socket = teacher.socket().await;
        let watch = format!("subscription {{ attemptEvents(attemptId: {attempt:?}) {{ sequence }} }}");
        socket.subscribe("1", &watch, Value::Null).await;
        let message = socket.receive().await;
        assert!(message.to_string().contains("NOT_FOUND"), "{message}");
    }

    for extension in ["csv", "jsonl"] {
        let url = app.url(&format!("/export/course/{}.{extension}", text(&course["id"])));
        let file = client().get(url).bearer_auth(teacher.token.as_ref().unwrap()).send().await.unwrap();
        let file = file.text().await.unwrap();
        assert!(handed_in.iter().all(|(submission, _)| file.contains(submission)), "{file}");
        hides(extension, &file);
    }

    // From the beginning: what is handed in arrives, one after the other, and nothing in between.
    let mut socket = teacher.socket().await;
    let watch = "subscription($id: ID!) { courseActivity(courseId: $id, after: \"0.0\") { submission { id } } }";
    socket.subscribe("1", watch, json!({ "id": course["id"] })).await;
    for (submission, _) in &handed_in {
        let message = socket.receive().await;
        assert_eq!(message["payload"]["data"]["courseActivity"]["submission"]["id"], *submission, "{message}");
    }
    app.stop().await;
}
