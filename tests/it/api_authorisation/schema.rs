//! What introspection tells of the schema: types, their fields, and what a field needs to be asked for.

use serde_json::Value;

use crate::support::{TestApp, text};

const INTROSPECTION: &str = "{ __schema { types { kind name fields { name args { defaultValue type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// The types that have fields.
pub struct Schema(Vec<Type>);

/// An object or interface.
pub struct Type {
    pub name: String,
    pub fields: Vec<Field>,
}

/// A field of a type.
pub struct Field {
    pub name: String,
    /// The type of its values, without lists and exclamation marks.
    pub of: String,
    pub is_nullable: bool,
    /// Whether its values have fields themselves.
    pub is_composite: bool,
    /// Whether it cannot be asked for without arguments.
    pub needs_arguments: bool,
}

impl Schema {
    pub async fn read(app: &TestApp) -> Self {
        let answer = app.nobody().ask(INTROSPECTION, Value::Null).await;
        let types = answer["__schema"]["types"].as_array().unwrap();
        let is_wanted = |kind: &&Value| {
            ["OBJECT", "INTERFACE"].contains(&kind["kind"].as_str().unwrap()) && !text(&kind["name"]).starts_with("__")
        };
        let fields = |kind: &Value| kind["fields"].as_array().unwrap().iter().map(Field::of).collect();
        let mut types: Vec<_> = types
            .iter()
            .filter(is_wanted)
            .map(|kind| Type { name: text(&kind["name"]), fields: fields(kind) })
            .collect();
        types.sort_by(|a, b| a.name.cmp(&b.name));
        Self(types)
    }

    /// The names of all types.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|kind| kind.name.as_str())
    }

    /// Fields that are connections, with the type that has them.
    pub fn connections(&self) -> Vec<(&str, &str)> {
        let fields = self.0.iter().flat_map(|kind| kind.fields.iter().map(|field| (kind.name.as_str(), field)));
        let connections = fields.filter(|(_, field)| field.of.ends_with("Connection"));
        connections.map(|(kind, field)| (kind, field.name.as_str())).collect()
    }

    /// The fields of a type.
    pub fn fields(&self, name: &str) -> &[Field] {
        &self.0.iter().find(|kind| kind.name == name).unwrap_or_else(|| panic!("there is no type {name}")).fields
    }
}

impl Field {
    fn of(field: &Value) -> Self {
        let mut kind = &field["type"];
        while !kind["ofType"].is_null() {
            kind = &kind["ofType"];
        }
        let needs = |argument: &Value| argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null();
        Self {
            name: text(&field["name"]),
            of: text(&kind["name"]),
            is_nullable: field["type"]["kind"] != "NON_NULL",
            is_composite: ["OBJECT", "INTERFACE"].contains(&kind["kind"].as_str().unwrap()),
            needs_arguments: field["args"].as_array().unwrap().iter().any(needs),
        }
    }

    /// What is selected of its values: enough to tell an empty page from a full one.
    pub fn selection(&self) -> &'static str {
        if self.of.ends_with("Connection") {
            " { nodes { __typename } }"
        } else if self.is_composite {
            " { __typename }"
        } else {
            ""
        }
    }
}
