//! The sandbox: its patients and its app. Outside it, patients sign in with a password.

use http::StatusCode;
use tests::{ANNA, BRUNO, Launch, PASSWORD, World, parameter};

#[tokio::test]
async fn the_sandbox_lists_patients_and_finds_a_patient_by_id() {
    let world = World::new();
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let page = world.get(&login).send().await.text();
    for name in ["Anna Lindqvist", "Bruno Keller", "Chiara Rossi", "Dmitri Sokolov"] {
        assert!(page.contains(name), "{name}");
    }
    let found = world.get(&format!("{login}&from={BRUNO}")).send().await.text();
    assert!(found.contains("Bruno Keller") && !found.contains("Anna Lindqvist"));
}

#[tokio::test]
async fn outside_the_sandbox_patients_sign_in_with_a_password() {
    let world = World::with("sandbox = false", &ehi::defaults::sample_records());
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let page = world.get(&login).send().await.text();
    assert!(page.contains("Password") && !page.contains("Lindqvist"), "strangers must not see names");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    assert_eq!(picked.status, StatusCode::UNAUTHORIZED);
    let sign_in = |password: &str| {
        let fields = [
            ("request", request.clone()),
            ("username", "anna".to_owned()),
            ("password", password.to_owned()),
        ];
        world.post("/patient-login").form(&fields)
    };
    assert_eq!(sign_in("wrong").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(PASSWORD).send().await.status, StatusCode::SEE_OTHER);
}

/// ehi-app varies the query of its redirect URI and keeps its first refresh token; apps in certification need RS256.
#[test]
fn the_sandbox_registers_its_app_with_the_options_it_needs() {
    use settings::{IdTokenAlg, RefreshTokens, Settings};

    let (settings, ..) = ehi::defaults::sandbox_settings().expect("settings");
    let settings =
        Settings::parse(&settings, |_| None, Some("http://127.0.0.1:8888")).expect("valid settings");
    let app = settings.client(ehi::defaults::TEST_CLIENT).expect("the app");
    assert!(app.allows_redirect("http://127.0.0.1:9000/callback?institution=1"));
    assert!(!app.allows_redirect("http://127.0.0.1:9000/callback?code=1"));
    assert_eq!(app.refresh_tokens, RefreshTokens::Reusable);
    assert_eq!(settings.id_token_alg(app), IdTokenAlg::RS256);
}
