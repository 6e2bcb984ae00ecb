//! Sends a mail by SMTP.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::clock::Clock;
use domain::email::EmailAddress;
use domain::error::{Error, Result};
use domain::notice::Notice;
use domain::ports::mail::Mailer;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use settings::{Encryption, Mail, Settings};
use url::Url;

use crate::Letter;

/// The maximum time for one reply of the mail server, and for all of them.
const REPLY: Duration = Duration::from_secs(10);
const DELIVERY: Duration = Duration::from_secs(25);

/// Returns whether a server refuses this mail for good, because there is no such mailbox. Other refusals, such as those of a
/// password or a sender, are about the settings, which the operator can correct in time. The enhanced status at the
/// beginning of the reply decides (RFC 3463, 3.2 and 3.3), or else the status (RFC 5321, 4.2.3; RFC 7504).
fn is_refused_for_good(status: u16, reply: &str) -> bool {
    match enhanced_status(reply) {
        // 5.1.7 and 5.1.8 are about the address of the sender.
        Some([class, 1, detail]) => class == 5 && !matches!(detail, 7 | 8),
        Some([class, 2, _]) => class == 5,
        Some(_) => false,
        None => matches!(status, 550..=553 | 556),
    }
}

/// Returns the enhanced status at the beginning of a reply, such as 5.1.1 (RFC 2034).
fn enhanced_status(reply: &str) -> Option<[u16; 3]> {
    let mut numbers = reply.split_whitespace().next()?.split('.').map(str::parse);
    let status = [numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?];
    numbers.next().is_none().then_some(status)
}

/// A mail server.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// The host of this server, for the ids of mails.
    host: String,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

impl Smtp {
    pub(crate) fn new(mail: &Mail, settings: Arc<Settings>, clock: Arc<dyn Clock>) -> Result<Self> {
        let url = Url::parse(&settings.base_url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost").to_owned();
        let tls = || {
            let parameters = TlsParameters::new(mail.host.clone());
            parameters.map_err(|error| Error::invalid(format!("mail.server: {}", chain(&error))))
        };
        let tls = match mail.encryption {
            Encryption::Tls => Tls::Wrapper(tls()?),
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::Loopback => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port)
            .tls(tls)
            .hello_name(ClientId::Domain(host.clone()))
            .timeout(Some(REPLY));
        if let Some((user, password)) = &mail.credentials {
            let password = password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self {
            transport: transport.build(),
            from: mailbox(&mail.from)?,
            reply_to: mail.reply_to.as_ref().map(mailbox).transpose()?,
            host,
            settings,
            clock,
        })
    }

    fn message(&self, notice: &Notice) -> Result<Message> {
        let letter = Letter::of(notice, &self.settings);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(mailbox(&notice.to)?)
            .date(SystemTime::from(self.clock.now()))
            .message_id(Some(format!("<{}@{}>", notice.id(), self.host)))
            .subject(letter.subject)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        message.header(ContentType::TEXT_PLAIN).body(letter.body).map_err(Error::internal)
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, notice: &Notice) -> Result<()> {
        let message = self.message(notice)?;
        match tokio::time::timeout(DELIVERY, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Error::unavailable("the mail server does not respond in time")),
        }
    }
}

/// Returns the error for a failed delivery. It has the status of the server's reply and not its text, which usually
/// repeats the address.
fn failed(error: &lettre::transport::smtp::Error) -> Error {
    match error.status().map(u16::from) {
        Some(status) if is_refused_for_good(status, &reply(error)) => {
            Error::invalid(format!("the mail server refused the mail with the status {status}"))
        }
        Some(status) => Error::unavailable(format!("the mail server responded with the status {status}")),
        None if error.is_response() => Error::unavailable("the reply of the mail server cannot be read"),
        None => Error::unavailable(chain(error)),
    }
}

/// Returns the text of the server's reply, which usually repeats the address and must not be logged.
fn reply(error: &lettre::transport::smtp::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// Returns the causes of an error, separated by colons.
fn chain(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn mailbox(address: &EmailAddress) -> Result<Mailbox> {
    // The error is not passed on, because it could contain the address.
    let address = address
        .as_str()
        .parse()
        .map_err(|_| Error::invalid("the address is not one to which mail can be sent"))?;
    Ok(Mailbox::new(None, address))
}

#[cfg(test)]
mod tests;
