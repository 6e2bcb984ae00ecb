//! Makes decisions from bytes, so that a fuzzer that changes bytes changes the generated value.

/// Bytes that are consumed one decision at a time; zeros follow after the end.
pub struct Source<'b> {
    bytes: &'b [u8],
}

impl<'b> Source<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub fn byte(&mut self) -> u8 {
        match self.bytes {
            [] => 0,
            [first, rest @ ..] => {
                self.bytes = rest;
                *first
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns a number below a limit of at most 256.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Returns true for one byte value in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Returns a short text with all kinds of characters.
    pub fn text(&mut self) -> String {
        let length = self.below(6);
        (0..length)
            .map(|_| match self.byte() {
                byte @ 0..=200 => char::from(byte),
                201..=220 => '\u{1f600}',
                221..=240 => '\u{feff}',
                _ => '\u{10ffff}',
            })
            .collect()
    }

    /// Returns all remaining bytes.
    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.bytes)
    }
}
