use domain::error::Kind;

use super::*;

#[test]
fn a_file_that_is_removed_during_an_export_does_not_fail_it() {
    let kind = |error| still_there::<()>(Err(error)).map_err(|error| error.kind());
    assert_eq!(kind(Error::NotFound("the file does not exist")), Err(Kind::Contended));
    assert_eq!(kind(Error::unavailable("later")), Err(Kind::Unavailable));
}
