use super::*;
use crate::jwks::fetch::lifetime_of;

#[test]
fn a_set_is_cached_no_longer_than_cache_control_allows() {
    for (cache_control, seconds) in [
        (None, 300),
        (Some("public"), 300),
        (Some("max-age=60"), 60),
        (Some("public, max-age=86400"), 300),
        (Some("no-store"), 0),
        (Some("No-Cache, max-age=60"), 0),
        (Some("max-age=0"), 0),
        (Some("max-age=-9"), 0),
        (Some("max-age=soon"), 300),
    ] {
        assert_eq!(lifetime_of(cache_control), SignedDuration::from_secs(seconds), "{cache_control:?}");
    }
}
