//! Splits a file, which comes in pieces, into lines.

/// The longest line, in bytes, that is read for the index; longer lines are only copied.
const MAX_LINE: usize = 1024 * 1024;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
    is_skipped: bool,
}

impl Lines {
    /// Calls `each` with every line that ends in this piece; with an empty line in place of one that is too long.
    pub(crate) fn feed(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (content, ends) = match part.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (part, false),
            };
            self.is_skipped |= self.pending.len() + content.len() > MAX_LINE;
            if self.is_skipped {
                self.pending.clear();
            } else {
                self.pending.extend_from_slice(content);
            }
            if ends {
                if self.is_skipped || !self.pending.is_empty() {
                    each(&self.pending);
                }
                self.pending.clear();
                self.is_skipped = false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
