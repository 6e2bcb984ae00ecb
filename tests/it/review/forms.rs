//! The forms of staff: each mistake is named at its field, and another language loses nothing that was typed.

use http::StatusCode;
use tests::{ANNA, World, both_hosts};

use super::left_out::ask;
use super::{decide, hidden, page};
use crate::admin::in_review;
use crate::browsing::assert_mistake;
use crate::started::{unchanged_form, with_texts};

#[both_hosts]
async fn a_mistake_is_in_the_title_in_the_summary_and_at_its_field(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let reject = format!("/staff{job}/reject");
    let version = hidden(&question, "version");
    let names = ["file", "at", "hash"].map(|name| (name, hidden(&question, name)));
    let mut of_question: Vec<_> = names.iter().map(|(name, value)| (*name, value.as_str())).collect();
    of_question.push(("reason", " "));
    let start = format!("/staff/patients/{ANNA}/export");
    let (fields, _) = unchanged_form(&world, &staff, &start).await;
    let of_start = with_texts(fields, &[("receiver", "x"), ("reason", "y"), ("from", "2020-13-99")]);
    for (refused, field, described) in [
        (decide(&world, &staff, &reject, &version, &[]).await, "because-identity", "because-error"),
        (decide(&world, &staff, &reject, &version, &[("because", "other")]).await, "reason", "reason-error"),
        (
            decide(&world, &staff, &format!("/staff{job}/leave-out"), &version, &of_question).await,
            "reason",
            "reason-error",
        ),
        (world.post(&start).cookie(&staff).form(&of_start).send().await, "from", "from-error"),
    ] {
        assert!(refused.status.is_client_error(), "{}", refused.text());
        assert_mistake(&refused, field, described);
    }
    let upload = format!("/staff{job}/upload");
    let unnamed = world.post(&upload).cookie(&staff).form(&[("name", " ")]).send().await;
    assert!(unnamed.status.is_client_error(), "{}", unnamed.text());
    assert_mistake(&unnamed, "name", "name-error");
    for (path, fields) in [
        (
            "/staff/audit?patient=Anna%20Lindqvist&from=2020-13-99&until=never",
            &["patient", "from", "until"][..],
        ),
        ("/staff?from=2020-13-99&to=never", &["from", "to"]),
    ] {
        let shown = world.get(path).cookie(&staff).send().await;
        for field in fields {
            let message = assert_mistake(&shown, field, &format!("{field}-error"));
            assert!(message.contains("this is not"), "{message}");
        }
    }
}

#[both_hosts]
async fn another_language_keeps_what_was_typed(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let reject = format!("/staff{job}/reject");
    let start = format!("/staff/patients/{ANNA}/export");
    let names = ["file", "at", "hash"].map(|name| (name, hidden(&question, name)));
    let mut of_question: Vec<_> = names.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let version = hidden(&question, "version");
    of_question.extend([("version", &*version), ("reason", "typed words"), ("stay", "1")]);
    let of_reject = [("version", &*version), ("because", "harm"), ("reason", "typed words"), ("stay", "1")];
    let (fields, form) = unchanged_form(&world, &staff, &start).await;
    let of_start = with_texts(fields, &[("receiver", "typed words"), ("stay", "1")]);
    let of_start: Vec<_> = of_start.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let upload = page(&world, &staff, &format!("/staff{job}/upload")).await;
    for (shown, fields) in [
        (question, of_question),
        (page(&world, &staff, &reject).await, of_reject.to_vec()),
        (form, of_start),
        (upload, vec![("name", "typed words"), ("stay", "1")]),
    ] {
        // The button of the language sends the form.
        let (_, button) = shown.split_once("formaction=\"").expect("a button");
        let address = button.split('"').next().unwrap_or_default().replace("&#38;", "&");
        assert!(address.ends_with("lang=es"), "{address}");
        let spanish = world.post(&address).cookie(&staff).form(&fields).send().await;
        assert_eq!(spanish.status, StatusCode::OK, "{}", spanish.text());
        let cookies = spanish.headers.get_all("set-cookie");
        let chosen =
            cookies.iter().any(|cookie| cookie.to_str().is_ok_and(|text| text.starts_with("lang=es")));
        assert!(chosen && spanish.text().contains("<html lang=\"es\""), "{}", spanish.text());
        assert!(spanish.text().contains("typed words"), "{}", spanish.text());
    }
}
