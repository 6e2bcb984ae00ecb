//! The parameters of an app's authorization request.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::SeededRandom;
use domain::clock::Random;

use crate::{BASE_URL, authorize_path};

/// The parameters of an app's authorization request.
pub struct Launch {
    pub client: String,
    pub redirect_uri: String,
    pub verifier: String,
    pub scope: String,
    pub aud: String,
    /// The `nonce`; it is sent if it is not empty.
    pub nonce: String,
}

impl Launch {
    pub fn new(client: &str) -> Self {
        let redirect_uri = match client {
            "app" => "https://app.example.org/callback",
            "other-app" => "https://other.example.org/callback",
            "lasting-app" => "https://lasting.example.org/callback",
            "signed-app" => "https://signed.example.org/callback",
            _ => "https://confidential.example.org/callback",
        };
        Self {
            client: client.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            verifier: SeededRandom::new(99).secret(),
            scope: "launch/patient offline_access patient/$ehi-export".to_owned(),
            aud: format!("{BASE_URL}/fhir"),
            nonce: String::new(),
        }
    }

    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("scope", self.scope.clone()),
            ("aud", self.aud.clone()),
            ("state", "xyz".to_owned()),
            ("code_challenge", self.challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if !self.nonce.is_empty() {
            fields.push(("nonce", self.nonce.clone()));
        }
        fields
    }

    pub fn authorize(&self) -> String {
        authorize_path(&self.fields())
    }
}
