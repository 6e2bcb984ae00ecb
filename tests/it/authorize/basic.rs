//! HTTP Basic authentication: ids and secrets with any characters, urlencoded (RFC 6749, 2.3.1) or as they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::SeededRandom;
use http::StatusCode;
use tests::{World, settings};

const ID: &str = "a+b=c&d%:e";
const SECRETS: [&str; 6] =
    ["one=two&three+four%five:six", "plus+plus", "space plus+", "Zürich/8%41", "raw%41", "raw+%2B%20"];

/// A function that encodes an id or a secret.
type Encode = fn(&str) -> String;

fn encoded_as_form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn encoded_as_component(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Returns a World with a client for each secret. The id of the last one has special characters.
fn world(limits: &str) -> (World, Vec<(String, &'static str)>) {
    let mut all = settings(&format!("sandbox = true\n{limits}"));
    let mut clients = Vec::new();
    for (number, secret) in SECRETS.into_iter().enumerate() {
        let hash = security::passwords::hash(secret, &SeededRandom::new(1)).expect("a hash");
        for id in [format!("client-{number}"), format!("{number}{ID}").replace(':', "")] {
            let client = format!(
                "[[clients]]\nid = '{id}'\nscopes = \"system/Patient.r\"\nsecret_hash = \"{hash}\"\n\
                 introspects = true\n"
            );
            all.push_str(&client);
            clients.push((id, secret));
        }
    }
    (World::of(&all, &ehi::defaults::sample_records()), clients)
}

async fn introspect(world: &World, id: &str, secret: &str) -> StatusCode {
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let call = world.post("/auth/introspect").from("198.51.100.1").header("authorization", &basic);
    call.form(&[("token", "x")]).send().await.status
}

#[tokio::test]
async fn ids_and_secrets_may_have_special_characters() {
    let (world, clients) = world("");
    let encodings: [(&str, Encode); 3] =
        [("form", encoded_as_form), ("component", encoded_as_component), ("raw", str::to_owned)];
    for (id, secret) in &clients {
        for (name, encode) in encodings {
            let status = introspect(&world, &encode(id), &encode(secret)).await;
            assert_eq!(status, StatusCode::OK, "{id} {secret} as {name}");
            // The beginning of the secret is not enough, whatever the encoding is.
            let beginning = secret.split(['=', '+', ' ', '/', '%']).next().unwrap_or_default();
            for wrong in [beginning, ""] {
                let status = introspect(&world, &encode(id), &encode(wrong)).await;
                assert_ne!(status, StatusCode::OK, "{id} {wrong} as {name}");
            }
            world.advance(300);
        }
    }
}

/// `+` and `%41` have several readings, and together they are one attempt.
#[tokio::test]
async fn a_secret_with_several_readings_is_one_attempt() {
    for guess in ["wrong", "wrong+", "wrong%41", "wrong+%41"] {
        let (world, _) = world("limits = { login_attempts_by_address = 3 }");
        let mut statuses = Vec::new();
        for number in 0..5 {
            statuses.push(introspect(&world, "client-1", &format!("{guess}{number}")).await);
        }
        let (wrong, later) = (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(statuses, [wrong, wrong, wrong, later, later], "{guess}");
    }
}

/// A client that does not encode its secret must not be taken for another one, nor the encoded text for the secret.
#[tokio::test]
async fn only_the_secret_is_right_in_either_reading() {
    let (world, clients) = world("");
    let (id, _) = clients.iter().find(|(_, secret)| *secret == "raw%41").expect("a client");
    for (sent, expected) in [
        ("raw%41", StatusCode::OK),
        ("raw%2541", StatusCode::OK),
        ("rawA", StatusCode::UNAUTHORIZED),
        ("raw%252541", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(introspect(&world, id, sent).await, expected, "{sent}");
    }
}
