//! The settings page of administrators. It shows the effective values and no secret.

use askama::Template;
use domain::roles::Roles;
use settings::Settings;
use words::Words;

use crate::pages::filters;
use crate::request_context;

#[derive(Template)]
#[template(path = "staff_settings.html")]
pub struct SettingsPage {
    pub username: String,
    /// The name and the value of each setting.
    pub values: Vec<(String, String)>,
    /// The accounts of staff and their roles.
    pub staff: Vec<(String, String)>,
    /// The issuers that staff tokens are accepted from: the issuer, the role name in the token, and the roles on this server.
    pub issuers: Vec<(String, String, String)>,
    /// The warnings about the settings, in English.
    pub warnings: Vec<String>,
}

impl SettingsPage {
    pub fn new(username: String, settings: &Settings) -> Self {
        let words = request_context::words();
        let yes_or_no = |is_set: bool| words.text(if is_set { "settings-yes" } else { "settings-no" }, &[]);
        let days = |retention: jiff::SignedDuration| {
            let days = u64::try_from(retention.as_hours() / 24).unwrap_or_default();
            words.text("settings-days", &[("days", &words.number(days))])
        };
        let values = [
            ("settings-address", settings.base_url.clone()),
            ("settings-review", yes_or_no(settings.review)),
            ("settings-sandbox", yes_or_no(settings.sandbox)),
            ("settings-unfinished", days(settings.retention.unfinished)),
            ("settings-audit", days(settings.audit_retention)),
            ("settings-digest", settings.digest.clone()),
        ];
        let staff = settings.staff.iter();
        let staff = staff.map(|account| (account.username.clone(), in_words(&account.roles, &words)));
        let issuers = settings.issuers.iter().filter(|issuer| issuer.staff).flat_map(|issuer| {
            let roles = issuer.staff_roles.iter();
            roles.map(|(name, roles)| (issuer.issuer.clone(), name.clone(), in_words(roles, &words)))
        });
        Self {
            username,
            values: values.map(|(key, value)| (words.text(key, &[]), value)).into(),
            staff: staff.collect(),
            issuers: issuers.collect(),
            warnings: settings.warnings(),
        }
    }
}

fn in_words(roles: &Roles, words: &Words) -> String {
    let names: Vec<_> = roles.iter().map(|role| words.text(&format!("role-{}", role.name()), &[])).collect();
    names.join(", ")
}
