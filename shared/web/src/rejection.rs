//! What a patient reads whose request was rejected: why, and what the patient can do (45 CFR 164.524(d)(2)).

use domain::states::Rejected;
use settings::Pages;
use words::Words;

/// Why the copy was not sent.
pub fn why(rejected: &Rejected, words: &Words) -> String {
    words.text("rejected-why", &[("reason", &rejected.reason)])
}

/// What the patient can do: ask again, ask for a second look, and complain.
pub fn what_to_do(rejected: &Rejected, pages: &Pages, words: &Words) -> String {
    match (rejected.second_look, &pages.office) {
        (false, None) => words.text("rejected-next", &[]),
        (true, None) => words.text("rejected-next-look", &[]),
        (false, Some(office)) => words.text("rejected-next-office", &[("office", office)]),
        (true, Some(office)) => words.text("rejected-next-look-office", &[("office", office)]),
    }
}
