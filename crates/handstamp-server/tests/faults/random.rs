//! Choices that can be repeated.

/// The run's seed.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("FAULT_SEED").ok();
    given.map_or(20_261_123, |seed| seed.parse().unwrap())
}

/// `SplitMix64`: small, and good enough to choose by.
pub(crate) struct Random(u64);

impl Random {
    /// Another sequence for each `stream` of a run.
    pub(crate) fn new(stream: u64) -> Self {
        Self(seed().wrapping_add(stream.wrapping_mul(0x0D1B_54A3_2D19_2ED0)))
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(below).unwrap()).unwrap()
    }
}
