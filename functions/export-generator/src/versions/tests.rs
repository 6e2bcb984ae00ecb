use domain::filter::Filter;

use super::*;

fn version(versions: &mut Versions, line: &str) -> Version {
    let mut plain = Plain::default();
    let resource = Filter::Everything.read(line.as_bytes(), &mut plain).expect("a resource");
    versions.version(&resource)
}

/// Deny by default: a line that cannot be compared is not exported.
#[test]
fn the_memory_for_keys_is_limited() {
    let mut versions = Versions { limit: 2, ..Versions::new(Reads::Once) };
    for (line, expected) in [
        (r#"{"resourceType":"Condition","id":"a"}"#, Version::Current(None)),
        (r#"{"resourceType":"Condition","id":"b"}"#, Version::Current(None)),
        (r#"{"resourceType":"Condition","id":"c"}"#, Version::TooMany),
        (r#"{"resourceType":"Condition"}"#, Version::Current(None)),
        (r#"{"resourceType":"Condition","id":"c"}"#, Version::TooMany),
    ] {
        assert_eq!(version(&mut versions, line), expected, "{line}");
        assert!(!versions.is_repeated());
    }
    assert_eq!(versions.seen.len(), 2);
    assert_eq!(version(&mut versions, r#"{"resourceType":"Condition","id":"a"}"#), Version::Repeated);
    assert!(versions.is_repeated());
}

/// A version that was compared is missing when the record is exported.
#[test]
fn a_record_that_changed_meanwhile_is_read_again() {
    let (mut versions, text) = (Versions::new(Reads::Twice), r#"{"resourceType":"Condition","id":"a"}"#);
    for line in 1..3 {
        let mut plain = Plain::default();
        versions.move_to(0, line);
        versions.compare(
            &Filter::Everything,
            &Filter::Everything.read(text.as_bytes(), &mut plain).expect("a resource"),
        );
    }
    versions.move_to(0, 1);
    assert_eq!(version(&mut versions, text), Version::Superseded(None));
    assert!(matches!(versions.check(), Err(Error::Conflict(_))));
    versions.move_to(0, 2);
    assert_eq!(version(&mut versions, text), Version::Current(None));
    versions.check().expect("complete");
}
