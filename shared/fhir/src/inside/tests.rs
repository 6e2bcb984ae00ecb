use super::*;

#[test]
fn documents_are_found_wherever_they_are() {
    for (text, expected) in [
        (
            r#"{"content":[{"attachment":{"title":"a","data":"QQ=="}},{"attachment":{"url":"x"}},{"attachment":{"data":"Qg=="}}]}"#,
            &["a:QQ==", ":Qg=="][..],
        ),
        (r#"{"content":{"data":"QQ==","contentType":"image/png"}}"#, &[":QQ=="]),
        (r#"{"content":{"data":"QQ=="}}"#, &[":QQ=="]),
        (r#"{"presentedForm":[{"data":"QQ=="}]}"#, &[":QQ=="]),
        (r#"{ "resourceType" : "Binary", "data" : "QQ==" }"#, &[":QQ=="]),
        (
            r#"{"item":[{"answer":[{"valueAttachment":{"data":"QQ=="},"item":[{"answer":{"valueAttachment":{"data":"Qg=="}}}]}]}]}"#,
            &[":QQ==", ":Qg=="],
        ),
        (r#"{"contained":[{"resourceType":"Binary","data":"QQ=="}]}"#, &[":QQ=="]),
        (
            r#"{"contained":[{"resourceType":"DocumentReference","content":[{"attachment":{"data":"QQ=="}}]}],"data":7}"#,
            &[":QQ=="],
        ),
        (r#"{"extension":[{"url":"x","valueAttachment":{"data":"QQ=="}}]}"#, &[":QQ=="]),
        (r#"{"input":[{"valueAttachment":{"title":"\"{","data":"QQ=="}}]}"#, &["\"{:QQ=="]),
        (r#"{"_birthDate":{"extension":[{"valueAttachment":{"data":"QQ=="}}]}}"#, &[":QQ=="]),
        (r#"{"a":[[{"contentType":"text/plain","data":"QUJ"}]]}"#, &[":QUJ"]),
        (
            r#"{"photo":{"extension":[{"valueAttachment":{"data":"QQ=="}}],"data":"Qg=="}}"#,
            &[":QQ==", ":Qg=="],
        ),
        (r#"{"presentedForm":[{"data":""},{"data":7},{"data":["QQ=="]}]}"#, &[]),
        (r#"{"valueSampledData":{"data":"1 2 E"},"signature":{"data":"QQ==","sigFormat":"x"}}"#, &[]),
        (r#"{"text":"\"data\":\"QQ==\"","data":"QQ=="}"#, &[]),
    ] {
        let found: Vec<String> =
            documents_inside(text.as_bytes()).map(|one| format!("{}:{}", one.title, one.data)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_text_that_breaks_off_ends_the_search() {
    let text = r#"{"photo":[{"title":"a\"b","data":"QQ=="}]}"#;
    for end in 0..text.len() {
        assert!(documents_inside(&text.as_bytes()[..end]).count() <= 1, "{end}");
    }
    assert_eq!(documents_inside(text.as_bytes()).count(), 1);
}
