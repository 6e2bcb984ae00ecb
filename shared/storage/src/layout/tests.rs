use super::*;

#[test]
fn names_that_the_layout_does_not_have_are_listed_and_refused() {
    let areas = [Directory::Record, Directory::Area(Area::Shared), Directory::Area(Area::Deleted)];
    for place in areas {
        for name in ["a.ndjson", "a.b.ndjson.gz", ".a.ndjson"] {
            assert!(place.lists(name, true) && place.check(name, name).is_ok(), "{place:?} {name}");
        }
        for name in [
            "a.NDJSON",
            "a.ndjson.GZ",
            "a.ndjson.gz.gz",
            "a.gz",
            "a.json",
            "a",
            "sub/a.ndjson",
            "\u{fffd}.ndjson",
            "a.ndjson.zst",
        ] {
            assert!(place.lists(name, false), "{place:?} {name}");
            assert!(matches!(place.check(name, name), Err(Error::Damaged(_))), "{place:?} {name}");
            assert!(!place.lists(name, true), "{place:?} {name}: nothing is lost");
        }
        assert!(!place.lists(".DS_Store", false) && !place.lists("sub/.keep", false));
    }
    let groups = Directory::Area(Area::Groups);
    assert!(groups.check("g.json", "").is_ok() && groups.check("a b.json", "").is_err());
    assert!(Directory::Documents.check("any name.pdf", "").is_ok());
    assert!(Directory::Documents.check("sub/scan.pdf", "").is_err());
}

#[test]
fn a_name_says_whether_a_file_is_ndjson_and_whether_it_is_compressed() {
    for (name, ndjson, plain, gzip) in [
        ("a.ndjson", true, true, false),
        ("Patient/ann/a.ndjson", true, true, false),
        ("a.ndjson.gz", true, false, true),
        ("a.ndjson.gz.gz", false, false, true),
        ("a.json.gz", false, false, true),
        ("A.NDJSON", false, false, false),
        ("a.ndjson.GZ", false, false, false),
        ("ndjson", false, false, false),
    ] {
        assert_eq!((is_ndjson(name), is_plain_ndjson(name), is_gzip(name)), (ndjson, plain, gzip), "{name}");
    }
    assert_eq!(uncompressed("a.ndjson.gz.gz"), "a.ndjson.gz", "one layer is removed");
    assert_eq!((patient_prefix("ann"), area_prefix(Area::Shared)), ("Patient/ann/".into(), "shared/".into()));
}

#[test]
fn strays_are_entries_that_are_not_a_patients_directory() {
    assert!(!is_stray("ann", true, false) && !is_stray(".DS_Store", false, false));
    assert!(is_stray("ann.ndjson", false, false) && is_stray("a b", true, false));
    assert!(is_stray("ann", false, false), "a file is not a patient's directory");
}
