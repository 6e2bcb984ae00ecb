use super::*;

#[test]
fn the_days_of_a_type_are_the_first_and_the_last() {
    let mut facts = Facts::default();
    for day in ["2020-05-01", "2019", "2021-01-01"] {
        facts.add_day(day);
    }
    let mut all = Facts { count: 2, days: None };
    all.merge(&Facts { count: 3, ..facts });
    all.merge(&Facts { count: 1, days: None });
    assert_eq!((all.count, all.days), (6, Some(("2019".to_owned(), "2021-01-01".to_owned()))));
}
