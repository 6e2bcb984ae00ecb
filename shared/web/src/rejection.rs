//! The texts for the patient after a rejection: the reason, and the next steps of the patient (45 CFR 164.524(d)(2)).

use domain::rejection::TypedReason;
use domain::states::Rejected;
use settings::Pages;
use words::Words;

/// A placeholder for a variable while the sentence is formatted. No message and no reason contains this character.
const VALUE: &str = "\u{fffc}";

/// The sentence with the reason for a rejection, in the reader's language. The text that staff typed is as they typed it. The
/// reason of a failure is in English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The sentence before the text that staff typed.
    pub before: String,
    /// The text that staff typed, if its language is known.
    pub typed: Option<TypedReason>,
    pub after: String,
}

impl Why {
    /// Returns the sentence of this message, whose variable is `reason`.
    pub fn of(rejected: &Rejected, message: &str, words: &Words) -> Self {
        let chosen = rejected.chosen.map(|chosen| words.text(&format!("reject-{}", chosen.key()), &[]));
        let typed = rejected.typed.clone();
        let reason = match chosen {
            Some(chosen) if typed.is_some() => chosen + " ",
            Some(chosen) => chosen,
            None if typed.is_some() => String::new(),
            None if rejected.reason == Rejected::NO_REASON => words.text("rejected-no-reason", &[]),
            None => rejected.reason.clone(),
        };
        let (before, after) = around(message, "reason", words);
        Self { before: before + &reason, typed, after }
    }

    /// Returns the sentence of this message about an export that has failed, with a reason in English.
    pub fn of_failure(reason: &str, message: &str, words: &Words) -> Self {
        let (before, after) = around(message, "reason", words);
        let typed = TypedReason { text: reason.to_owned(), language: "en".to_owned() };
        Self { before, typed: Some(typed), after }
    }
}

/// Returns the parts of a sentence before and after its variable.
pub fn around(message: &str, variable: &str, words: &Words) -> (String, String) {
    let sentence = words.text(message, &[(variable, VALUE)]);
    let (before, after) = sentence.split_once(VALUE).unwrap_or((&sentence, ""));
    (before.to_owned(), after.to_owned())
}

/// Returns what the patient can do: send a new request, ask for a review of the rejection, and complain.
pub fn what_to_do(rejected: &Rejected, pages: &Pages, words: &Words) -> String {
    match (rejected.second_look, &pages.office) {
        (false, None) => words.text("rejected-next", &[]),
        (true, None) => words.text("rejected-next-look", &[]),
        (false, Some(office)) => words.text("rejected-next-office", &[("office", office)]),
        (true, Some(office)) => words.text("rejected-next-look-office", &[("office", office)]),
    }
}
