use serde_json::json;

use super::*;

#[test]
fn the_main_fields_of_many_shapes_are_found() {
    for (resource, expected) in [
        (
            json!({ "effectiveDateTime": "2020", "code": { "coding": [{ "display": "Glucose" }] },
                    "valueQuantity": { "value": 5.5, "unit": "mmol/L" }, "status": "final" }),
            ["2020", "Glucose", "5.5 mmol/L", "final"],
        ),
        (
            json!({ "name": [{ "family": "Lindqvist", "given": ["Anna"] }], "birthDate": "1980-01-01" }),
            ["1980-01-01", "Anna Lindqvist", "", ""],
        ),
        (
            json!({ "period": { "start": "2020-01", "end": "2020-02" }, "class": { "code": "AMB" } }),
            ["2020-01 – 2020-02", "AMB", "", ""],
        ),
        (json!({ "code": 1, "status": [[]], "valueBoolean": false }), ["", "1", "false", ""]),
        (json!([1, 2]), ["", "", "", ""]),
        (json!(null), ["", "", "", ""]),
    ] {
        let Main { date, text, value, status } = Main::of(&resource);
        assert_eq!([&*date, &*text, &*value, &*status], expected, "{resource}");
    }
}

#[test]
fn a_resource_of_any_size_has_a_bounded_table() {
    let many: Vec<_> = (0..10_000).map(|number| json!({ "a": [number] })).collect();
    let (rows, is_cut) = all(&json!({ "many": many, "text": "é".repeat(5_000) }));
    assert_eq!((rows.len(), is_cut, &*rows[7].name, &*rows[7].value), (500, true, "many[7].a[0]", "7"));
    let (rows, is_cut) = all(&json!({ "text": "é".repeat(5_000), "none": null, "empty": {} }));
    assert_eq!((rows.len(), is_cut, rows[0].value.chars().count()), (2, true, 1_001));
}
