use super::*;

#[test]
fn the_available_language_with_the_highest_weight_is_chosen() {
    for (accept, found) in [
        ("es", Some("es")),
        ("es-MX,es;q=0.9,en;q=0.8", Some("es")),
        ("fr,en;q=0.5,es;q=0.7", Some("es")),
        ("en,es", Some("en")),
        ("es;q=0,en;q=0.1", Some("en")),
        ("fr;q=0.9,*;q=0.1", Some("en")),
        ("fr", None),
        ("", None),
        ("es;q=2", None),
        ("es;q=NaN", None),
        (";;;,,,=", None),
    ] {
        assert_eq!(Language::preferred(accept).map(Language::tag), found, "{accept}");
    }
}
