//! Tests of the three formats of the form: only `true` is consent.

mod every_format;
mod refusals;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::choices::reading::*;

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parameters(list: &Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": list })
}

/// Returns the choices read from the three formats, with this boolean and this text for genetic tests.
fn genetic(value: Option<bool>, text: &str) -> [Result<Choices, Problem>; 3] {
    let mut object = json!({ "text": text });
    let mut parts = vec![json!({ "name": "text", "valueString": text })];
    let mut form = fields(&[("parameters.labs.enabled", "on"), ("authorizations.genetic.text", text)]);
    if let Some(value) = value {
        object["value"] = json!(value);
        parts.push(json!({ "name": "value", "valueBoolean": value }));
        form.push(("authorizations.genetic".to_owned(), value.to_string()));
    }
    [
        from_json(
            &json!({ "parameters": { "labs": { "enabled": true } }, "authorizations": { "genetic": object } }),
        ),
        from_json(&parameters(&json!([
            { "name": "parameters", "part": [{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": true }] }] },
            { "name": "authorizations", "part": [{ "name": "genetic", "part": parts }] },
        ]))),
        from_form(&form, &[]),
    ]
}

#[test]
fn the_three_formats_are_read_as_the_same_choices() {
    let from_json = from_json(&json!({
        "parameters": { "labs": { "enabled": true, "from": "2020", "to": "2020-06", "notes": "n" } },
        "authorizations": { "hiv": { "value": true }, "genetic": { "value": true, "text": "BRCA1" }, "other": false },
    }))
    .expect("valid");
    let form = fields(&[
        ("parameters.labs.enabled", "on"),
        ("parameters.labs.from", "2020-01-01"),
        ("parameters.labs.to", "2020-06-30"),
        ("parameters.labs.notes", "n"),
        ("authorizations.hiv", "on"),
        ("authorizations.genetic", "on"),
        ("authorizations.genetic.text", "BRCA1"),
        ("authorizations.other.text", " "),
        ("code", "own"),
    ]);
    assert_eq!(from_form(&form, &["code"]).expect("valid"), from_json);
    assert_eq!(from_parameters(&to_parameters(&from_json)).expect("valid"), Some(from_json.clone()));
    assert_eq!(from_json.authorizations[&Sensitive::Genetic].description, "BRCA1");
    let everything = Choices::everything();
    assert_eq!(from_parameters(&to_parameters(&everything)).expect("valid"), Some(everything));
}

#[test]
fn a_text_is_never_consent() {
    for text in
        ["no", "none", "n/a", "No, do not include any genetic tests", "yes", "true", "on", "authorized"]
    {
        for value in [None, Some(false)] {
            for read in genetic(value, text) {
                let problem = read.expect_err("a description without consent");
                assert_eq!(problem.field.as_deref(), Some("authorizations.genetic"), "{text}");
            }
        }
        for read in genetic(Some(true), text) {
            let choices = read.expect("valid");
            assert!(choices.authorizes(Sensitive::Genetic) && !choices.authorizes(Sensitive::Other));
            assert_eq!(choices.authorizations[&Sensitive::Genetic].description, text);
        }
        // The text is in the place of the boolean.
        let labs = json!({ "labs": { "enabled": true } });
        let json = json!({ "parameters": labs, "authorizations": { "genetic": { "value": text } } });
        assert_eq!(from_json(&json).expect_err("refused").field.as_deref(), Some("authorizations.genetic"));
        let list = json!([
            { "name": "parameters", "part": [{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": true }] }] },
            { "name": "authorizations", "part": [{ "name": "genetic", "valueString": text }] },
        ]);
        let problem = from_parameters(&parameters(&list)).expect_err("refused");
        assert_eq!(problem.field.as_deref(), Some("authorizations.genetic"));
        if !matches!(text, "on" | "true") {
            let form = fields(&[("parameters.labs.enabled", "on"), ("authorizations.genetic", text)]);
            let problem = from_form(&form, &[]).expect_err("refused");
            assert_eq!(problem.field.as_deref(), Some("authorizations.genetic"));
        }
    }
}

proptest! {
    #[test]
    fn no_description_authorizes_anything(text in "\\PC{0,40}", value in prop::option::of(Just(false))) {
        for read in genetic(value, &text) {
            match read {
                Ok(choices) => {
                    prop_assert!(text.trim().is_empty());
                    prop_assert!(Sensitive::ALL.iter().all(|category| !choices.authorizes(*category)));
                }
                Err(problem) => prop_assert!(problem.field.is_some_and(|field| field.starts_with("authorizations.genetic"))),
            }
        }
    }

    /// Only a boolean `true` authorizes, whatever other JSON is in the place of an authorization.
    #[test]
    fn only_true_authorizes(key in "(genetic|other|hiv)", text in "\\PC{0,20}", kind in 0..7) {
        let value = match kind {
            0 => json!(text),
            1 => json!([true]),
            2 => json!({ "value": text }),
            3 => json!({ "value": 1 }),
            4 => json!({ "value": { "value": true } }),
            5 => json!({ "value": null }),
            _ => json!({ "text": "x" }),
        };
        let body = json!({ "parameters": { "labs": { "enabled": true } }, "authorizations": { key: value } });
        let authorized = from_json(&body).is_ok_and(|choices| choices.authorizations.values().any(|found| found.given));
        prop_assert!(!authorized);
    }
}
