//! Signing in and out: staff, patients and apps.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, PASSWORD};

use super::Trail;

const OK: StatusCode = StatusCode::OK;
const SEE_OTHER: StatusCode = StatusCode::SEE_OTHER;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

pub(super) async fn check(trail: &mut Trail<'_>) {
    let world = trail.world;
    let by_api = |name: &str, password: &str| {
        world.post("/admin/login").json(&json!({ "username": name, "password": password }))
    };
    let by_page = world.post("/staff/login").form(&[("username", "admin"), ("password", PASSWORD)]);
    let patient = |id: &str| world.post("/patient-login").form(&[("next", "/my"), ("patient", id)]);
    let secret = [
        ("grant_type", "authorization_code"),
        ("code", "x"),
        ("redirect_uri", "https://confidential.example.org/callback"),
        ("client_id", "confidential"),
        ("client_secret", "a wrong one"),
        ("code_verifier", "x"),
    ];
    trail
        .each([
            (by_api("admin", PASSWORD), OK, "sign-in by admin: success"),
            (by_page, SEE_OTHER, "sign-in by admin: success"),
            (by_api("admin", "a wrong one"), UNAUTHORIZED, "sign-in-failed by admin: refused"),
            (by_api("nobody", PASSWORD), UNAUTHORIZED, "sign-in-failed by unknown: refused"),
            (patient(ANNA), SEE_OTHER, "sign-in by Patient/anna-lindqvist: success"),
            (patient("nobody"), UNAUTHORIZED, "sign-in-failed by unknown: refused"),
            (
                world.post("/auth/token").form(&secret),
                UNAUTHORIZED,
                "sign-in-failed by confidential: refused",
            ),
        ])
        .await;
    let (one, two) = (world.staff().await, world.staff().await);
    let (anna, here) = (world.sign_patient_in(ANNA, "/my").await, world.sign_patient_in(ANNA, "/my").await);
    trail.skip().await;
    trail
        .each([
            (world.get("/admin/logout").cookie(&one), OK, "sign-out by admin: success"),
            (world.post("/staff/logout").cookie(&two), SEE_OTHER, "sign-out by admin: success"),
            (
                world.post("/patient-logout").cookie(&anna),
                SEE_OTHER,
                "sign-out by Patient/anna-lindqvist: success",
            ),
            (
                world.post("/my/sign-out-everywhere").cookie(&here),
                SEE_OTHER,
                "sign-out by Patient/anna-lindqvist of anna-lindqvist about everywhere: success",
            ),
        ])
        .await;
    world.post("/patient-logout").cookie(&anna).send().await;
    trail.left_nothing("a session that has ended cannot be signed out").await;
}
