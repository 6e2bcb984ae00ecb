//! The sizes that bound the memory of a load.

/// See the [module](self). Tests use smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The number of bytes of input for each partition.
    pub partition: u64,
    /// The maximum number of bytes of partitions that a worker joins in memory. Larger ones are divided.
    pub joined: u64,
    /// The maximum number of bytes of resources that a worker sorts. Only their heads are in memory if there are many.
    pub sorted: u64,
    /// The number of patients whose existing records are read together.
    pub patients: usize,
    /// The number of bytes that are read at once to look up a row of the index of homes; more than those of two rows.
    pub block: u64,
    /// The number of files of the index of homes that are not merged.
    pub files: usize,
    /// A file of the index of homes with fewer bytes than this counts as one of this size.
    pub small_file: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            partition: 16 * 1024 * 1024,
            joined: 64 * 1024 * 1024,
            sorted: 1024 * 1024 * 1024,
            patients: 10_000,
            block: 32 * 1024,
            files: 8,
            small_file: 1024 * 1024,
        }
    }
}
