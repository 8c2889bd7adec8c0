//! How much one query may ask for, by the weights that the schema gives its fields.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{ErrorExtensionValues, ServerError, ValidationResult};

use crate::api::protocol::answer::code;

/// Refuses what would cost more. The library's own limit has no code of its own to tell it by.
#[derive(Debug, Clone, Copy)]
pub struct ComplexityLimit(pub usize);

impl ExtensionFactory for ComplexityLimit {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for ComplexityLimit {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        if result.complexity <= self.0 {
            return Ok(result);
        }
        let message = format!(
            "The query asks for up to {} values, more than the {} that are allowed. Ask for shorter pages or fewer fields.",
            result.complexity, self.0
        );
        let mut error = ServerError::new(message, None);
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code::TOO_COMPLEX);
        Err(vec![error])
    }
}
