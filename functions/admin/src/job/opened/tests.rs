use super::*;

#[test]
fn a_list_of_opened_documents_is_small_and_has_a_maximum() {
    let long = "a".repeat(300);
    let name = |number: usize| format!("000000.0-{long}-{number}.pdf");
    let mut opened = Opened::default();
    for number in 0..MAX {
        assert_eq!(opened.full_at(), None);
        assert!(opened.add(&name(number)) && !opened.add(&name(number)));
    }
    assert!(!opened.add(&name(MAX)) && !opened.contains(&name(MAX)) && opened.contains(&name(0)));
    assert_eq!(opened.full_at(), Some(MAX as u64));
    let size = json!(opened).to_string().len();
    assert!(size < 100_000, "{size} bytes; an item of DynamoDB may have 400 KB");
}
