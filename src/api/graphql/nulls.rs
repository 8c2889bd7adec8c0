//! What stands in an answer where a field has failed.
//!
//! The specification (6.4.4) wants null there, and where the type of the field forbids that, null in the place of
//! whatever the field belongs to, and so on up to `data`. The library leaves the field out, which no client with types
//! can read.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextResolve, ResolveInfo};
use async_graphql::{QueryPathSegment, Response, ServerError, ServerResult, Value};

/// Makes answers with failed fields conform.
#[derive(Debug, Clone, Copy)]
pub struct NullPropagation;

impl ExtensionFactory for NullPropagation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Failures::default())
    }
}

/// The failures of one execution.
#[derive(Default)]
struct Failures(Mutex<Found>);

#[derive(Default)]
struct Found {
    /// Paths of what has failed, or of that to which something belongs that must not be null and is. The empty one is `data`.
    lost: HashSet<Vec<String>>,
    /// Why.
    errors: Vec<ServerError>,
}

impl Failures {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Failures {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut response = next.run(ctx, operation_name).await;
        // One execution for each event of a subscription.
        let Found { lost, errors } = std::mem::take(&mut *self.found());
        response.errors.extend(errors);
        if lost.contains([].as_slice()) {
            response.data = Value::Null;
        }
        response
    }

    /// Called for each field, and for each item of a list, when all below it is done.
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let (node, kind) = (info.path_node, info.return_type);
        let result = next.run(ctx, info).await;
        let mut found = self.found();
        if result.is_ok() && found.lost.is_empty() {
            return result;
        }
        let path = node.to_string_vec();
        let mut value = match result {
            Ok(value) => value.unwrap_or_default(),
            Err(error) => {
                found.errors.push(error);
                found.lost.insert(path.clone());
                Value::Null
            }
        };
        // The library takes items for what must not be null. Their field knows better.
        if matches!(node.segment, QueryPathSegment::Name(_)) {
            let below = found.lost.extract_if(|lost| lost.starts_with(&path)).collect::<Vec<_>>();
            let is_lost = below.iter().any(|lost| lose(&mut value, kind, &lost[path.len()..]));
            if is_lost {
                found.lost.insert(node.parent.map(|parent| parent.to_string_vec()).unwrap_or_default());
            }
        }
        Ok(Some(value))
    }
}

/// Makes a value of this type null, or the item of it that is `at` these places in lists of lists. Says whether it must not be null,
/// so that what it belongs to is lost as well.
fn lose(value: &mut Value, kind: &str, at: &[String]) -> bool {
    let nullable = kind.strip_suffix('!').unwrap_or(kind);
    if let Some((first, rest)) = at.split_first() {
        let item = nullable.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')).unwrap_or_default();
        // What was null as a whole has no items any more.
        let Value::List(items) = value else { return false };
        let is_lost =
            first.parse().ok().and_then(|index: usize| items.get_mut(index)).is_some_and(|of| lose(of, item, rest));
        if !is_lost {
            return false;
        }
    }
    *value = Value::Null;
    nullable != kind
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, value};

    use super::*;

    struct Root;

    struct Person;

    #[Object]
    impl Root {
        async fn person(&self) -> Option<Person> {
            Some(Person)
        }
        async fn sure_person(&self) -> Person {
            Person
        }
        async fn people(&self) -> Vec<Option<Person>> {
            vec![Some(Person), None]
        }
        async fn table(&self) -> Option<Vec<Vec<Option<Person>>>> {
            Some(vec![vec![Some(Person)], vec![]])
        }
        async fn crowd(&self) -> Option<Vec<Person>> {
            Some(vec![Person, Person])
        }
    }

    #[Object]
    impl Person {
        async fn name(&self) -> &str {
            "Ada"
        }
        async fn nickname(&self) -> async_graphql::Result<Option<String>> {
            refuse().await
        }
        async fn address(&self) -> async_graphql::Result<String> {
            refuse().await
        }
        async fn friend(&self) -> Person {
            Person
        }
    }

    async fn refuse<T>() -> async_graphql::Result<T> {
        std::future::ready(Err("secret".into())).await
    }

    async fn answer(query: &str) -> Response {
        Schema::build(Root, EmptyMutation, EmptySubscription).extension(NullPropagation).finish().execute(query).await
    }

    #[tokio::test]
    async fn what_failed_is_null_and_so_is_what_cannot_be_without_it() {
        for (query, data) in [
            ("{ person { name nickname } }", value!({ "person": { "name": "Ada", "nickname": null } })),
            ("{ person { nickname } }", value!({ "person": { "nickname": null } })),
            ("{ person { name address } }", value!({ "person": null })),
            ("{ person { name friend { name friend { address } } } }", value!({ "person": null })),
            ("{ surePerson { address } }", Value::Null),
            ("{ person { name } surePerson { friend { address } } }", Value::Null),
            ("{ people { name address } }", value!({ "people": [null, null] })),
            ("{ table { address } }", value!({ "table": [[null], []] })),
            ("{ crowd { address } }", value!({ "crowd": null })),
            ("{ a: person { address } b: person { name } }", value!({ "a": null, "b": { "name": "Ada" } })),
        ] {
            let response = answer(query).await;
            assert_eq!(response.data, data, "{query}");
            assert!(!response.errors.is_empty() && response.errors.iter().all(|error| !error.path.is_empty()));
        }
    }

    #[tokio::test]
    async fn what_did_not_fail_is_left_alone() {
        let response =
            answer("{ people { name } surePerson { friend { name } } __schema { queryType { name } } }").await;
        assert!(response.errors.is_empty(), "{response:?}");
        let person = value!({ "name": "Ada" });
        let Value::Object(mut data) = response.data else { panic!("no data") };
        assert_eq!(data.swap_remove("people"), Some(Value::List(vec![person.clone(), Value::Null])));
        assert_eq!(data.swap_remove("surePerson"), Some(value!({ "friend": person })));
    }
}
