//! Warnings about settings that are valid, but probably not intended.

use domain::scopes::ScopeLevel;

use crate::{Client, Settings};

impl Settings {
    /// Returns one text for each problem: what cannot work with these settings, and what to do. A host logs them at
    /// start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.review && self.staff.is_empty() && !self.issuers.iter().any(|issuer| issuer.staff) {
            warnings.push(
                "review = true, and nobody can review: exports of patients wait until they expire. Add [[staff]], or an \
                 issuer with staff = true, or set review = false"
                    .to_owned(),
            );
        }
        // The settings of a client also apply to tokens of other issuers.
        if self.issuers.is_empty() {
            let useless = self.clients.iter().filter_map(|client| {
                client
                    .unusable()
                    .map(|reason| format!("the client '{}' can get no token: {reason}", client.id))
            });
            warnings.extend(useless);
        }
        warnings
    }
}

impl Client {
    /// Returns the reason why this server never issues a token to the client, and what to do; `None` if it can.
    pub fn unusable(&self) -> Option<&'static str> {
        let reads_system = || {
            let level = ScopeLevel::System;
            self.scopes.readable(level).next().is_some() || self.scopes.allows_operation(level, "$ehi-export")
        };
        if self.introspects {
            None
        } else if self.scopes.is_empty() {
            Some("it has no scopes")
        } else if !self.redirect_uris.is_empty() {
            None
        } else if !self.has_keys() {
            Some("an app needs redirect_uris, and a backend service jwks or jwks_url")
        } else if !reads_system() {
            Some(
                "a backend service is granted only system/ scopes, and it has none; an app needs redirect_uris",
            )
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
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
            let issuer =
                "[[issuers]]\nissuer = \"https://i.example\"\njwks_url = \"https://i.example/jwks\"\n";
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
}
