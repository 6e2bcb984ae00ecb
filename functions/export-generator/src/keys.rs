//! The keys of resources (`Type/id`), and hashes of them, which need less memory. Their seeds differ in each process.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

static HASHERS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// Returns a hash of the key `Type/id`.
pub(crate) fn key_hash(resource_type: &str, id: &str) -> u64 {
    HASHERS[0].hash_one((resource_type, id))
}

/// Returns a hash of the key `Type/id` that identifies it: no two keys of a record have the same 128 bits.
pub(crate) fn wide_hash(resource_type: &str, id: &str) -> (u64, u64) {
    (key_hash(resource_type, id), HASHERS[1].hash_one((resource_type, id)))
}

/// Formats the reference to a resource.
pub(crate) fn format_key(resource_type: &str, id: &str) -> String {
    let mut key = String::with_capacity(resource_type.len() + id.len() + 1);
    key.push_str(resource_type);
    key.push('/');
    key.push_str(id);
    key
}
