//! Users of one app: they have access to their own jobs only, and with the role of a patient to their own record.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{lake, text};

use super::{Issuer, user};

#[tokio::test]
async fn two_users_of_one_app_do_not_see_each_others_jobs() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let world = issuer.world_over(", users_are_staff = true", directory.path());
    let token = |subject: &str, azp: &str| {
        let mut claims = user(subject, "user/*.rs");
        claims["azp"] = json!(azp);
        issuer.token(&claims)
    };
    let (own, other, itself) = (token("u1", "portal"), token("u2", "portal"), token("portal", "portal"));
    let begun = world.get("/fhir/$export").bearer(&own).send().await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    let status = begun.header("content-location").to_owned();
    world.work().await;
    let manifest = world.get(&status).bearer(&own).send().await;
    assert_eq!(manifest.status, StatusCode::OK);
    let file = text(&manifest.json()["output"][0]["url"]);
    let jobs = async |token: &str| {
        world.get("/jobs").bearer(token).send().await.json().as_array().map(Vec::len).expect("a list")
    };
    let elsewhere = token("u1", "another-app");
    for stranger in [&other, &itself, &elsewhere] {
        for path in [&status, &file, &status.replace("/status", ""), &status.replace("/status", "/metadata")]
        {
            assert_eq!(world.get(path).bearer(stranger).send().await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let deleted = world.request(Method::DELETE, &status).bearer(stranger).send().await;
        assert_eq!(deleted.status, StatusCode::NOT_FOUND);
        assert_eq!(jobs(stranger).await, 0);
    }
    assert_eq!(jobs(&own).await, 1);
    // The same idempotency key of two users makes two kick-offs.
    let keyed = async |token: &str| {
        let response = world.get("/fhir/$export").bearer(token).header("idempotency-key", "k").send().await;
        response.header("content-location").to_owned()
    };
    assert_ne!(keyed(&own).await, keyed(&other).await);
    assert_eq!(world.request(Method::DELETE, &status).bearer(&own).send().await.status, StatusCode::ACCEPTED);
    Ok(())
}

#[tokio::test]
async fn the_role_patient_gives_access_to_the_own_record_in_the_dialect_with_roles() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let world = issuer.world_over("", directory.path());
    let mut claims = user("u1", "");
    (claims["patient"], claims["roles"]) = (json!("p1"), json!(["PATIENT"]));
    let token = issuer.token(&claims);
    for path in ["/fhir/$export", "/4_0_0/$export", "/fhir/Patient/$export"] {
        assert_eq!(world.get(path).bearer(&token).send().await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let begun = world.get("/fhir/r4/$export?_type=Patient,Observation").bearer(&token).send().await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    world.work().await;
    let manifest = world.get(begun.header("content-location")).bearer(&token).send().await;
    assert_eq!(manifest.status, StatusCode::OK, "{}", manifest.text());
    for file in manifest.json()["output"].as_array().expect("output") {
        let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
        assert!(!lines.is_empty() && lines.iter().all(|line| text(&line["id"]).starts_with("p1")));
    }
    // If the token has scopes, they apply; without a patient there is no own record; another role gives no access.
    for (name, value) in
        [("scope", json!("patient/Observation.rs")), ("patient", Value::Null), ("roles", json!(["USER"]))]
    {
        let mut other = claims.clone();
        match value {
            Value::Null => drop(other.as_object_mut().expect("an object").remove(name)),
            value => other[name] = value,
        }
        let response = world.get("/fhir/r4/$export?_type=Patient").bearer(&issuer.token(&other)).send().await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{name}");
    }
    Ok(())
}
