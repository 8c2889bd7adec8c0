//! The first look at a GraphQL document, before any code that a hostile one could make slow.
//!
//! The parser recurses into brackets and the validator expands fragments wherever they are spread, so
//! both are bounded here: tokens and nesting on the bare text, then the size of the document as if all
//! fragments were written out, each fragment being measured once.

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

/// How large a document may be. Generous for people: the largest query that GraphiQL sends uses a tenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Words, numbers, strings and marks of the text.
    pub tokens: usize,
    /// Levels of brackets of any kind.
    pub nesting: usize,
    /// Levels of selections, fragments written out.
    pub depth: usize,
    /// Selections, fragments written out.
    pub selections: usize,
    /// Fields under another name, fragments written out.
    pub aliases: usize,
    /// Directives, fragments written out.
    pub directives: usize,
    /// Estimated number of values in the answer.
    pub complexity: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { tokens: 5000, nesting: 40, depth: 24, selections: 2000, aliases: 50, directives: 50, complexity: 20_000 }
    }
}

/// Why a document is not looked at any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Larger than the limits.
    #[error("The query is too large: it has more than {maximum} {what}. Ask for less, or in several requests.")]
    TooComplex {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// How much is allowed.
        maximum: usize,
    },
    /// Not GraphQL.
    #[error("The query is not valid GraphQL: {0}")]
    Syntax(#[source] async_graphql::parser::Error),
    /// Expanding it would never end.
    #[error("The fragment \"{0}\" contains itself.")]
    Cycle(String),
}

/// Parses a document that is small enough to be validated and executed.
pub fn parse(text: &str, limits: &DocumentLimits) -> Result<ExecutableDocument, DocumentError> {
    scan(text, limits)?;
    let document = parse_query(text).map_err(DocumentError::Syntax)?;
    let mut measure = Measure { document: &document, limits, known: HashMap::new() };
    for (_, operation) in document.operations.iter() {
        let mut size = measure.selections(&operation.node.selection_set)?;
        size.directives += operation.node.directives.len();
        measure.check(size)?;
    }
    // Fragments that nobody uses are an error as well, but one that the validator finds by walking them.
    for name in document.fragments.keys() {
        let size = measure.fragment(name)?;
        measure.check(size)?;
    }
    Ok(document)
}

/// Gives back what the parser took to have room for more: it does so for four selections wherever there is one.
pub fn compact(document: &mut ExecutableDocument) {
    fn shrink(set: &mut SelectionSet) {
        set.items.shrink_to_fit();
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => shrink(&mut field.node.selection_set.node),
                Selection::InlineFragment(fragment) => shrink(&mut fragment.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    match &mut document.operations {
        DocumentOperations::Single(operation) => shrink(&mut operation.node.selection_set.node),
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                shrink(&mut operation.node.selection_set.node);
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        shrink(&mut fragment.node.selection_set.node);
    }
}

const fn too_complex(what: &'static str, maximum: usize) -> DocumentError {
    DocumentError::TooComplex { what, maximum }
}

/// Counts tokens and brackets without understanding them. It sees at least as many as the parser does.
fn scan(text: &str, limits: &DocumentLimits) -> Result<(), DocumentError> {
    let mut rest = text.as_bytes();
    let (mut tokens, mut nesting) = (0, 0_usize);
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'#' => {
                rest = &rest[rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len())..];
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b',' | 0xEF | 0xBB | 0xBF => {
                rest = &rest[1..];
                continue;
            }
            b'"' => string_length(rest),
            b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(rest.len())
            }
            b'{' | b'[' | b'(' => {
                nesting += 1;
                1
            }
            b'}' | b']' | b')' => {
                nesting = nesting.saturating_sub(1);
                1
            }
            _ => 1,
        };
        rest = &rest[length..];
        tokens += 1;
        if tokens > limits.tokens {
            return Err(too_complex("words and marks", limits.tokens));
        }
        if nesting > limits.nesting {
            return Err(too_complex("levels of brackets", limits.nesting));
        }
    }
    Ok(())
}

/// Length of the string literal that `rest` starts with; all of it where the end is missing.
fn string_length(rest: &[u8]) -> usize {
    let is_block = rest.starts_with(b"\"\"\"");
    let mut at = if is_block { 3 } else { 1 };
    while at < rest.len() {
        if is_block && rest[at..].starts_with(b"\\\"\"\"") {
            at += 4;
        } else if is_block && rest[at..].starts_with(b"\"\"\"") {
            return at + 3;
        } else if !is_block && rest[at] == b'\\' {
            at += 2;
        } else if !is_block && matches!(rest[at], b'"' | b'\n' | b'\r') {
            return at + 1;
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    selections: usize,
    aliases: usize,
    directives: usize,
    depth: usize,
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    limits: &'d DocumentLimits,
    /// `None` while the fragment is being measured: meeting it then is a cycle.
    known: HashMap<&'d str, Option<Size>>,
}

impl<'d> Measure<'d> {
    fn selections(&mut self, set: &'d Positioned<SelectionSet>) -> Result<Size, DocumentError> {
        let mut size = Size::default();
        for item in &set.node.items {
            let inner = match &item.node {
                Selection::Field(field) => {
                    size.aliases += usize::from(field.node.alias.is_some());
                    self.selections(&field.node.selection_set)?
                }
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            };
            size.selections += inner.selections + 1;
            size.aliases += inner.aliases;
            size.directives += inner.directives + item.node.directives().len();
            size.depth = size.depth.max(inner.depth + 1);
            // Checked all the time, so that no sum can grow beyond bounds.
            self.check(size)?;
        }
        Ok(size)
    }

    fn fragment(&mut self, name: &'d Name) -> Result<Size, DocumentError> {
        match self.known.get(name.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(DocumentError::Cycle(name.to_string())),
            None => {}
        }
        // An unknown fragment is for the validator to name.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
        self.known.insert(name, None);
        let mut size = self.selections(&fragment.node.selection_set)?;
        size.directives += fragment.node.directives.len();
        self.known.insert(name, Some(size));
        Ok(size)
    }

    const fn check(&self, size: Size) -> Result<(), DocumentError> {
        if size.depth > self.limits.depth {
            return Err(too_complex("levels of fields", self.limits.depth));
        }
        if size.selections > self.limits.selections {
            return Err(too_complex("fields", self.limits.selections));
        }
        if size.aliases > self.limits.aliases {
            return Err(too_complex("aliases", self.limits.aliases));
        }
        if size.directives > self.limits.directives {
            return Err(too_complex("directives", self.limits.directives));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> DocumentError {
        parse(text, &DocumentLimits::default()).unwrap_err()
    }

    #[test]
    fn a_document_without_room_left_says_the_same() {
        let text = "subscription S { a { b ...F ... on X { c } } } query Q { a } fragment F on Y { d { e } }";
        let mut document = parse(text, &DocumentLimits::default()).unwrap();
        let before = format!("{document:?}");
        compact(&mut document);
        assert_eq!(format!("{document:?}"), before);
        let fragment = &document.fragments["F"].node.selection_set.node.items;
        assert_eq!(fragment.capacity(), fragment.len());
    }

    #[test]
    fn an_ordinary_query_is_parsed() {
        let text =
            "query Q($id: ID!) { node(id: $id) { id ... on User { ...U } } } fragment U on User { name: username }";
        assert!(parse(text, &DocumentLimits::default()).is_ok());
        assert!(matches!(refused("{ viewer "), DocumentError::Syntax(_)));
    }

    #[test]
    fn brackets_are_counted_before_the_parser_recurses_into_them() {
        for (open, close) in [("{a", "}"), ("{a(b:[", "])}")] {
            let text = format!("{}{}", open.repeat(20_000), close.repeat(20_000));
            assert!(matches!(refused(&text), DocumentError::TooComplex { .. }));
        }
        let in_a_string = format!(
            "{{ a(b: \"{}\", c: \"\"\"{}\\\"\"\" \"\"\") }} # {}",
            "{".repeat(99),
            "[".repeat(99),
            "(".repeat(99)
        );
        assert!(parse(&in_a_string, &DocumentLimits::default()).is_ok());
    }

    #[test]
    fn fragments_that_double_at_every_level_are_measured_not_expanded() {
        use std::fmt::Write as _;
        let mut text = String::from("{ ...f0 }");
        for level in 0..20 {
            let next = level + 1;
            write!(text, " fragment f{level} on Query {{ ...f{next} ...f{next} }}").unwrap();
        }
        text.push_str(" fragment f20 on Query { __typename }");
        assert_eq!(refused(&text), too_complex("fields", 2000));
    }

    #[test]
    fn a_fragment_that_contains_itself_is_named() {
        let text = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert_eq!(refused(text), DocumentError::Cycle("a".into()));
    }

    #[test]
    fn aliases_and_directives_are_bounded() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for number in 0..60 {
            write!(text, " a{number}: __typename").unwrap();
        }
        assert_eq!(refused(&format!("{{ {text} }}")), too_complex("aliases", 50));
        assert_eq!(refused(&format!("{{ a {} }}", "@include(if: true)".repeat(60))), too_complex("directives", 50));
        assert_eq!(refused(&"a ".repeat(6000)), too_complex("words and marks", 5000));
    }
}
