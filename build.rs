//! The pages of the app are part of the executable: it is built again when they were.

fn main() {
    // It names all other files by their content.
    println!("cargo:rerun-if-changed=web/dist/index.html");
}
