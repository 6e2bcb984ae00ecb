//! The patient's own pages: a copy, its files, and its end.

use http::StatusCode;
use tests::{ANNA, Call};

use super::{NOTHING, Trail};
use crate::my::{approved, filled_in, page, requested_copy, signed_in};
use crate::review::link;

const OK: StatusCode = StatusCode::OK;
const SEE_OTHER: StatusCode = StatusCode::SEE_OTHER;
const FILE: [(&str, &str, &[u8]); 1] = [("Anna.txt", "text/plain", b"x")];

pub(super) async fn check(trail: &mut Trail<'_>) {
    let world = trail.world;
    let session = signed_in(world, ANNA).await;
    let ask = link(&page(world, &session, "/my").await, "customize?client_id=my");
    trail.skip().await;
    let sent = filled_in(world, &session, &ask, &[]).await;
    trail.left("export-started by Patient/anna-lindqvist of anna-lindqvist: success").await;
    let copy = sent.strip_prefix(tests::BASE_URL).expect("a page").replace("?said=sent", "");
    trail.each([(world.get(&copy).cookie(&session), OK, NOTHING)]).await;
    world.work().await;
    let staff = world.staff().await;
    let of_staff = copy.replace("/my/exports", "/admin/jobs");
    let attached = world.post(&format!("{of_staff}/add-files")).cookie(&staff).files(&FILE);
    assert_eq!(attached.send().await.status, OK);
    approved(world, &copy).await;
    trail.skip().await;
    let get = |path: &str| world.get(&format!("{copy}{path}")).cookie(&session);
    trail
        .each([
            (get(""), OK, "record-viewed by Patient/anna-lindqvist of anna-lindqvist: success"),
            (
                get("/files/Patient.ndjson"),
                OK,
                "download by Patient/anna-lindqvist of anna-lindqvist about Patient.ndjson: success",
            ),
            (
                get("/attachments/Anna.txt"),
                OK,
                "download by Patient/anna-lindqvist of anna-lindqvist about attachment: success",
            ),
        ])
        .await;
    let zip = get("/zip").send().await;
    assert!(zip.status == OK || zip.status == SEE_OTHER, "{}", zip.status);
    trail.left("download by Patient/anna-lindqvist of anna-lindqvist about zip: success").await;
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let of_staff = job.replace("/jobs", "/admin/jobs");
    world.post(&format!("{of_staff}/add-files")).cookie(&staff).files(&FILE).send().await;
    world.post(&format!("{of_staff}/approve")).cookie(&staff).send().await;
    trail.skip().await;
    let attachment = world.get(&format!("{job}/download/attachments/Anna.txt")).bearer(&token);
    trail.each([(attachment, OK, "download by app of anna-lindqvist about attachment: success")]).await;
}

/// Cancelling, deleting and taking back the permission.
pub(super) async fn check_endings(trail: &mut Trail<'_>) {
    let world = trail.world;
    let session = signed_in(world, ANNA).await;
    let end = |copy: &str, how: &str, seen: &str| {
        world.post(&format!("{copy}/{how}")).cookie(&session).form(&[("seen", seen)])
    };
    let open = requested_copy(world, &session, &[]).await;
    trail.skip().await;
    ended(trail, end(&open, "cancel", "open"), "cancelled").await;
    for (topics, how, said) in [
        (&[][..], "cancel", "deleted"),
        (&["hiv"], "cancel", "deleted"),
        (&["hiv"], "take-back", "taken-back"),
    ] {
        let copy = requested_copy(world, &session, topics).await;
        world.work().await;
        approved(world, &copy).await;
        trail.skip().await;
        ended(trail, end(&copy, how, "ready"), said).await;
    }
}

async fn ended<'w>(trail: &mut Trail<'w>, call: Call<'w>, said: &str) {
    let event = format!("deleted by Patient/anna-lindqvist of anna-lindqvist about {said}: success");
    trail.each([(call, SEE_OTHER, event.as_str())]).await;
}
