//! Generates trees that resemble resources, from the elements that the export's decisions depend on.

use super::Tree;
use crate::fuzz::Source;

/// Generates a resource, or a similar value, from the elements that decide about its export.
pub(in crate::fuzz) fn resource(source: &mut Source<'_>) -> Tree {
    let resource_type = source.pick(&[
        "Observation",
        "DocumentReference",
        "Patient",
        "Claim",
        "Provenance",
        "Condition",
        "Media",
        "DiagnosticReport",
        "Organization",
        "Basic",
        "Appointment",
        "Encounter",
        "Task",
    ]);
    let mut members = vec![
        ("resourceType".to_owned(), Tree::text(resource_type)),
        ("id".to_owned(), Tree::text(source.pick(&["a", "b", "o-1", "x.y", "a/b"]))),
    ];
    for _ in 0..source.below(8) {
        let (name, value) = element(source);
        let again = source.once_in(24);
        members.push((name.to_owned(), value.clone()));
        if again {
            members.push((name.to_owned(), value));
        }
    }
    // Each name occurs once, unless the generator repeated it on purpose.
    let mut kept: Vec<(String, Tree)> = Vec::new();
    for (name, value) in members {
        let is_next = kept.last().is_some_and(|(last, known)| *last == name && *known == value);
        if is_next || kept.iter().all(|(known, _)| *known != name) {
            kept.push((name, value));
        }
    }
    Tree::Object(kept)
}

fn element(source: &mut Source<'_>) -> (&'static str, Tree) {
    let name = source.pick(&[
        "meta",
        "meta",
        "category",
        "type",
        "subject",
        "performer",
        "target",
        "contained",
        "content",
        "code",
        "status",
        "effectiveDateTime",
        "period",
        "context",
        "valueQuantity",
        "text",
        "entry",
        "participant",
        "presentedForm",
    ]);
    if source.once_in(12) {
        return (name, arbitrary(source, 3));
    }
    let value = match name {
        "meta" => meta(source),
        "category" | "type" | "code" => concept(source),
        "subject" => reference(source),
        "performer" | "target" => Tree::List((0..source.below(3)).map(|_| reference(source)).collect()),
        "participant" => Tree::List(vec![Tree::object([("actor", reference(source))])]),
        "contained" => Tree::List(vec![Tree::object([
            ("resourceType", Tree::text("Basic")),
            ("meta", meta(source)),
            ("subject", reference(source)),
        ])]),
        "entry" => Tree::List(vec![Tree::object([("resource", Tree::object([("meta", meta(source))]))])]),
        "content" if source.once_in(2) => attachment(source),
        "content" => Tree::List(vec![Tree::object([("attachment", attachment(source))])]),
        "presentedForm" => Tree::List(vec![attachment(source), attachment(source)]),
        "status" => Tree::text(source.pick(&["final", "amended", "FINAL", "fin\"al"])),
        "effectiveDateTime" => date(source),
        "period" => Tree::object([("start", date(source)), ("end", date(source))]),
        "context" => Tree::object([
            ("period", Tree::object([("start", date(source))])),
            ("encounter", reference(source)),
        ]),
        "valueQuantity" => {
            Tree::object([("value", number(source)), ("code", Tree::text(source.pick(&["mg", "g"])))])
        }
        _ => Tree::object([("div", Tree::Text(source.text())), ("reference", reference(source))]),
    };
    (name, value)
}

fn meta(source: &mut Source<'_>) -> Tree {
    let labels = (0..source.below(3)).map(|_| match source.below(8) {
        0 => arbitrary(source, 2),
        1 => Tree::object([("display", Tree::text("HIV"))]),
        _ => Tree::object([(
            "code",
            Tree::text(source.pick(&["HIV", "hiv", " R\n", "N", "open", "psy", "GDIS"])),
        )]),
    });
    let labels = Tree::List(labels.collect());
    Tree::object([("security", labels), ("lastUpdated", date(source))])
}

fn concept(source: &mut Source<'_>) -> Tree {
    let code = Tree::text(source.pick(&["laboratory", "LAB", "18842-5", "1-1", "image", "lab\"oratory"]));
    let coding = Tree::object([
        ("system", Tree::text(source.pick(&["http://loinc.org", "urn:x"]))),
        ("code", code.clone()),
    ]);
    match source.below(4) {
        0 => code,
        1 => coding,
        2 => Tree::object([("coding", Tree::List(vec![coding])), ("text", Tree::Text(source.text()))]),
        _ => Tree::List(vec![Tree::object([("coding", Tree::List(vec![coding]))])]),
    }
}

fn reference(source: &mut Source<'_>) -> Tree {
    let target = source.pick(&[
        "Patient/a",
        "Patient/b",
        "Practitioner/p",
        "http://h/fhir/Organization/o.1",
        "Organization/o/_history/2",
        "#c",
        "urn:uuid:1",
        "Practitioner?x=1",
        "Observation/o-1",
        "Practitioner/p\"",
        "Patient/ä",
        "",
    ]);
    Tree::object([("reference", Tree::text(target)), ("display", Tree::Text(source.text()))])
}

fn attachment(source: &mut Source<'_>) -> Tree {
    let url = source.pick(&[
        "Binary/b",
        "http://h/Binary/b",
        "files/x y.pdf",
        "scan.png",
        "https://h/x",
        "../x",
        "files/\"q\"",
    ]);
    match source.below(3) {
        0 => Tree::object([("url", Tree::text(url))]),
        1 => Tree::object([("title", Tree::Text(source.text())), ("url", Tree::text(url))]),
        _ => Tree::object([("data", Tree::text("aGk="))]),
    }
}

fn date(source: &mut Source<'_>) -> Tree {
    Tree::text(source.pick(&[
        "2024",
        "2024-02",
        "2024-02-03",
        "2024-02-03T04:05:06Z",
        "2024-13-99",
        "yesterday",
        "",
    ]))
}

fn number(source: &mut Source<'_>) -> Tree {
    let forms =
        ["0", "-0", "1", "1.50", "1e2", "1E+2", "-1.5e-3", "12345678901234567890", "0.1000000000000000055"];
    Tree::Number(source.pick(&forms).to_owned())
}

/// Generates an arbitrary value.
fn arbitrary(source: &mut Source<'_>, depth: usize) -> Tree {
    match source.below(if depth == 0 { 5 } else { 8 }) {
        0 => Tree::Null,
        1 => Tree::Flag(source.once_in(2)),
        2 => number(source),
        3 => Tree::Text(source.text()),
        4 => {
            Tree::text(source.pick(&["meta", "reference", "HIV", "Patient/a", "\"reference\":\"Patient/b\""]))
        }
        5 => Tree::List((0..source.below(4)).map(|_| arbitrary(source, depth - 1)).collect()),
        _ => {
            let names = ["a", "code", "security", "meta", "reference", "x\"reference", "url", ""];
            let mut members: Vec<(String, Tree)> = Vec::new();
            for _ in 0..source.below(4) {
                let name = source.pick(&names).to_owned();
                if members.iter().all(|(known, _)| *known != name) {
                    members.push((name, arbitrary(source, depth - 1)));
                }
            }
            Tree::Object(members)
        }
    }
}
