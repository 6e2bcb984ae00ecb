//! The texts and choices that a patient gets after a request was rejected.

use http::StatusCode;
use tests::{ANNA, World};

use super::{page, requested_copy, signed_in};
use crate::review::{decide, hidden};

const OFFICE: &str =
    "sandbox = true\npages = { office = \"Records office\", office_phone = \"+1 555 0100\" }";

#[tokio::test]
async fn a_rejection_names_the_office_and_only_one_for_harm_offers_a_second_look() {
    for (settings, because, expected) in [
        (
            OFFICE,
            "harm",
            "You can ask again, ask for a second look by another clinician, or complain to Records office, +1 555 0100 or at hhs.gov/ocr.",
        ),
        (OFFICE, "twice", "You can ask again, or complain to Records office, +1 555 0100 or at hhs.gov/ocr."),
        (
            "sandbox = true",
            "harm",
            "You can ask again, ask for a second look by another clinician, or complain at hhs.gov/ocr.",
        ),
        ("sandbox = true", "person", "You can ask again, or complain at hhs.gov/ocr."),
    ] {
        let world = World::with(settings, &ehi::defaults::sample_records());
        let session = signed_in(&world, ANNA).await;
        let copy = requested_copy(&world, &session, &[]).await;
        world.work().await;
        let staff = world.staff().await;
        let path = copy.replace("/my/exports/", "/staff/jobs/") + "/reject";
        let version = hidden(&page(&world, &staff, &path).await, "version");
        let rejected = decide(&world, &staff, &path, &version, &[("because", because)]).await;
        assert_eq!(rejected.status, StatusCode::SEE_OTHER, "{}", rejected.text());
        let form = copy.replace("/my/exports/", "/jobs/") + "/customize";
        for path in [copy.as_str(), "/my", &form] {
            let shown = page(&world, &session, path).await.replace("&#43;", "+");
            assert!(shown.contains(expected), "{path}: {shown}");
        }
    }
}

/// Rejects a copy on the page of staff, who read this language.
async fn rejected_in(world: &World, copy: &str, language: &str, because: &str, typed: &str) {
    let staff = world.staff().await;
    let path = copy.replace("/my/exports/", "/staff/jobs/") + "/reject";
    let version = hidden(&page(world, &staff, &path).await, "version");
    let fields = [("version", version.as_str()), ("because", because), ("reason", typed)];
    let sent =
        world.post(&path).cookie(&staff).header("accept-language", language).form(&fields).send().await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
}

/// Each reader gets the reason from the list in the reader's language, whatever staff read. What they typed stays as it is.
#[tokio::test]
async fn a_reason_from_the_list_is_in_the_language_of_its_reader() {
    let world = World::new();
    let session = signed_in(&world, ANNA).await;
    let english = "We cannot confirm who asked.";
    let spanish = "No podemos confirmar quién hizo la solicitud.";
    let (typed_es, typed_en) =
        ("<span lang=\"es\">Llame &#60;hoy&#62;.</span>", "<span lang=\"en\">Call us.</span>");
    let no_es = "No enviamos esta copia. Motivo: ";
    let no_en = "We did not send this copy. Why: ";
    for (of_staff, because, typed, in_english, in_spanish, of_clients) in [
        ("en", "identity", "", english.to_owned(), spanish.to_owned(), english),
        ("es", "identity", "", english.to_owned(), spanish.to_owned(), english),
        (
            "es",
            "identity",
            "Llame <hoy>.",
            format!("{english} {typed_es}"),
            format!("{spanish} {typed_es}"),
            "We cannot confirm who asked. Llame <hoy>.",
        ),
        ("es", "other", "Llame <hoy>.", typed_es.to_owned(), typed_es.to_owned(), "Llame <hoy>."),
        ("en", "other", "Call us.", typed_en.to_owned(), typed_en.to_owned(), "Call us."),
    ] {
        let copy = requested_copy(&world, &session, &[]).await;
        world.work().await;
        rejected_in(&world, &copy, of_staff, because, typed).await;
        let staff = world.staff().await;
        let job = copy.rsplit('/').next().expect("an id");
        let of_api = world.get(&format!("/admin/jobs/{job}")).cookie(&staff).send().await.json();
        assert_eq!(of_api["error"], of_clients, "{of_staff} {because}");
        let pages = [
            (copy.clone(), &session, no_en, no_es),
            (format!("/jobs/{job}/customize"), &session, no_en, no_es),
            (format!("/staff/jobs/{job}"), &staff, "The patient reads: ", "El paciente lee: "),
        ];
        for (path, reader, before_en, before_es) in pages {
            for (language, before, reason) in [("en", before_en, &in_english), ("es", before_es, &in_spanish)]
            {
                let shown = world.get(&path).cookie(reader).header("accept-language", language).send().await;
                let expected = format!("{before}{reason}</p>");
                assert!(shown.text().contains(&expected), "{path} {expected}: {}", shown.text());
            }
        }
    }
}

/// A program rejects without a reason, or with one whose language nobody knows.
#[tokio::test]
async fn a_rejection_by_the_api_is_shown_as_it_is_or_as_no_reason() {
    let world = World::new();
    let session = signed_in(&world, ANNA).await;
    let staff = world.staff().await;
    for (body, in_english, in_spanish, of_clients) in [
        (
            serde_json::json!({}),
            "Why: No reason was given.</p>",
            "Motivo: No se indicó ningún motivo.</p>",
            "no reason was given",
        ),
        (serde_json::json!({ "reason": "Llame." }), "Why: Llame.</p>", "Motivo: Llame.</p>", "Llame."),
    ] {
        let copy = requested_copy(&world, &session, &[]).await;
        world.work().await;
        let path = copy.replace("/my/exports/", "/admin/jobs/") + "/reject";
        let rejected = world.post(&path).cookie(&staff).json(&body).send().await;
        assert_eq!(rejected.json()["error"], of_clients);
        for (language, expected) in [("en", in_english), ("es", in_spanish)] {
            let shown = world.get(&copy).cookie(&session).header("accept-language", language).send().await;
            assert!(shown.text().contains(expected), "{expected}: {}", shown.text());
        }
    }
}
