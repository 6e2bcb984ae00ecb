//! `[mail]`: the mail server that sends mails to patients.

use domain::email::EmailAddress;
use secrecy::SecretString;
use serde::Deserialize;
use toml::Value;
use url::Url;

use crate::is_loopback;
use crate::reader::Reader;

/// The mail server, and the sender of the mails.
#[derive(Debug, Clone)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// The user name and the password at the mail server; `None` for a server that needs none.
    pub credentials: Option<(String, SecretString)>,
    pub from: EmailAddress,
    pub reply_to: Option<EmailAddress>,
}

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// With TLS from the start (RFC 8314).
    Tls,
    /// With STARTTLS. A server that does not offer it gets no mail.
    StartTls,
    /// Not at all, because the server is on this machine.
    Loopback,
}

/// The table as it is in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    server: String,
    from: String,
    user: Option<String>,
    /// Any value, so that no error message of the parser shows it.
    password: Option<Value>,
    reply_to: Option<String>,
}

impl Mail {
    /// Reads `[mail]`; `None` if there is no such section, or if it cannot be used. Every problem is named, and none of
    /// the texts contains the password.
    pub(super) fn read(read: &mut Reader) -> Option<Self> {
        let table = match Value::Table(read.table("mail")?).try_into::<Table>() {
            Ok(table) => table,
            Err(error) => {
                read.wrong("mail", error.message());
                return None;
            }
        };
        let mut address = |key: &str, text: &str| {
            let address = EmailAddress::parse(text);
            if address.is_none() {
                read.wrong(key, "must be an e-mail address without a name, such as records@example.org");
            }
            address
        };
        let from = address("mail.from", &table.from);
        let reply_to = table.reply_to.as_deref().and_then(|text| address("mail.reply_to", text));
        let password = match table.password {
            Some(Value::String(password)) => Some(SecretString::from(password)),
            Some(_) => {
                read.wrong("mail.password", "must be a text, in quotation marks");
                return None;
            }
            None => None,
        };
        let credentials = match (table.user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                read.wrong("mail.password", "is missing: set it too, or remove mail.user");
                None
            }
            (None, Some(_)) => {
                read.wrong("mail.user", "is missing: set it too, or remove mail.password");
                None
            }
        };
        let server = server(&table.server);
        if server.is_none() {
            read.wrong(
                "mail.server",
                "must be smtps://host:465, or smtp://host:587, with which STARTTLS is required except on loopback; \
                 put the user and the password into mail.user and mail.password",
            );
        }
        let (host, port, encryption) = server?;
        Some(Self { host, port, encryption, credentials, from: from?, reply_to })
    }
}

/// Returns the host, the port and the encryption that a URL names.
fn server(text: &str) -> Option<(String, u16, Encryption)> {
    let url = Url::parse(text).ok()?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let is_open = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().filter(|host| !host.is_empty() && is_bare && is_open)?;
    let (encryption, usual) = match url.scheme() {
        "smtps" => (Encryption::Tls, 465),
        "smtp" if is_loopback_host(host) => (Encryption::Loopback, 587),
        "smtp" => (Encryption::StartTls, 587),
        _ => return None,
    };
    let host = host.trim_matches(['[', ']']);
    Some((host.to_owned(), url.port().unwrap_or(usual), encryption))
}

/// Returns whether a host is on this machine. The parser of URLs recognizes addresses only with the schemes of the web.
fn is_loopback_host(host: &str) -> bool {
    Url::parse(&format!("http://{host}")).is_ok_and(|url| is_loopback(&url))
}

#[cfg(test)]
mod tests;
