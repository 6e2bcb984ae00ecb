use super::*;

fn coverage(scopes: &str) -> Coverage {
    Coverage::of(&Scopes::parse(scopes), ScopeLevel::System)
}

#[test]
fn only_scopes_with_read_and_search_access_cover_a_type() {
    for (scopes, covered) in [
        ("system/*.read", true),
        ("system/*.rs", true),
        ("system/*.*", true),
        ("system/Observation.cruds", true),
        ("system/Observation.r", false),
        ("system/Observation.write", false),
        ("patient/*.rs", false),
        ("system/Patient.rs", false),
        ("system/*.rs?category=x", false),
        ("system/Observation.rs?category=x", true),
    ] {
        assert_eq!(coverage(scopes).covers("Observation"), covered, "{scopes}");
    }
}

#[test]
fn a_token_does_not_cover_an_export_of_more_than_its_scopes() {
    let selection = |types: Option<&[&str]>, tags: Option<&[&str]>| Selection {
        types: types.map(|types| types.iter().map(|name| (*name).to_owned()).collect()),
        tags: tags.map(|tags| tags.iter().map(|name| (*name).to_owned()).collect()),
        ..Selection::default()
    };
    for (scopes, types, tags, covered) in [
        ("system/*.rs", None, None, true),
        ("system/Patient.rs", None, None, false),
        ("system/Patient.rs", Some(&["Patient"][..]), None, true),
        ("system/Patient.rs", Some(&["Observation", "Patient"][..]), None, false),
        ("system/*.rs access/a.read", None, None, false),
        ("system/*.rs access/a.read", None, Some(&["a"][..]), true),
        ("system/*.rs access/a.read", None, Some(&["a", "b"][..]), false),
        ("system/*.rs access/*.*", None, Some(&["a"][..]), true),
        ("system/Patient.rs?active=true", Some(&["Patient"][..]), None, false),
    ] {
        assert_eq!(coverage(scopes).covers_export(&selection(types, tags)), covered, "{scopes}");
    }
}
