//! Exports that staff start: the search for a patient, the form, and the contents of the export.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, TestResponse, World, both_hosts, text};

use crate::my::{requested_copy, signed_in};
use crate::review::hidden;

const FORM: &str = "/staff/patients/anna-lindqvist/export";

/// Returns the fields of a form for a new export as a browser sends them when nothing is changed, and the page of the form.
pub(crate) async fn unchanged_form(
    world: &World,
    staff: &TestResponse,
    path: &str,
) -> (Vec<(String, String)>, String) {
    let form = world.get(path).cookie(staff).send().await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    let page = form.text();
    let hidden = |name: &str| {
        let value = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
        value.and_then(|rest| rest.split('"').next()).map(|value| (name.to_owned(), value.to_owned()))
    };
    let mut fields = vec![hidden("number").expect("a number")];
    fields.extend(hidden("version"));
    for input in page.split("<input type=\"checkbox\"").skip(1) {
        let input = input.split('>').next().expect("an element");
        let name = input.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a name");
        if input.contains(" checked") {
            fields.push((name.to_owned(), "on".to_owned()));
        }
    }
    (fields, page)
}

/// Adds these texts to the fields of a form.
pub(crate) fn with_texts(mut fields: Vec<(String, String)>, texts: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.extend(texts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

/// Returns the fields of the patient's form with these texts.
async fn fields(world: &World, staff: &TestResponse, texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let (fields, _) = unchanged_form(world, staff, FORM).await;
    assert_eq!(fields.len(), 11, "all parts and no private topic: {fields:?}");
    with_texts(fields, texts)
}

#[both_hosts(alone)]
async fn staff_find_a_patient_and_start_an_export_with_a_reason(world: World) {
    let staff = world.staff().await;
    let search =
        async |text: &str| world.get(&format!("/staff/patients?q={text}")).cookie(&staff).send().await.text();
    let found = search(ANNA).await;
    for shown in ["Anna Lindqvist", "April 12, 1961", "Female", "MRN-1000", FORM] {
        assert!(found.contains(shown), "{shown}: {found}");
    }
    for nobody in ["..%2F..%2Fetc", "nobody"] {
        assert!(search(nobody).await.contains("Nobody found."), "{nobody}");
    }
    let texts =
        [("receiver", "the <patient>"), ("reason", "she asked by phone"), ("from", "2019-01-01"), ("to", "")];
    let fields = fields(&world, &staff, &texts).await;
    let send = || world.post(FORM).cookie(&staff).form(&fields);
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
    let started = send().send().await.location();
    assert_eq!(send().send().await.location(), started, "a second click starts nothing");
    let job = started.split_once("/staff").expect("a page of staff").1.to_owned();
    world.work().await;
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!((&shown["status"], &shown["patient"]["id"]), (&json!("retrieved"), &json!(ANNA)));
    let begun = &shown["history"][0];
    assert_eq!(
        (&begun["who"], &begun["what"]),
        (&json!("admin"), &json!("asked for an export for the <patient>: she asked by phone"))
    );
    assert_eq!(
        (&shown["parameters"]["labs"]["enabled"], &shown["parameters"]["labs"]["from"]),
        (&json!(true), &json!("2019-01-01"))
    );
    assert_eq!(shown["authorizations"]["hiv"]["value"], false);
    let page =
        world.get(&started[started.find("/staff").expect("a path")..]).cookie(&staff).send().await.text();
    assert!(page.contains("asked for an export for the &#60;patient&#62;: she asked by phone"), "{page}");
    assert!(search(ANNA).await.contains(&job), "the last export");
    // Staff hand the copy over, once it is approved (45 CFR 170.315(b)(10)).
    let download = format!("/staff{job}/files/Patient.ndjson/download");
    assert_eq!(world.get(&download).cookie(&staff).send().await.status, StatusCode::NOT_FOUND);
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert!(page.contains(&format!("href=\"{download}\"")), "{page}");
    let file = world.get(&download).cookie(&staff).send().await;
    assert_eq!((file.status, text(&file.lines()[0]["id"])), (StatusCode::OK, ANNA.to_owned()));
    assert_eq!(world.get(&download).send().await.status, StatusCode::SEE_OTHER, "nobody is signed in");
    // No token gives access to the export, not even a token of the patient.
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
    for path in ["/staff/patients?q=x", FORM] {
        assert_eq!(world.get(path).bearer(&token).send().await.status, StatusCode::FORBIDDEN);
        assert_eq!(world.get(path).send().await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(
        world.get("/staff/patients/nobody/export").cookie(&staff).send().await.status,
        StatusCode::NOT_FOUND
    );
}

/// A form that is sent again after "back", with other choices, must not lead to the export with the former ones as if it had them.
#[both_hosts(alone)]
async fn other_choices_do_not_lead_to_the_export_with_the_former_ones(world: World) {
    let staff = world.staff().await;
    let texts = [("receiver", "the patient"), ("reason", "by phone"), ("from", ""), ("to", "")];
    let first = fields(&world, &staff, &texts).await;
    let send = |fields: &[(String, String)]| world.post(FORM).cookie(&staff).form(fields).send();
    let started = send(&first).await.location();
    let number = |page: &str| hidden(page, "number");
    let with = |name: &str, value: &str| {
        let mut fields = first.clone();
        fields.retain(|(known, _)| known != name);
        fields.push((name.to_owned(), value.to_owned()));
        fields
    };
    let without_labs: Vec<_> =
        first.iter().filter(|(name, _)| name != "parameters.labs.enabled").cloned().collect();
    let count = async || {
        let jobs = world.get("/admin/jobs").cookie(&staff).send().await.json();
        jobs.as_array().expect("jobs").len()
    };
    for others in [
        without_labs.clone(),
        with("authorizations.hiv", "on"),
        with("from", "2019-01-01"),
        with("receiver", "the registry"),
        with("reason", "by mail"),
    ] {
        let refused = send(&others).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{others:?}");
        let page = refused.text();
        assert!(page.contains("This export was started already, with other choices:"), "{page}");
        assert!(page.contains("<title>Error: "), "{page}");
        assert!(started.ends_with(&crate::review::link(&page, "/staff/jobs/")), "{page}");
        assert_ne!(number(&page), first[0].1);
        assert_eq!(count().await, 1, "nothing is started before the button is pressed again");
    }
    assert_eq!(send(&first).await.location(), started, "the same form leads to its export");
    let page = send(&without_labs).await.text();
    assert!(!page.contains("name=\"parameters.labs.enabled\" value=\"on\" checked"), "{page}");
    assert!(page.contains("name=\"receiver\" value=\"the patient\""), "{page}");
    let again: Vec<_> = without_labs
        .into_iter()
        .map(|(name, value)| if name == "number" { (name, number(&page)) } else { (name, value) })
        .collect();
    let second = send(&again).await;
    assert_eq!(second.status, StatusCode::SEE_OTHER, "{}", second.text());
    assert_ne!(second.location(), started);
    assert_eq!(count().await, 2);
    // The number of another patient's export.
    let other = world.post("/staff/patients/bruno-keller/export").cookie(&staff).form(&first).send().await;
    assert_eq!(other.status, StatusCode::CONFLICT, "{}", other.text());
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn mistakes_in_the_form_are_reported_and_all_input_is_kept() {
    let world = World::new();
    let staff = world.staff().await;
    let long = "x".repeat(301);
    for (texts, expected) in [
        (&[("receiver", ""), ("reason", "r")][..], "Say who gets the copy."),
        (&[("receiver", "w"), ("reason", "  ")], "Say why the export is made."),
        (&[("receiver", "w"), ("reason", &long)], "Use at most 300 letters"),
        (&[("receiver", "w"), ("reason", "r"), ("from", "2026-02-30")], "From: this is not a real date."),
        (&[("receiver", "w"), ("reason", "r"), ("from", "2026-02-02"), ("to", "2026-02-01")], "is after"),
    ] {
        let fields = fields(&world, &staff, texts).await;
        let response = world.post(FORM).cookie(&staff).form(&fields).send().await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{expected}");
        let page = response.text();
        assert!(page.contains(expected) && page.contains("<title>Error: "), "{expected}: {page}");
        for (name, value) in texts {
            assert!(page.contains(&format!("name=\"{name}\" value=\"{value}\"")), "{name}: {page}");
        }
    }
    let nothing: Vec<_> = fields(&world, &staff, &[("receiver", "w"), ("reason", "r")])
        .await
        .into_iter()
        .filter(|(name, _)| !name.starts_with("parameters"))
        .collect();
    let response = world.post(FORM).cookie(&staff).form(&nothing).send().await;
    assert!(response.text().contains("Choose at least one part."), "{}", response.text());
    assert_eq!(world.get("/admin/jobs").cookie(&staff).send().await.json(), json!([]));
}

/// Returns the value of a fact on a page.
fn fact<'p>(page: &'p str, name: &str) -> &'p str {
    let value = page
        .split_once(&format!("<dt>{name}</dt><dd><bdi>"))
        .and_then(|(_, behind)| behind.split_once("</bdi></dd>"));
    value.unwrap_or_else(|| panic!("no fact {name}: {page}")).0
}

/// Who gets a copy is what staff typed, or that the patient asked for it; never the id of a client.
#[tokio::test]
async fn staff_and_the_patient_read_who_gets_a_copy() {
    let world = World::new();
    let staff = world.staff().await;
    let fields = fields(&world, &staff, &[("receiver", "her <daughter> Eva"), ("reason", "by phone")]).await;
    let started = world.post(FORM).cookie(&staff).form(&fields).send().await.location();
    let of_staff = started.rsplit('/').next().expect("an id").to_owned();
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    let of_patient = copy.rsplit('/').next().expect("an id").to_owned();
    world.work().await;
    let page = async |path: &str| world.get(path).cookie(&staff).send().await.text();
    let typed = "her &#60;daughter&#62; Eva";
    let own_pages = "the patient, on their own pages";
    for (job, app, receiver) in [(&of_staff, "Staff", typed), (&of_patient, own_pages, own_pages)] {
        for decision in ["approve", "reject"] {
            let question = page(&format!("/staff/jobs/{job}/{decision}")).await;
            assert_eq!(fact(&question, "Who gets it"), receiver, "{decision}");
        }
        assert_eq!(fact(&page(&format!("/staff/jobs/{job}")).await, "App"), app);
        let version = hidden(&page(&format!("/staff/jobs/{job}/approve")).await, "version");
        let several = page(&format!("/staff/approve?job={job}.{version}")).await;
        assert!(several.contains(&format!("goes to {receiver}")), "{several}");
    }
    assert_eq!(fact(&page(&format!("/staff/jobs/{of_staff}")).await, "Who gets it"), typed);
    for (app, listed, other, shown) in [
        ("staff", &of_staff, &of_patient, format!("Staff</span><span class=\"line muted\">for {typed}<")),
        ("my", &of_patient, &of_staff, format!("data-label=\"App\">{own_pages}</td>")),
    ] {
        let list = page(&format!("/staff?tab=review&app={app}")).await;
        assert!(list.contains(listed.as_str()) && !list.contains(other.as_str()), "{app}: {list}");
        assert!(list.contains(&shown), "{shown}: {list}");
        assert!(list.contains(&format!("<option value=\"{app}\" selected>")), "{list}");
        for option in
            [format!("<option value=\"my\"{{}}>{own_pages}<"), "<option value=\"staff\"{}>Staff<".to_owned()]
        {
            let is_there =
                ["", " selected"].iter().any(|chosen| list.contains(&option.replace("{}", chosen)));
            assert!(is_there, "{option}: {list}");
        }
    }
    for path in ["/my".to_owned(), format!("/my/exports/{of_staff}")] {
        let shown = world.get(&path).cookie(&session).send().await.text();
        assert!(shown.contains(&format!("Who gets it, in their words: “{typed}”")), "{path}: {shown}");
    }
}
