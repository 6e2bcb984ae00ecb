use super::*;

#[test]
fn each_part_is_at_most_what_one_request_copies_and_all_bytes_are_copied_once() {
    for bytes in [1, MAX_COPIED, MAX_COPIED + 1, 5 * MAX_COPIED - 1, 40 << 30] {
        let parts = [FilePart { key: "a".to_owned(), bytes }, FilePart { key: "b".to_owned(), bytes: 1 }];
        let copies = copies(&parts);
        assert_eq!(copies.last(), Some(&("b", None)));
        let mut at = 0;
        for (key, range) in &copies[..copies.len() - 1] {
            let range = range.clone().unwrap_or(0..bytes);
            assert_eq!((*key, range.start), ("a", at));
            assert!(range.end - range.start <= MAX_COPIED, "{bytes}");
            assert!(bytes < MAX_COPIED || range.end - range.start > MAX_COPIED / 4, "{bytes}: too small");
            at = range.end;
        }
        assert_eq!(at, bytes);
    }
}
