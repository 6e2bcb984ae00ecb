use super::*;

const KEYS: &str = "jwks_url = \"https://a.example/jwks\"";
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
        let found = warnings(&format!("review = false\n{issuer}[[clients]]\nid = \"app\"\n{client}"));
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
        assert_eq!(warnings(&text).len(), count, "{text}");
    }
}
