//! Guesses which key stands about so many keys behind another one.
//!
//! The keys of a page tell how dense keys are there. Where they differ, they are read as a number whose digits are the
//! characters that stand at these places: decimal digits for `patient-000123`, hexadecimal ones for UUIDs, 64 for random
//! ids. Keys that have no such order are guessed badly, and nothing depends on that but the number of requests.

use crate::objects::Listed;

/// Places behind the first difference that a guess looks at, as long as they differ between keys.
const PRECISION: usize = 5;
/// Places of a number at most, so that it has fewer than 120 bits.
const MOST_BITS: u32 = 110;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    /// What all keys have before the places that are a number.
    literal: Vec<u8>,
    /// The characters of the number, in their order.
    digits: Vec<u8>,
    places: usize,
    step: u128,
}

impl Guess {
    /// From keys in their order, for steps of so many keys. The first `fixed` bytes of all keys are the same. Nothing for
    /// keys that are all the same.
    pub(super) fn of(fixed: usize, objects: &[Listed], wanted: f64) -> Option<Self> {
        let [first, .., last] = objects else { return None };
        let (first, last) = (first.key.as_bytes(), last.key.as_bytes());
        let differs = first.iter().zip(last).position(|(first, last)| first != last)?;
        let varies =
            |place: usize| objects.iter().any(|object| object.key.as_bytes().get(place) != first.get(place));
        let end = (differs..differs + PRECISION).find(|place| !varies(*place)).unwrap_or(differs + PRECISION);
        let mut is_digit = [false; 256];
        for object in objects {
            for byte in object.key.as_bytes().iter().take(end).skip(differs) {
                is_digit[usize::from(*byte)] = true;
            }
        }
        let digits: Vec<u8> = (0..=u8::MAX).filter(|byte| is_digit[usize::from(*byte)]).collect();
        let bits = u32::try_from(digits.len()).unwrap_or(u32::MAX).next_power_of_two().ilog2().max(1);
        let most = (MOST_BITS / bits) as usize;
        let mut start = differs;
        while start > fixed && end - start < most && is_digit[usize::from(first[start - 1])] {
            start -= 1;
        }
        let literal = first[..start].to_vec();
        let mut guess = Self { literal, digits, places: end - start, step: 1 };
        let span = guess.value(last)?.saturating_sub(guess.value(first)?);
        guess.step = scaled(span, wanted / float(objects.len() - 1)).max(1);
        Some(guess)
    }

    /// The next steps are twice as long.
    pub(super) fn widen(&mut self) {
        self.step = self.step.saturating_mul(2);
    }

    /// A key behind this one, by a step. Nothing where the number has no such value.
    pub(super) fn behind(&self, key: &str) -> Option<String> {
        let base = self.digits.len() as u128;
        let mut value = self.value(key.as_bytes())?.checked_add(self.step)?;
        let mut number = vec![0; self.places];
        for place in number.iter_mut().rev() {
            *place = self.digits[usize::try_from(value % base).ok()?];
            value /= base;
        }
        let behind = String::from_utf8([self.literal.as_slice(), &number].concat()).ok()?;
        (value == 0 && behind.as_str() > key).then_some(behind)
    }

    /// The number in a key; nothing in one that begins differently. Characters that are no digits count as the next
    /// larger one, or the largest; those that are missing as the smallest.
    fn value(&self, key: &[u8]) -> Option<u128> {
        let rest = key.strip_prefix(self.literal.as_slice())?;
        let base = self.digits.len() as u128;
        let digit = |place: usize| match rest.get(place) {
            Some(byte) => self.digits.partition_point(|digit| digit < byte).min(self.digits.len() - 1),
            None => 0,
        };
        Some((0..self.places).fold(0, |value, place| value * base + digit(place) as u128))
    }
}

#[expect(clippy::cast_precision_loss, reason = "keys of a few pages")]
fn float(count: usize) -> f64 {
    count as f64
}

/// So many times a number; the factor is not negative.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn scaled(number: u128, factor: f64) -> u128 {
    (number as f64 * factor) as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(keys: impl IntoIterator<Item = String>) -> Vec<Listed> {
        let listed = |key| Listed { key, size: 1, etag: String::new(), changed: None };
        keys.into_iter().map(listed).collect()
    }

    /// Of a thousand keys behind the first page, how many a guess of a page passes.
    fn passed(keys: impl Fn(usize) -> String) -> usize {
        let page = objects((0..1_000).map(&keys));
        let guess = Guess::of("Patient/".len(), &page, 1_000.0).expect("a guess");
        // A prefix of the key that is aimed at: it stands before it.
        let behind = guess.behind(&keys(999)).expect("a key");
        (1_000..10_000).filter(|number| keys(*number) <= behind).count()
    }

    #[test]
    fn a_step_has_about_as_many_keys_as_are_wanted() {
        assert_eq!(passed(|number| format!("Patient/{:07}/records.ndjson", 1_234_000 + number)), 999);
        assert_eq!(passed(|number| format!("Patient/clinic-{number:06}/records.ndjson")), 999);
        // A hundred thousand patients: each has a place in the space of all UUIDs.
        let uuid = |number: usize| format!("Patient/{:08x}-0000-4000-8000-0123456789ab/x", number * 42_949);
        let found = passed(uuid);
        assert!((990..=1_010).contains(&found), "{found}");
    }

    #[test]
    fn no_key_is_guessed_behind_the_last_number_or_from_nothing() {
        let page = objects((0..1_000).map(|number| format!("Patient/{number:03}/x")));
        let guess = Guess::of("Patient/".len(), &page, 1_000.0).expect("a guess");
        assert_eq!(guess.behind("Patient/999/x"), None);
        assert_eq!(guess.behind("Other/000"), None);
        assert_eq!(Guess::of(0, &objects(["a".to_owned()]), 2.0), None);
        let same = objects(["a", "a", "a"].map(str::to_owned));
        assert_eq!(Guess::of(0, &same, 2.0), None);
    }

    #[test]
    fn steps_grow_where_nothing_was_found() {
        let page = objects((0..100).map(|number| format!("{number:04}")));
        let mut guess = Guess::of(0, &page, 10.0).expect("a guess");
        let first = guess.behind("0100");
        guess.widen();
        assert!(guess.behind("0100") > first);
    }
}
