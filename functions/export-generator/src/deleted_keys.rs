//! The keys of all deletions that an export may list, in little memory. A chunk lists the deletions of its own patients only, so it
//! notes which of its resources may be listed as deleted by another chunk ([`crate::existing`]).

use std::collections::HashSet;

use domain::error::{Error, Result};
use domain::ports::files::{Files, read_all, write_all};

/// The number of bits for each key. Of the resources that were not deleted, one in 400 is taken for a deleted one, which costs only
/// that its key is noted.
const BITS_A_KEY: usize = 16;
/// The number of bits that each key sets.
const BITS_SET: u64 = 4;
/// The maximum size of a filter, in bits: 16 MB. With more than 8 million deletions, more resources are noted.
const MAX_BITS: usize = 1 << 27;
const MIN_BITS: usize = 1 << 10;

/// Keys of deletions. It may have a key that was not added, but never lacks one that was.
#[derive(Debug, Default)]
pub(crate) enum DeletedKeys {
    #[default]
    None,
    /// The hashes of few keys.
    Few(HashSet<u64>),
    /// A Bloom filter of many keys. The number of its bits is a power of two.
    Many(Vec<u64>),
}

impl DeletedKeys {
    /// Returns an empty filter for this many keys.
    pub(crate) fn for_many(keys: usize) -> Self {
        let bits = keys.saturating_mul(BITS_A_KEY).clamp(MIN_BITS, MAX_BITS).next_power_of_two();
        Self::Many(vec![0; bits / 64])
    }

    pub(crate) fn add(&mut self, key: &str) {
        match self {
            Self::None => *self = Self::Few(HashSet::from([stable_hash(key)])),
            Self::Few(hashes) => {
                hashes.insert(stable_hash(key));
            }
            Self::Many(words) => {
                for bit in bits(key, words.len()) {
                    words[bit / 64] |= 1 << (bit % 64);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns whether the key may have been added.
    pub(crate) fn may_have(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::Few(hashes) => hashes.contains(&stable_hash(key)),
            Self::Many(words) => bits(key, words.len()).all(|bit| words[bit / 64] & (1 << (bit % 64)) != 0),
        }
    }

    /// Writes a filter of many keys.
    pub(crate) async fn write(&self, files: &dyn Files, prefix: &str) -> Result<()> {
        let Self::Many(words) = self else { return Ok(()) };
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        write_all(files, &file(prefix), bytes).await
    }

    /// Reads a filter. An export that an earlier version began has none.
    pub(crate) async fn read(files: &dyn Files, prefix: &str) -> Result<Self> {
        let bytes = match read_all(files, &file(prefix), MAX_BITS / 8).await {
            Err(Error::NotFound(_)) => return Ok(Self::None),
            bytes => bytes?,
        };
        let (words, rest) = bytes.as_chunks::<8>();
        if words.is_empty() || !words.len().is_power_of_two() || !rest.is_empty() {
            return Err(Error::internal("the filter of deleted keys is damaged"));
        }
        Ok(Self::Many(words.iter().map(|word| u64::from_le_bytes(*word)).collect()))
    }
}

fn file(prefix: &str) -> String {
    format!("{prefix}keys")
}

/// Returns the bits of a key in a filter with this many words.
fn bits(key: &str, words: usize) -> impl Iterator<Item = usize> {
    let hash = stable_hash(key);
    // Double hashing: an odd step reaches all bits of a power of two.
    let step = hash.rotate_left(32) | 1;
    let mask = (words as u64 * 64).saturating_sub(1);
    (0..BITS_SET).map(move |number| {
        let bit = hash.wrapping_add(number.wrapping_mul(step)) & mask;
        usize::try_from(bit).unwrap_or_default()
    })
}

/// Returns a hash that is the same in every process: FNV-1a, with its bits mixed.
pub(crate) fn stable_hash(key: &str) -> u64 {
    let mut hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
