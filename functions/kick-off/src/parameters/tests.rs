use super::*;

#[test]
fn the_table_is_sorted() {
    assert!(KNOWN.is_sorted_by_key(|known| known.name));
}
