//! Compiles `Type?parameter=value&…` (FHIR R4, search; Bulk Data 3.0, `_typeFilter`).

use jiff::Timestamp;

use crate::date::Span;
use crate::ids::is_type_name;
use crate::search::table::{self, Kind, Parameter};
use crate::type_filter::{Condition, DateValue, Prefix, QuantityValue, Test, Token, TypeFilter};

/// The maximum number of values in one search, over all its parameters.
const MAX_VALUES: usize = 500;

/// Splits a value of `_typeFilter` into searches. A comma separates two searches only if a `Type?` follows, because
/// commas also separate the values of one parameter. Bulk Data 2.0 joins searches by commas; 3.0 repeats the parameter.
pub fn split(text: &str) -> Vec<&str> {
    let mut searches = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        if at >= start && begins_search(&text[at + 1..]) {
            searches.push(&text[start..at]);
            start = at + 1;
        }
    }
    searches.push(&text[start..]);
    searches
}

fn begins_search(text: &str) -> bool {
    text.split_once('?').is_some_and(|(before, _)| is_type_name(before))
}

/// Compiles one search. The error tells the caller what is wrong with the search. `now` is the time from which the
/// margin of the prefix `ap` is measured.
pub fn compile(search: &str, now: Timestamp) -> Result<TypeFilter, String> {
    let (resource_type, query) =
        search.split_once('?').filter(|(resource_type, _)| is_type_name(resource_type)).ok_or_else(|| {
            format!("'_typeFilter' must be a type and a search, as Observation?category=laboratory, and not '{search}'")
        })?;
    let mut tests = Vec::new();
    let mut values = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // The query was decoded once before; some clients encode the search inside it as well.
        let (name, value) = (decoded(name), decoded(value));
        let test = test(resource_type, &name, &value, now)
            .map_err(|problem| format!("'_typeFilter' {resource_type}?{name}: {problem}"))?;
        values += parts(&value, ',').len();
        tests.push(test);
    }
    if tests.is_empty() {
        return Err(format!("'_typeFilter' {resource_type}? has no search parameter"));
    }
    if values > MAX_VALUES {
        return Err(format!("'_typeFilter' {resource_type}? has more than {MAX_VALUES} values"));
    }
    Ok(TypeFilter { resource_type: resource_type.to_owned(), tests })
}

/// Percent-decodes a name or a value of a search. A `+` stays, because it is part of times.
pub fn decoded(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("v={escaped}").as_bytes())
        .next()
        .map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

fn test(resource_type: &str, name: &str, value: &str, now: Timestamp) -> Result<Test, String> {
    let (name, modifier) = match name.split_once(':') {
        Some((name, modifier)) => (name, Some(modifier)),
        None => (name, None),
    };
    if table::OF_RESULTS.contains(&name) {
        return Err("shapes the result page of a search; an export does not support it".to_owned());
    }
    if name.contains('.') || name == "_has" {
        return Err("chained parameters are not supported".to_owned());
    }
    let parameter = table::find(resource_type, name)
        .ok_or("is not a search parameter that this server knows; see the CapabilityStatement")?;
    if value.is_empty() {
        return Err("has no value".to_owned());
    }
    let condition = condition(parameter, modifier, value, now)?;
    Ok(Test { paths: parameter.paths.iter().map(|path| (*path).to_owned()).collect(), condition })
}

fn condition(
    parameter: &Parameter,
    modifier: Option<&str>,
    value: &str,
    now: Timestamp,
) -> Result<Condition, String> {
    let values = || parts(value, ',');
    match (modifier, parameter.kind) {
        (Some("missing"), _) => match value {
            "true" => Ok(Condition::Missing(true)),
            "false" => Ok(Condition::Missing(false)),
            _ => Err(":missing must be true or false".to_owned()),
        },
        (None, Kind::Token) => Ok(Condition::Token(values().iter().map(|value| token(value)).collect())),
        (Some("not"), Kind::Token) => {
            Ok(Condition::NotToken(values().iter().map(|value| token(value)).collect()))
        }
        (Some("text"), Kind::Token) => Ok(Condition::TokenText(lower(values()))),
        (None, Kind::Date) => values()
            .iter()
            .map(|value| date(value, now))
            .collect::<Option<_>>()
            .map(Condition::Date)
            .ok_or_else(|| format!("'{value}' is not a date")),
        (None, Kind::Reference) => Ok(Condition::Reference(unescaped(values()))),
        (Some(of), Kind::Reference) if is_type_name(of) => {
            Ok(Condition::Reference(values().iter().map(|id| format!("{of}/{}", unescape(id))).collect()))
        }
        (None, Kind::Text) => Ok(Condition::Text(lower(values()))),
        (Some("contains"), Kind::Text) => Ok(Condition::TextContains(lower(values()))),
        (Some("exact"), Kind::Text) => Ok(Condition::TextExact(unescaped(values()))),
        (None, Kind::Uri) => Ok(Condition::Uri(unescaped(values()))),
        (None, Kind::Canonical) => Ok(Condition::Canonical(unescaped(values()))),
        (None, Kind::Quantity) => values()
            .iter()
            .map(|value| quantity(value))
            .collect::<Option<_>>()
            .map(Condition::Quantity)
            .ok_or_else(|| format!("'{value}' is not a number, a system and a code")),
        (Some(modifier), _) => Err(format!("the modifier :{modifier} is not supported here")),
    }
}

/// Splits a text at the separators that are not escaped. The parts keep their escapes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        if character == separator && !escaped {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Removes the backslashes of `\,`, `\|`, `\$` and `\\`.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}

fn unescaped(values: Vec<&str>) -> Vec<String> {
    values.into_iter().map(unescape).collect()
}

fn lower(values: Vec<&str>) -> Vec<String> {
    values.into_iter().map(|value| unescape(value).to_lowercase()).collect()
}

fn token(value: &str) -> Token {
    let parts = parts(value, '|');
    let some = |text: &str| (!text.is_empty()).then(|| unescape(text));
    match parts[..] {
        [system, code, ..] => Token { system: Some(unescape(system)), code: some(code) },
        _ => Token { system: None, code: Some(unescape(value)) },
    }
}

fn date(value: &str, now: Timestamp) -> Option<DateValue> {
    let (prefix, text) = Prefix::split(value);
    let mut span = Span::of(text.as_bytes())?;
    if prefix == Prefix::Ap {
        // FHIR recommends a tenth of the time between the date and now, on either side.
        let margin = (now.as_microsecond() - span.from).abs() / 10;
        span = Span { from: span.from - margin, to: span.to + margin };
    }
    Some(DateValue { prefix, span })
}

fn quantity(value: &str) -> Option<QuantityValue> {
    let parts = parts(value, '|');
    let (prefix, text) = Prefix::split(parts[0]);
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
    let exponent: i32 = match text.split_once(['e', 'E']) {
        Some((_, exponent)) => exponent.parse().ok()?,
        None => 0,
    };
    let margin = 0.5 * 10f64.powi(exponent.checked_sub(i32::try_from(digits).ok()?)?);
    if !margin.is_finite() {
        return None;
    }
    let some = |text: &&str| (!text.is_empty()).then(|| unescape(text));
    let unit = match parts[1..] {
        [] => Token { system: None, code: None },
        [system, code] => Token { system: some(&system), code: some(&code) },
        _ => return None,
    };
    Some(QuantityValue { prefix, number, margin, unit })
}

#[cfg(test)]
mod tests;
