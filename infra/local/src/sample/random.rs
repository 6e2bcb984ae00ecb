//! Pseudo-random numbers. The same seed gives the same numbers on every machine and in every version.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(u64);

const GIVEN: [&str; 16] = [
    "Ada", "Bela", "Carla", "David", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luis",
    "Mina", "Noah", "Olga", "Pavel",
];
const FAMILY: [&str; 16] = [
    "Abbott", "Brandt", "Castillo", "Dumont", "Eriksen", "Fontana", "Gruber", "Hoffmann", "Ivanov", "Jensen",
    "Kowalski", "Larsson", "Moreau", "Novak", "Olsen", "Petrov",
];
const CITY: [&str; 8] = ["Boston", "Salem", "Lowell", "Quincy", "Newton", "Medford", "Lynn", "Malden"];

impl Random {
    /// Returns the sequence with the number `stream` of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number less than `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or_default()]
    }

    pub(super) fn given(&mut self) -> &'static str {
        self.pick(&GIVEN)
    }

    pub(super) fn family(&mut self) -> &'static str {
        self.pick(&FAMILY)
    }

    pub(super) fn city(&mut self) -> &'static str {
        self.pick(&CITY)
    }

    /// Returns a UUID of version 4.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | low >> 50,
            low & 0xffff_ffff_ffff
        )
    }
}
