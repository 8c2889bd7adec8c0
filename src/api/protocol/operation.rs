//! A GraphQL request on its way from bytes to execution, the same for HTTP, event streams and WebSockets.

use async_graphql::parser::types::{DocumentOperations, OperationDefinition, OperationType};
use async_graphql::{Positioned, Request, Variables};
use serde_json::{Map, Value as Json};

use super::document::{self, DocumentError, DocumentLimits};

/// The parameters of a request, GraphQL over HTTP section 6.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Map<String, Json>,
}

/// The request is not one that could be executed; said in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not JSON.
    #[error("The request body is not valid JSON (line {line}, column {column}).")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Several requests in one.
    #[error("Send one request at a time: batches are not supported.")]
    Batch,
    /// Neither an object nor a list.
    #[error("The request body must be a JSON object with a \"query\".")]
    NotAnObject,
    /// No document.
    #[error("The parameter \"query\" is missing.")]
    NoQuery,
    /// A parameter of the wrong type.
    #[error("The parameter \"{name}\" must be {expected}.")]
    WrongType {
        /// Its name.
        name: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
}

impl Parameters {
    /// Reads a request body.
    pub fn from_body(body: &[u8]) -> Result<Self, ParameterError> {
        let json = serde_json::from_slice(body)
            .map_err(|error| ParameterError::NotJson { line: error.line(), column: error.column() })?;
        Self::from_json(json)
    }

    /// Takes the parameters out of a JSON value. `null` is as good as absent, except for the query.
    pub fn from_json(json: Json) -> Result<Self, ParameterError> {
        let mut object = match json {
            Json::Object(object) => object,
            Json::Array(_) => return Err(ParameterError::Batch),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return Err(ParameterError::NotAnObject),
        };
        let query = match object.remove("query") {
            Some(Json::String(query)) => query,
            Some(_) => return Err(ParameterError::WrongType { name: "query", expected: "a string" }),
            None => return Err(ParameterError::NoQuery),
        };
        let operation_name = match object.remove("operationName") {
            Some(Json::String(name)) => Some(name),
            Some(Json::Null) | None => None,
            Some(_) => return Err(ParameterError::WrongType { name: "operationName", expected: "a string" }),
        };
        let variables = optional_map(&mut object, "variables")?;
        optional_map(&mut object, "extensions")?;
        Ok(Self { query, operation_name, variables })
    }

    /// Reads the query string of a GET request; variables and extensions are JSON in it.
    pub fn from_query_string(query_string: &str) -> Result<Self, ParameterError> {
        let mut object = Map::new();
        for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
            let value = match &*name {
                "query" | "operationName" => Json::String(value.into_owned()),
                "variables" | "extensions" if value.is_empty() => Json::Null,
                "variables" => json_parameter("variables", &value)?,
                "extensions" => json_parameter("extensions", &value)?,
                _ => continue,
            };
            object.insert(name.into_owned(), value);
        }
        Self::from_json(Json::Object(object))
    }
}

fn json_parameter(name: &'static str, text: &str) -> Result<Json, ParameterError> {
    serde_json::from_str(text).map_err(|_| ParameterError::WrongType { name, expected: "a JSON object" })
}

fn optional_map(object: &mut Map<String, Json>, name: &'static str) -> Result<Map<String, Json>, ParameterError> {
    match object.remove(name) {
        Some(Json::Object(map)) => Ok(map),
        Some(Json::Null) | None => Ok(Map::new()),
        Some(_) => Err(ParameterError::WrongType { name, expected: "a JSON object" }),
    }
}

/// Why a well-formed request is not executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The document cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is no operation of this name.
    #[error("There is no operation named \"{0}\" in the query.")]
    Unknown(String),
    /// Several operations, and none was chosen.
    #[error("The query holds several operations: choose one with \"operationName\".")]
    Ambiguous,
    /// A variable that must be given was not.
    #[error("The variable \"${name}\" of type \"{kind}\" must be given.")]
    MissingVariable {
        /// Its name, without the dollar sign.
        name: String,
        /// Its type as it was declared.
        kind: String,
    },
    /// More than one root field on a subscription.
    #[error("A subscription has exactly one field at its root.")]
    SeveralRootFields,
}

/// A request that has been parsed, and what kind of operation it asks for.
#[derive(Debug)]
pub struct Operation {
    /// What is executed.
    pub request: Request,
    /// Query, mutation or subscription.
    pub kind: OperationType,
}

impl Operation {
    /// Parses the document and chooses the operation.
    pub fn prepare(parameters: Parameters, limits: &DocumentLimits) -> Result<Self, OperationError> {
        let Parameters { query, operation_name, variables } = parameters;
        // Clients send "" where they mean none.
        let operation_name = operation_name.filter(|name| !name.is_empty());
        let mut document = document::parse(&query, limits)?;
        let definition = choose(&document.operations, operation_name.as_deref())?;
        require_variables(definition, &variables)?;
        let kind = definition.node.ty;
        if kind == OperationType::Subscription && definition.node.selection_set.node.items.len() != 1 {
            return Err(OperationError::SeveralRootFields);
        }
        if kind == OperationType::Subscription {
            // It is kept for as long as the subscription lasts.
            document::compact(&mut document);
        }
        let name = match &document.operations {
            // The library takes a name for "one of several" only.
            DocumentOperations::Single(_) => None,
            DocumentOperations::Multiple(_) => operation_name,
        };
        let mut request = Request::new(query).variables(Variables::from_json(Json::Object(variables)));
        request.operation_name = name;
        request.set_parsed_query(document);
        Ok(Self { request, kind })
    }
}

fn choose<'d>(
    operations: &'d DocumentOperations,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, OperationError> {
    match (operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(map), Some(name)) => {
            map.get(name).ok_or_else(|| OperationError::Unknown(name.to_owned()))
        }
        (DocumentOperations::Single(_), Some(name)) => Err(OperationError::Unknown(name.to_owned())),
        (DocumentOperations::Multiple(map), None) => {
            let mut all = map.values();
            all.next().filter(|_| all.next().is_none()).ok_or(OperationError::Ambiguous)
        }
    }
}

/// The library executes without a variable that must be given; the specification (6.1.2) forbids it.
fn require_variables(
    operation: &Positioned<OperationDefinition>,
    variables: &Map<String, Json>,
) -> Result<(), OperationError> {
    for definition in &operation.node.variable_definitions {
        let kind = &definition.node.var_type.node;
        let name = definition.node.name.node.as_str();
        let is_given = variables.get(name).map_or(definition.node.default_value.is_some(), |value| !value.is_null());
        if !kind.nullable && !is_given {
            return Err(OperationError::MissingVariable { name: name.to_owned(), kind: kind.to_string() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_wrong_type_are_named() {
        let error = |body: &str| Parameters::from_body(body.as_bytes()).unwrap_err();
        assert_eq!(error("{"), ParameterError::NotJson { line: 1, column: 1 });
        assert_eq!(error("[]"), ParameterError::Batch);
        assert_eq!(error("7"), ParameterError::NotAnObject);
        assert_eq!(error("{}"), ParameterError::NoQuery);
        for (body, name) in [
            (r#"{"query": 7}"#, "query"),
            (r#"{"query": "{a}", "operationName": 7}"#, "operationName"),
            (r#"{"query": "{a}", "variables": "{}"}"#, "variables"),
            (r#"{"query": "{a}", "extensions": []}"#, "extensions"),
        ] {
            assert!(matches!(error(body), ParameterError::WrongType { name: found, .. } if found == name), "{body}");
        }
    }

    #[test]
    fn a_query_string_holds_the_same_parameters() {
        let from_query =
            Parameters::from_query_string("query=%7Ba%7D&variables=%7B%22b%22%3A1%7D&operationName=").unwrap();
        let from_body = Parameters::from_body(br#"{"query":"{a}","variables":{"b":1},"operationName":""}"#).unwrap();
        assert_eq!(from_query, from_body);
        assert!(Parameters::from_query_string("query={a}&variables=7").is_err());
    }

    #[test]
    fn the_operation_is_chosen_and_its_variables_are_required() {
        let prepare = |query: &str, name: Option<&str>, variables: Json| {
            let json = serde_json::json!({ "query": query, "operationName": name, "variables": variables });
            Operation::prepare(Parameters::from_json(json).unwrap(), &DocumentLimits::default())
                .map(|operation| operation.kind)
        };
        let two = "query A { a } mutation B($x: ID!) { b(x: $x) }";
        assert_eq!(prepare(two, Some("A"), Json::Null), Ok(OperationType::Query));
        assert_eq!(prepare(two, Some("B"), serde_json::json!({ "x": "1" })), Ok(OperationType::Mutation));
        assert_eq!(prepare(two, None, Json::Null), Err(OperationError::Ambiguous));
        assert_eq!(prepare(two, Some("C"), Json::Null), Err(OperationError::Unknown("C".into())));
        let missing = OperationError::MissingVariable { name: "x".into(), kind: "ID!".into() };
        assert_eq!(prepare(two, Some("B"), Json::Null), Err(missing.clone()));
        assert_eq!(prepare(two, Some("B"), serde_json::json!({ "x": null })), Err(missing));
        assert_eq!(prepare("{ a }", Some(""), Json::Null), Ok(OperationType::Query));
        assert_eq!(prepare("subscription { a b }", None, Json::Null), Err(OperationError::SeveralRootFields));
    }
}
