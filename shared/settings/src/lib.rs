//! The settings. They are read once, at start, from a TOML file and from environment variables, which replace the values
//! of the file. Every wrong setting is named. This crate knows nothing of routes or adapters.

mod accounts;
mod clients;
mod environment;
mod issuers;
pub mod limits;
mod mail;
mod pages;
mod reader;
pub mod resources;
mod times;
mod urls;
mod warnings;

use std::path::Path;

use crypto::rsa::RsaKey;
use domain::request::{Base, SandboxShortcut};
use domain::retention::Retention;
use fhir::references::OwnBases;
use ipnet::IpNet;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::accounts::{PatientAccount, SignInMethod, StaffAccount};
pub use self::clients::{Client, IdTokenAlg, IssuerKeys, LargeFiles, LinkStyle, OWN_PAGES, RefreshTokens};
use self::environment::unknown_variables;
pub use self::environment::{has_variable, log_filter};
pub use self::issuers::Issuer;
pub use self::limits::Limits;
pub use self::mail::{Encryption, Mail};
pub use self::pages::{Accent, Logo, Pages};
use self::reader::Reader;
use self::times::{audit_retention, hours, records_delay};
use self::urls::problem_of_base_url;
pub use self::urls::{FIRST_SEGMENTS, is_loopback, origin_of};

/// All settings. [`KEYS`] lists their names.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The absolute public base URL, without a slash at the end. Every URL that the server returns starts with it.
    pub base_url: String,
    /// Whether users pick a patient instead of signing in, and the shortcuts `/auto-approve` and `/no-form` exist.
    pub sandbox: bool,
    /// Whether staff review an export before the patient's app can download it.
    pub review: bool,
    pub retention: Retention,
    /// The retention of entries of the audit trail.
    pub audit_retention: SignedDuration,
    /// The lifetime of an access token.
    pub token_lifetime: SignedDuration,
    /// The lifetime of a refresh token since its last use.
    pub refresh_lifetime: SignedDuration,
    /// RSA keys (PKCS #8, PEM). The first one signs ID tokens with RS256, and all are in the server's key set.
    rsa_keys: Vec<SecretString>,
    /// The number of stored bytes that a chunk of an export should have.
    pub chunk_bytes: u64,
    /// The number of stored bytes above which the record of one patient is exported by the workers for large exports.
    pub large_record_bytes: u64,
    /// The longest time for which an export waits for a store that does not respond.
    pub outage: SignedDuration,
    /// The maximum number of concurrent exports of one client.
    pub max_running_exports: u64,
    /// The longest time that a change takes from the source of the records into the record store.
    pub records_delay: SignedDuration,
    /// Whether all data of a group's member who joined after `_since` is exported, and not only new data.
    pub whole_record_of_new_members: bool,
    /// The maximum size of a file that staff can attach.
    pub max_upload_bytes: u64,
    /// The maximum size of a file that is returned in one response. For a larger one, clients are redirected to the store.
    /// There is no limit if it is not set.
    pub max_direct_bytes: u64,
    /// The maximum size of a copy whose ZIP is made in the store during a request. Workers make larger ones.
    pub max_immediate_zip_bytes: u64,
    /// The URL of the documentation of the exported files: by default this server's own page, `/format`.
    pub documentation_url: String,
    /// `SameSite` of the staff cookie: `Lax`, or `None` for a staff app of another site.
    pub cookie_same_site: SameSite,
    /// Origins of staff apps that may send requests with the staff cookie.
    pub staff_origins: Vec<String>,
    pub clients: Vec<Client>,
    /// The client of the exports that patients start on their own pages; it is not among `clients`.
    pub own_pages: Client,
    pub staff: Vec<StaffAccount>,
    pub accounts: Vec<PatientAccount>,
    pub issuers: Vec<Issuer>,
    /// Proxies in front of the server, whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The format of the log on one machine.
    pub log_format: LogFormat,
    /// The design of the pages, and their texts about the organization.
    pub pages: Pages,
    /// The mail server that sends mails to patients; `None` if patients get none.
    pub mail: Option<Mail>,
    /// The limits that protect the server from exhaustion.
    pub limits: Limits,
    /// The SHA-256 of all settings, hexadecimal. Two servers with the same settings have the same digest.
    pub digest: String,
}

/// `SameSite` of the staff cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    Lax,
    None,
}

/// The format of the log on one machine: lines for people, or JSON for a log service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The names of the settings in a file. The environment variable of a setting is `EHI_` and the name in capitals.
pub const KEYS: &[&str] = &[
    "base_url",
    "sandbox",
    "sandbox_in_public",
    "review",
    "retention_seconds",
    "unfinished_retention_seconds",
    "audit_retention_years",
    "token_lifetime_seconds",
    "refresh_lifetime_seconds",
    "rsa_keys",
    "chunk_bytes",
    "large_record_bytes",
    "outage_hours",
    "undo_hours",
    "max_running_exports",
    "whole_record_of_new_members",
    "records_delay_minutes",
    "max_upload_bytes",
    "max_direct_bytes",
    "max_immediate_zip_bytes",
    "documentation_url",
    "cookie_same_site",
    "staff_origins",
    "clients",
    "staff",
    "accounts",
    "issuers",
    "trusted_proxies",
    "log_format",
    "pages",
    "mail",
    "limits",
];

/// All problems of the settings, one per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

impl Settings {
    /// Returns how many unfinished exports a client may have; `None` is a client of another server.
    pub fn max_running_exports_of(&self, client: Option<&Client>) -> u64 {
        client.and_then(|client| client.max_running_exports).unwrap_or(self.max_running_exports)
    }

    /// Reads the file, or `defaults` if there is none, and the environment of the process, which has priority.
    pub fn load(
        file: Option<&Path>,
        defaults: &str,
        default_base_url: Option<&str>,
    ) -> Result<Self, InvalidSettings> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| InvalidSettings(vec![format!("cannot read {}: {error}", path.display())]))?,
            None => defaults.to_owned(),
        };
        Self::of_environment(&text, default_base_url)
    }

    /// Reads settings from the text of a file, and from the environment of the process, which has priority.
    pub fn of_text(text: &str) -> Result<Self, InvalidSettings> {
        Self::of_environment(text, None)
    }

    #[expect(clippy::disallowed_methods, reason = "the settings read the environment")]
    fn of_environment(text: &str, default_base_url: Option<&str>) -> Result<Self, InvalidSettings> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let unknown = unknown_variables(names);
        match Self::parse(text, |name| std::env::var(name).ok(), default_base_url) {
            Ok(settings) if unknown.is_empty() => Ok(settings),
            Ok(_) => Err(InvalidSettings(unknown)),
            Err(InvalidSettings(errors)) => Err(InvalidSettings([errors, unknown].concat())),
        }
    }

    /// Reads settings from the text of a file and from variables, which have priority.
    pub fn parse(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
        default_base_url: Option<&str>,
    ) -> Result<Self, InvalidSettings> {
        let mut read = Reader::new(text, KEYS, &variable);
        let of_limits = limits::LIMITS.iter().map(|limit| limits::variable_of(limit.name));
        let digest = read.digest(of_limits.filter_map(|name| Some(format!("{name}={}", variable(&name)?))));
        let limits = Limits::read(&mut read, &variable);
        let defaults = Retention::default();
        let base_url = read.text("base_url").or_else(|| default_base_url.map(str::to_owned));
        let base_url = base_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        let in_public = read.flag("sandbox_in_public").unwrap_or(false);
        let documentation_url =
            read.text("documentation_url").unwrap_or_else(|| format!("{base_url}/format"));
        let settings = Self {
            base_url,
            sandbox: read.flag("sandbox").unwrap_or(false),
            review: read.flag("review").unwrap_or(true),
            retention: Retention {
                finished: read.seconds("retention_seconds").unwrap_or(defaults.finished),
                unfinished: read.seconds("unfinished_retention_seconds").unwrap_or(defaults.unfinished),
                gone: defaults.gone,
                undo: hours(&mut read, "undo_hours", 24, 0..=168),
            },
            audit_retention: audit_retention(&mut read),
            token_lifetime: read.seconds("token_lifetime_seconds").unwrap_or(SignedDuration::from_mins(15)),
            refresh_lifetime: read
                .seconds("refresh_lifetime_seconds")
                .unwrap_or(SignedDuration::from_hours(24 * 30)),
            rsa_keys: read.list("rsa_keys"),
            chunk_bytes: read.count("chunk_bytes").unwrap_or(128 * 1024 * 1024),
            large_record_bytes: read.count("large_record_bytes").unwrap_or(512 * 1024 * 1024),
            // Three days, because SQS delivers a message only 1,000 times.
            outage: hours(&mut read, "outage_hours", 6, 1..=72),
            records_delay: records_delay(&mut read),
            max_running_exports: read.count("max_running_exports").unwrap_or(10),
            whole_record_of_new_members: read.flag("whole_record_of_new_members").unwrap_or(true),
            max_upload_bytes: read.count("max_upload_bytes").unwrap_or(10 * 1024 * 1024),
            max_direct_bytes: read.count("max_direct_bytes").unwrap_or(u64::MAX),
            max_immediate_zip_bytes: read.count("max_immediate_zip_bytes").unwrap_or(64 * 1024 * 1024),
            documentation_url,
            cookie_same_site: read
                .choice("cookie_same_site", [("Lax", SameSite::Lax), ("None", SameSite::None)]),
            staff_origins: read.list("staff_origins"),
            clients: read.list("clients"),
            own_pages: Client::own_pages(),
            staff: read.list("staff"),
            accounts: read.list("accounts"),
            issuers: read.list("issuers"),
            trusted_proxies: networks(&mut read),
            log_format: read.choice("log_format", [("text", LogFormat::Text), ("json", LogFormat::Json)]),
            pages: Pages::read(&mut read),
            mail: Mail::read(&mut read),
            limits,
            digest,
        };
        settings.check(&mut read, in_public);
        let errors = read.finish();
        if errors.is_empty() { Ok(settings) } else { Err(InvalidSettings(errors)) }
    }

    fn check(&self, read: &mut Reader, in_public: bool) {
        if let Some(problem) = problem_of_base_url(&self.base_url) {
            read.wrong("base_url", problem);
        }
        let is_on_loopback = Url::parse(&self.base_url).is_ok_and(|url| is_loopback(&url));
        if self.sandbox && !in_public && !is_on_loopback {
            read.wrong(
                "sandbox",
                "lets anybody pick any patient, so it needs a base_url on loopback or sandbox_in_public = true",
            );
        }
        if self.cookie_same_site == SameSite::None && !self.secure_cookies() {
            read.wrong("cookie_same_site", "\"None\" needs an https base_url");
        }
        if self.token_lifetime > SignedDuration::from_hours(1) {
            read.wrong("token_lifetime_seconds", "must be at most 3600 (SMART App Launch 2.2)");
        }
        let most = self.clients.iter().filter_map(|client| client.max_running_exports);
        if most.chain([self.max_running_exports]).any(|most| !(1..=100).contains(&most)) {
            read.wrong("max_running_exports", "must be from 1 to 100, in the settings of a client as well");
        }
        if self.chunk_bytes == 0 {
            read.wrong("chunk_bytes", "must be at least 1");
        }
        if let Err(error) = RsaKey::all(self.rsa_keys()) {
            read.wrong("rsa_keys", &error.to_string());
        }
        for client in &self.clients {
            client.check(read);
            if client.id_token_alg == Some(IdTokenAlg::RS256) && self.rsa_keys.is_empty() {
                read.wrong(
                    "clients",
                    &format!("'{}' has id_token_alg = \"RS256\", which needs rsa_keys", client.id),
                );
            }
            if self.clients.iter().filter(|other| other.id == client.id).count() > 1 {
                read.wrong("clients", &format!("has '{}' more than once", client.id));
            }
        }
        for origin in &self.staff_origins {
            if origin_of(origin).as_deref() != Some(origin) {
                read.wrong(
                    "staff_origins",
                    &format!("has '{origin}', which is not an origin such as https://staff.example.org"),
                );
            }
        }
        for issuer in &self.issuers {
            issuer.check(read);
        }
        for account in &self.staff {
            account.check(read);
        }
        for account in &self.accounts {
            account.check(read);
        }
    }

    /// Returns the RSA keys in PEM.
    pub fn rsa_keys(&self) -> impl Iterator<Item = &str> {
        self.rsa_keys.iter().map(ExposeSecret::expose_secret)
    }

    /// Returns whether there is an RSA key, so that ID tokens can be signed with RS256.
    pub fn has_rsa_keys(&self) -> bool {
        !self.rsa_keys.is_empty()
    }

    /// Returns the algorithm of a client's ID tokens: its own setting, or else RS256 if there is an RSA key, or else
    /// ES256.
    pub fn id_token_alg(&self, client: &Client) -> IdTokenAlg {
        let usual = if self.rsa_keys.is_empty() { IdTokenAlg::ES256 } else { IdTokenAlg::RS256 };
        client.id_token_alg.unwrap_or(usual)
    }

    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id.as_str() == id)
    }

    /// Returns the base URLs below which an absolute reference refers to a resource of this server.
    pub fn own_bases(&self) -> OwnBases {
        let under = |prefix: SandboxShortcut| {
            Base::ALL.map(|base| self.url(&format!("{}{}", prefix.path, base.path())))
        };
        OwnBases::new(SandboxShortcut::ALL.into_iter().flat_map(under))
    }

    /// Returns the absolute URL of a path of this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Returns the path of the public base URL, without a slash at the end. It is mostly empty.
    pub fn path(&self) -> String {
        let url = Url::parse(&self.base_url);
        url.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// Returns whether cookies have the attribute `Secure`, because the base URL is https.
    pub fn secure_cookies(&self) -> bool {
        Url::parse(&self.base_url).is_ok_and(|url| url.scheme() == "https")
    }

    /// Returns the origin of this server, as browsers send it.
    pub fn origin(&self) -> String {
        origin_of(&self.base_url).unwrap_or_default()
    }

    /// Returns the prefixes of the FHIR bases: the empty one, and in a sandbox the shortcuts.
    pub fn prefixes(&self) -> &'static [SandboxShortcut] {
        if self.sandbox { &SandboxShortcut::ALL } else { &SandboxShortcut::ALL[..1] }
    }

    /// Returns whether `url` is a FHIR base URL of this server, with or without a slash at the end.
    pub fn is_fhir_base(&self, url: &str) -> bool {
        let path = url.trim_end_matches('/').strip_prefix(&self.base_url);
        path.is_some_and(|path| {
            self.prefixes().iter().any(|prefix| {
                path.strip_prefix(prefix.path)
                    .is_some_and(|rest| Base::ALL.iter().any(|base| base.path() == rest))
            })
        })
    }
}

/// Reads `trusted_proxies`, which are addresses and networks.
fn networks(read: &mut Reader) -> Vec<IpNet> {
    let texts: Vec<String> = read.list("trusted_proxies");
    let network = |text: &String| {
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        if network.is_err() {
            read.wrong(
                "trusted_proxies",
                &format!("has '{text}', which is not an address such as 127.0.0.1 or 10.0.0.0/8"),
            );
        }
        network.ok()
    };
    texts.iter().filter_map(network).collect()
}

#[cfg(test)]
mod tests;
