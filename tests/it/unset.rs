//! A deployment without settings.

use http::StatusCode;
use tests::ANNA;
use tests::deployed::{aws, variable};
use web::routes::Route;

use crate::surface::{filled_in, routes};

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn without_settings_every_route_is_503_and_the_log_says_what_to_do() -> tests::Result {
    let server = variable("EHI_TEST_BARE_URL");
    let client = reqwest::Client::new();
    let job = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for Route { method, path, .. } in routes() {
        let url = format!("{server}{}", filled_in(&path, job, ANNA).replace("{upload}", "one"));
        let response = client.request(method.clone(), &url).send().await?;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{method} {url}");
        let text = response.text().await.expect("text");
        assert!(text.contains("the server cannot respond now") && !text.contains("EHI_"), "{text}");
    }
    let logged = aws(&["logs", "filter-log-events", "--log-group-name", &variable("EHI_TEST_BARE_LOGS")]);
    let log = logged.to_string();
    assert!(log.contains("EHI_SETTINGS_SECRET: there are no settings; put the settings file"), "{log}");
    Ok(())
}
