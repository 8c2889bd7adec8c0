//! Every mutation. Whatever one changes was made for this one time.

use serde_json::{Value, json};

use super::role::Role;
use super::schema::{Field, Schema};
use super::stage::Stage;
use super::table::{Table, cell_of_error};
use crate::support::{PASSWORD, Person, text};

/// Has everybody try everything.
pub async fn walk(stage: &Stage, schema: &Schema, table: &mut Table) {
    let scene = Scene::set(stage).await;
    let further = [("submitCode", " outside any course"), ("setUserRole", " of themselves"), ("endSession", " in use")];
    let mut fields: Vec<_> = schema.fields("Mutation").iter().map(|field| (field, "")).collect();
    for (name, what) in further {
        let field = schema.fields("Mutation").iter().find(|field| field.name == name);
        fields.push((field.unwrap_or_else(|| panic!("no mutation {name}")), what));
    }
    fields.sort_by_key(|(field, what)| (field.name.clone(), *what));
    for (field, what) in fields {
        let mut cells = Vec::new();
        for role in Role::ALL {
            let (person, input) = scene.cast(&field.name, what, role).await;
            cells.push(outcome(&person, field, schema.fields(&field.of), input).await);
        }
        table.add(format!("Mutation.{}{what}", field.name), cells);
        table.know(&field.of);
    }
    table.know("Mutation");
}

/// What comes of a mutation when all of its payload is asked for.
async fn outcome(person: &Person, field: &Field, payload: &[Field], input: Option<Value>) -> String {
    let name = &field.name;
    let selection: Vec<_> = payload.iter().map(|field| format!("{}{}", field.name, field.selection())).collect();
    let selection = selection.join(" ");
    let document = if input.is_some() {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} }} }}")
    } else {
        format!("mutation {{ {name} {{ {selection} }} }}")
    };
    let answer = person.answer(&document, json!({ "input": input })).await;
    match answer["errors"].get(0) {
        Some(error) if error["path"].is_array() => cell_of_error(error),
        Some(error) => panic!("{document}: {error:#}"),
        None => {
            let missing = payload.iter().find(|field| answer["data"][name][&field.name].is_null());
            assert!(missing.is_none(), "{document}: {answer:#}");
            "yes".to_owned()
        }
    }
}

/// What all of them try themselves at.
struct Scene<'s> {
    stage: &'s Stage,
    /// A course that anybody may join.
    join_code: String,
    /// A run that waits to be typed into.
    dialogue: String,
}

impl<'s> Scene<'s> {
    async fn set(stage: &'s Stage) -> Self {
        let founder = stage.understudy(Role::Outsider).await;
        Self {
            join_code: text(&founder.create_course("For everybody").await["joinCode"]),
            dialogue: stage.dialogue("cat").await.1,
            stage,
        }
    }

    /// Who tries it in this position, and with which input.
    async fn cast(&self, name: &str, what: &str, role: Role) -> (Person, Option<Value>) {
        let stage = self.stage;
        // Where it happens to whoever asks, somebody else in the same position does.
        let person = match name {
            "register" | "signOut" | "changePassword" | "createAccessToken" | "updateProfile" | "deleteAccount"
            | "setUserRole" | "joinCourse" | "leaveCourse" => stage.understudy(role).await,
            "endSession" if what == " in use" => stage.understudy(role).await,
            _ => stage.person(role).clone(),
        };
        let victim = async || stage.understudy(Role::Classmate).await.id;
        let (author, course, submission) = (stage.id("author"), stage.id("course"), stage.id("submission"));
        let input = match name {
            "signInAsGuest" | "signOut" => return (person, None),
            "register" => json!({ "username": stage.name(), "password": PASSWORD }),
            "signIn" => json!({ "username": "author", "password": PASSWORD }),
            "changePassword" => json!({ "currentPassword": PASSWORD, "newPassword": "another long password" }),
            "createAccessToken" => json!({ "name": "token" }),
            "revokeAccessToken" => json!({ "id": stage.access_token(author).await.0 }),
            "endSession" if what == " in use" => json!({ "id": session_in_use(&person).await }),
            "endSession" => json!({ "id": stage.session(author).await.0 }),
            "updateProfile" => json!({ "displayName": "Somebody" }),
            "deleteAccount" => json!({ "password": if role == Role::Guest { "" } else { PASSWORD } }),
            "setUserRole" if what == " of themselves" => json!({ "userId": person.id, "role": "ADMIN" }),
            "setUserRole" => json!({ "userId": victim().await, "role": "TEACHER" }),
            "deleteUser" => json!({ "userId": victim().await }),
            "submitCode" if what.is_empty() => json!({ "language": "bash", "source": "echo", "courseId": course }),
            "submitCode" => json!({ "language": "bash", "source": "echo" }),
            "rerunSubmission" => json!({ "submissionId": submission }),
            "cancelAttempt" => json!({ "attemptId": stage.id("attempt") }),
            "writeStdin" => json!({ "attemptId": self.dialogue, "text": "x" }),
            "createCourse" => json!({ "title": "Mine" }),
            "updateCourse" => json!({ "id": course, "title": "The course", "isJoinCodeRenewed": true }),
            "joinCourse" => json!({ "joinCode": self.join_code }),
            "leaveCourse" => json!({ "courseId": course }),
            "setMemberRole" => json!({ "courseId": course, "userId": victim().await, "role": "ASSISTANT" }),
            "removeMember" => json!({ "courseId": course, "userId": victim().await }),
            "addFeedback" => json!({ "submissionId": submission, "body": "Well done." }),
            _ => panic!("no input for the mutation {name}: add one"),
        };
        (person, Some(input))
    }
}

/// The id of the session that somebody uses, or of none.
async fn session_in_use(person: &Person) -> Value {
    let answer = person.answer("{ viewer { sessions { id isCurrent } } }", Value::Null).await;
    let sessions = answer["data"]["viewer"]["sessions"].as_array().cloned().unwrap_or_default();
    let in_use = sessions.into_iter().find(|session| session["isCurrent"] == true);
    in_use.map_or(json!("ses_00000000000000000000000000000000"), |session| session["id"].clone())
}
