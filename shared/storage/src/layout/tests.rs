use super::*;

#[test]
fn names_that_the_layout_does_not_have_are_listed_and_refused() {
    let areas = [Place::Record, Place::Area(Area::Shared), Place::Area(Area::Deleted)];
    for place in areas {
        for name in ["a.ndjson", "a.b.ndjson.gz", ".a.ndjson"] {
            assert!(place.lists(name, true) && place.check(name, name).is_ok(), "{place:?} {name}");
        }
        for name in ["a.NDJSON", "a.json", "a", "sub/a.ndjson", "\u{fffd}.ndjson", "a.ndjson.zst"] {
            assert!(place.lists(name, false), "{place:?} {name}");
            assert!(matches!(place.check(name, name), Err(Error::Damaged(_))), "{place:?} {name}");
            assert!(!place.lists(name, true), "{place:?} {name}: nothing is lost");
        }
        assert!(!place.lists(".DS_Store", false) && !place.lists("sub/.keep", false));
    }
    let groups = Place::Area(Area::Groups);
    assert!(groups.check("g.json", "").is_ok() && groups.check("a b.json", "").is_err());
    assert!(Place::Documents.check("any name.pdf", "").is_ok());
    assert!(Place::Documents.check("sub/scan.pdf", "").is_err());
}

#[test]
fn strays_are_entries_that_are_not_a_patients_directory() {
    assert!(!is_stray("ann", true, false) && !is_stray(".DS_Store", false, false));
    assert!(is_stray("ann.ndjson", false, false) && is_stray("a b", true, false));
    assert!(is_stray("ann", false, false), "a file is not a patient's directory");
}
