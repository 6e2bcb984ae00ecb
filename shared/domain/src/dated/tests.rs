use super::*;

#[test]
fn a_day_is_as_exact_as_it_is_known() {
    let day = |text: &str| Days::of(text.as_bytes());
    for (days, expected) in [
        (day("2019"), "2019"),
        (day("2019-02"), "2019-02"),
        (day("2019-02-03T10:00:00Z"), "2019-02-03"),
        (day("0000"), "0000"),
        (Some(Days::between(day("2019"), None)), "2019"),
        (Some(Days::between(day("2019-02"), day("2020"))), "2019-02"),
        (Some(Days::between(None, day("2019"))), "2019"),
        (Some(Days::between(None, day("2019-02"))), "2019-02"),
        (Some(Days::between(day("2019-01-01"), day("2019-12-31"))), "2019-01-01"),
    ] {
        assert_eq!(beginning(&days.expect("days")), Some(expected));
    }
}

#[test]
fn workers_together_know_the_first_and_the_last_day() {
    let (mut one, mut other) = (DaysByType::default(), DaysByType::default());
    for (noted, kind, date) in
        [(true, "A", "2019-05"), (true, "A", "2019"), (false, "A", "2021-01-02"), (false, "B", "2000")]
    {
        let all = if noted { &mut one } else { &mut other };
        all.record_days(kind, &Days::of(date.as_bytes()).expect("a date"));
    }
    one.merge(&other);
    let range = |kind: &str| one.get(kind).map(|range| (range.first.as_str(), range.last.as_str()));
    assert_eq!((range("A"), range("B")), (Some(("2019", "2021-01-02")), Some(("2000", "2000"))));
    assert!(range("C").is_none() && !one.is_empty());
    let mut many = one.clone();
    for number in 0..300 {
        many.record_days(&number.to_string(), &Days::of(b"2020").expect("a date"));
    }
    assert_eq!((many.0.len(), many.get("A")), (MAX_TYPES, one.get("A")));
}
