//! What a subscription keeps while it waits, made small.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, Result, ServerResult, Value};
use futures_util::stream::BoxStream;

/// Items as a subscription hands them to the library.
pub type Streamed<T> = BoxStream<'static, Result<Item<T>>>;

/// An item of a subscription.
///
/// The library keeps room for the resolution of the next item as long as the stream lives, 10 KiB for the
/// events of an attempt. Here it is on the heap, for as long as it takes.
#[derive(Debug)]
pub struct Item<T>(Box<T>);

impl<T> Item<T> {
    /// The same as the value itself.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }
}

impl<T: OutputType> OutputType for Item<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        Box::pin(self.0.resolve(ctx, field)).await
    }
}
