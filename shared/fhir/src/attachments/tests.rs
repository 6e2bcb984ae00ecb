use super::*;

const OURS: &str = "https://ehi.example.org";

fn rewritten(line: &str, replace: impl FnMut(&LinkedAttachment) -> Replacement) -> String {
    let found = linked_attachments(line.as_bytes(), "DocumentReference", OURS);
    let mut out = Vec::new();
    rewrite(line.as_bytes(), &found, replace, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn urls_are_replaced_and_all_other_bytes_are_unchanged() {
    let line = r#"{ "resourceType":"DocumentReference","content":[{"attachment":{"url" : "Binary/b1","size":16.50}},
        {"attachment":{"title":"t","url":"https:\/\/ehi.example.org\/fhir\/Binary\/b2"}},{"attachment":{"url":"https://elsewhere/x.pdf"}},{"attachment":{"data":"aGk="}}] }"#;
    let mut links = Vec::new();
    let out = rewritten(line, |attachment| {
        links.push(attachment.link.clone());
        match attachment.url.as_str() {
            "Binary/b1" => Replacement::Url {
                url: "http://new".into(),
                title: "T\"".into(),
                size: 2,
                hash: "aA==".into(),
            },
            _ => Replacement::Keep,
        }
    });
    let binary = |id: &str| Link::Record(vec![Target::Binary(id.into())]);
    assert_eq!(links, [binary("b1"), binary("b2"), Link::Elsewhere(None)]);
    let expected = line
        .replace("\"url\" : \"Binary/b1\"", "\"url\":\"http://new\",\"title\":\"T\\\"\",\"hash\":\"aA==\"")
        .replace("\"size\":16.50", "\"size\":2");
    assert_eq!(out, expected);
}

#[test]
fn data_and_absent_reasons_replace_urls() {
    let line = |attachment: &str| {
        format!(r#"{{"resourceType":"DocumentReference","content":[{{"attachment":{attachment}}}]}}"#)
    };
    let data =
        || Replacement::Data { data: "aGk=".into(), content_type: "text/plain".into(), title: "a".into() };
    for (attachment, replacement, expected) in [
        (r#"{"url":"x"}"#, data(), r#"{"data":"aGk=","contentType":"text/plain","title":"a"}"#),
        (
            r#"{"contentType":"a/b","url":"x","title":"t"}"#,
            data(),
            r#"{"contentType":"a/b","data":"aGk=","title":"t"}"#,
        ),
        (
            r#"{"title":"t","url":"x","data":"aGk=","contentType":"a/b"}"#,
            data(),
            r#"{"title":"t","data":"aGk=","contentType":"a/b"}"#,
        ),
        (
            r#"{"url":"x"}"#,
            Replacement::Absent("unknown"),
            r#"{"_url":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}"#,
        ),
        (
            r#"{"title":"t" , "url":"x","_url":{"id":"1"}}"#,
            Replacement::Absent("unknown"),
            r#"{"title":"t" , "_url":{"id":"1"}}"#,
        ),
        (r#"{"_url":{"id":"1"} , "url":"x"}"#, Replacement::Absent("unknown"), r#"{"_url":{"id":"1"} }"#),
    ] {
        let out = rewritten(&line(attachment), |_| replacement.clone());
        assert_eq!(out, line(expected), "{attachment}");
        serde_json::from_str::<Value>(&out).expect("JSON");
    }
}

#[test]
fn attachments_are_found_in_every_type_that_has_them() {
    let attachment = json!({ "url": "files/scan.png" });
    for (resource_type, elements) in [
        ("Media", json!({ "content": attachment })),
        ("DocumentReference", json!({ "content": [{ "attachment": attachment }] })),
        ("DiagnosticReport", json!({ "presentedForm": [attachment] })),
        ("Patient", json!({ "photo": [attachment] })),
        ("BodyStructure", json!({ "image": [attachment] })),
        ("Consent", json!({ "sourceAttachment": attachment })),
        (
            "Communication",
            json!({ "payload": [{ "contentString": "x" }, { "contentAttachment": attachment }] }),
        ),
        ("Claim", json!({ "supportingInfo": [{ "valueAttachment": attachment }] })),
        ("ClaimResponse", json!({ "form": attachment })),
        ("ExplanationOfBenefit", json!({ "form": attachment })),
        ("ExplanationOfBenefit", json!({ "supportingInfo": [{ "valueAttachment": attachment }] })),
        ("Task", json!({ "input": [{ "valueString": "x" }, { "valueAttachment": attachment }] })),
        ("Task", json!({ "output": [{ "valueAttachment": attachment }] })),
        (
            "QuestionnaireResponse",
            json!({ "item": [{ "item": [{ "answer": [{ "item": [{ "answer": [{ "valueAttachment": attachment }] }] }] }] }] }),
        ),
    ] {
        let line = elements.to_string();
        let found = linked_attachments(line.as_bytes(), resource_type, OURS);
        assert_eq!(found.len(), 1, "{resource_type}");
        assert_eq!(found[0].link.targets(), [Target::File("scan.png".into())]);
    }
}

#[test]
fn attachments_in_extensions_and_in_contained_resources_are_found() {
    let attachment = json!({ "url": "files/scan.png" });
    for elements in [
        json!({ "extension": [{ "url": "http://example.org/scan", "valueAttachment": attachment }] }),
        json!({ "_status": { "extension": [{ "url": "http://example.org/scan", "valueAttachment": attachment }] } }),
        json!({ "component": [{ "extension": [{ "url": "x", "extension": [{ "url": "y", "valueAttachment": attachment }] }] }] }),
        json!({ "contained": [{ "resourceType": "DocumentReference", "content": [{ "attachment": attachment }] }] }),
        json!({ "contained": [{ "resourceType": "ClaimResponse", "form": attachment }] }),
    ] {
        let line = elements.to_string();
        let found = linked_attachments(line.as_bytes(), "Observation", OURS);
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(found[0].link.targets(), [Target::File("scan.png".into())]);
    }
}

#[test]
fn other_elements_with_the_same_names_and_texts_are_no_attachments() {
    for (resource_type, elements) in [
        ("Medication", json!({ "form": { "url": "files/scan.png", "text": "tablet" } })),
        ("DiagnosticReport", json!({ "conclusion": "\"presentedForm\":{\"url\":\"files/scan.png\"}" })),
        ("Observation", json!({ "note": [{ "text": "Attachment" }, { "text": "valueAttachment\":{}" }] })),
        ("Task", json!({ "input": [{ "valueAttachment": "files/scan.png" }] })),
        ("Patient", json!({ "photo": [{ "title": "x" }], "extension": [{ "url": "files/scan.png" }] })),
    ] {
        let line = elements.to_string();
        assert_eq!(linked_attachments(line.as_bytes(), resource_type, OURS), [], "{line}");
    }
}

#[test]
fn the_document_reference_has_the_elements_that_us_core_requires() {
    let resource = document_reference("d", Some("ann"), "x", "2026-01-01T00:00:00Z", &[]);
    assert_eq!(resource["type"]["coding"][0]["code"], "UNK");
    assert_eq!(resource["category"][0]["coding"][0]["code"], "clinical-note");
    assert_eq!(resource["meta"]["tag"][0]["code"], "ehi-export");
}
