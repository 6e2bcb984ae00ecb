//! Tracks the names of an object's members during a scan, to find repeated names.

/// Receives the objects and the member names that a scan finds.
pub(super) trait Watch {
    /// Handles the beginning of an object.
    fn enter(&mut self);
    /// Handles a member of the object. Its name is at `start..end` of the text, and `word` has the first bytes of the name, at most eight.
    fn name(&mut self, text: &[u8], start: usize, end: usize, word: u64);
    /// Handles the end of the object.
    fn leave(&mut self);
}

/// A text that was checked before needs no watch.
impl Watch for () {
    #[inline]
    fn enter(&mut self) {}
    #[inline]
    fn name(&mut self, _: &[u8], _: usize, _: usize, _: u64) {}
    #[inline]
    fn leave(&mut self) {}
}

/// The maximum number of names that are remembered at once.
const MAX_NAMES: usize = 48;
/// The maximum number of nested objects whose names are remembered.
const MAX_LEVELS: usize = 8;

/// The member names of the open objects. `may_repeat` can be `true` although no name is repeated; then
/// [`repeated_member`](super::spelling::repeated_member) decides. It allocates nothing and needs a few instructions per
/// name.
pub(super) struct Names {
    pub(super) may_repeat: bool,
    /// One bit for each hash of a name in the innermost object.
    seen: u64,
    /// The index in `starts` of the first name of the innermost object.
    first: usize,
    /// The start of each name in the text.
    starts: [u32; MAX_NAMES],
    count: usize,
    /// `seen` and `first` of the objects around the innermost one.
    outer: [(u64, usize); MAX_LEVELS],
    level: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            may_repeat: false,
            seen: 0,
            first: 0,
            starts: [0; MAX_NAMES],
            count: 0,
            outer: [(0, 0); MAX_LEVELS],
            level: 0,
        }
    }

    #[cold]
    #[inline(never)]
    fn compare(&mut self, text: &[u8], start: usize, end: usize) {
        let quoted = &text[start..=end];
        let known = self.starts.get(self.first..self.count).unwrap_or_default();
        self.may_repeat |= known.iter().any(|start| text[*start as usize..].starts_with(quoted));
    }
}

impl Watch for Names {
    #[inline]
    fn enter(&mut self) {
        match self.outer.get_mut(self.level) {
            Some(outer) => *outer = (self.seen, self.first),
            None => self.may_repeat = true,
        }
        self.level += 1;
        (self.seen, self.first) = (0, self.count);
    }

    #[inline]
    fn leave(&mut self) {
        self.level = self.level.wrapping_sub(1);
        if let Some((seen, first)) = self.outer.get(self.level) {
            (self.count, self.seen, self.first) = (self.first, *seen, *first);
        }
    }

    #[inline]
    fn name(&mut self, text: &[u8], start: usize, end: usize, word: u64) {
        let bit = 1_u64 << hash(word, end - start);
        if self.seen & bit != 0 {
            self.compare(text, start, end);
        }
        self.seen |= bit;
        match (self.starts.get_mut(self.count), u32::try_from(start)) {
            (Some(known), Ok(start)) => {
                *known = start;
                self.count += 1;
            }
            _ => self.may_repeat = true,
        }
    }
}

/// Returns a hash of six bits from the first bytes of a name and its length.
#[inline]
fn hash(word: u64, length: usize) -> u32 {
    // Several thousand factors were tried; with this one the member names of common types collide least.
    let mixed = (word ^ length as u64).wrapping_mul(0xa268_b8d4_620a_7145);
    (mixed >> 58) as u32
}

/// Returns the first bytes of a name, at most eight, as a little-endian number.
#[cold]
pub(super) fn first_bytes(name: &[u8]) -> u64 {
    name.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
