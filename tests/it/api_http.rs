//! GraphQL over HTTP: statuses, media types, credentials, limits.

use codecanvas::domain::units::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, client, text};

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

#[tokio::test]
async fn statuses_tell_what_happened_to_clients_that_read_them() {
    let app = TestApp::start().await;
    for (body, accept, status, code) in [
        (r#"{"query":"{ server { version } }"}"#, GRAPHQL_RESPONSE, 200, None),
        (r#"{"query":"{"}"#, GRAPHQL_RESPONSE, 400, Some("INVALID_INPUT")),
        (r#"{"query":"{"}"#, "application/json", 200, Some("INVALID_INPUT")),
        (r#"{"query":"{ nothing }"}"#, GRAPHQL_RESPONSE, 400, Some("INVALID_INPUT")),
        (r#"{"query":"query($id:ID!){node(id:$id){id}}"}"#, GRAPHQL_RESPONSE, 400, Some("INVALID_INPUT")),
        (r#"{"query":"#, "application/json", 400, Some("INVALID_INPUT")),
        (r#"[{"query":"{ server { version } }"}]"#, "application/json", 400, Some("INVALID_INPUT")),
        (r#"{"query":7}"#, "application/json", 400, Some("INVALID_INPUT")),
        (r#"{"query":"{ server { version } }"}"#, "text/html", 406, Some("INVALID_INPUT")),
        (r#"{"query":"subscription { a }"}"#, "application/json", 400, Some("INVALID_INPUT")),
    ] {
        let request = client().post(app.url("/graphql")).header("content-type", "application/json");
        let response = request.header("accept", accept).body(body).send().await.unwrap();
        assert_eq!(response.status(), status, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"].as_str(), code, "{body}: {answer}");
        assert_eq!(answer.get("data").is_none(), code.is_some(), "{body}: {answer}");
    }
}

#[tokio::test]
async fn only_json_is_read_because_forms_cannot_send_it() {
    let app = TestApp::start().await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql"]
    {
        let request = client().post(app.url("/graphql")).header("content-type", kind);
        let response = request.body(r#"{"query":"{ server { version } }"}"#).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
}

#[tokio::test]
async fn queries_can_be_sent_by_get_and_mutations_cannot() {
    let app = TestApp::start().await;
    let get = |query: &str| {
        let parameters = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        client().get(app.url(&format!("/graphql?{parameters}"))).send()
    };
    let answer: Value = get("{ server { areGuestsAllowed } }").await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({ "data": { "server": { "areGuestsAllowed": true } } }));
    let response = get("mutation { signInAsGuest { token } }").await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&app.database.pool).await.unwrap();
    assert_eq!(users, 0);
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let response = client().request(method.clone(), app.url("/graphql")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

#[tokio::test]
async fn a_token_that_opens_nothing_is_401_with_a_sentence() {
    let app = TestApp::start().await;
    for (authorization, sentence) in [
        ("Bearer ccs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Please sign in again."),
        ("Bearer nonsense", "Please sign in again."),
        ("Basic YTpi", "Bearer"),
    ] {
        let request = client().post(app.url("/graphql")).header("authorization", authorization);
        let response = request.json(&json!({ "query": "{ viewer { id } }" })).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        assert!(text(&answer["errors"][0]["message"]).contains(sentence), "{answer}");
    }
}

#[tokio::test]
async fn an_expired_session_opens_nothing() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    sqlx::query("UPDATE sessions SET expires_at = now() - interval '1 second'")
        .execute(&app.database.pool)
        .await
        .unwrap();
    let response = client()
        .post(app.url("/graphql"))
        .bearer_auth(ada.token.unwrap())
        .json(&json!({ "query": "{ viewer { id } }" }))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let app = TestApp::start().await;
    app.student("ada").await;
    let query = "mutation($input: SignInInput!) { signIn(input: $input) { user { username } } }";
    let body = json!({ "query": query, "variables": { "input": { "username": "ada", "password": PASSWORD } } });
    let response = client().post(app.url("/graphql")).json(&body).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("codecanvas=ccs_"), "{cookie}");
    for flag in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=25"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure"));
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let own = app.url("");
    for (origin, status) in
        [(Some(own.as_str()), 200), (Some("http://evil.example"), 403), (Some("null"), 403), (None, 403)]
    {
        let mut request = client().post(app.url("/graphql")).header("cookie", &cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.json(&json!({ "query": "{ viewer { username } }" })).send().await.unwrap();
        assert_eq!(response.status(), status, "{origin:?}");
        let answer: Value = response.json().await.unwrap();
        if status == 200 {
            assert_eq!(answer["data"]["viewer"]["username"], "ada");
        } else {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
        }
    }
}

#[tokio::test]
async fn a_browser_whose_session_has_ended_goes_on_as_nobody() {
    let app = TestApp::start().await;
    let request =
        client().post(app.url("/graphql")).header("cookie", "codecanvas=ccs_gone").header("origin", app.url(""));
    let response = request.json(&json!({ "query": "{ viewer { username } }" })).send().await.unwrap();
    assert_eq!(response.headers()["set-cookie"], "codecanvas=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer, json!({ "data": { "viewer": null } }));
}

#[tokio::test]
async fn cookies_are_for_https_only_where_the_operator_says_so() {
    let app = TestApp::start_with(|config| config.accounts.cookie_secure = true).await;
    let body = json!({ "query": "mutation { signInAsGuest { token } }" });
    let response = client().post(app.url("/graphql")).json(&body).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-codecanvas=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn other_sites_may_use_tokens_where_the_operator_names_them() {
    let preflight = |app: &TestApp| {
        client()
            .request(Method::OPTIONS, app.url("/graphql"))
            .header("origin", "https://school.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
    };
    let closed = TestApp::start().await;
    assert!(!preflight(&closed).await.unwrap().headers().contains_key("access-control-allow-origin"));
    let open = TestApp::start_with(|config| config.http.allowed_origins = vec!["https://school.example".into()]).await;
    let response = preflight(&open).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "https://school.example");
    assert!(!response.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn a_query_that_asks_for_too_much_is_too_complex() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let aliases: Vec<_> = (0..60).map(|n| format!("a{n}: server {{ version }}")).collect();
    for query in [
        format!("{{ {} }}", aliases.join(" ")),
        format!("{{ {} }}", "server { version } ".repeat(3000)),
        format!("{{ __schema {{ types {{ {} name {} }} }} }}", "fields { type { ".repeat(20), "} }".repeat(20)),
        format!("{{ {} }}", "a { ".repeat(30_000)),
        "{ users(first: 100) { nodes { sessions { id createdAt lastUsedAt expiresAt isCurrent userAgent } accessTokens { id name } } } }".into(),
        format!("{{ server {{ version {} }} }}", "@include(if: true) ".repeat(60)),
    ] {
        let refusal = nobody.refused(&query, Value::Null).await;
        assert_eq!(refusal.code, "TOO_COMPLEX", "{}: {}", &query[..60], refusal.message);
    }
}

#[tokio::test]
async fn the_introspection_of_graphiql_is_not_too_complex() {
    let app = TestApp::start().await;
    let of_type = "ofType { kind name ".repeat(9) + &"} ".repeat(9);
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name }} types {{ ...FullType }}
           directives {{ name args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
         fragment FullType on __Type {{ kind name fields(includeDeprecated: true) {{ name args {{ ...InputValue }} type {{ ...TypeRef }} }}
           inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }} possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{ name type {{ ...TypeRef }} defaultValue }}
         fragment TypeRef on __Type {{ kind name {of_type} }}"
    );
    app.nobody().ask(&query, Value::Null).await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_413() {
    let app = TestApp::start_with(|config| config.http.body_limit = Bytes::kib(4)).await;
    let body = json!({ "query": "{ viewer { id } }", "variables": { "x": "y".repeat(8000) } });
    let response = client().post(app.url("/graphql")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["errors"][0]["message"], "The request is too large: at most 4 KiB can be sent.");
}

#[tokio::test]
async fn a_database_that_is_gone_leaks_nothing() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    app.database.pool.close().await;
    let refusal = ada.refused("{ viewer { id } }", Value::Null).await;
    assert!(["INTERNAL", "OVERLOADED"].contains(&refusal.code.as_str()), "{refusal:?}");
    assert!(!refusal.message.to_lowercase().contains("pool"), "{refusal:?}");
}

#[tokio::test]
async fn what_is_read_of_a_sign_in_is_read_by_who_signs_in() {
    let app = TestApp::start().await;
    let ada = app.teacher("ada").await;
    let course = ada.create_course("Intro").await;
    let selection = "user { courses { id joinCode members { user { username } } } sessions { isCurrent } } token";
    let sign_in = format!(
        "mutation {{ signIn(input: {{ username: \"ada\", password: \"{PASSWORD}\" }}) {{ {selection} }}
           updateProfile(input: {{ displayName: \"Ada\" }}) {{ user {{ username }} }} }}"
    );
    let answer = app.nobody().ask(&sign_in, Value::Null).await;
    let members = json!([{ "user": { "username": "ada" } }]);
    let user = &answer["signIn"]["user"];
    assert_eq!(user["courses"], json!([{ "id": course["id"], "joinCode": course["joinCode"], "members": members }]));
    assert_eq!(user["sessions"], json!([{ "isCurrent": true }, { "isCurrent": false }]));
    assert_eq!(answer["updateProfile"]["user"]["username"], "ada", "what follows is asked by who signed in");
    // Somebody else who signs in reads as themselves, not as who they were before.
    let register =
        format!("mutation {{ register(input: {{ username: \"bob\", password: \"{PASSWORD}\" }}) {{ {selection} }} }}");
    let answer = ada.ask(&register, Value::Null).await;
    assert_eq!(answer["register"]["user"], json!({ "courses": [], "sessions": [{ "isCurrent": true }] }));
    let query = "mutation { signInAsGuest { user { courses { id } sessions { isCurrent } } } }";
    let answer = app.nobody().ask(query, Value::Null).await;
    assert_eq!(answer["signInAsGuest"]["user"]["sessions"], json!([{ "isCurrent": true }]));
}

#[tokio::test]
async fn what_follows_a_sign_out_is_asked_by_nobody() {
    let app = TestApp::start().await;
    let delete = format!("deleteAccount(input: {{ password: \"{PASSWORD}\" }}) {{ deletedId }}");
    for (name, leave) in [("ada", "signOut { isSignedOut }"), ("bob", &delete)] {
        let person = app.teacher(name).await;
        let query = format!("mutation {{ {leave} createCourse(input: {{ title: \"C\" }}) {{ course {{ id }} }} }}");
        let answer = person.answer(&query, Value::Null).await;
        assert_eq!(answer["errors"][0]["path"], json!(["createCourse"]), "{answer:#}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer:#}");
    }
}

#[tokio::test]
async fn one_request_signs_in_once() {
    let app = TestApp::start().await;
    app.student("ada").await;
    let sign_in = format!("signIn(input: {{ username: \"ada\", password: \"{PASSWORD}\" }}) {{ user {{ username }} }}");
    let answer = app.nobody().answer(&format!("mutation {{ a: {sign_in} b: {sign_in} }}"), Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "{answer:#}");
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
}

#[tokio::test]
async fn an_event_stream_is_what_its_protocol_and_browsers_demand() {
    let app = TestApp::start().await;
    let ada = app.student("ada").await;
    let mut stream = ada.event_stream("{ viewer { username } }", Value::Null).await;
    // Without parameters: it is UTF-8 by definition.
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.headers()[name], value, "{name}");
    }
    let event = stream.next().await.unwrap();
    assert_eq!((event.kind.as_str(), &event.data["data"]["viewer"]["username"]), ("next", &json!("ada")));
    let end = stream.next().await.unwrap();
    assert_eq!((end.kind.as_str(), end.data), ("complete", Value::Null));
    assert_eq!(stream.next().await, None);
    // What is wrong with the document is told in the stream: an EventSource reads nothing else.
    let mut stream = ada.event_stream("{ nothing }", Value::Null).await;
    let event = stream.next().await.unwrap();
    assert_eq!(event.data["errors"][0]["extensions"]["code"], "INVALID_INPUT");
    assert_eq!(stream.next().await.unwrap().kind, "complete");
}

#[tokio::test]
async fn where_a_field_has_failed_is_null_as_the_specification_says() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.teacher("ada").await, app.student("bob").await);
    let course = ada.create_course("Intro").await;
    bob.join_course(&course["joinCode"]).await;
    let query = "query($id: ID!) {
        seen: course(id: $id) { title }
        refused: course(id: $id) { title roster { consecutiveFailures } }
        viewer { username }
    }";
    let answer = bob.answer(query, json!({ "id": course["id"] })).await;
    let data = json!({ "seen": { "title": "Intro" }, "refused": null, "viewer": { "username": "bob" } });
    assert_eq!(answer["data"], data, "{answer:#}");
    let [error] = answer["errors"].as_array().unwrap().as_slice() else { panic!("{answer:#}") };
    assert_eq!(error["path"], json!(["refused", "roster"]));
    assert_eq!(error["extensions"]["code"], "FORBIDDEN");
}
