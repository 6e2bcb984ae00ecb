//! The limits of what strangers can make the server read and keep.

use domain::scopes::MAX_REQUESTED;
use http::StatusCode;
use tests::{Launch, World, both_hosts, parameter};

/// Returns a text of different words with this number of bytes.
fn words(bytes: usize) -> String {
    let words: Vec<String> = (0..).map(|number| format!("w{number}")).take(bytes).collect();
    words.join(" ")[..bytes].to_owned()
}

/// Returns the fields of a request with another value.
fn with(client: &str, name: &'static str, value: String) -> Vec<(&'static str, String)> {
    let mut fields = Launch::new(client).fields();
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value));
    fields
}

#[both_hosts]
async fn a_scope_that_is_too_long_is_refused(world: World) {
    let granted = "launch/patient ";
    let refused = Some("invalid_scope");
    for (length, error) in [(MAX_REQUESTED, None), (MAX_REQUESTED + 1, refused), (100_000, refused)] {
        let scope = format!("{granted}{}", words(length - granted.len()));
        let fields = with("app", "scope", scope);
        let location = world.post("/auth/authorize").form(&fields).send().await.location();
        assert_eq!(parameter(&location, "error").as_deref(), error, "{length}: {location}");

        let granted = "system/*.rs ";
        let scope = format!("{granted}{}", words(length - granted.len()));
        let mut fields = world.asserting("service");
        fields.extend([("grant_type", "client_credentials".to_owned()), ("scope", scope.clone())]);
        let response = world.post("/auth/token").form(&fields).send().await;
        let expected = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(response.status, expected, "{length}: {}", response.text());
        assert_eq!(response.json().get("error").and_then(|error| error.as_str()), error, "{length}");

        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", "app"),
            ("scope", &scope),
        ];
        let response = world.post("/auth/token").form(&fields).send().await.json();
        assert_eq!(response["error"], error.unwrap_or("invalid_grant"), "{length}");
    }
}

#[both_hosts]
async fn a_state_of_more_than_two_kilobytes_is_refused_and_not_repeated(world: World) {
    let authorize = async |length: usize| {
        let fields = with("app", "state", "s".repeat(length));
        world.post("/auth/authorize").form(&fields).send().await.location()
    };
    assert!(authorize(2_048).await.contains("/patient-login?request="));
    let refused = authorize(2_049).await;
    assert_eq!(parameter(&refused, "error").as_deref(), Some("invalid_request"));
    assert_eq!(parameter(&refused, "state"), None, "{refused}");
}

/// The query of this app's redirect URI may vary, but not grow.
#[both_hosts]
async fn a_redirect_uri_of_more_than_two_kilobytes_is_an_error_page(world: World) {
    let base = "https://lasting.example.org/callback?q=";
    let authorize = async |length: usize| {
        let uri = format!("{base}{}", "q".repeat(length - base.len()));
        world.post("/auth/authorize").form(&with("lasting-app", "redirect_uri", uri)).send().await
    };
    assert!(authorize(2_048).await.location().contains("/patient-login?request="));
    let refused = authorize(2_049).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.text().contains("redirect_uri") && !refused.text().contains("qqqq"),
        "{}",
        refused.text()
    );
}
