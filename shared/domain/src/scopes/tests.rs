use proptest::prelude::*;

use super::*;

#[test]
fn version_1_and_version_2_cover_each_other() {
    for (held, asked, covered) in [
        ("system/*.read", "system/Observation.rs", true),
        ("system/*.rs", "system/Observation.read", true),
        ("system/*.rs", "system/Observation.r", true),
        ("system/*.r", "system/Observation.rs", false),
        ("system/Observation.rs", "system/*.rs", false),
        ("patient/*.rs", "system/*.rs", false),
        ("system/*.*", "system/Patient.cruds", true),
        ("system/*.sr", "system/Patient.r", false),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs", false),
        ("system/Observation.rs", "system/Observation.rs?category=laboratory", true),
        ("patient/$ehi-export", "patient/$ehi-export", true),
        ("patient/$ehi-export", "system/$ehi-export", false),
        ("patient/*.*", "patient/$ehi-export", false),
    ] {
        let within = Scopes::parse(asked).is_within(&Scopes::parse(held));
        assert_eq!(within, covered, "{held} covers {asked}");
    }
}

#[test]
fn malformed_scopes_are_named_and_never_granted() {
    for word in [
        "system/Bogus.rs",
        "patient/observation.read",
        "system/Observation.sr",
        "access/a.write",
        "access/.read",
    ] {
        let scopes = Scopes::parse(word);
        assert_eq!(scopes.malformed(), [word]);
        assert!(Scopes::parse(&format!("{word} system/*.*")).narrowed_to(&scopes).is_empty(), "{word}");
    }
    assert_eq!(
        Scopes::parse("system/*.rs access/a.read openid launch/patient patient/$x").malformed(),
        [""; 0]
    );
}

#[test]
fn a_registered_limit_by_tags_is_always_in_the_token() {
    for (registered, asked, tags) in [
        ("system/*.rs access/a.read", "system/*.rs", Some(&["a"][..])),
        ("system/*.rs access/a.read", "system/*.rs access/b.read", Some(&["a"][..])),
        ("system/*.rs access/a.read", "system/*.rs access/*.*", Some(&["a"][..])),
        ("system/*.rs access/a.read", "system/*.rs access/*.read", Some(&["a"][..])),
        ("system/*.rs access/a.read", "system/*.rs access/a.write", Some(&["a"][..])),
        ("system/*.rs access/a.read access/b.read", "system/*.rs access/b.rs", Some(&["b"][..])),
        (
            "system/*.rs access/a.read access/b.read",
            "system/*.rs access/b.read access/c.read",
            Some(&["b"][..]),
        ),
        ("system/*.rs access/*.*", "system/*.rs", None),
        ("system/*.rs access/*.*", "system/*.rs access/a.read", Some(&["a"][..])),
        ("system/*.rs", "system/*.rs access/a.read", Some(&["a"][..])),
        // A malformed limit allows nothing.
        ("system/*.rs access/a.write", "system/*.rs", Some(&[][..])),
    ] {
        let token = Scopes::parse(asked).narrowed_to(&Scopes::parse(registered));
        let expected = tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
        assert_eq!(token.access_tags(), expected, "{asked} of {registered}");
        assert!(token.is_within(&Scopes::parse(registered)), "{asked} of {registered}");
    }
}

/// Returns scope strings with scopes of every form.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(patient|user|system)/(\\*|Patient|Observation|Bogus)\\.(read|write|\\*|c?r?u?d?s?)(\\?a=b)?",
        "access/(\\*|a|b|c)\\.(read|write|\\*|rs|x)",
        "(patient|system)/\\$(ehi-export|export)",
        "openid|offline_access|launch/patient|[a-z/$*.A-Z-]{0,12}",
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn narrowing_never_adds_access(asked in words(), held in words()) {
        let held = Scopes::parse(&held);
        let narrowed = Scopes::parse(&asked).narrowed_to(&held);
        prop_assert!(narrowed.is_within(&held));
        prop_assert!(narrowed.malformed().iter().all(|word| word.starts_with("access/")));
        if let Some(limit) = held.access_tags() && !narrowed.is_empty() {
            let tags = narrowed.access_tags();
            prop_assert!(tags.is_some_and(|tags| tags.is_subset(&limit)), "the limit is lost: {}", narrowed);
        }
        prop_assert_eq!(narrowed.narrowed_to(&held), narrowed, "narrowing twice changes nothing");
    }

    #[test]
    fn scopes_survive_printing_and_parsing(text in "[a-z/$*.?= A-Z-]{0,80}") {
        let scopes = Scopes::parse(&text);
        prop_assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
    }
}
