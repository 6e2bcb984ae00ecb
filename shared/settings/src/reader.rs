//! Reads settings from the text of a file and from variables, and collects the problems.

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub(super) struct Reader {
    table: Table,
    errors: Vec<String>,
}

/// Returns the problem of a text and the number of its line, without the line itself, which may have a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.as_bytes().get(..span.start));
    let line = before.map_or(1, |before| before.split(|byte| *byte == b'\n').count());
    format!("the settings file is not TOML: line {line}: {}", error.message())
}

impl Reader {
    pub(super) fn new(text: &str, keys: &[&str], variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut errors = Vec::new();
        let mut table = text.parse::<Table>().unwrap_or_else(|error| {
            errors.push(not_toml(text, &error));
            Table::new()
        });
        for key in table.keys().filter(|key| !keys.contains(&key.as_str())) {
            errors.push(format!("{key}: there is no such setting"));
        }
        for key in keys {
            let name = format!("EHI_{}", key.to_ascii_uppercase());
            if let Some(text) = variable(&name) {
                table.insert((*key).to_owned(), of_variable(&text));
            }
        }
        Self { table, errors }
    }

    /// Returns the SHA-256 of all settings of the file and of the variables in `others`, hexadecimal. It does not
    /// depend on the order of the settings, on comments or on white space.
    pub(super) fn digest(&self, others: impl Iterator<Item = String>) -> String {
        let others: Vec<_> = others.collect();
        crypto::fingerprint(&format!("{}\n{}", self.table, others.join("\n")))
    }

    pub(super) fn wrong(&mut self, key: &str, what: &str) {
        self.errors.push(format!("{key}: {what}"));
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.errors
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "must be a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.take(key, "must be true or false", |value| value.as_bool())
    }

    pub(super) fn count(&mut self, key: &str) -> Option<u64> {
        self.take(key, "must be a whole number that is not negative", |value| {
            value.as_integer()?.try_into().ok()
        })
    }

    pub(super) fn seconds(&mut self, key: &str) -> Option<SignedDuration> {
        let seconds = self.count(key)?;
        // The limit of a century keeps sums of times in range.
        Some(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX).min(3_155_760_000)))
    }

    pub(super) fn list<T: DeserializeOwned>(&mut self, key: &str) -> Vec<T> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        value.try_into().unwrap_or_else(|error: toml::de::Error| {
            self.wrong(key, error.message());
            Vec::new()
        })
    }

    pub(super) fn table(&mut self, key: &str) -> Option<Table> {
        self.take(key, "must be a table", |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    /// Returns the value of a name; the first one if the setting is missing or has another name.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: [(&str, T); 2]) -> T {
        let [(first, default), (second, _)] = choices;
        let chosen = self.text(key);
        let known = choices.iter().find(|(name, _)| chosen.as_deref() == Some(name));
        if known.is_none() && chosen.is_some() {
            self.wrong(key, &format!("must be \"{first}\" or \"{second}\""));
        }
        known.map_or(default, |(_, value)| *value)
    }

    fn take<T>(&mut self, key: &str, what: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        let read = read(self.table.remove(key)?);
        if read.is_none() {
            self.wrong(key, what);
        }
        read
    }
}

/// Parses the text of a variable as a TOML value. A text that is not a TOML value is a string.
pub(super) fn of_variable(text: &str) -> Value {
    let table = format!("value = {text}").parse::<Table>().ok();
    table.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}
