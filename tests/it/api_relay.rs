//! What Relay asks of a schema: everything with an id is found by it, and every connection can be walked
//! in both directions while new rows come in.

use serde_json::{Value, json};

use crate::api_authorisation::role::Role;
use crate::api_authorisation::schema::Schema;
use crate::api_authorisation::stage::Stage;
use crate::support::{Person, TestApp, text};

#[tokio::test]
async fn everything_with_an_id_is_found_by_it() {
    let stage = Stage::set().await;
    let nobody = stage.app.nobody();
    let kinds = nobody.ask("{ __type(name: \"Node\") { possibleTypes { name } } }", Value::Null).await;
    let language = nobody.ask("{ language(name: \"bash\") { id } }", Value::Null).await;
    for kind in kinds["__type"]["possibleTypes"].as_array().unwrap() {
        let kind = text(&kind["name"]);
        let (role, id) = match kind.as_str() {
            "User" => (Role::Author, stage.id("author").to_owned()),
            "Session" => (Role::Author, stage.id("session").to_owned()),
            "AccessToken" => (Role::Author, stage.id("token").to_owned()),
            "Submission" => (Role::Author, stage.id("submission").to_owned()),
            "Attempt" => (Role::Author, stage.id("attempt").to_owned()),
            "Course" => (Role::Author, stage.id("course").to_owned()),
            "Feedback" => (Role::Author, stage.id("feedback").to_owned()),
            "Language" => (Role::Nobody, text(&language["language"]["id"])),
            "Worker" => (Role::Admin, stage.id("worker").to_owned()),
            _ => panic!("no {kind} on the stage: add one"),
        };
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id} is not safe in a URL");
        let query =
            "query($id: ID!) { node(id: $id) { __typename id } nodes(ids: [$id, \"xyz_0\", $id]) { __typename id } }";
        let node = json!({ "__typename": kind, "id": id });
        // Ids that are none are asked for by who is signed in: to nobody nothing is told of them.
        let query = if role == Role::Nobody { query.replace(", \"xyz_0\"", "") } else { query.to_owned() };
        let mut answer = stage.person(role).ask(&query, json!({ "id": id })).await;
        assert_eq!(answer["node"], node);
        let found: Vec<_> = answer["nodes"].as_array_mut().unwrap().drain(..).filter(|node| !node.is_null()).collect();
        assert_eq!(found, [node.clone(), node], "{kind}");
    }
    stage.clear().await;
}

/// A connection of the schema.
struct List<'a> {
    /// Who looks at it.
    viewer: &'a Person,
    /// From the root to the connection.
    way: String,
    field: &'a str,
}

/// A page of a connection.
struct Listed {
    ids: Vec<String>,
    info: Value,
}

impl List<'_> {
    fn query(&self, arguments: &str, selection: &str) -> String {
        let ends = "}".repeat(self.way.matches('{').count());
        format!("{{ {} {}({arguments}) {{ {selection} }} {ends} }}", self.way, self.field)
    }

    async fn page(&self, arguments: &str) -> Listed {
        let selection = "edges { cursor node { id } } nodes { id } totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
        let query = self.query(arguments, selection);
        let mut answer = self.viewer.ask(&query, Value::Null).await;
        while answer.get("edges").is_none() {
            answer = answer.as_object_mut().unwrap().values_mut().next().unwrap().take();
        }
        let edges = answer["edges"].as_array().unwrap();
        let ids: Vec<_> = edges.iter().map(|edge| text(&edge["node"]["id"])).collect();
        let nodes: Vec<_> = answer["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
        assert_eq!(ids, nodes, "{query}");
        let ends = [edges.first(), edges.last()].map(|edge| edge.map_or(Value::Null, |edge| edge["cursor"].clone()));
        assert_eq!(
            ends,
            [answer["pageInfo"]["startCursor"].clone(), answer["pageInfo"]["endCursor"].clone()],
            "{query}"
        );
        Listed { ids, info: answer["pageInfo"].take() }
    }

    /// Walks the whole list by pages of two in both directions; with each page a new node comes in on top.
    async fn walk(&self, add: impl AsyncFn()) {
        for _ in 0..5 {
            add().await;
        }
        let before = self.page("first: 100").await.ids;
        assert!(before.len() >= 5, "{before:?}");

        let mut seen = Vec::new();
        let mut page = self.page("first: 2").await;
        assert_eq!(page.info["hasPreviousPage"], false);
        loop {
            seen.append(&mut page.ids);
            add().await;
            if page.info["hasNextPage"] == false {
                break;
            }
            page = self.page(&format!("first: 2, after: {}", page.info["endCursor"])).await;
            assert_eq!(page.info["hasPreviousPage"], true);
        }
        assert_eq!(seen, before, "{} forwards", self.field);

        let now = self.page("first: 100").await.ids;
        assert!(now.len() > before.len() && now.ends_with(&before), "what is new is on top");
        let mut seen = Vec::new();
        let mut page = self.page("last: 2").await;
        assert_eq!(page.info["hasNextPage"], false);
        while seen.len() < now.len() {
            page.ids.append(&mut seen);
            seen = page.ids;
            add().await;
            page = self.page(&format!("last: 2, before: {}", page.info["startCursor"])).await;
            assert_eq!(page.info["hasNextPage"], true);
        }
        assert!(seen.ends_with(&now), "{} backwards", self.field);

        let none = self.page("first: 0").await;
        assert_eq!((none.ids.len(), &none.info["startCursor"]), (0, &Value::Null));
        for wrong in ["first: 101", "last: -1", "first: 1, last: 1", "after: \"x\"", "before: \"\""] {
            let query = self.query(wrong, "totalCount");
            assert_eq!(self.viewer.refused(&query, Value::Null).await.code, "INVALID_INPUT", "{query}");
        }
    }
}

#[tokio::test]
async fn every_connection_is_walked_in_both_directions_while_new_rows_come_in() {
    let app = TestApp::start_with(|config| {
        for quota in [&mut config.quota.user, &mut config.quota.teacher] {
            (quota.waiting, quota.per_minute) = (1000, 1000);
        }
    })
    .await;
    app.promise_bash().await;
    let (admin, teacher, ada) = (app.admin("admin").await, app.teacher("teacher").await, app.student("ada").await);
    let course = teacher.create_course("C").await;
    ada.join_course(&course["joinCode"]).await;
    let submit = async || {
        let query = "mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } } }";
        let input = json!({ "language": "bash", "source": "echo", "courseId": course["id"] });
        ada.ask(query, json!({ "input": input })).await;
    };
    let register = async || {
        sqlx::query(
            "INSERT INTO users (id, username, display_name, role, password_hash)
             VALUES ($1, right($1::text, 12), 'Somebody', 'USER', '-')",
        )
        .bind(codecanvas::domain::ids::UserId::new())
        .execute(&app.database.pool)
        .await
        .unwrap();
    };
    let schema = Schema::read(&app).await;
    let connections = schema.connections();
    assert!(connections.len() >= 3, "{connections:?}");
    for (kind, field) in connections {
        let (viewer, way) = match kind {
            "Query" => (&admin, String::new()),
            "User" => (&ada, "viewer {".to_owned()),
            "Course" => (&teacher, format!("course(id: {}) {{", course["id"])),
            _ => panic!("no way to the connections of {kind}: add one"),
        };
        let list = List { viewer, way, field };
        match field {
            "users" => list.walk(register).await,
            "submissions" => list.walk(submit).await,
            _ => panic!("nothing adds to {field}: say what does"),
        }
    }
}
