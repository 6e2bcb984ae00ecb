//! Signing in, and permission for an app.

use tests::{ANNA, Launch, PASSWORD, World, parameter};

use super::{BROWSER, check, settings, visit, world};

const FORM: &str = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/customize";

#[tokio::test]
async fn signing_in_with_a_password_has_only_texts_of_the_catalogue() {
    let world = world("");
    for query in ["next=/my".to_owned(), format!("next={FORM}"), format!("saved=1&next={FORM}")] {
        visit(&world, "", &format!("/patient-login?{query}")).await;
    }
    let sent = async |password: &str| {
        let fields = [("next", FORM), ("saved", "1"), ("username", "anna"), ("password", password)];
        let post = world.post("/patient-login").form(&fields);
        post.header("cookie", "lang=es").header("accept", BROWSER).send().await
    };
    assert!(check(&sent("wrong").await, "wrong").contains("⟦sign-in-wrong⟧"));
    for _ in 0..6 {
        sent("wrong").await;
    }
    assert!(check(&sent(PASSWORD).await, "locked").contains("⟦sign-in-locked⟧"));
    visit(&world, "", "/").await;
    visit(&world, "", "/format").await;
}

#[tokio::test]
async fn where_nobody_can_sign_in_there_are_only_texts_of_the_catalogue() {
    let text = settings("");
    let (before, account) = text.split_once("[[accounts]]").expect("an account");
    let (_, after) = account.split_once("[[clients]]").expect("clients");
    let world = World::of(&format!("{before}[[clients]]{after}"), &ehi::defaults::sample_records());
    for path in ["/", "/patient-login?next=/my", &format!("/patient-login?saved=1&next={FORM}")] {
        let shown = visit(&world, "", path).await;
        assert!(shown.contains("⟦landing-get-app⟧") || shown.contains("⟦go-on-title⟧"), "{path}: {shown}");
    }
}

#[tokio::test]
async fn the_permission_for_an_app_has_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    visit(&world, "", "/").await;
    visit(&world, "", "/patient-login?next=/my").await;
    let mut launch = Launch::new("app");
    launch.scope =
        "launch/patient offline_access openid fhirUser patient/$ehi-export patient/*.rs".to_owned();
    let login = world.get(&launch.authorize()).send().await.location();
    visit(&world, "", &login).await;
    let request = parameter(&login, "request").expect("a request");
    let pick = async |patient: &str| {
        let post = world.post("/patient-login").form(&[("request", request.as_str()), ("patient", patient)]);
        post.header("cookie", "lang=es").send().await
    };
    assert!(check(&pick("nobody").await, "nobody").contains("⟦pick-wrong⟧"));
    let picked = pick(ANNA).await;
    let shown = visit(&world, &picked.cookie(), &picked.location()).await;
    assert!(shown.contains("⟦consent-title⟧") && shown.contains("⟦scope-offline⟧"), "{shown}");
}
