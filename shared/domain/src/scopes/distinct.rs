//! Leaves out repeated items.

use std::collections::HashSet;
use std::hash::Hash;

/// Returns each item once, in the order of the first occurrences. The time grows only with the number of items, because a
/// stranger can send thousands of different scopes.
pub(super) fn distinct<T: Copy + Eq + Hash>(items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let mut seen = HashSet::new();
    items.filter(move |item| seen.insert(*item))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use proptest::prelude::*;

    use super::*;

    /// A number that counts its comparisons.
    #[derive(Clone, Copy)]
    struct Counting<'c>(usize, &'c Cell<usize>);

    impl PartialEq for Counting<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counting<'_> {}

    impl Hash for Counting<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn the_number_of_comparisons_is_not_the_square_of_the_number_of_items() {
        let count = Cell::new(0);
        let items = (0..30_000).map(|number| Counting(number, &count));
        assert_eq!(distinct(items).count(), 30_000);
        assert!(count.get() < 30_000, "{} comparisons of 30,000 items", count.get());
    }

    proptest! {
        #[test]
        fn each_item_occurs_once_and_in_the_order_of_the_first_occurrences(items: Vec<u8>) {
            let mut expected = Vec::new();
            for item in &items {
                if !expected.contains(item) {
                    expected.push(*item);
                }
            }
            prop_assert_eq!(distinct(items.into_iter()).collect::<Vec<_>>(), expected);
        }
    }
}
