//! What staff see, change and decide.

use http::{Method, StatusCode};
use serde_json::json;
use tests::{ANNA, BRUNO, TestResponse, text};

use super::{NOTHING, Trail};
use crate::admin::in_review;
use crate::review::left_out::{ask, leave_out};
use crate::review::{decide, hidden, link, page};
use crate::started::{unchanged_form, with_texts};

const OK: StatusCode = StatusCode::OK;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const VIEWED: &str = "record-viewed by admin of anna-lindqvist: success";
const LISTED: &str = "record-viewed by admin of anna-lindqvist about list of exports: success";
const ATTACHED: &str = "attached by admin of anna-lindqvist about 1 files: success";
const DETACHED: &str = "detached by admin of anna-lindqvist about 1 files: success";
const FILE: [(&str, &str, &[u8]); 1] = [("Anna.txt", "text/plain", b"x")];

/// The contents of an export, and the files that staff attach to it.
pub(super) async fn check(trail: &mut Trail<'_>) {
    let world = trail.world;
    let (job, _, staff) = in_review(world).await;
    let shown = page(world, &staff, &format!("/staff{job}")).await;
    trail.skip().await;
    let get = |path: &str| world.get(path).cookie(&staff);
    trail
        .each([
            (get("/staff"), OK, LISTED),
            (get("/admin/jobs"), OK, LISTED),
            (get("/jobs"), OK, LISTED),
            (get(&format!("/staff{job}")), OK, VIEWED),
            (get(&format!("/admin{job}")), OK, VIEWED),
            (get(&job), OK, VIEWED),
            (
                get(&link(&shown, "/files/Patient.ndjson")),
                OK,
                "record-viewed by admin of anna-lindqvist about Patient.ndjson: success",
            ),
            (
                get(&link(&shown, "/documents/")),
                OK,
                "record-viewed by admin of anna-lindqvist about document: success",
            ),
            (
                get("/staff/patients?q=lindqvist"),
                OK,
                "record-viewed by admin of anna-lindqvist about search of patients: success",
            ),
            (get("/staff/groups"), OK, "record-viewed by admin about list of groups: success"),
        ])
        .await;
    check_attached(trail, &job, &staff).await;
    let (question, _) = ask(world, &staff, &job, "Observation").await;
    trail.skip().await;
    leave_out(world, &staff, &job, &question, "It is about another person.").await;
    trail.left("redacted by admin of anna-lindqvist about Observation.ndjson: success").await;
}

async fn check_attached(trail: &mut Trail<'_>, job: &str, staff: &TestResponse) {
    let world = trail.world;
    let add = world.post(&format!("/admin{job}/add-files")).cookie(staff).files(&FILE);
    trail.each([(add, OK, ATTACHED)]).await;
    let names = json!({ "params": ["Anna.txt"] });
    let remove = world.post(&format!("/admin{job}/remove-files")).cookie(staff).json(&names);
    trail.each([(remove, OK, DETACHED)]).await;
    let add = world.post(&format!("/staff{job}/add-files")).cookie(staff).files(&FILE);
    trail.each([(add, StatusCode::SEE_OTHER, ATTACHED)]).await;
    let version = hidden(&page(world, staff, &format!("/staff{job}")).await, "version");
    trail.skip().await;
    let fields = [("version", version.as_str()), ("name", "Anna.txt")];
    let remove = world.post(&format!("/staff{job}/remove-files")).cookie(staff).form(&fields);
    trail.each([(remove, StatusCode::SEE_OTHER, DETACHED)]).await;
}

/// The decisions about an export, by the API and by the pages.
pub(super) async fn check_decisions(trail: &mut Trail<'_>) {
    let world = trail.world;
    let (by_api, ..) = in_review(world).await;
    let (rejected, ..) = in_review(world).await;
    let (by_page, _, staff) = in_review(world).await;
    trail.skip().await;
    let reason = json!({ "reason": "We cannot confirm who asked." });
    let file = world.get(&format!("/staff{by_api}/files/Patient.ndjson/download")).cookie(&staff);
    trail
        .each([
            (
                world.post(&format!("/admin{by_api}/approve")).cookie(&staff),
                OK,
                "approved by admin of anna-lindqvist: success",
            ),
            (world.post(&format!("/admin{by_api}/approve")).cookie(&staff), StatusCode::CONFLICT, NOTHING),
            (file, OK, "download by admin of anna-lindqvist about Patient.ndjson: success"),
            (
                world.request(Method::DELETE, &format!("/admin{by_api}")).cookie(&staff),
                OK,
                "deleted by admin of anna-lindqvist: success",
            ),
            (
                world.post(&format!("/admin{rejected}/reject")).cookie(&staff).json(&reason),
                OK,
                "rejected by admin of anna-lindqvist: success",
            ),
        ])
        .await;
    let (again, _, staff) = in_review(world).await;
    for (job, decision, event) in [
        (&again, "reject", "rejected by admin of anna-lindqvist: success"),
        (&by_page, "approve", "approved by admin of anna-lindqvist: success"),
        (&by_page, "delete", "deleted by admin of anna-lindqvist: success"),
    ] {
        let path = format!("/staff{job}/{decision}");
        let version = hidden(&page(world, &staff, &path).await, "version");
        trail.skip().await;
        let decided = decide(world, &staff, &path, &version, &[("because", "identity")]).await;
        assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text());
        trail.left(event).await;
    }
    let undo = world.post(&format!("/staff{by_page}/undo")).cookie(&staff);
    trail.each([(undo, StatusCode::SEE_OTHER, "restored by admin of anna-lindqvist: success")]).await;
    let form = format!("/staff/patients/{BRUNO}/export");
    let (fields, _) = unchanged_form(world, &staff, &form).await;
    trail.skip().await;
    let fields = with_texts(fields, &[("receiver", "a court"), ("reason", "an order")]);
    let start = world.post(&form).cookie(&staff).form(&fields);
    trail.each([(start, StatusCode::SEE_OTHER, "export-started by admin of bruno-keller: success")]).await;
}

/// Auditors read the trail, and have no access to exports. A refusal that is repeated within an hour is recorded once.
pub(super) async fn check_roles(trail: &mut Trail<'_>) {
    let world = trail.world;
    let (job, _, staff) = in_review(world).await;
    let auditor = trail.auditor("u1");
    trail.skip().await;
    let get = |path: &str| world.get(path).bearer(&auditor);
    let of_list = "access-refused by u1 about GET /admin/jobs: refused";
    trail
        .each([
            (world.get("/staff/audit").cookie(&staff), OK, "audit-read by admin: success"),
            (world.get("/admin/audit").cookie(&staff), OK, "audit-read by admin: success"),
            (get("/admin/audit"), OK, "audit-read by u1: success"),
            (get("/admin/jobs"), FORBIDDEN, of_list),
            (get("/admin/jobs"), FORBIDDEN, NOTHING),
            (
                get(&format!("/admin{job}")),
                FORBIDDEN,
                "access-refused by u1 of anna-lindqvist about GET /admin/jobs/{job}: refused",
            ),
            (
                world.post(&format!("/staff{job}/approve")).bearer(&auditor),
                FORBIDDEN,
                "access-refused by u1 of anna-lindqvist about POST /staff/jobs/{job}/approve: refused",
            ),
            (
                get(&format!("/staff/patients/{ANNA}/export")),
                FORBIDDEN,
                "access-refused by u1 of anna-lindqvist about GET /staff/patients/{patient}/export: refused",
            ),
            (
                get("/staff/patients/nobody/export"),
                FORBIDDEN,
                "access-refused by u1 about GET /staff/patients/{patient}/export: refused",
            ),
            (get("/staff/patients/no-one/export"), FORBIDDEN, NOTHING),
        ])
        .await;
    let manifest = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(text(&manifest["status"]), "retrieved", "nothing was approved");
    trail.skip().await;
}
