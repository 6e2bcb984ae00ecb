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

/// The maximum time for one answer of the mail server, and for all of them.
const ANSWER: Duration = Duration::from_secs(10);
const DELIVERY: Duration = Duration::from_secs(25);

/// The statuses with which a server refuses this mail for good (RFC 5321, 4.2.3): there is no such mailbox. Others, such
/// as those for a wrong password, are about the settings, which the operator can correct in time.
const REFUSED_FOR_GOOD: std::ops::RangeInclusive<u16> = 550..=553;

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
            .timeout(Some(ANSWER));
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

/// Returns the error for a failed delivery. It has the status of the server's answer and not its text, which usually
/// repeats the address.
fn failed(error: &lettre::transport::smtp::Error) -> Error {
    match error.status().map(u16::from) {
        Some(status) if REFUSED_FOR_GOOD.contains(&status) => {
            Error::invalid(format!("the mail server refused the mail with the status {status}"))
        }
        Some(status) => Error::unavailable(format!("the mail server responded with the status {status}")),
        None if error.is_response() => Error::unavailable("the answer of the mail server cannot be read"),
        None => Error::unavailable(chain(error)),
    }
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
