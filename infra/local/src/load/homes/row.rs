//! A row of the index of homes: the hash of a resource's `Type/id`, and the id of a patient in whose record it is.

use domain::ids::PatientId;
use storage::sorter::PlainRow;

/// The number of digits of a hash.
const DIGITS: usize = 16;
/// The maximum number of bytes of a row with its line end. An id has at most 64.
pub(super) const LONGEST: u64 = DIGITS as u64 + 66;

/// Returns the hash of `Type/id` that is stored. It must never change: a lake has the hashes of all earlier loads. If two resources have
/// the same hash, one more record is read. The rows are found where the hash is in the range of all hashes, so the hashes are spread
/// evenly.
pub(in crate::load) fn key_hash(key: &[u8]) -> u64 {
    let of_bytes = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (of_bytes ^ (of_bytes >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

pub(super) fn row(hash: u64, patient: &str) -> PlainRow {
    PlainRow(format!("{hash:0DIGITS$x} {patient}").into_bytes())
}

/// Returns the row of a hash that is looked up.
pub(super) fn wanted(hash: u64) -> PlainRow {
    PlainRow(format!("{hash:0DIGITS$x}").into_bytes())
}

/// Returns the hash of a row; `None` if it is damaged.
pub(super) fn hash_of(row: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(u64::from);
    row.get(..DIGITS)?.iter().try_fold(0, |hash, byte| Some(hash << 4 | digit(byte)?))
}

/// Returns the patient of a row; `None` if it is damaged.
pub(super) fn patient_of(row: &[u8]) -> Option<PatientId> {
    hash_of(row)?;
    let id = row[DIGITS..].strip_prefix(b" ")?;
    PatientId::parse(std::str::from_utf8(id).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_hashes_do_not_change() {
        assert_eq!(key_hash(b"Observation/1"), 0x7f25_d435_4a51_1283);
        assert_eq!(key_hash(b"Patient/ann"), 0x18ef_2f04_b1f0_63bb);
    }

    #[test]
    fn a_damaged_row_has_no_patient() {
        let PlainRow(text) = row(255, "ann");
        assert_eq!(text, b"00000000000000ff ann");
        assert_eq!((hash_of(&text), patient_of(&text).expect("a patient").as_str()), (Some(255), "ann"));
        for damaged in [
            "",
            "00ff ann",
            "00000000000000fg ann",
            "00000000000000ff",
            "00000000000000ff-ann",
            "00000000000000ff ../a",
            "~",
        ] {
            assert!(patient_of(damaged.as_bytes()).is_none(), "{damaged}");
        }
        assert_eq!(hash_of(&wanted(u64::MAX).0), Some(u64::MAX));
    }
}
