//! The plural forms of a language for whole numbers, as small tables. The rules are those of Unicode (CLDR), which the build asks, so that
//! a function contains no rules.

use std::collections::BTreeSet;

use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules, PluralRulesOptions};

/// The forms of the first numbers, and those of all others by their remainder. In some languages whole millions have their own form.
pub(crate) struct Plurals {
    first: Vec<PluralCategory>,
    rest: Vec<PluralCategory>,
    millions: Option<PluralCategory>,
}

const MILLION: u64 = 1_000_000;
/// A number after the first ones, which is a multiple of each length of `rest`, and not of a million.
const LATER: u64 = 7_000;

impl Plurals {
    /// Returns the smallest tables for a language.
    pub(crate) fn of(tag: &str) -> Self {
        let locale = Locale::try_from_str(tag);
        let locale = locale.unwrap_or_else(|error| panic!("'{tag}' is not the tag of a language: {error}"));
        let rules = PluralRules::try_new(locale.into(), PluralRulesOptions::default());
        let rules = rules.unwrap_or_else(|error| panic!("the plural forms of '{tag}': {error}"));
        let form = |number: u64| rules.category_for(number);
        let samples: Vec<_> = samples().map(|number| (number, form(number))).collect();
        for period in [1, 10, 100, 1_000] {
            let rest: Vec<_> = (LATER..LATER + period).map(form).collect();
            let millions = Some(form(MILLION)).filter(|form| *form != rest[0]);
            for length in 0..=20 {
                let plurals = Self { first: (0..length).map(form).collect(), rest: rest.clone(), millions };
                if samples.iter().all(|(number, form)| plurals.form(*number) == *form) {
                    return plurals;
                }
            }
        }
        panic!("the plural forms of '{tag}' have another structure than these tables")
    }

    /// Returns the form of a number, in the same way as the program.
    fn form(&self, number: u64) -> PluralCategory {
        let index = usize::try_from(number).expect("a small number");
        let first = self.first.get(index).copied();
        let of_millions = self.millions.filter(|_| first.is_none() && number.is_multiple_of(MILLION));
        of_millions.or(first).unwrap_or_else(|| self.rest[index % self.rest.len()])
    }

    /// Returns the names of the forms.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.first.iter().chain(&self.rest).chain(&self.millions).copied().map(name).collect()
    }

    /// Returns the tables as a Rust expression.
    pub(crate) fn code(&self) -> String {
        let names = |forms: &[PluralCategory]| forms.iter().copied().map(name).collect::<Vec<_>>();
        let (first, rest, millions) = (names(&self.first), names(&self.rest), self.millions.map(name));
        format!("Plurals {{ first: &{first:?}, rest: &{rest:?}, millions: {millions:?} }}")
    }
}

fn name(form: PluralCategory) -> String {
    format!("{form:?}").to_lowercase()
}

/// Returns the numbers for which the tables are compared with the rules: no rule distinguishes other ones.
fn samples() -> impl Iterator<Item = u64> {
    let bases = [3_000, 9_000, 10_000, 20_000, 99_000, 100_000, 101_000, 999_000, MILLION, 1_001_000];
    let bases = bases.into_iter().chain([2 * MILLION, 3_100_000, 10 * MILLION]);
    (0..2_200).chain(bases.flat_map(|base| base..base + 130))
}
