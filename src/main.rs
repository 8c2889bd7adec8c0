//! codecanvas.
fn main() {}
