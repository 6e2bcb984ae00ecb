//! Access of bulk exports: scopes, assertions, limits, idempotency keys, cancelling.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::service::{assertion, signed};
use tests::{ANNA, TestResponse, World, text};

use super::{EVERYTHING, Lake, begin, exported, resources};
use crate::supporting::{lake, of_patient, shared};

#[tokio::test]
async fn scopes_decide_which_kick_offs_are_accepted() {
    let lake = Lake::new();
    let world = lake.world("");
    let all = world.service("service", EVERYTHING).await;
    let patients = world.service("service", "system/Patient.rs").await;
    let patient = world.tokens("app", "p1").await;
    let patient = text(&patient["access_token"]);
    for (token, path, expected) in [
        (&all, "/fhir/$export", 202),
        (&patients, "/fhir/$export", 202),
        (&patients, "/fhir/$export?_type=Patient", 202),
        (&patients, "/fhir/$export?_type=Patient,Observation", 403),
        (&patients, "/fhir/Group/all/$export", 202),
        (&patients, "/fhir/Group", 403),
        (&patient, "/fhir/$export", 403),
        (&patient, "/fhir/Patient/$export", 403),
        (&patient, "/4_0_0/Patient/$export", 403),
        (&patient, "/fhir/Group/all/$export", 403),
        (&patient, "/fhir/r4/Group/all/$export", 403),
    ] {
        let response = world.get(path).bearer(token).send().await;
        assert_eq!(response.status.as_u16(), expected, "{path}: {}", response.text());
        assert_eq!(world.get(path).send().await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

/// The token must be of the same client.
#[tokio::test]
async fn status_and_files_need_a_token_that_covers_the_export() {
    let lake = Lake::new();
    let world = lake.world("");
    let all = world.service("service", EVERYTHING).await;
    let patients = world.service("service", "system/Patient.rs").await;
    let observations = world.service("service", "system/Observation.rs").await;
    let tagged = world.service("service", "system/*.rs access/open.read").await;
    let others = world.service("direct-service", "system/*.read").await;
    let patient = world.tokens("app", "p1").await;
    let patient = text(&patient["access_token"]);
    for (starts, reads) in [
        (&all, [(&all, 200), (&patients, 403), (&tagged, 403), (&others, 404), (&patient, 404)]),
        (&patients, [(&all, 200), (&patients, 200), (&observations, 403), (&others, 404), (&patient, 404)]),
        (&tagged, [(&all, 200), (&tagged, 200), (&patients, 403), (&others, 404), (&patient, 404)]),
    ] {
        let status = begin(&world, starts, "/fhir/$export").await;
        world.work().await;
        let manifest = world.get(&status).bearer(starts).send().await.json();
        let url = text(&manifest["output"][0]["url"]);
        for (token, expected) in reads {
            for path in [status.as_str(), url.as_str()] {
                let response = world.get(path).bearer(token).send().await;
                assert_eq!(response.status.as_u16(), expected, "{path}");
            }
        }
        assert_eq!(world.get(&status).send().await.status, StatusCode::UNAUTHORIZED);
        let theirs = world.get("/jobs").bearer(starts).send().await.json();
        assert!(!theirs.as_array().expect("jobs").is_empty());
        assert_eq!(world.get("/jobs").bearer(&others).send().await.json(), json!([]));
    }
}

/// Returns the token of the patient p1 for the export of their own record.
async fn token_for_own_record(world: &World) -> String {
    let launch =
        tests::Launch { scope: "launch/patient patient/*.rs".to_owned(), ..tests::Launch::new("app") };
    let code = world.code(&launch, "p1").await;
    text(&world.redeem(&launch, &code).await.json()["access_token"])
}

#[tokio::test]
async fn a_patient_exports_their_own_record_in_the_dialect_with_roles() {
    let lake = Lake::new();
    let world = lake.world("");
    let own = token_for_own_record(&world).await;
    for path in
        ["/fhir/r4/$export?_type=Patient,Observation", "/fhir/r4/Patient/$export?_type=Patient,Observation"]
    {
        let manifest = exported(&world, &own, path).await;
        let found = resources(&world, &own, &manifest, "output").await;
        assert_eq!(found.len(), 5, "{path}");
        assert!(found.iter().all(|found| text(&found["id"]).starts_with("p1")));
    }
    let response = world.get("/fhir/r4/Patient/$export?patient=Patient/p2").bearer(&own).send().await;
    assert_eq!(response.status, StatusCode::FORBIDDEN);
}

/// A patient who exports with a token has not ticked any private topic, and nobody reviews the export.
#[tokio::test]
async fn an_export_with_the_token_of_a_patient_has_no_private_topics() {
    let refers = |id: &str, to: &str, label: &str| {
        json!({ "resourceType": "Condition", "id": id, "meta": { "security": [{ "code": label }] },
            "asserter": { "reference": to } })
    };
    let provenance = |id: &str, targets: &[&str], agent: &str| {
        let about: Vec<_> = targets.iter().map(|target| json!({ "reference": target })).collect();
        let recorded = format!("202{}-01-01T00:00:00Z", targets.len());
        json!({ "resourceType": "Provenance", "id": id, "target": about, "recorded": recorded,
            "agent": [{ "who": { "reference": agent } }] })
    };
    let person = |resource_type: &str, id: &str| shared(json!({ "resourceType": resource_type, "id": id }));
    let both = ["Condition/plain", "Condition/private"];
    let lake = lake(&[
        of_patient("p1", json!({ "resourceType": "Patient", "id": "p1" })),
        of_patient("p1", provenance("of-both", &both, "Organization/clinic")),
        of_patient("p1", provenance("of-plain", &both[..1], "Organization/ward")),
        of_patient("p1", refers("plain", "Practitioner/doc", "N")),
        of_patient("p1", refers("private", "Practitioner/psychiatrist", "PSY")),
        person("Organization", "clinic"),
        person("Organization", "ward"),
        person("Practitioner", "doc"),
        person("Practitioner", "psychiatrist"),
    ]);
    let world = World::with("sandbox = true", lake.path());
    let own = token_for_own_record(&world).await;
    let service = world.service("service", EVERYTHING).await;
    let types = "_type=Patient,Condition,Organization,Practitioner,Provenance";
    for associated in ["", "&includeAssociatedData=Relevant", "&includeAssociatedData=Latest"] {
        let associated =
            if associated.is_empty() { String::new() } else { format!("{associated}ProvenanceResources") };
        let path = format!("/fhir/r4/Patient/$export?{types}{associated}");
        let status = begin(&world, &own, &path).await;
        world.work().await;
        let manifest = world.get(&status).bearer(&own).send().await.json();
        let found = resources(&world, &own, &manifest, "output").await;
        let mut found: Vec<_> = found.iter().map(tests::reference).collect();
        found.sort();
        let expected =
            ["Condition/plain", "Organization/ward", "Patient/p1", "Practitioner/doc", "Provenance/of-plain"];
        assert_eq!(found, expected, "{path}");
        let job = status.rsplit('/').next().expect("a job");
        let job = world.get(&format!("/jobs/{job}/metadata")).bearer(&own).send().await.json();
        assert_eq!(job["withheld"], json!({ "mentalHealth": 2 }), "{path}");
        // A registered service gets what its scopes and tags cover. The Provenance of both is later than the other one.
        let manifest = exported(&world, &service, &path).await;
        let expected = if path.contains("Latest") { 7 } else { 9 };
        assert_eq!(resources(&world, &service, &manifest, "output").await.len(), expected, "{path}");
    }
}

/// The name of a mistake in an assertion, and the change that makes it.
type Change = (&'static str, fn(&mut Value, &mut Value));

#[tokio::test]
async fn invalid_assertions_are_invalid_client() {
    let world = World::new();
    let now = world.now();
    let ask = async |change: &dyn Fn(&mut Value, &mut Value)| -> TestResponse {
        let (mut header, mut claims) = assertion("service", now);
        change(&mut header, &mut claims);
        world.by_assertion(&signed(&header, &claims), EVERYTHING).await
    };
    let good = ask(&|_, _| {}).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    let rsa = ask(&|header, _| (header["alg"], header["kid"]) = (json!("RS384"), json!("rsa"))).await;
    assert_eq!(rsa.status, StatusCode::OK, "{}", rsa.text());
    let body = good.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(300), &json!(EVERYTHING))
    );
    assert!(body.get("refresh_token").is_none());
    assert_eq!(good.header("cache-control"), "no-store");
    let changes: [Change; 13] = [
        ("the other key's algorithm", |header, _| header["alg"] = json!("RS384")),
        ("algorithm", |header, _| header["alg"] = json!("HS256")),
        ("kid", |header, _| header["kid"] = json!("another")),
        ("no kid", |header, _| drop(header.as_object_mut().expect("an object").remove("kid"))),
        ("jku", |header, _| header["jku"] = json!("https://evil.example.org/jwks")),
        ("typ", |header, _| header["typ"] = json!("JOSE")),
        ("iss", |_, claims| claims["iss"] = json!("other-service")),
        ("sub", |_, claims| claims["sub"] = json!("app")),
        ("aud", |_, claims| claims["aud"] = json!("https://evil.example.org")),
        ("expired", |_, claims| claims["exp"] = json!(claims["exp"].as_i64().expect("a number") - 400)),
        ("too long", |_, claims| claims["exp"] = json!(claims["exp"].as_i64().expect("a number") + 60)),
        ("no jti", |_, claims| claims["jti"] = json!("")),
        ("nbf", |_, claims| claims["nbf"] = json!(claims["exp"])),
    ];
    for (what, change) in changes {
        let response = ask(&change).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{what}: {}", response.text());
        assert_eq!(response.json()["error"], "invalid_client", "{what}");
    }
    let (header, claims) = assertion("service", now);
    let once = signed(&header, &claims);
    assert_eq!(world.by_assertion(&once, EVERYTHING).await.status, StatusCode::OK);
    assert_eq!(world.by_assertion(&once, EVERYTHING).await.json()["error"], "invalid_client", "replayed");
    let mut broken = once.clone();
    broken.replace_range(once.len() - 4.., "AAAA");
    assert_eq!(world.by_assertion(&broken, EVERYTHING).await.json()["error"], "invalid_client", "signature");
    let (header, claims) = assertion("service", now);
    let wrong = world.by_assertion(&signed(&header, &claims), "patient/*.rs").await;
    assert_eq!(wrong.json()["error"], "invalid_scope");
    let (header, claims) = assertion("other-service", now);
    let narrowed = world.by_assertion(&signed(&header, &claims), "system/*.rs").await.json();
    assert_eq!(narrowed["scope"], "system/Patient.rs system/Observation.rs?category=laboratory");
    // A backend service has no other grant.
    let response = world
        .post("/auth/token")
        .form(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "service")])
        .send()
        .await;
    assert_ne!(response.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_has_a_limited_number_of_running_exports() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("direct-service", "system/*.read").await;
    let kick_offs = (0..200).map(|_| world.get("/fhir/$export").bearer(&token).send());
    let responses = futures_util::future::join_all(kick_offs).await;
    let accepted: Vec<_> =
        responses.iter().filter(|response| response.status == StatusCode::ACCEPTED).collect();
    assert_eq!(accepted.len(), 3);
    let refused =
        responses.iter().find(|response| response.status == StatusCode::TOO_MANY_REQUESTS).expect("refused");
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
    refused.outcome();
    assert!(responses.iter().all(|response| [202, 429].contains(&response.status.as_u16())));
    // A DELETE frees the slot at once.
    for _ in 0..4 {
        let status = accepted[0].header("content-location");
        let first = world.request(Method::DELETE, status).bearer(&token).send().await;
        assert!([202, 404].contains(&first.status.as_u16()));
        let next = world.get("/fhir/$export").bearer(&token).send().await;
        assert_eq!(next.status, StatusCode::ACCEPTED);
        let status = next.header("content-location");
        assert_eq!(
            world.request(Method::DELETE, status).bearer(&token).send().await.status,
            StatusCode::ACCEPTED
        );
    }
    world.work().await;
    assert_eq!(world.get("/fhir/$export").bearer(&token).send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let ask = |path: &'static str, key: &'static str| {
        world.get(path).bearer(&token).header("idempotency-key", key).send()
    };
    let responses = futures_util::future::join_all((0..50).map(|_| ask("/fhir/$export", "k1"))).await;
    let jobs: BTreeSet<_> = responses.iter().map(|response| response.header("content-location")).collect();
    assert!(responses.iter().all(|response| response.status == StatusCode::ACCEPTED));
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let other = ask("/fhir/$export?_type=Patient", "k1").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    other.outcome();
    assert!(!jobs.contains(&ask("/fhir/$export", "k2").await.header("content-location")));
    let others = world.service("direct-service", "system/*.read").await;
    let response = world.get("/fhir/$export").bearer(&others).header("idempotency-key", "k1").send().await;
    assert!(!jobs.contains(&response.header("content-location")), "another client's key");
    world.advance(24 * 3600 + 1);
    let token = world.service("service", EVERYTHING).await;
    let later = world.get("/fhir/$export").bearer(&token).header("idempotency-key", "k1").send().await;
    assert!(!jobs.contains(&later.header("content-location")), "a day later");
}

/// A kick-off that is repeated many times at once takes one slot; a key whose job was deleted starts a new job.
#[tokio::test]
async fn a_repeated_kick_off_takes_one_slot() {
    let lake = Lake::new();
    let world = lake.world("");
    // This client may have three exports at once.
    let token = world.service("direct-service", "system/*.read").await;
    let ask = |key: &str| {
        let request = world.get("/fhir/$export").bearer(&token).header("idempotency-key", key);
        request.send()
    };
    let responses = futures_util::future::join_all((0..20).map(|_| ask("k1"))).await;
    let jobs: BTreeSet<_> =
        responses.iter().map(|response| response.header("content-location").to_owned()).collect();
    assert!(responses.iter().all(|response| response.status == StatusCode::ACCEPTED), "{}", responses.len());
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(ask("k2").await.status, StatusCode::ACCEPTED);
    assert_eq!(ask("k3").await.status, StatusCode::ACCEPTED);
    assert_eq!(ask("k4").await.status, StatusCode::TOO_MANY_REQUESTS);
    let first = jobs.first().expect("a job");
    let deleted = world.request(Method::DELETE, first).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    let responses = futures_util::future::join_all((0..20).map(|_| ask("k1"))).await;
    let again: BTreeSet<_> =
        responses.iter().map(|response| response.header("content-location").to_owned()).collect();
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(!again.contains(first), "the key of a deleted job starts a new one");
    let status = world.get(again.first().expect("a job")).bearer(&token).send().await;
    assert_eq!(status.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_export_can_be_cancelled_at_every_step() -> tests::Result {
    let lake = Lake::new();
    let mut step = 0;
    loop {
        let world = lake.world("chunk_bytes = 3000");
        let token = world.service("service", EVERYTHING).await;
        let status =
            begin(&world, &token, "/fhir/$export?_minimumFileSize=1000000&_since=2020-01-01T00:00:00Z").await;
        let mut over = false;
        for _ in 0..step {
            over = !world.step().await;
        }
        let cancelled = world.request(Method::DELETE, &status).bearer(&token).send().await;
        assert_eq!(cancelled.status, StatusCode::ACCEPTED, "step {step}");
        world.work().await;
        assert_eq!(world.get(&status).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
        world.clean().await;
        let files = world.platform().files();
        assert_eq!(files.list("exports/").await.expect("a list"), Vec::<String>::new(), "step {step}");
        if over {
            break;
        }
        step += 1;
    }
    assert!(step > 8, "{step}");
    Ok(())
}

#[tokio::test]
async fn an_ehi_export_is_not_visible_to_bulk_clients() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let service = world.service("service", EVERYTHING).await;
    assert_eq!(
        world.get(&format!("{job}/status")).bearer(&service).send().await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
}
