use super::*;

#[test]
fn types_are_in_order() {
    assert!(TYPES.is_sorted());
    // The code system has two more types, Resource and DomainResource, which are abstract.
    assert_eq!(TYPES.len(), 146);
}
