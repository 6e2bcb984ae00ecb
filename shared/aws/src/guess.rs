//! Estimates a key that is about a given number of keys after another key.
//!
//! The keys of a page show the density of the keys. The part in which they differ is read as a number, whose digits are
//! the characters that occur in this part: decimal digits for `patient-000123`, hexadecimal ones for UUIDs, 64
//! characters for random ids. For keys without such an order the estimate is bad, which affects only the number of
//! requests.

use crate::objects::Listed;

/// The number of characters after the common beginning that a guess uses. It uses fewer if a character is the same in
/// all keys.
const PRECISION: usize = 5;
/// The maximum number of bits, so that calculations do not overflow.
const MAX_BITS: u32 = 110;

/// Reads keys as numbers, and estimates a key at a distance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    /// The text of all keys before the number.
    literal: Vec<u8>,
    /// The characters that are digits of the number, in ascending order.
    digits: Vec<u8>,
    /// The number of digits.
    places: usize,
    /// The distance of an estimate from its key.
    step: u128,
}

impl Guess {
    /// Creates a guess from sorted keys; a step is about `wanted` keys long. The first `fixed` bytes are the same in all
    /// keys. Returns `None` if the keys do not differ.
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
        let most = (MAX_BITS / bits) as usize;
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

    /// Makes the next steps twice as long.
    pub(super) fn widen(&mut self) {
        self.step = self.step.saturating_mul(2);
    }

    /// Returns the key that is one step after this one; `None` if the number is too large.
    pub(super) fn key_after(&self, key: &str) -> Option<String> {
        let base = self.digits.len() as u128;
        let mut value = self.value(key.as_bytes())?.checked_add(self.step)?;
        let mut number = vec![0; self.places];
        for place in number.iter_mut().rev() {
            *place = self.digits[usize::try_from(value % base).ok()?];
            value /= base;
        }
        let guessed = String::from_utf8([self.literal.as_slice(), &number].concat()).ok()?;
        (value == 0 && guessed.as_str() > key).then_some(guessed)
    }

    /// Returns the number in a key; `None` if the key begins differently. A character that is not a digit counts as the
    /// next larger digit, or as the largest one. A missing character counts as the smallest digit.
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

/// Multiplies a number with a factor, which is not negative.
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
mod tests;
