//! The page at the address of a form whose export has ended, or never was.

use http::StatusCode;
use tests::{ANNA, BRUNO, World, both_hosts};

use super::{requested_copy, signed_in};

#[both_hosts]
async fn a_form_whose_export_is_gone_says_so_to_signed_in_patients(world: World) {
    let session = signed_in(&world, ANNA).await;
    let nowhere = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/customize";
    let gone = world.get(nowhere).cookie(&session).send().await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(
        gone.text().contains("No longer here") && gone.text().contains("href=\"/my\""),
        "{}",
        gone.text()
    );
    // The page for another patient's export has the same text.
    let bruno = signed_in(&world, BRUNO).await;
    let copy = requested_copy(&world, &bruno, &[]).await;
    let form = copy.replace("/my/exports", "/jobs") + "/customize";
    let others = world.get(&form).cookie(&session).send().await;
    let without_number = |response: &tests::TestResponse, path: &str| {
        response.text().replace(path, "").replace(&path.replace('/', "%2F"), "")
    };
    assert_eq!(without_number(&others, &form), without_number(&gone, nowhere));
    assert!(world.get(nowhere).send().await.location().contains("/patient-login?next="));
}

/// The form of a copy that has ended says so to its owner: the patient, or the browser that opened the form's link. Others read nothing.
#[both_hosts]
async fn a_form_whose_copy_has_ended_says_so_to_its_owner(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    let form = copy.replace("/my/exports", "/jobs") + "/customize";
    world.post(&format!("{copy}/cancel")).cookie(&session).form(&[("seen", "open")]).send().await;
    let shown = world.get(&form).cookie(&session).send().await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
    let text = shown.text();
    assert!(text.contains("Cancelled") && text.contains("Ask for a copy again"), "{text}");
    assert!(!text.contains("another person"), "{text}");
    let spanish = world.get(&form).cookie(&session).header("accept-language", "es").send().await;
    assert!(spanish.text().contains("Cancelada"), "{}", spanish.text());
    let bruno = signed_in(&world, BRUNO).await;
    let others = world.get(&form).cookie(&bruno).send().await;
    assert!(
        others.text().contains("another person") && !others.text().contains("Cancelled"),
        "{}",
        others.text()
    );
    assert!(world.get(&form).send().await.location().contains("/patient-login?next="));

    let token = world.token(ANNA).await;
    let (job, link) = crate::form::link_of(&world, &token).await;
    let opened = world.get(&link).send().await;
    let deleted = world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{}", deleted.text());
    let form = format!("{job}/customize");
    for shown in [world.get(&link).send().await, world.get(&form).cookie(&opened).send().await] {
        assert_eq!(shown.status, StatusCode::NOT_FOUND);
        assert!(
            shown.text().contains("Cancelled") && shown.text().contains("href=\"/my\""),
            "{}",
            shown.text()
        );
    }
}
