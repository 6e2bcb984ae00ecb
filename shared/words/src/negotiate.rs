//! Selects the language for an `Accept-Language` header (RFC 9110, 12.5.4).

use crate::Language;

/// The maximum number of language ranges that are read.
const MAX_RANGES: usize = 20;

impl Language {
    /// Returns the language that a value of `Accept-Language` prefers; `None` if it names no language with a catalogue.
    pub fn preferred(accept_language: &str) -> Option<Self> {
        let ranges = accept_language.split(',').take(MAX_RANGES);
        let weighted = ranges.filter_map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").unwrap_or("1");
            let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
            let language = match tag.trim() {
                "*" => Self::ENGLISH,
                tag => Self::of_tag(tag)?,
            };
            (weight > 0.0).then_some((weight, language))
        });
        // Of several with the same weight, the first is chosen.
        let best = weighted.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests;
