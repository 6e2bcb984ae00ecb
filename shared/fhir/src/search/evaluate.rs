//! Evaluates a compiled search on a line that was checked before. Elements are found by their ranges and compared in
//! place, so that no tree of the resource is built.

use std::ops::Range;

use crate::date::Span;
use crate::head::Members;
use crate::json;
use crate::type_filter::{Condition, DateValue, QuantityValue, Test, Token, TypeFilter};

/// Returns whether the resource matches the search. The caller has compared its type.
pub fn passes(line: &[u8], members: &Members<'_>, filter: &TypeFilter) -> bool {
    filter.tests.iter().all(|test| holds(line, members, test))
}

fn holds(line: &[u8], members: &Members<'_>, test: &Test) -> bool {
    let any = |is: &dyn Fn(Range<usize>) -> bool| {
        let mut found = false;
        for path in &test.paths {
            values(line, members, path, &mut |value| found = found || is(value));
        }
        found
    };
    match &test.condition {
        Condition::Missing(missing) => any(&|_| true) != *missing,
        Condition::Token(tokens) => any(&|value| has_token(line, value, tokens)),
        Condition::NotToken(tokens) => !any(&|value| has_token(line, value, tokens)),
        Condition::TokenText(texts) => any(&|value| has_text(line, value, texts)),
        Condition::Date(dates) => any(&|value| has_date(line, value, dates)),
        Condition::Reference(references) => any(&|value| refers(line, value, references)),
        Condition::Text(texts) => any(&|value| {
            text(line, value).is_some_and(|text| texts.iter().any(|begin| text.starts_with(begin.as_str())))
        }),
        Condition::TextContains(texts) => any(&|value| {
            text(line, value).is_some_and(|text| texts.iter().any(|part| text.contains(part.as_str())))
        }),
        Condition::TextExact(texts) | Condition::Uri(texts) => any(&|value| {
            json::string(line, value).is_some_and(|found| texts.iter().any(|text| *text == found))
        }),
        Condition::Canonical(urls) => any(&|value| {
            json::string(line, value).is_some_and(|found| urls.iter().any(|url| is_canonical(&found, url)))
        }),
        Condition::Quantity(quantities) => any(&|value| has_quantity(line, value, quantities)),
    }
}

/// Calls `visit` with the range of each value at a dotted path. Lists on the path are searched.
fn values(line: &[u8], members: &Members<'_>, path: &str, visit: &mut dyn FnMut(Range<usize>)) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if let Some(value) = members.get(first.as_bytes()) {
        below(line, value, rest, visit);
    }
}

fn below(line: &[u8], value: Range<usize>, path: &str, visit: &mut dyn FnMut(Range<usize>)) {
    json::elements(line, value, |element| {
        if path.is_empty() {
            return visit(element);
        }
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(value) = json::member(line, element, first.as_bytes()) {
            below(line, value, rest, visit);
        }
    });
}

/// Calls `visit` with each code of a CodeableConcept, Coding, Identifier or ContactPoint, and its system.
fn codes(line: &[u8], value: Range<usize>, visit: &mut dyn FnMut(Option<&str>, &str)) {
    let (mut system, mut code, mut coding) = (None, None, None);
    json::members(line, value, |key, value| match key {
        b"system" => system = json::string(line, value),
        b"code" | b"value" => code = json::string(line, value),
        b"coding" => coding = Some(value),
        _ => {}
    });
    if let Some(coding) = coding {
        json::elements(line, coding, |coding| codes(line, coding, visit));
    }
    if let Some(code) = code {
        visit(system.as_deref(), &code);
    }
}

fn has_token(line: &[u8], value: Range<usize>, tokens: &[Token]) -> bool {
    if line[value.start] != b'{' {
        // A plain code or a boolean has no written system, because its element is bound to one. Any system matches.
        let plain = json::string(line, value.clone());
        let code = plain.as_deref().or_else(|| std::str::from_utf8(&line[value]).ok());
        return tokens.iter().any(|token| token.code.as_deref() == code);
    }
    let mut found = false;
    codes(line, value, &mut |system, code| {
        found = found || tokens.iter().any(|token| is_token(token, system, code));
    });
    found
}

fn is_token(token: &Token, system: Option<&str>, code: &str) -> bool {
    let same_system = match token.system.as_deref() {
        None => true,
        Some("") => system.is_none_or(str::is_empty),
        Some(wanted) => system == Some(wanted),
    };
    same_system && token.code.as_deref().is_none_or(|wanted| wanted == code)
}

/// Returns whether the text or a display of a concept begins with one of the texts, which are in lower case.
fn has_text(line: &[u8], value: Range<usize>, texts: &[String]) -> bool {
    let mut found = false;
    let mut compare = |value: Range<usize>| {
        let begins = |text: String| texts.iter().any(|begin| text.starts_with(begin.as_str()));
        found = found || text(line, value).is_some_and(begins);
    };
    json::members(line, value, |key, value| match key {
        b"text" | b"display" => compare(value),
        b"coding" => json::elements(line, value, |coding| {
            if let Some(display) = json::member(line, coding, b"display") {
                compare(display);
            }
        }),
        _ => {}
    });
    found
}

fn text(line: &[u8], value: Range<usize>) -> Option<String> {
    json::string(line, value).map(|text| text.to_lowercase())
}

fn has_date(line: &[u8], value: Range<usize>, dates: &[DateValue]) -> bool {
    span(line, value).is_some_and(|target| dates.iter().any(|date| date.matches(target)))
}

/// Returns the span of a date or a Period. A Period without a start or an end is open on that side.
fn span(line: &[u8], value: Range<usize>) -> Option<Span> {
    if line[value.start] != b'{' {
        return json::string(line, value).and_then(|text| Span::of(text.as_bytes()));
    }
    let (mut start, mut end) = (None, None);
    json::members(line, value, |key, value| {
        let span = || json::string(line, value).and_then(|text| Span::of(text.as_bytes()));
        match key {
            b"start" => start = span(),
            b"end" => end = span(),
            _ => {}
        }
    });
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Span { from: start.map_or(i64::MIN, |span| span.from), to: end.map_or(i64::MAX, |span| span.to) })
}

fn refers(line: &[u8], value: Range<usize>, references: &[String]) -> bool {
    let Some(found) = json::member(line, value, b"reference").and_then(|value| json::string(line, value))
    else {
        return false;
    };
    let found = found.split("/_history/").next().unwrap_or(&found);
    references.iter().any(|wanted| {
        // A bare id matches any type, and a relative reference matches the end of an absolute one.
        found == wanted || found.strip_suffix(wanted.as_str()).is_some_and(|before| before.ends_with('/'))
    })
}

/// Returns whether a canonical URL is the wanted one. A wanted URL without a version matches every version.
fn is_canonical(found: &str, wanted: &str) -> bool {
    found == wanted || found.split_once('|').is_some_and(|(url, _)| url == wanted)
}

fn has_quantity(line: &[u8], value: Range<usize>, quantities: &[QuantityValue]) -> bool {
    let (mut number, mut unit, mut system, mut code) = (None, None, None, None);
    json::members(line, value, |key, value| match key {
        b"value" => {
            number = std::str::from_utf8(&line[value]).ok().and_then(|text| text.parse::<f64>().ok());
        }
        b"unit" => unit = json::string(line, value),
        b"system" => system = json::string(line, value),
        b"code" => code = json::string(line, value),
        _ => {}
    });
    let Some(number) = number else { return false };
    quantities.iter().any(|quantity| {
        let same_unit = match (&quantity.unit.system, &quantity.unit.code) {
            (_, None) => true,
            (None, Some(wanted)) => {
                code.as_deref() == Some(wanted.as_str()) || unit.as_deref() == Some(wanted.as_str())
            }
            (Some(of), Some(wanted)) => {
                system.as_deref() == Some(of.as_str()) && code.as_deref() == Some(wanted.as_str())
            }
        };
        same_unit && quantity.matches(number)
    })
}

#[cfg(test)]
mod tests;
