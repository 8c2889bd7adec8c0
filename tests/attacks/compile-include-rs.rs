// attack: takes files of the host into the program while it is compiled
// expect: COMPILE_ERROR
const SHADOW: &str = include_str!("/etc/shadow");
fn main() {
    println!("BREACH {}", SHADOW);
}
