//! Formats dates in the format of a language and the time zone of the settings.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::Words;

impl Words {
    /// Formats the date of a timestamp.
    pub fn date(&self, at: Timestamp) -> String {
        self.civil(at.to_zoned(self.zone.clone()).date())
    }

    /// Formats the date and the time of a timestamp, without seconds.
    pub fn moment(&self, at: Timestamp) -> String {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        self.text("date-and-time", &[("date", &self.date(at)), ("time", &time)])
    }

    /// Formats a FHIR date with a day, a month or a year; returns any other text unchanged.
    pub fn partial(&self, text: &str) -> String {
        let parsed = match text.len() {
            7 => format!("{text}-01").parse::<Date>(),
            _ => text.parse::<Date>(),
        };
        match parsed {
            Ok(date) if text.len() == 7 => {
                let values = [("month", &*self.month(date)), ("year", &*date.year().to_string())];
                self.text("year-and-month", &values)
            }
            Ok(date) if text.len() == 10 => self.civil(date),
            _ => text.to_owned(),
        }
    }

    fn civil(&self, date: Date) -> String {
        let (day, year) = (date.day().to_string(), date.year().to_string());
        self.text("date", &[("day", &day), ("month", &self.month(date)), ("year", &year)])
    }

    fn month(&self, date: Date) -> String {
        self.text(&format!("month-{}", date.month()), &[])
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::Language;

    #[test]
    fn each_language_writes_dates_its_own_way_in_the_zone_of_the_settings() {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a time zone");
        let at: Timestamp = "2026-03-02T03:04:05Z".parse().expect("a moment");
        for (tag, day, moment, month) in [
            ("en", "March 1, 2026", "March 1, 2026, 22:04", "February 2020"),
            ("es", "1 de marzo de 2026", "1 de marzo de 2026, 22:04", "febrero de 2020"),
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
}
