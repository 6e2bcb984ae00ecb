use super::*;

/// The text of the error is not the sentence of the page, which is chosen by the type of the refusal.
#[test]
fn each_refusal_reaches_the_form_with_its_sentence() {
    for refusal in Refusal::ALL {
        let error = Error::NotLeftOut { refusal, text: "another sentence".to_owned() };
        let (status, said) = asked_again(&error).expect("the form is shown again");
        assert_eq!(status, status_of(&error));
        let expected = refusal::in_words(refusal);
        let problems: Vec<_> =
            said.problems.into_iter().map(|problem| (problem.field, problem.text)).collect();
        let message = said.message.map(|message| (message.text, message.in_english));
        match refusal {
            Refusal::LongReason => {
                assert_eq!((message, problems), (None, vec![(REASON.name.to_owned(), expected)]));
            }
            _ => assert_eq!((message, problems), (Some((expected, false)), Vec::new()), "{refusal:?}"),
        }
    }
}
