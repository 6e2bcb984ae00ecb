//! The design of the pages and their texts about the organization: the table `[pages]` of the settings.

use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Value;
use words::{Language, Overrides, Placeholder, placeholders};

use crate::reader::Reader;

/// The settings of the pages.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The name of the server at the top of every page; `None` for the default of the language.
    pub title: Option<String>,
    /// The holder of the records, by the name that patients know.
    pub organization: Option<String>,
    /// The URL at which people find help.
    pub help_url: Option<String>,
    /// The office to which a patient can turn whose request is rejected: its name and its phone number, as they are shown.
    pub office: Option<String>,
    /// The phone number of the office alone.
    pub office_phone: Option<String>,
    /// The number of days within which a patient gets a copy (45 CFR 164.524(b)(2)).
    pub due_days: i64,
    pub accent: Accent,
    pub logo: Option<Logo>,
    /// The time zone of dates and times.
    pub zone: TimeZone,
    /// Messages that replace those of the catalogue.
    pub words: Arc<Overrides>,
}

/// The colour of links and buttons, on a light and on a dark background, as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accent {
    pub light: String,
    pub dark: String,
}

/// A picture at the top of every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    pub media_type: &'static str,
    /// Base64.
    pub data: String,
}

impl Default for Accent {
    fn default() -> Self {
        Self { light: "#0b6266".to_owned(), dark: "#6fd0cb".to_owned() }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            title: None,
            organization: None,
            help_url: None,
            office: None,
            office_phone: None,
            due_days: 30,
            accent: Accent::default(),
            logo: None,
            zone: TimeZone::UTC,
            words: Arc::default(),
        }
    }
}

/// The table as it is in the file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Table {
    title: Option<String>,
    organization: Option<String>,
    help_url: Option<String>,
    office: Option<String>,
    office_phone: Option<String>,
    due_days: Option<i64>,
    accent: Option<String>,
    accent_dark: Option<String>,
    logo: Option<String>,
    time_zone: Option<String>,
    #[serde(default)]
    words: BTreeMap<String, BTreeMap<String, String>>,
}

/// The backgrounds of text in the accent colour, and the text on it: light, then dark.
const LIGHT_BACKGROUNDS: [&str; 2] = ["#ffffff", "#eef4f4"];
const DARK_BACKGROUNDS: [&str; 3] = ["#12181d", "#1c262d", "#0b2426"];
/// The minimum contrast of text (WCAG 2.2, 1.4.3).
const LEAST_CONTRAST: f64 = 4.5;

/// The maximum number of characters of the office's name, and of its phone number.
const MAX_OFFICE: usize = 100;

/// The maximum size of a logo in base64.
const MAX_LOGO: usize = 64 * 1024;

/// Time zones by their name in the tz database, with their current rules, so that no function includes the database.
const ZONES: [(&str, &str); 9] = [
    ("UTC", "UTC0"),
    ("America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
    ("America/Chicago", "CST6CDT,M3.2.0,M11.1.0"),
    ("America/Denver", "MST7MDT,M3.2.0,M11.1.0"),
    ("America/Phoenix", "MST7"),
    ("America/Los_Angeles", "PST8PDT,M3.2.0,M11.1.0"),
    ("America/Anchorage", "AKST9AKDT,M3.2.0,M11.1.0"),
    ("Pacific/Honolulu", "HST10"),
    ("America/Puerto_Rico", "AST4"),
];

impl Pages {
    /// Reads `[pages]`. Every value that cannot be used is named.
    pub(super) fn read(read: &mut Reader) -> Self {
        let Some(table) = read.table("pages") else { return Self::default() };
        let table: Table = match Value::Table(table).try_into() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                read.wrong("pages", error.message());
                return Self::default();
            }
        };
        let defaults = Self::default();
        let due_days = table.due_days.unwrap_or(defaults.due_days);
        if !(1..=90).contains(&due_days) {
            read.wrong("pages.due_days", "must be from 1 to 90");
        }
        if table.help_url.as_ref().is_some_and(|url| !is_link(url)) {
            read.wrong("pages.help_url", "must be an http, https, mailto or tel URL");
        }
        let office = office(&table, read);
        Self {
            due_days,
            accent: accent(&table, read),
            office_phone: office.as_ref().map(|(_, phone)| phone.clone()),
            office: office.map(|(name, phone)| format!("{name}, {phone}")),
            logo: table.logo.as_deref().and_then(|text| logo(text, read)),
            zone: table.time_zone.as_deref().and_then(|name| zone(name, read)).unwrap_or(TimeZone::UTC),
            words: Arc::new(overrides(table.words, read)),
            title: table.title,
            organization: table.organization,
            help_url: table.help_url,
        }
    }
}

/// Reads the office and its phone number. One without the other is an error, because it helps nobody.
fn office(table: &Table, read: &mut Reader) -> Option<(String, String)> {
    let mut checked = |key: &str, text: &Option<String>| {
        let text = text.as_deref()?.trim();
        if text.is_empty() || text.chars().count() > MAX_OFFICE || text.contains(char::is_control) {
            read.wrong(key, &format!("must be a text of one line, of at most {MAX_OFFICE} characters"));
            return None;
        }
        Some(text.to_owned())
    };
    let name = checked("pages.office", &table.office);
    let phone = checked("pages.office_phone", &table.office_phone);
    match (name, phone) {
        (Some(name), Some(phone)) => Some((name, phone)),
        (None, None) => None,
        (Some(_), None) => {
            read.wrong("pages.office_phone", "is missing: pages.office needs it");
            None
        }
        (None, Some(_)) => {
            read.wrong("pages.office", "is missing: pages.office_phone needs it");
            None
        }
    }
}

fn is_link(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto" | "tel"))
}

fn accent(table: &Table, read: &mut Reader) -> Accent {
    let usual = Accent::default();
    let mut checked = |key: &str, text: Option<&String>, usual: String, grounds: &[&str]| {
        let Some(text) = text else { return usual };
        let Some(colour) = luminance(text) else {
            read.wrong(key, "must be a colour such as #0b6266");
            return usual;
        };
        let grounds =
            grounds.iter().filter_map(|ground| Some((ground, contrast(colour, luminance(ground)?))));
        for (ground, contrast) in grounds.filter(|(_, contrast)| *contrast < LEAST_CONTRAST) {
            read.wrong(
                key,
                &format!("has a contrast of {contrast:.2} to {ground}; text needs {LEAST_CONTRAST} (WCAG 2.2, 1.4.3)"),
            );
        }
        text.to_ascii_lowercase()
    };
    Accent {
        light: checked("pages.accent", table.accent.as_ref(), usual.light, &LIGHT_BACKGROUNDS),
        dark: checked("pages.accent_dark", table.accent_dark.as_ref(), usual.dark, &DARK_BACKGROUNDS),
    }
}

/// Returns the relative luminance of `#rrggbb` (WCAG 2.2, definitions).
fn luminance(colour: &str) -> Option<f64> {
    let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).ok()?) / 255.0;
        Some(if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
    };
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn logo(text: &str, read: &mut Reader) -> Option<Logo> {
    let types = ["image/svg+xml", "image/png", "image/jpeg", "image/webp"];
    let logo = types.into_iter().find_map(|media_type| {
        let data = text.strip_prefix("data:")?.strip_prefix(media_type)?.strip_prefix(";base64,")?;
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        (data.len() <= MAX_LOGO && data.bytes().all(is_base64))
            .then(|| Logo { media_type, data: data.to_owned() })
    });
    if logo.is_none() {
        read.wrong(
            "pages.logo",
            "must be a data URL of an SVG, PNG, JPEG or WebP picture in base64, of at most 64 KiB",
        );
    }
    logo
}

fn zone(name: &str, read: &mut Reader) -> Option<TimeZone> {
    let rules = ZONES.iter().find(|(known, _)| *known == name).map_or(name, |(_, rules)| rules);
    let zone = TimeZone::posix(rules).ok();
    if zone.is_none() {
        let names = ZONES.map(|(name, _)| name).join(", ");
        read.wrong(
            "pages.time_zone",
            &format!(
                "must be one of {names}, or the rules in the syntax of POSIX, such as EST5EDT,M3.2.0,M11.1.0"
            ),
        );
    }
    zone
}

fn overrides(languages: BTreeMap<String, BTreeMap<String, String>>, read: &mut Reader) -> Overrides {
    let mut overrides = Overrides::new();
    for (tag, messages) in languages {
        let Some(language) = Language::all().find(|language| language.tag() == tag) else {
            read.wrong(&format!("pages.words.{tag}"), "there is no such language");
            continue;
        };
        for (key, text) in messages {
            let at = format!("pages.words.{tag}.{key}");
            let Some(known) = language.variables(&key) else {
                read.wrong(&at, "there is no such message");
                continue;
            };
            for part in placeholders(&text) {
                if let Placeholder::Variable(name) = part
                    && !known.contains(&name)
                {
                    read.wrong(&at, &format!("has the variable '{name}', which the message does not have"));
                }
            }
            overrides.insert((language, key), text);
        }
    }
    overrides
}

#[cfg(test)]
mod tests;
