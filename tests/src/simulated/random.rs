//! Numbers that look random and are the same in every run.

/// Returns the same number for the same input, with all bits mixed (SplitMix64).
pub(crate) fn mixed(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns whether a fault strikes: true for `of_thousand` numbers in a thousand.
pub(crate) fn strikes(seed: u64, number: u64, of_thousand: u64) -> bool {
    mixed(seed.wrapping_mul(1_000_003).wrapping_add(number)) % 1_000 < of_thousand
}
