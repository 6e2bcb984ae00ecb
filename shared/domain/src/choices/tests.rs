use super::*;

#[test]
fn partial_dates_have_a_first_and_a_last_day() {
    let first = |text| Day::first(text).map(|day| day.0);
    let last = |text| Day::last(text).map(|day| day.0);
    assert_eq!(first("2020").as_deref(), Some("2020-01-01"));
    assert_eq!(last("2020").as_deref(), Some("2020-12-31"));
    assert_eq!(last("2020-02").as_deref(), Some("2020-02-29"));
    assert_eq!(last("9999-12").as_deref(), Some("9999-12-31"));
    assert_eq!(last("9999-12-31").as_deref(), Some("9999-12-31"));
    assert_eq!(first("2020-02-03T23:00:00-05:00").as_deref(), Some("2020-02-03"));
    for text in
        ["", "yesterday", "2020-13", "2020-02-30", "2024-13-99", "2020-02-03Tnoon", "02/03/2020", "12:34"]
    {
        assert_eq!((first(text), last(text)), (None, None), "{text}");
    }
}

#[test]
fn a_stored_text_authorizes_nothing() {
    for (stored, given) in [
        (r#"{"authorizations":{"genetic":"authorized"},"parameters":{}}"#, false),
        (r#"{"authorizations":{"genetic":true},"parameters":{}}"#, true),
        (r#"{"authorizations":{"genetic":{"given":true,"description":"BRCA"}},"parameters":{}}"#, true),
        (r#"{"authorizations":{"genetic":{"given":false}},"parameters":{}}"#, false),
    ] {
        let choices: Choices = serde_json::from_str(stored).expect("choices");
        assert_eq!(choices.authorizes(Sensitive::Genetic), given, "{stored}");
        let again = serde_json::to_string(&choices).expect("JSON");
        assert_eq!(serde_json::from_str::<Choices>(&again).expect("the same"), choices);
    }
}

#[test]
fn keys_are_unique_and_parse_back() {
    for group in RecordGroup::ALL {
        assert_eq!(RecordGroup::parse(group.key()), Some(group));
    }
    assert_eq!(RecordGroup::parse("radiation"), Some(RecordGroup::Radiology));
    for category in Sensitive::ALL {
        assert_eq!(Sensitive::parse(category.key()), Some(category));
    }
}
