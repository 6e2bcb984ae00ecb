use super::*;

#[test]
fn the_pages_of_the_list_have_every_file_once() {
    for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
        let (mut listed, mut numbers) = (Listed::of(count, 0), Vec::new());
        loop {
            numbers.extend(listed.from..listed.end());
            assert_eq!(listed.is_part(), count > PAGE, "{count}");
            match listed.next() {
                Some(next) => listed = Listed::of(count, next),
                None => break,
            }
        }
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    }
    assert_eq!(Listed::of(5, usize::MAX).from, 0, "there is no such page");
    assert_eq!(Listed::of(2 * PAGE + 1, PAGE).in_words(&Words::default()), "Files 1,001 to 2,000 of 2,001");
}
