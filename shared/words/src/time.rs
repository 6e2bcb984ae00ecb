//! Formats dates in the format of a language and the time zone of the settings.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::Words;

impl Words {
    /// Formats the date of a timestamp.
    pub fn date(&self, at: Timestamp) -> String {
        self.civil(at.to_zoned(self.zone.clone()).date())
    }

    /// Formats the date and the time of a timestamp, without seconds, with the time zone.
    pub fn moment(&self, at: Timestamp) -> String {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M %Z").to_string();
        self.text("date-and-time", &[("date", &self.date(at)), ("time", &time)])
    }

    /// Formats a time to wait: in seconds below two minutes, and otherwise in minutes.
    pub fn wait(&self, seconds: u64) -> String {
        match seconds {
            0..120 => self.text("wait-seconds", &[("seconds", &self.number(seconds))]),
            _ => self.text("wait-minutes", &[("minutes", &self.number(seconds.div_ceil(60)))]),
        }
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
mod tests;
