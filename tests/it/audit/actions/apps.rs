//! What apps and services do, and what a patient decides about them.

use http::{Method, StatusCode};
use tests::service::{assertion, signed};
use tests::{ANNA, Launch, parameter, text};

use super::Trail;

const OK: StatusCode = StatusCode::OK;

pub(super) async fn check(trail: &mut Trail<'_>) {
    check_consent(trail).await;
    check_tokens(trail).await;
    check_exports(trail).await;
}

async fn check_consent(trail: &mut Trail<'_>) {
    let world = trail.world;
    for (decision, event) in [
        ("deny", "consent-denied by Patient/anna-lindqvist of anna-lindqvist about app: success"),
        ("allow", "consent-given by Patient/anna-lindqvist of anna-lindqvist about app: success"),
    ] {
        let login = world.get(&Launch::new("app").authorize()).send().await.location();
        let request = parameter(&login, "request").expect("a request");
        let fields = [("request", request.as_str()), ("patient", ANNA)];
        let session = trail.prepare(world.post("/patient-login").form(&fields), StatusCode::SEE_OTHER).await;
        let fields = [("request", request.as_str()), ("decision", decision)];
        let decided = world.post("/authorize-app").cookie(&session).form(&fields);
        trail.each([(decided, StatusCode::FOUND, event)]).await;
    }
    let session = world.sign_patient_in(ANNA, "/my").await;
    trail.skip().await;
    let stopped = world.post("/my/apps/stop").cookie(&session).form(&[("app", "app")]);
    let event = "access-stopped by Patient/anna-lindqvist of anna-lindqvist about app: success";
    trail.each([(stopped, StatusCode::SEE_OTHER, event)]).await;
}

async fn check_tokens(trail: &mut Trail<'_>) {
    let world = trail.world;
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    trail.skip().await;
    let tokens = world.redeem(&launch, &code).await.json();
    trail.left("token-issued by app of anna-lindqvist: success").await;
    let refresh = |token: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "app")];
        world.post("/auth/token").form(&fields)
    };
    let first = text(&tokens["refresh_token"]);
    let refreshed = refresh(&first).send().await.json();
    trail.left("token-refreshed by app of anna-lindqvist: success").await;
    let fields = [("token", text(&refreshed["refresh_token"])), ("client_id", "app".to_owned())];
    let (header, claims) = assertion("service", world.now());
    world.by_assertion(&signed(&header, &claims), "system/*.rs").await;
    trail.left("token-issued by service: success").await;
    let revoked = world.post("/auth/revoke").form(&fields);
    trail.each([(revoked, OK, "token-revoked by app of anna-lindqvist: success")]).await;
    let stolen = world.tokens("app", ANNA).await;
    let once = text(&stolen["refresh_token"]);
    trail.prepare(refresh(&once), OK).await;
    let replayed = "token-refreshed by app of anna-lindqvist: refused";
    trail.each([(refresh(&once), StatusCode::BAD_REQUEST, replayed)]).await;
}

async fn check_exports(trail: &mut Trail<'_>) {
    let world = trail.world;
    let scope = "launch/patient patient/$ehi-export patient/*.rs".to_owned();
    let launch = Launch { scope, ..Launch::new("app") };
    let code = world.code(&launch, ANNA).await;
    let token = text(&world.redeem(&launch, &code).await.json()["access_token"]);
    trail.skip().await;
    let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
    trail.left("export-started by app of anna-lindqvist: success").await;
    world.work().await;
    trail
        .each([
            (
                world.get(&format!("/fhir/Patient/{ANNA}")).bearer(&token),
                OK,
                "record-viewed by app of anna-lindqvist about Patient: success",
            ),
            (
                world.get(&format!("{job}/download/Patient.ndjson")).bearer(&token),
                OK,
                "download by app of anna-lindqvist about Patient.ndjson: success",
            ),
            (
                world.request(Method::DELETE, &format!("{job}/status")).bearer(&token),
                StatusCode::ACCEPTED,
                "deleted by app of anna-lindqvist: success",
            ),
        ])
        .await;
}
