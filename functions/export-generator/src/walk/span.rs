//! The references of a shard: those whose hash begins with the same bits.

use serde::{Deserialize, Serialize};

use crate::deleted_keys::stable_hash;

/// The maximum number of bits, which no store reaches.
const MAX_BITS: u32 = 40;

/// See the [module](self). By default it has all references.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    bits: u32,
    /// The value of these bits, of which the lowest one is the first.
    value: u64,
}

impl Span {
    pub(crate) fn has(self, reference: &str) -> bool {
        let mask = (1_u64 << self.bits) - 1;
        stable_hash(reference) & mask == self.value
    }

    /// Returns the two halves; `None` if it cannot be divided any more.
    pub(crate) fn halves(self) -> Option<(Self, Self)> {
        let bits = self.bits + 1;
        let half = |value| Self { bits, value };
        (bits <= MAX_BITS).then(|| (half(self.value), half(self.value | 1 << self.bits)))
    }
}
