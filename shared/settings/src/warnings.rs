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
        if !self.patients_can_sign_in() && self.patients_can_export() {
            warnings.push(
                "patients cannot sign in on the pages of this server, because there are no accounts: they can open the form of \
                 an export only by its link, and they cannot see or end their exports. Add [[accounts]]"
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

    /// Returns whether somebody may start the export of one patient: an app, or a user of another issuer.
    fn patients_can_export(&self) -> bool {
        let is_app = |client: &Client| client.scopes.allows_operation(ScopeLevel::Patient, "$ehi-export");
        !self.issuers.is_empty() || self.clients.iter().any(is_app)
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
mod tests;
