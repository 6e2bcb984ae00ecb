use serde_json::json;

use super::*;

#[test]
fn the_main_fields_are_found_where_fhir_has_them() {
    for (resource, expected) in [
        (
            json!({ "id": "1", "code": { "coding": [{ "display": "Iron" }] }, "effectiveDateTime": "2020-02-03T10:00:00Z",
                    "valueQuantity": { "value": 1.5, "unit": "g/L" }, "status": "final" }),
            ["2020-02-03T10:00:00Z", "Iron", "1.5 g/L", "1"],
        ),
        (
            json!({ "id": "p", "name": [{ "family": "Lindqvist", "given": ["Anna"] }], "birthDate": "1990-01", "gender": "female" }),
            ["1990-01", "Anna Lindqvist", "female", "p"],
        ),
        (
            json!({ "class": { "code": "AMB" }, "period": { "start": "2019" }, "status": "finished" }),
            ["2019", "AMB", "finished", ""],
        ),
        (json!({ "code": [], "date": 7, "valueBoolean": false }), ["", "", "false", ""]),
        (json!("nothing"), ["", "", "", ""]),
    ] {
        let row = Row::of(&resource);
        assert_eq!([&*row.date, &*row.what, &*row.value, &*row.id], expected, "{resource}");
    }
    let long = Row::of(&json!({ "title": "é".repeat(500) }));
    assert_eq!(long.what.chars().count(), MAX_CELL + 1);
}
