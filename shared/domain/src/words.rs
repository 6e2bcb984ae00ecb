//! Splits texts into words for searches. All spellings of a name give the same words, whatever their case and accents.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

/// The maximum number of words of one text. Further words are ignored.
pub const MAX_WORDS: usize = 12;
/// The maximum number of characters of a word. Further characters are ignored.
pub const MAX_WORD: usize = 32;
/// The maximum number of spellings of a word: each of its first three letters with two spellings has both.
const MAX_SPELLINGS: usize = 8;

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

/// Returns the words of a text as it is written, in order: in lower case, without accents and invisible characters, but
/// with the letters that [`spellings`] spells.
pub(crate) fn written_words(text: &str) -> Vec<String> {
    let kept = kept(text);
    let words = kept.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Returns the folded spellings of a written word, each once; the first is that of [`words`]. Letters such as `ü` have two
/// usual spellings, of which people type either.
pub(crate) fn spellings(written: &str) -> Vec<String> {
    let mut spellings = vec![String::new()];
    // Letters that the cut words do not have need no spelling.
    for c in written.chars().take(MAX_WORD) {
        let mut buffer = [0; 4];
        let plain = plain(c).unwrap_or_else(|| c.encode_utf8(&mut buffer));
        let long = two_letters(c);
        if long.is_some() && spellings.len() < MAX_SPELLINGS {
            spellings.extend_from_within(..);
        }
        // The first half has the plain letters, so that the first spelling stays the shortest, and the last one the longest.
        let half = spellings.len() / 2;
        for (at, spelling) in spellings.iter_mut().enumerate() {
            spelling.push_str(long.filter(|_| at >= half).unwrap_or(plain));
        }
    }
    let mut cut: Vec<String> = Vec::new();
    for spelling in spellings {
        let spelling: String = spelling.chars().take(MAX_WORD).collect();
        if !cut.contains(&spelling) {
            cut.push(spelling);
        }
    }
    cut
}

fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in kept(text).chars() {
        match plain(c) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(c),
        }
    }
    folded
}

/// Returns the text in lower case, and without marks and invisible characters. Letters that passports spell in two letters as well (ICAO
/// 9303, part 3, section 6) keep their marks: a letter and its mark are one character.
fn kept(text: &str) -> String {
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let mut kept = String::with_capacity(text.len());
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    for c in decomposed.flat_map(char::to_lowercase) {
        let marked = match (kept.chars().next_back(), c) {
            (Some('a'), '\u{308}') => Some('ä'),
            (Some('o'), '\u{308}') => Some('ö'),
            (Some('u'), '\u{308}') => Some('ü'),
            (Some('a'), '\u{30a}') => Some('å'),
            _ => None,
        };
        match (marked, c) {
            (Some(marked), _) => {
                kept.pop();
                kept.push(marked);
            }
            (None, 'ς') => kept.push('σ'),
            (None, c) if is_invisible(c) || classes.get32_u8(c.into()) != 0 => {}
            (None, c) => kept.push(c),
        }
    }
    kept
}

/// Returns the letters that people usually type for one that their keyboard does not have.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ä' | 'å' => "a",
        'ö' | 'ø' => "o",
        'ü' => "u",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ı' => "i",
        _ => return None,
    })
}

/// Returns the other usual spelling of a letter that has two.
fn two_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ä' => "ae",
        'ö' | 'ø' => "oe",
        'ü' => "ue",
        'å' => "aa",
        _ => return None,
    })
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
