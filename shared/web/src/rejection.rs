//! The texts for the patient after a rejection: the reason, and the next steps of the patient (45 CFR 164.524(d)(2)).

use domain::states::Rejected;
use settings::Pages;
use words::Words;

/// Returns the reason for the rejection, as a sentence.
pub fn why(rejected: &Rejected, words: &Words) -> String {
    words.text("rejected-why", &[("reason", &rejected.reason)])
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
