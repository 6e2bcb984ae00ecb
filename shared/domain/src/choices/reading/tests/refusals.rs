//! Tests that problems in a form are refused and named.

use serde_json::{Value, json};

use super::{fields, parameters};
use crate::choices::reading::*;

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
#[expect(clippy::too_many_lines, reason = "a table of mistakes")]
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
