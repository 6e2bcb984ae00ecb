//! Keeps the direction of a name out of the sentence around it, by the isolates of the Unicode Bidirectional Algorithm (UAX 9).

use std::borrow::Cow;
use std::iter::repeat_n;

/// The First Strong Isolate: what follows has the direction of its first letter.
const BEGIN: char = '\u{2068}';
/// The Pop Directional Isolate, which ends the isolate and everything that began in it.
const END: char = '\u{2069}';

/// Returns a value for the middle of a text. If a character of it can change the order of the text around it, the value becomes an isolate:
/// right-to-left letters, and marks of direction that the value does not close, have no effect outside.
pub fn isolated(value: &str) -> Cow<'_, str> {
    if !value.contains(is_directional) {
        return Cow::Borrowed(value);
    }
    let mut text = String::from(BEGIN);
    let mut open = 0;
    for letter in value.chars() {
        match letter {
            '\u{2066}'..=BEGIN => open += 1,
            // It would end the isolate of the value.
            END if open == 0 => continue,
            END => open -= 1,
            _ => {}
        }
        text.push(letter);
    }
    text.extend(repeat_n(END, open + 1));
    Cow::Owned(text)
}

/// Returns whether a character is a right-to-left letter or a mark of direction.
fn is_directional(letter: char) -> bool {
    matches!(letter,
        '\u{590}'..='\u{8ff}'
        | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..=END
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests;
