use super::*;

fn objects(keys: impl IntoIterator<Item = String>) -> Vec<Listed> {
    let listed = |key| Listed { key, size: 1, etag: String::new(), changed: None };
    keys.into_iter().map(listed).collect()
}

/// Returns the number of keys between the end of a first page of a thousand keys and the key that is guessed for
/// one page more.
fn passed(keys: impl Fn(usize) -> String) -> usize {
    let page = objects((0..1_000).map(&keys));
    let guess = Guess::of("Patient/".len(), &page, 1_000.0).expect("a guess");
    // The guess is a prefix of a key, and sorts before it.
    let guessed = guess.key_after(&keys(999)).expect("a key");
    (1_000..10_000).filter(|number| keys(*number) <= guessed).count()
}

#[test]
fn a_step_has_about_as_many_keys_as_are_wanted() {
    assert_eq!(passed(|number| format!("Patient/{:07}/records.ndjson", 1_234_000 + number)), 999);
    assert_eq!(passed(|number| format!("Patient/clinic-{number:06}/records.ndjson")), 999);
    // The UUIDs of a hundred thousand patients are distributed evenly over all UUIDs.
    let uuid = |number: usize| format!("Patient/{:08x}-0000-4000-8000-0123456789ab/x", number * 42_949);
    let found = passed(uuid);
    assert!((990..=1_010).contains(&found), "{found}");
}

#[test]
fn there_is_no_guess_after_the_last_number_or_from_equal_keys() {
    let page = objects((0..1_000).map(|number| format!("Patient/{number:03}/x")));
    let guess = Guess::of("Patient/".len(), &page, 1_000.0).expect("a guess");
    assert_eq!(guess.key_after("Patient/999/x"), None);
    assert_eq!(guess.key_after("Other/000"), None);
    assert_eq!(Guess::of(0, &objects(["a".to_owned()]), 2.0), None);
    let same = objects(["a", "a", "a"].map(str::to_owned));
    assert_eq!(Guess::of(0, &same, 2.0), None);
}

#[test]
fn a_widened_guess_returns_a_later_key() {
    let page = objects((0..100).map(|number| format!("{number:04}")));
    let mut guess = Guess::of(0, &page, 10.0).expect("a guess");
    let first = guess.key_after("0100");
    guess.widen();
    assert!(guess.key_after("0100") > first);
}
