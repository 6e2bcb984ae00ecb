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
