use super::*;

#[test]
fn names_are_numbered_and_stay_unique() {
    let mut names = Names::reserving(["manifest.json"]);
    let given = ["a", "2-a", "a", "a", "2-a", "manifest.json", "b"].map(|name| names.unique(name.to_owned()));
    assert_eq!(given, ["a", "2-a", "3-a", "4-a", "2-2-a", "2-manifest.json", "b"]);
}

/// A hundred thousand documents may have the same name. Counting from 1 for each of them would need minutes.
#[test]
fn a_name_may_be_used_very_often() {
    let mut names = Names::default();
    let last = (0..100_000).map(|_| names.unique("document.pdf".to_owned())).last();
    assert_eq!(last.as_deref(), Some("100000-document.pdf"));
    assert_eq!(names.used.len(), 100_000);
}
