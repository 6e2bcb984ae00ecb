//! The names of an object's members, to see whether one comes twice.

/// What a walk tells of the objects that it passes.
pub(super) trait Watch {
    /// An object begins.
    fn enter(&mut self);
    /// It has a member of the name at these places of the text. `word` are the first bytes of the name, at most eight.
    fn see(&mut self, text: &[u8], start: usize, end: usize, word: u64);
    /// It ends.
    fn leave(&mut self);
}

/// Of a text that was checked before nothing needs to be watched.
impl Watch for () {
    #[inline]
    fn enter(&mut self) {}
    #[inline]
    fn see(&mut self, _: &[u8], _: usize, _: usize, _: u64) {}
    #[inline]
    fn leave(&mut self) {}
}

/// Names that are remembered at once.
const MAX_NAMES: usize = 48;
/// Levels whose names are remembered.
const MAX_LEVELS: usize = 8;

/// The names of the objects that are open, to see whether one comes twice. It may err on the side of "twice": then
/// [`repeated_member`](super::spelling::repeated_member) decides. It allocates nothing and costs a few instructions a name.
pub(super) struct Names {
    pub(super) may_repeat: bool,
    /// Of the innermost object: a bit for each hash of a name that it has, and where its names begin in `starts`.
    seen: u64,
    first: usize,
    /// Where each name begins in the text.
    starts: [u32; MAX_NAMES],
    count: usize,
    /// The same of the objects around it.
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
    fn see(&mut self, text: &[u8], start: usize, end: usize, word: u64) {
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

/// Six bits of the first bytes of a name and its length.
#[inline]
fn hash(word: u64, length: usize) -> u32 {
    // Of some thousand factors the one under which the names of common types collide least.
    let mixed = (word ^ length as u64).wrapping_mul(0xa268_b8d4_620a_7145);
    (mixed >> 58) as u32
}

/// The first bytes of a name, at most eight.
#[cold]
pub(super) fn first_bytes(name: &[u8]) -> u64 {
    name.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
