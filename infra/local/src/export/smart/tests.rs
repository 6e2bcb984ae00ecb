use super::*;

/// A server that is reached with encryption may name URLs without it, such as that of the status or of a file.
#[tokio::test]
async fn the_token_of_an_encrypted_server_is_never_sent_without_encryption() {
    let session = |base: &str, token: Option<&str>| {
        let (client, patience) = (Client::new(), Patience::none());
        match token {
            Some(token) => Session::with_token(client, patience, base, token.to_owned()),
            None => Session::without_token(client, patience, base),
        }
    };
    // No process listens on port 1, so a request that is sent fails too, but with another error.
    let url = "http://127.0.0.1:1/status?key=1";
    for (base, token, is_sent) in [
        ("https://127.0.0.1:1/fhir", Some("secret"), false),
        ("https://127.0.0.1:1/fhir", None, true),
        ("http://127.0.0.1:1/fhir", Some("secret"), true),
    ] {
        let session = session(base, token).expect("a session");
        let sent = session.send(Method::GET, url, |request| request).await;
        let text = sent.expect_err("an error").failure.to_string();
        let refused =
            "the token is not sent to http://127.0.0.1:1/status, because the connection is not encrypted";
        assert_eq!(text.contains(refused), !is_sent, "{base}: {text}");
        assert_eq!(text.contains("cannot be reached"), is_sent, "{base}: {text}");
    }
}
