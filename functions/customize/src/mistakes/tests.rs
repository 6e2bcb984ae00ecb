use super::*;
use crate::typed_date::TypedDate;

fn found(change: impl Fn(&mut Draft)) -> Vec<(String, String)> {
    let mut draft = Draft::default();
    change(&mut draft);
    let words = Words::default();
    let mistakes = [of_parts(&draft, &words), of_topics(&draft, &words)].concat();
    // A draft without mistakes can be parsed, and a draft that is refused has a mistake. The length is checked here only.
    assert_eq!(draft.choices().is_ok(), mistakes.iter().all(|mistake| mistake.text.contains("shorter")));
    mistakes.into_iter().map(|mistake| (mistake.field, mistake.text)).collect()
}

fn year(year: &str) -> TypedDate {
    TypedDate { year: year.to_owned(), ..TypedDate::default() }
}

#[test]
fn every_mistake_is_reported_at_its_field() {
    assert_eq!(found(|_| {}), []);
    let labs = |draft: &mut Draft, change: fn(&mut PartDraft)| {
        change(draft.parts.get_mut(&RecordGroup::Labs).expect("labs"));
    };
    let one = |field: &str, text: &str| vec![(field.to_owned(), text.to_owned())];
    assert_eq!(
        found(|draft| draft.parts.values_mut().for_each(|part| part.ticked = false)),
        one("part-visits", "Choose at least one part.")
    );
    assert_eq!(
        found(|draft| labs(draft, |part| part.to = year("20"))),
        one("part-labs-to-month", "Lab tests: this is not a real date.")
    );
    assert_eq!(
        found(|draft| labs(draft, |part| (part.from, part.to) = (year("2021"), year("2020")))),
        one("part-labs-from-month", "Lab tests: \"From\" is after \"To\".")
    );
    assert_eq!(found(|draft| labs(draft, |part| (part.from, part.to) = (year("2020"), year("2020")))), []);
    assert_eq!(
        found(|draft| labs(draft, |part| part.note = "é".repeat(501))),
        one("part-labs-note", "Lab tests: make the note 1 letter shorter.")
    );
    assert_eq!(
        found(|draft| {
            draft.topics.get_mut(&Sensitive::Genetic).expect("genetic").text = "no".to_owned();
        }),
        one("topic-genetic", "Tick \"Genetic tests\" or clear its box.")
    );
}
