//! Words for types of resources and for the days of their resources, on the page of a copy and in its ZIP.

use words::Words;

/// Returns in words the days from `first` to `last`, which are dates in the format of FHIR.
pub fn days_in_words(first: &str, last: &str, words: &Words) -> String {
    if first == last {
        return words.partial(first);
    }
    words.text("check-from-to", &[("from", &words.partial(first)), ("to", &words.partial(last))])
}

/// The word of patients for a type of resources; empty if there is none but the name of the type.
pub fn type_name(kind: &str, words: &Words) -> String {
    let key = format!("kind-{kind}");
    if words.has(&key) { words.text(&key, &[]) } else { String::new() }
}
