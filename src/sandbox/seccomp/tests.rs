use super::*;

#[test]
fn the_filters_of_both_architectures_can_be_compiled() {
    let x86_64 = compile(Architecture::X86_64).unwrap();
    let aarch64 = compile(Architecture::Aarch64).unwrap();
    assert_eq!((x86_64.0.len(), aarch64.0.len()), (4, 3));
    // The kernel takes no longer ones.
    assert!(x86_64.0.iter().chain(&aarch64.0).all(|filter| filter.len() < 4096));
}
