use std::io::ErrorKind;

use super::*;

#[test]
fn an_error_that_a_stream_wraps_is_unwrapped() {
    let wrapped = std::io::Error::other(Error::damaged("Patient/ann/a.ndjson.gz", "it ends early"));
    assert_eq!(Error::from(wrapped).kind(), Kind::Damaged);
    let wrapped = std::io::Error::other(Error::unavailable("gone").of_store(Store::Records));
    assert_eq!(Error::decompressing("a.gz", wrapped).store(), Some(Store::Records));
}

#[test]
fn a_failed_read_is_damage_only_if_the_bytes_are_at_fault() {
    for (kind, expected) in [
        (ErrorKind::UnexpectedEof, Kind::Damaged),
        (ErrorKind::InvalidInput, Kind::Damaged),
        (ErrorKind::InvalidData, Kind::Damaged),
        (ErrorKind::NotFound, Kind::Unavailable),
        (ErrorKind::PermissionDenied, Kind::Unavailable),
        (ErrorKind::TimedOut, Kind::Unavailable),
        (ErrorKind::StorageFull, Kind::Refused),
    ] {
        assert_eq!(Error::decompressing("a.gz", kind.into()).kind(), expected, "{kind}");
    }
}

#[test]
fn the_first_named_store_is_kept() {
    let error = Error::unavailable("no route").of_store(Store::Files).of_store(Store::Database);
    assert_eq!((error.store(), error.causes().as_str()), (Some(Store::Files), "files: no route"));
    assert_eq!(Error::internal("ours").of_store(Store::Files).store(), None);
}
