use super::*;

fn compiled(search: &str) -> Result<TypeFilter, String> {
    compile(search, Timestamp::UNIX_EPOCH)
}

#[test]
fn commas_separate_searches_only_before_a_type() {
    assert_eq!(
        split("Observation?code=a,b&status=final,Condition?code=c,d"),
        ["Observation?code=a,b&status=final", "Condition?code=c,d"]
    );
    assert_eq!(split("Observation?code=a"), ["Observation?code=a"]);
}

#[test]
fn the_error_names_what_is_wrong() {
    for (search, expected) in [
        ("code=1", "must be a type and a search"),
        ("Observation", "must be a type and a search"),
        ("Observation?", "no search parameter"),
        ("Observation?_sort=date", "_sort: shapes the result"),
        ("Observation?_include=Observation:subject", "shapes the result"),
        ("Observation?colour=red", "colour: is not a search parameter"),
        ("Observation?subject.name=x", "chained"),
        ("Observation?date=yesterday", "'yesterday' is not a date"),
        ("Observation?code:above=1", "modifier :above"),
        ("Observation?code:missing=maybe", ":missing must be true or false"),
        ("Observation?value-quantity=much", "is not a number"),
        ("Observation?value-quantity=1.5e-2147483648", "is not a number"),
        ("Observation?value-quantity=0e2147483647", "is not a number"),
        ("Observation?value-quantity=0e99999999999", "is not a number"),
        ("Observation?value-quantity=1e999", "is not a number"),
        ("Observation?code=", "no value"),
        ("Patient?birthdate=2024-02-30", "is not a date"),
    ] {
        let problem = compiled(search).expect_err(search);
        assert!(problem.contains(expected), "{search}: {problem}");
    }
}

#[test]
fn values_keep_escaped_separators() {
    let filter = compiled(r"Patient?family:exact=a\,b,c").expect("valid");
    assert_eq!(filter.tests[0].condition, Condition::TextExact(vec!["a,b".to_owned(), "c".to_owned()]));
    let filter = compiled("Observation?code=http%3A%2F%2Floinc.org%7C1-1&date=ge2024-01-01T00:00:00%2B02:00");
    let filter = filter.expect("valid");
    let token = Token { system: Some("http://loinc.org".to_owned()), code: Some("1-1".to_owned()) };
    assert_eq!(filter.tests[0].condition, Condition::Token(vec![token]));
    let Condition::Date(dates) = &filter.tests[1].condition else { panic!("a date") };
    assert_eq!(dates[0].prefix, Prefix::Ge);
}
