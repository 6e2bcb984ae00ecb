//! The names of an object's members, to see whether one comes twice.

/// What a walk tells of the objects that it passes.
pub(super) trait Watch {
    /// An object begins.
    fn enter(&mut self);
    /// It has a member of the name at these places of the text.
    fn see(&mut self, text: &[u8], start: usize, end: usize);
    /// It ends.
    fn leave(&mut self);
}

/// Of a text that was checked before nothing needs to be watched.
impl Watch for () {
    #[inline]
    fn enter(&mut self) {}
    #[inline]
    fn see(&mut self, _: &[u8], _: usize, _: usize) {}
    #[inline]
    fn leave(&mut self) {}
}

/// Names that are remembered at once.
const MAX_NAMES: usize = 64;
/// Levels whose names are remembered.
const MAX_LEVELS: usize = 12;

/// The names of the objects that are open, to see whether one comes twice. It may err on the side of "twice": then
/// [`repeated_member`](super::spelling::repeated_member) decides. It allocates nothing and costs a few instructions a name.
pub(super) struct Names {
    pub(super) may_repeat: bool,
    level: usize,
    /// Of each level: a bit for each hash of a name that it has, and where its names begin.
    levels: [(u64, u8); MAX_LEVELS],
    count: usize,
    /// Where each name begins and ends.
    places: [(u32, u32); MAX_NAMES],
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            may_repeat: false,
            level: 0,
            levels: [(0, 0); MAX_LEVELS],
            count: 0,
            places: [(0, 0); MAX_NAMES],
        }
    }

    fn compare(&mut self, text: &[u8], first: usize, name: &[u8]) {
        let mut known = self.places[first.min(self.count)..self.count].iter();
        self.may_repeat = known.any(|(start, end)| text[*start as usize..*end as usize] == *name);
    }
}

impl Watch for Names {
    #[inline]
    fn enter(&mut self) {
        self.level += 1;
        match self.levels.get_mut(self.level - 1) {
            Some(level) => *level = (0, u8::try_from(self.count).unwrap_or(u8::MAX)),
            None => self.may_repeat = true,
        }
    }

    #[inline]
    fn leave(&mut self) {
        self.level = self.level.saturating_sub(1);
        if let Some((_, first)) = self.levels.get(self.level) {
            self.count = usize::from(*first);
        }
    }

    #[inline]
    fn see(&mut self, text: &[u8], start: usize, end: usize) {
        let Some((seen, first)) = self.level.checked_sub(1).and_then(|level| self.levels.get_mut(level))
        else {
            return;
        };
        let bit = 1 << hash(text, start, end);
        let (collides, first) = (*seen & bit != 0, usize::from(*first));
        *seen |= bit;
        if collides && !self.may_repeat {
            self.compare(text, first, &text[start..end]);
        }
        let place = u32::try_from(start).ok().zip(u32::try_from(end).ok());
        match (self.places.get_mut(self.count), place) {
            (Some(name), Some(place)) => {
                *name = place;
                self.count += 1;
            }
            _ => self.may_repeat = true,
        }
    }
}

/// Six bits of the length and the first bytes of a name.
#[inline]
fn hash(text: &[u8], start: usize, end: usize) -> u32 {
    let length = end - start;
    let word = match text.get(start..start + 8).map(<[u8; 8]>::try_from) {
        Some(Ok(bytes)) if length >= 8 => u64::from_le_bytes(bytes),
        Some(Ok(bytes)) => u64::from_le_bytes(bytes) & !(u64::MAX << (8 * length)),
        _ => text[start..end].iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let mixed = (word ^ (length as u64).rotate_right(8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as u32
}
