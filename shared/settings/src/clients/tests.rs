use super::*;

fn client(more: &str) -> Client {
    toml::from_str(&format!("id = \"app\"\n{more}")).expect("a client")
}

#[test]
fn redirects_match_on_origin_path_and_query() {
    let registered = "redirect_uris = [\"https://app.example.org/cb\", \"http://127.0.0.1/cb\", \"https://app.example.org/q?a=1\"]";
    let exact = client(registered);
    let varying = client(&format!("{registered}\nvarying_redirect_query = true"));
    for (uri, by_exact, by_varying) in [
        ("https://app.example.org/cb", true, true),
        ("https://app.example.org/cb?referer=x", false, true),
        ("https://app.example.org/cb?code=x", false, false),
        ("https://app.example.org/cb?a=b&st%61te=x", false, false),
        ("https://app.example.org/cb?iss=x", false, false),
        ("https://app.example.org/cb?error=x", false, false),
        ("https://app.example.org/q?a=1", true, true),
        ("https://app.example.org/q", false, true),
        ("https://app.example.org/q?a=2", false, true),
        ("https://app.example.org:8443/cb", false, false),
        ("https://app.example.org/cb/more", false, false),
        ("https://app.example.org.evil/cb", false, false),
        ("https://user@app.example.org/cb", false, false),
        ("https://app.example.org/cb#x", false, false),
        ("http://app.example.org/cb", false, false),
        ("http://127.0.0.1:5555/cb", true, true),
        ("http://127.0.0.1:5555/other", false, false),
        ("javascript:alert(1)", false, false),
        ("//app.example.org/cb", false, false),
    ] {
        assert_eq!(exact.allows_redirect(uri), by_exact, "{uri}");
        assert_eq!(varying.allows_redirect(uri), by_varying, "{uri}, varying");
    }
    for (uri, allowed) in
        [("http:/127.0.0.1:3000/jobs", true), ("javascript:alert(1)", false), ("data:text/html,x", false)]
    {
        let url = Url::parse(uri).expect("a URL");
        assert_eq!(exact.allows_return(&url), allowed, "{uri}");
    }
}

#[test]
fn registrations_that_cannot_work_are_refused() {
    for (wrong, named) in [
        ("name = \"x\"\n[[clients]]\nid = \"staff\"", "exports that staff start"),
        ("scopes = \"system/Bogus.rs\"", "system/Bogus.rs"),
        ("scopes = \"system/*.rs access/a.write\"", "access/a.write"),
        ("redirect_uris = [\"https://app.example.org/cb?state=x\"]", "state"),
        ("redirect_uris = [\"https://app.example.org/cb#x\"]", "fragment"),
        ("introspects = true", "introspects"),
        ("name = \"x\"\n[[clients]]\nid = \"my\"", "own pages"),
        ("id_token_alg = \"HS256\"", "HS256"),
        ("id_token_alg = \"RS256\"", "rsa_keys"),
    ] {
        let text = format!("base_url = \"http://localhost:1\"\n[[clients]]\nid = \"app\"\n{wrong}");
        let errors = crate::Settings::parse(&text, |_| None, None).expect_err(wrong).to_string();
        assert!(errors.contains("clients") && errors.contains(named), "{errors}");
    }
}
