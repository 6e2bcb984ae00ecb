//! The addresses that the server redirects to: those that are registered for the app, and its own pages.

use http::StatusCode;
use tests::{ANNA, Launch, World, authorize_path, both_hosts};

#[both_hosts]
async fn nobody_is_redirected_to_an_address_that_is_not_registered(world: World) {
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example.org/callback"),
        ("redirect_uri", "https://app.example.org/other"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let mut fields = Launch::new("app").fields();
        fields.retain(|(key, _)| *key != name);
        fields.push((name, value.to_owned()));
        let response = world.get(&authorize_path(&fields)).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{value}");
        assert!(response.header("content-type").starts_with("text/html"));
        assert!(response.text().contains("This app cannot ask for access here"), "{}", response.text());
    }
}

#[both_hosts]
async fn a_varying_query_of_the_redirect_uri_is_a_setting_of_the_client(world: World) {
    for (client, query, expected) in [
        ("app", "?referer=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?referer=x", StatusCode::FOUND),
        ("lasting-app", "?code=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?referer=x&state=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?iss=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?error=x", StatusCode::BAD_REQUEST),
    ] {
        let mut launch = Launch::new(client);
        launch.redirect_uri.push_str(query);
        let response = world.get(&launch.authorize()).send().await;
        assert_eq!(response.status, expected, "{client} {query}");
    }
    let mut launch = Launch::new("lasting-app");
    launch.redirect_uri.push_str("?referer=x");
    let code = world.code(&launch, ANNA).await;
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK);
}

#[both_hosts]
async fn sign_in_pages_lead_to_pages_of_this_server_only(world: World) {
    for next in ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "", "/staff"] {
        let response = world.sign_patient_in(ANNA, next).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{next}");
    }
}
