use super::*;

#[test]
fn a_year_alone_is_a_date_and_an_invalid_date_is_not() {
    for (month, day, year, date) in [
        ("", "", "", Some("")),
        ("", "", "2020", Some("2020")),
        ("2", "", "2020", Some("2020-02")),
        ("02", "29", "2020", Some("2020-02-29")),
        ("2", "30", "2020", None),
        ("2", "29", "2021", None),
        ("13", "1", "2020", None),
        ("0", "1", "2020", None),
        ("", "3", "2020", None),
        ("2", "3", "", None),
        ("2", "3", "20", None),
        ("2", "3", "0202", None),
        ("2", "3", "20200", None),
        ("+2", "3", "2020", None),
        ("2", "3", "٢٠٢٠", None),
        ("Feb", "3", "2020", None),
    ] {
        let typed = TypedDate { month: month.into(), day: day.into(), year: year.into() };
        assert_eq!(typed.fhir().as_deref(), date, "{month}/{day}/{year}");
    }
}

#[test]
fn a_whole_date_is_split_and_joined_again() {
    for text in ["2020", "2020-02", "2020-02-29", ""] {
        assert_eq!(TypedDate::of_text(text).fhir().as_deref(), Some(text));
    }
    for text in ["yesterday", "2020-02-30", "2020-02-03T10:00:00Z"] {
        let typed = TypedDate::of_text(text);
        assert_eq!((typed.fhir(), typed.year.as_str()), (None, text));
    }
}
