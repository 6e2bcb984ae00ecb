use jiff::tz::TimeZone;

use super::*;
use crate::Language;

#[test]
fn each_language_writes_dates_its_own_way_in_the_zone_of_the_settings() {
    let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a time zone");
    let at: Timestamp = "2026-03-02T03:04:05Z".parse().expect("a moment");
    for (tag, day, moment, month) in [
        ("en", "March 1, 2026", "March 1, 2026, 22:04 EST", "February 2020"),
        ("es", "1 de marzo de 2026", "1 de marzo de 2026, 22:04 EST", "febrero de 2020"),
    ] {
        let language = Language::of_tag(tag).expect("a language");
        let words = Words { language, zone: zone.clone(), ..Words::default() };
        assert_eq!((words.date(at), words.moment(at)), (day.to_owned(), moment.to_owned()));
        assert_eq!(words.partial("2020-02"), month);
        assert_eq!(words.partial("2020"), "2020");
        assert_eq!(words.partial("2026-03-01"), day);
        for odd in ["2020-02-30", "yesterday", "", "2020-13"] {
            assert_eq!(words.partial(odd), odd);
        }
    }
}

#[test]
fn a_time_to_wait_is_in_seconds_or_minutes() {
    for (tag, seconds, expected) in [
        ("en", 1, "1 second"),
        ("en", 119, "119 seconds"),
        ("en", 120, "2 minutes"),
        ("en", 3_600, "60 minutes"),
        ("es", 1, "1 segundo"),
        ("es", 121, "3 minutos"),
    ] {
        let language = Language::of_tag(tag).expect("a language");
        assert_eq!(Words { language, ..Words::default() }.wait(seconds), expected, "{tag}");
    }
}
