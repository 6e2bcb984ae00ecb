//! Words for types of resources and for the days of their resources, on the page of a copy and in its ZIP.

use words::Words;

/// Returns in words the days from `first` to `last`, which are dates in the format of FHIR.
pub fn days_in_words(first: &str, last: &str, words: &Words) -> String {
    if first == last {
        return words.partial(first);
    }
    words.text("check-from-to", &[("from", &words.partial(first)), ("to", &words.partial(last))])
}

/// Returns the words that patients use for a type of resources, and whether they are about this type only. The types that are in no
/// patient's record have the same words.
pub fn type_name(kind: &str, words: &Words) -> (String, bool) {
    let key = format!("kind-{kind}");
    let is_named = words.has(&key);
    (words.text(if is_named { &key } else { "kind-other" }, &[]), is_named)
}
