use proptest::prelude::*;
use serde_json::{Value, json};

use crate::choices::Day;
use crate::choices::reading::*;

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parameters(list: &Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": list })
}

/// The choices read from the three formats, with this boolean and this text for genetic tests.
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

#[test]
fn problems_in_json_are_named() {
    let on = json!({ "labs": { "enabled": true } });
    for (body, named) in [
        (json!({"parameters": {"lab": {}}}), "parameters.lab"),
        (json!({"parameters": {"labs": {"enabled": true, "since": 1}}}), "parameters.labs.since"),
        (json!({"parameters": {"labs": {"enabled": true, "from": "noon"}}}), "parameters.labs.from"),
        (json!({"parameters": {"labs": {"enabled": true, "notes": 7}}}), "parameters.labs.notes"),
        (json!({"parameters": {"labs": {"enabled": "x"}}}), "parameters.labs.enabled"),
        (json!({"parameters": {"labs": {"enabled": null}}}), "parameters.labs.enabled"),
        (json!({"parameters": {"labs": {"from": "2020"}}}), "enabled"),
        (json!({"parameters": {"labs": true}}), "parameters.labs"),
        (json!({"parameters": [on]}), "parameters"),
        (json!({"parameters": {"labs": {"enabled": true, "from": "2021", "to": "2020"}}}), "parameters.labs"),
        (json!({"parameters": {"radiology": {"enabled": true}, "radiation": {"enabled": false}}}), "twice"),
        (json!({"parameters": on, "authorizations": {"hi": {"value": true}}}), "authorizations.hi"),
        (json!({"parameters": on, "authorizations": {"hiv": {"value": 3}}}), "authorizations.hiv"),
        (json!({"parameters": on, "authorizations": {"hiv": {"value": "yes"}}}), "authorizations.hiv"),
        (
            json!({"parameters": on, "authorizations": {"hiv": {"value": true, "text": "x"}}}),
            "authorizations.hiv",
        ),
        (json!({"parameters": on, "authorizations": {"hiv": {}}}), "authorizations.hiv"),
        (json!({"parameters": on, "authorizations": {"other": {"value": true, "more": 1}}}), "other.more"),
        (json!({"parameters": on, "more": {}}), "more"),
        (json!({"parameters": {}}), "at least one group"),
        (json!({"parameters": {"labs": {"enabled": false}}}), "at least one group"),
        (json!({"resourceType": "Patient"}), "Parameters"),
        (json!({"resourceType": "Parameters"}), "no choices"),
        (json!([]), "JSON object"),
    ] {
        let problem = from_json(&body).expect_err("refused").to_string();
        assert!(problem.contains(named), "{body}: {problem}");
    }
}

#[test]
fn problems_in_parameters_are_named() {
    let labs = |parts: Value| json!([{ "name": "parameters", "part": [{ "name": "labs", "part": parts }] }]);
    let enabled = json!({ "name": "enabled", "valueBoolean": true });
    let hiv = |entry: Value| {
        json!([
            { "name": "parameters", "part": [{ "name": "labs", "part": [enabled] }] },
            { "name": "authorizations", "part": [entry] },
        ])
    };
    for (list, named) in [
        (json!([{ "name": "_since", "valueInstant": "x" }]), "_since"),
        (json!([{ "name": "parameters" }]), "parameters"),
        (json!([{ "name": "parameters", "valueString": "labs" }]), "parameters"),
        (json!([{ "name": "parameters", "part": {} }]), "parameters"),
        (
            json!([{ "name": "parameters", "part": [{ "name": "visits", "valueBoolean": true }] }]),
            "parameters.visits",
        ),
        (json!([{ "name": "parameters", "part": [{ "name": "visits" }] }]), "parameters.visits"),
        (
            json!([{ "name": "parameters", "part": [{ "name": "labs", "valueBoolean": true, "part": [enabled] }] }]),
            "parameters.labs",
        ),
        (
            json!([{ "name": "parameters", "part": [{ "name": "labs", "part": [enabled] }, { "name": "labs", "part": [enabled] }] }]),
            "parameters.labs",
        ),
        (json!([{ "name": "parameters", "part": [] }, { "name": "parameters", "part": [] }]), "twice"),
        (json!([{ "part": [] }]), "name"),
        (json!([7]), "parameter"),
        (labs(json!([enabled, enabled])), "parameters.labs.enabled"),
        (labs(json!([{ "name": "enabled", "valueString": "true" }])), "parameters.labs.enabled"),
        (labs(json!([{ "name": "enabled", "valueBoolean": "true" }])), "parameters.labs.enabled"),
        (labs(json!([enabled, { "name": "from", "valueString": "2020" }])), "parameters.labs.from"),
        (
            labs(json!([enabled, { "name": "from", "valueDate": "2020-01-01T00:00:00Z" }])),
            "parameters.labs.from",
        ),
        (labs(json!([enabled, { "name": "to", "valueDate": "2020-13" }])), "parameters.labs.to"),
        (labs(json!([enabled, { "name": "to", "valueDate": "" }])), "parameters.labs.to"),
        (
            labs(json!([enabled, { "name": "to", "valueDate": "2020", "valueDateTime": "2020" }])),
            "parameters.labs.to",
        ),
        (labs(json!([enabled, { "name": "notes", "valueBoolean": true }])), "parameters.labs.notes"),
        (labs(json!([enabled, { "name": "notes", "valueString": "n", "extra": 1 }])), "extra"),
        (labs(json!([enabled, { "name": "since", "valueDate": "2020" }])), "parameters.labs.since"),
        (labs(json!([{ "name": "notes", "valueString": "n" }])), "enabled"),
        (labs(json!([{ "name": "enabled", "valueBoolean": false }])), "at least one group"),
        (hiv(json!({ "name": "hiv", "valueString": "yes" })), "authorizations.hiv"),
        (hiv(json!({ "name": "hiv" })), "authorizations.hiv"),
        (hiv(json!({ "name": "hiv", "part": [] })), "authorizations.hiv"),
        (
            hiv(json!({ "name": "hiv", "part": [{ "name": "parts", "valueBoolean": true }] })),
            "authorizations.hiv.parts",
        ),
        (
            hiv(json!({ "name": "hiv", "part": [{ "name": "value", "valueString": "true" }] })),
            "authorizations.hiv.value",
        ),
        (hiv(json!({ "name": "hiv", "resource": {}, "valueBoolean": true })), "resource"),
    ] {
        let problem = from_parameters(&parameters(&list)).expect_err("refused").to_string();
        assert!(problem.contains(named), "{list}: {problem}");
    }
    let implicit = json!({ "resourceType": "Parameters", "implicitRules": "x", "parameter": [] });
    assert!(from_parameters(&implicit).expect_err("refused").to_string().contains("implicitRules"));
    for nothing in [json!({ "resourceType": "Parameters", "id": "x" }), parameters(&json!([]))] {
        assert_eq!(from_parameters(&nothing), Ok(None));
    }
}

#[test]
fn problems_in_a_form_are_named() {
    for (form, named) in [
        (&[("parameters.labs.enabled", "yes")][..], "parameters.labs.enabled"),
        (&[("parameters.labs.enabled", "on"), ("parameters.labs.enabled", "false")], "twice"),
        (&[("parameters.labs.enabled", "on"), ("parameters.labs.from", "noon")], "parameters.labs.from"),
        (&[("parameters.labs.enabled", "on"), ("parameters.labs.since", "x")], "parameters.labs.since"),
        (&[("parameters.labs.enabled", "on"), ("authorizations.hiv", "perhaps")], "authorizations.hiv"),
        (&[("parameters.labs.enabled", "on"), ("authorizations.hiv.text", "x")], "authorizations.hiv"),
        (&[("parameters.labs.enabled", "on"), ("surprise", "x")], "surprise"),
        (&[("authorizations.hiv", "on")], "at least one group"),
        (&[], "at least one group"),
    ] {
        let problem = from_form(&fields(form), &[]).expect_err("refused").to_string();
        assert!(problem.contains(named), "{form:?}: {problem}");
    }
}

fn any_day() -> impl Strategy<Value = Day> {
    (1900..2100_u16, 1..=12_u8, 1..=28_u8)
        .prop_map(|(year, month, day)| Day::first(&format!("{year}-{month:02}-{day:02}")).expect("a day"))
}

/// Any choices that a patient can make: at least one group, and no description without consent.
fn any_choices() -> impl Strategy<Value = Choices> {
    let choice = (any::<bool>(), prop::option::of((any_day(), any_day())), "\\PC{0,8}").prop_map(
        |(enabled, days, notes)| {
            let (from, to) =
                days.map(|(one, other)| (one.clone().min(other.clone()), one.max(other))).unzip();
            Choice { enabled, from, to, notes }
        },
    );
    let groups = prop::collection::btree_map(prop::sample::select(&RecordGroup::ALL[..]), choice, 1..10);
    let given = prop::collection::btree_map(
        prop::sample::select(&Sensitive::ALL[..]),
        (any::<bool>(), "\\PC{0,8}"),
        0..8,
    );
    (groups, given).prop_filter_map("a group is enabled", |(parameters, given)| {
        let authorization = |(category, (given, text)): (Sensitive, (bool, String))| {
            let described = given && category.has_description();
            let description = if described { text.trim().to_owned() } else { String::new() };
            (category, Authorization { given, description })
        };
        let authorizations = given.into_iter().map(authorization).collect();
        Some(Choices { parameters, authorizations }).filter(|choices| !choices.is_empty())
    })
}

/// The choices in the format of a job's JSON.
fn to_json(choices: &Choices) -> Value {
    let groups = choices.parameters.iter().map(|(group, choice)| {
        let value = json!({
            "name": group.name(), "group": group.part(), "enabled": choice.enabled,
            "from": choice.from, "to": choice.to, "notes": choice.notes,
        });
        (group.key().to_owned(), value)
    });
    let categories = choices.authorizations.iter().map(|(category, authorization)| {
        let mut value = json!({ "name": category.name(), "value": authorization.given });
        if category.has_description() {
            value["text"] = json!(authorization.description);
        }
        (category.key().to_owned(), value)
    });
    json!({
        "parameters": groups.collect::<serde_json::Map<_, _>>(),
        "authorizations": categories.collect::<serde_json::Map<_, _>>(),
    })
}

fn to_form(choices: &Choices) -> Vec<(String, String)> {
    let mut form = Vec::new();
    for (group, choice) in &choices.parameters {
        let mut add = |name: &str, value: &str| {
            form.push((format!("parameters.{}.{name}", group.key()), value.to_owned()));
        };
        if choice.enabled {
            add("enabled", "on");
        }
        add("from", choice.from.as_ref().map_or("", Day::as_str));
        add("to", choice.to.as_ref().map_or("", Day::as_str));
        add("notes", &choice.notes);
    }
    for (category, authorization) in &choices.authorizations {
        let path = format!("authorizations.{}", category.key());
        form.push((path.clone(), authorization.given.to_string()));
        if category.has_description() {
            form.push((format!("{path}.text"), authorization.description.clone()));
        }
    }
    form
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(enabled|value|labs|genetic|on|true|2020|)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = "(name|part|parameter|value|valueBoolean|valueString|enabled|genetic|hiv|labs|text)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The number of nodes of a tree.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Replaces the node with the index `at` by `other`.
fn replace(value: &mut Value, at: &mut usize, other: &Value) {
    if *at == 0 {
        *value = other.clone();
        *at = usize::MAX;
        return;
    }
    *at -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => return,
    };
    for child in children {
        if *at == usize::MAX {
            return;
        }
        replace(child, at, other);
    }
}

proptest! {
    /// Choices that are written in a format are read from it as the same choices.
    #[test]
    fn choices_survive_every_format(choices in any_choices()) {
        prop_assert_eq!(from_parameters(&to_parameters(&choices)), Ok(Some(choices.clone())));
        prop_assert_eq!(from_json(&to_json(&choices)), Ok(choices.clone()));
        prop_assert_eq!(from_form(&to_form(&choices), &[]), Ok(choices));
    }

    /// If any JSON replaces one node of a valid body, the body is refused or authorizes nothing more than before, unless
    /// the new node itself authorizes something.
    #[test]
    fn a_damaged_body_authorizes_nothing_more(choices in any_choices(), at: prop::sample::Index, other in any_json()) {
        // The new node is a flag, or the name of a category in the place of another one.
        let adds = ["true", "genetic"].iter().any(|word| other.to_string().contains(word));
        for valid in [to_parameters(&choices), to_json(&choices)] {
            let mut damaged = valid.clone();
            replace(&mut damaged, &mut at.index(nodes(&valid)), &other);
            if let Ok(read) = from_json(&damaged) {
                prop_assert!(!read.is_empty());
                prop_assert!(adds || read.authorizes_beyond(&choices).is_none(), "{}", damaged);
            }
        }
    }
}
