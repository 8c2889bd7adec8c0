//! Files of a course over plain HTTP.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Person, TestApp, client, text};

#[tokio::test]
async fn staff_download_what_was_handed_in_and_others_do_not() {
    let app = TestApp::start().await;
    app.promise_bash().await;
    let (teacher, ada, outsider) =
        (app.teacher("teacher").await, app.student("ada").await, app.teacher("outsider").await);
    let made =
        teacher.ask("mutation { createCourse(input: { title: \"C\" }) { course { id joinCode } } }", Value::Null);
    let course = made.await["createCourse"]["course"].take();
    let join = "mutation($code: String!) { joinCourse(input: { joinCode: $code }) { course { id } } }";
    ada.ask(join, json!({ "code": course["joinCode"] })).await;
    let submit = "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } } }";
    let input = json!({ "language": "bash", "source": "echo 1", "courseId": course["id"] });
    ada.ask(submit, json!({ "input": input })).await;

    let id = text(&course["id"]);
    let get = async |person: &Person, file: &str| {
        let mut request = client().get(app.url(&format!("/export/course/{file}")));
        if let Some(token) = &person.token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap()
    };
    for (extension, kind, start) in [
        ("csv", "text/csv", &b"submission"[..]),
        ("jsonl", "application/jsonl", b"{"),
        ("zip", "application/zip", b"PK"),
    ] {
        let response = get(&teacher, &format!("{id}.{extension}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert_eq!(response.headers()["content-disposition"], format!("attachment; filename=\"{id}.{extension}\""));
        let body = response.bytes().await.unwrap();
        assert!(body.starts_with(start), "{extension}: {:?}", &body[..20.min(body.len())]);
        assert_eq!(get(&ada, &format!("{id}.{extension}")).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(get(&outsider, &format!("{id}.{extension}")).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(get(&app.nobody(), &format!("{id}.{extension}")).await.status(), StatusCode::UNAUTHORIZED);
    }
    for wrong in ["nothing.csv", &format!("{id}.exe"), &id] {
        assert_eq!(get(&teacher, wrong).await.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
}
