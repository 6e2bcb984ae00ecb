use super::*;

#[test]
fn sizes_are_rounded_up_to_whole_units() {
    for (bytes, text) in [
        (0, "0 KB"),
        (1, "1 KB"),
        (999_999, "1,000 KB"),
        (1_000_000, "1 MB"),
        (12_300_000, "13 MB"),
        (2_000_000_001, "3 GB"),
    ] {
        assert_eq!(size_in_words(bytes, &Words::default()), text);
    }
}

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
