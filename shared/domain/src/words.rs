//! Splits texts into words for searches. All spellings of a name give the same words, whatever their case and accents.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

/// The maximum number of words of one text. Further words are ignored.
pub const MAX_WORDS: usize = 12;
/// The maximum number of characters of a word. Further characters are ignored.
pub const MAX_WORD: usize = 32;

/// Returns the folded words of a text, each once, in order: letters and digits in lower case, without accents and
/// invisible characters. Every other character separates words.
///
/// Folding is the compatibility decomposition of Unicode (UAX #15, NFKD) without its combining marks. Letters without a
/// decomposition are replaced by the letters that people usually type for them: `ø` by `o`, `ß` by `ss`.
pub fn words(text: &str) -> Vec<String> {
    let folded = folded(text);
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word: String = word.chars().take(MAX_WORD).collect();
        if !words.contains(&word) {
            words.push(word);
        }
        if words.len() == MAX_WORDS {
            break;
        }
    }
    words
}

/// Returns an identifier for comparison: its folded letters and digits, without separators. At most 128 characters.
pub fn identifier(text: &str) -> String {
    folded(text).chars().filter(|c| c.is_alphanumeric()).take(128).collect()
}

/// Returns whether each of the words is a prefix of one of the others.
pub fn are_prefixes<'w>(words: &[String], of: impl Iterator<Item = &'w str> + Clone) -> bool {
    words.iter().all(|word| of.clone().any(|other| other.starts_with(word.as_str())))
}

fn folded(text: &str) -> String {
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let mut folded = String::with_capacity(text.len());
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    for c in decomposed.flat_map(char::to_lowercase) {
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            c if is_invisible(c) || classes.get32_u8(c.into()) != 0 => {}
            c => folded.push(c),
        }
    }
    folded
}

/// Returns whether a character only controls or joins others and is invisible (Unicode, general category Cf, and
/// variation selectors).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests;
