use super::*;

const KEYS: &str = "jwks_url = \"https://a.example/jwks\"";
const ACCOUNT: &str = "[[accounts]]\nusername = \"anna\"\npatient = \"anna\"\n\
    password_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n";
const REDIRECT: &str = "redirect_uris = [\"https://a.example/cb\"]";

fn warnings(text: &str) -> Vec<String> {
    let text = format!("base_url = \"http://localhost:1\"\n{text}");
    Settings::parse(&text, |_| None, None).expect("settings").warnings()
}

#[test]
fn a_client_that_can_get_no_token_is_named() {
    for (client, part) in [
        ("scopes = \"patient/*.rs\"", Some("redirect_uris")),
        (REDIRECT, Some("no scopes")),
        (KEYS, Some("no scopes")),
        (&format!("{KEYS}\nscopes = \"patient/*.rs\""), Some("system/")),
        (&format!("{KEYS}\nscopes = \"system/*.rs\""), None),
        (&format!("{KEYS}\nscopes = \"system/$ehi-export\""), None),
        (&format!("{KEYS}\nintrospects = true"), None),
        (&format!("{REDIRECT}\nscopes = \"patient/*.rs\""), None),
    ] {
        let found = warnings(&format!("review = false\n[[clients]]\nid = \"app\"\n{client}"));
        match part {
            Some(part) => {
                assert_eq!(found.len(), 1, "{client}: {found:?}");
                assert!(found[0].contains("'app'") && found[0].contains(part), "{client}: {found:?}");
            }
            None => assert_eq!(found, Vec::<String>::new(), "{client}"),
        }
        // Tokens of other issuers may have this client id.
        let issuer = "[[issuers]]\nissuer = \"https://i.example\"\njwks_url = \"https://i.example/jwks\"\n";
        let found =
            warnings(&format!("review = false\n{ACCOUNT}{issuer}[[clients]]\nid = \"app\"\n{client}"));
        assert_eq!(found, Vec::<String>::new(), "{client}");
    }
}

#[test]
fn a_review_without_staff_is_named() {
    let issuer = "[[issuers]]\nissuer = \"https://i.example\"\njwks_url = \"https://i.example/jwks\"\n";
    for (text, count) in [
        (String::new(), 1),
        ("review = false".to_owned(), 0),
        (issuer.to_owned(), 1),
        (format!("{issuer}staff = true"), 0),
    ] {
        // The account comes first, because the last case adds a key to the table of the issuer.
        let text = if text.starts_with('[') { format!("{ACCOUNT}{text}") } else { text };
        assert_eq!(warnings(&text).len(), count, "{text}");
    }
}

#[test]
fn patients_who_cannot_sign_in_are_named() {
    let issuer = "[[issuers]]\nissuer = \"https://i.example\"\njwks_url = \"https://i.example/jwks\"\n";
    let client = format!("[[clients]]\nid = \"app\"\n{REDIRECT}\nscopes = \"patient/$ehi-export\"\n");
    let service = format!("[[clients]]\nid = \"app\"\n{KEYS}\nscopes = \"system/$ehi-export\"\n");
    for (text, is_named) in [
        (issuer.to_owned(), true),
        (client.clone(), true),
        (service, false),
        (format!("{ACCOUNT}{issuer}"), false),
        (format!("{ACCOUNT}{client}"), false),
    ] {
        let found = warnings(&format!("review = false\n{text}"));
        assert_eq!(
            found.iter().any(|warning| warning.contains("[[accounts]]")),
            is_named,
            "{text} {found:?}"
        );
    }
    assert_eq!(warnings(&format!("review = false\nsandbox = true\n{client}")), Vec::<String>::new());
}
