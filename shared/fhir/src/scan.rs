//! Scans JSON text. This is the inner loop of an export: it reads every byte once, eight at a time inside strings, and allocates nothing.
//! It is written by hand because lines are copied unchanged: an export needs the byte range of each member, and must know whether names are
//! repeated or strings have escapes, which `serde_json` does not report.

use std::ops::Range;

use crate::names::{Names, Watch, first_bytes};

/// The text is not valid JSON: the byte offset of the fault and its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub at: usize,
    pub what: &'static str,
}

/// The result of a scan: mostly the offset after the text that was read.
pub(super) type Walk<T = usize> = Result<T, Malformed>;

/// The maximum depth of nested values.
const MAX_DEPTH: u32 = 100;

/// The spelling of a JSON text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spelling {
    /// A string or a name contains `\/` or `\uXXXX`. Names and values can be compared only in the
    /// [`plain`](super::spelling::plain) spelling of the text.
    pub has_escapes: bool,
    /// An object may have two members of one name; [`repeated_member`](super::spelling::repeated_member) decides. It is
    /// never `false` if there is such an object.
    pub may_repeat: bool,
}

/// Scans values and objects.
pub(super) struct Scan<W> {
    has_escapes: bool,
    watch: W,
}

impl Scan<()> {
    /// Returns a scan of a text that was checked before.
    pub(super) fn of_checked() -> Self {
        Self { has_escapes: false, watch: () }
    }
}

impl Scan<Names> {
    pub(super) fn new() -> Self {
        Self { has_escapes: false, watch: Names::new() }
    }

    /// Returns the spelling of the text that was scanned so far.
    pub(super) fn spelling(&self) -> Spelling {
        Spelling { has_escapes: self.has_escapes, may_repeat: self.watch.may_repeat }
    }
}

impl<W: Watch> Scan<W> {
    /// Reads the object that begins at `at` and returns the offset after its `}`. Calls `visit` with each member.
    pub(super) fn object<'t>(
        &mut self,
        text: &'t [u8],
        at: usize,
        visit: &mut impl FnMut(&'t [u8], Range<usize>),
    ) -> Walk {
        let mut at = skip_space(text, at + 1);
        if text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        self.watch.enter();
        loop {
            let key_start = at + 1;
            let (key_end, value_start) = self.key(text, at)?;
            let end = self.value(text, value_start)?;
            visit(&text[key_start..key_end], value_start..end);
            at = skip_space(text, end);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b'}') => break,
                _ => return Err(Malformed { at, what: "expected `,` or `}`" }),
            }
        }
        self.watch.leave();
        Ok(at + 1)
    }

    /// Reads the value that begins at `at` and returns the offset after it.
    pub(super) fn value(&mut self, text: &[u8], mut at: usize) -> Walk {
        // One bit per level: 1 for an object, 0 for an array.
        let mut levels: u128 = 0;
        let mut depth = 0;
        loop {
            match text.get(at) {
                Some(b'"') => at = self.string(text, at + 1)?,
                Some(open @ (b'{' | b'[')) => {
                    let is_object = *open == b'{';
                    at = skip_space(text, at + 1);
                    if text.get(at) == Some(if is_object { &b'}' } else { &b']' }) {
                        at += 1;
                    } else {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return Err(Malformed { at, what: "nested too deep" });
                        }
                        levels = levels << 1 | u128::from(is_object);
                        if is_object {
                            self.watch.enter();
                            (_, at) = self.key(text, at)?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => at = skip_number(text, at)?,
                Some(b't') => at = skip_word(text, at, b"true")?,
                Some(b'f') => at = skip_word(text, at, b"false")?,
                Some(b'n') => at = skip_word(text, at, b"null")?,
                _ => return Err(Malformed { at, what: "expected a value" }),
            }
            loop {
                if depth == 0 {
                    return Ok(at);
                }
                at = skip_space(text, at);
                let in_object = levels & 1 == 1;
                match text.get(at) {
                    Some(b',') => {
                        at = skip_space(text, at + 1);
                        if in_object {
                            (_, at) = self.key(text, at)?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {
                        self.watch.leave();
                    }
                    Some(b']') if !in_object => {}
                    _ => return Err(Malformed { at, what: "expected `,` or the end of the list" }),
                }
                at += 1;
                levels >>= 1;
                depth -= 1;
            }
        }
    }

    /// Reads the name whose quote is at `at`. Returns the offsets of its closing quote and of the first byte of its value.
    fn key(&mut self, text: &[u8], at: usize) -> Walk<(usize, usize)> {
        if text.get(at) != Some(&b'"') {
            return Err(Malformed { at, what: "expected a name" });
        }
        let start = at + 1;
        let (end, word) = self.name(text, start)?;
        self.watch.name(text, start, end, word);
        let colon = skip_space(text, end + 1);
        if text.get(colon) != Some(&b':') {
            return Err(Malformed { at: colon, what: "expected `:`" });
        }
        Ok((end, skip_space(text, colon + 1)))
    }

    /// Reads the name that begins at `start`, after its quote. Returns the offset of its closing quote, and the first bytes
    /// of the name, at most eight.
    #[inline]
    fn name(&mut self, text: &[u8], start: usize) -> Walk<(usize, u64)> {
        if let Some(Ok(bytes)) = text.get(start..start + 8).map(<[u8; 8]>::try_from) {
            let word = u64::from_le_bytes(bytes);
            let hits = special_bytes(word);
            if hits == 0 {
                return Ok((self.string(text, start + 8)? - 1, word));
            }
            // Fast path: most names have fewer than eight bytes, and no backslash.
            let bits = hits.trailing_zeros() & !7;
            let end = start + bits as usize / 8;
            if text.get(end) == Some(&b'"') {
                return Ok((end, word & ((1 << bits) - 1)));
            }
        }
        let end = self.string(text, start)? - 1;
        Ok((end, first_bytes(&text[start..end])))
    }

    /// Reads the string that begins at `at`, after its opening quote, and returns the offset after its closing quote.
    pub(super) fn string(&mut self, text: &[u8], mut at: usize) -> Walk {
        loop {
            while let Some(Ok(bytes)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
                let hits = special_bytes(u64::from_le_bytes(bytes));
                if hits != 0 {
                    at += hits.trailing_zeros() as usize / 8;
                    break;
                }
                at += 8;
            }
            match text.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at = self.escape(text, at)?,
                Some(0..0x20) => return Err(Malformed { at, what: "control character in a string" }),
                Some(_) => at += 1,
                None => return Err(Malformed { at, what: "string without end" }),
            }
        }
    }

    fn escape(&mut self, text: &[u8], at: usize) -> Walk {
        match text.get(at + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'/') => {
                self.has_escapes = true;
                Ok(at + 2)
            }
            Some(b'u')
                if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.has_escapes = true;
                Ok(at + 6)
            }
            _ => Err(Malformed { at, what: "unknown escape" }),
        }
    }
}

/// Sets the top bit of the first byte that is a quote, a backslash or a control character. The bits of later bytes may
/// be wrong.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & TOPS
}

fn skip_number(text: &[u8], mut at: usize) -> Walk {
    let digits = |mut at: usize| -> Walk {
        let start = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == start { Err(Malformed { at, what: "expected a digit" }) } else { Ok(at) }
    };
    if text[at] == b'-' {
        at += 1;
    }
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Ok(at)
}

fn skip_word(text: &[u8], at: usize, word: &'static [u8]) -> Walk {
    if text[at..].starts_with(word) {
        Ok(at + word.len())
    } else {
        Err(Malformed { at, what: "expected a value" })
    }
}

pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}
