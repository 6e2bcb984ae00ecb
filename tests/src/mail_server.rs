//! A mail server on loopback that records mails, and that can refuse them, hang, or close connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with the next mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Accepts,
    /// It responds with this status to every recipient, and repeats the address.
    Refuses(u16),
    /// It responds with 535 to every password.
    RefusesPasswords,
    /// It accepts connections and says nothing.
    Hangs,
    /// It closes the connection after the first lines of a mail.
    ClosesInside,
    /// It stores the mail, and closes the connection before it says so.
    ClosesAfter,
}

/// A recorded mail.
#[derive(Debug, Clone)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// The whole mail as it was sent.
    pub text: String,
}

/// See the [module](self).
pub struct MailServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    mood: Mood,
    received: Vec<Received>,
    /// The number of connections.
    calls: usize,
    /// The decoded credentials of the last connection: user and password.
    credentials: Option<String>,
}

impl MailServer {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State { mood: Mood::Accepts, received: Vec::new(), calls: 0, credentials: None };
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn(serve(listener, state.clone()));
        Self { address, state, task }
    }

    /// Returns the setting that names this server, with additional keys.
    pub fn setting(&self, more: &str) -> String {
        format!("mail = {{ server = \"smtp://{}\", from = \"records@example.org\"{more} }}", self.address)
    }

    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Returns the mails since the last call.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.state().received)
    }

    /// Returns the number of connections so far.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    pub fn credentials(&self) -> Option<String> {
        self.state().credentials.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mood = {
            let mut state = state.lock().expect("no panic");
            state.calls += 1;
            state.mood
        };
        // A client that goes away ends its conversation.
        tokio::spawn(Conversation::new(stream, mood, state.clone()).hold());
    }
}

/// The conversation with one client (RFC 5321).
struct Conversation {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    mood: Mood,
    state: Arc<Mutex<State>>,
    mail: Received,
}

impl Conversation {
    fn new(stream: TcpStream, mood: Mood, state: Arc<Mutex<State>>) -> Self {
        let (reader, writer) = stream.into_split();
        let mail = Received { from: String::new(), to: Vec::new(), text: String::new() };
        Self { lines: BufReader::new(reader).lines(), writer, mood, state, mail }
    }

    async fn say(&mut self, line: &str) -> Option<()> {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await.ok()
    }

    async fn hold(mut self) -> Option<()> {
        if self.mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        self.say("220 mail.example.org ESMTP").await?;
        loop {
            let line = self.lines.next_line().await.ok()??;
            let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say("250-mail.example.org\r\n250 AUTH PLAIN").await?,
                "AUTH" => self.sign_in(&line).await?,
                "MAIL" => {
                    self.mail.from = address();
                    self.say("250 OK").await?;
                }
                "RCPT" => {
                    let to = address();
                    if let Mood::Refuses(status) = self.mood {
                        self.say(&format!("{status} <{to}> is refused")).await?;
                    } else {
                        self.mail.to.push(to);
                        self.say("250 OK").await?;
                    }
                }
                "DATA" => self.data().await?,
                "QUIT" => return self.say("221 Bye").await,
                _ => self.say("250 OK").await?,
            }
        }
    }

    async fn sign_in(&mut self, line: &str) -> Option<()> {
        let decoded = STANDARD.decode(line.rsplit(' ').next()?).ok()?;
        let credentials = String::from_utf8(decoded).ok()?.trim_start_matches('\0').replace('\0', ":");
        self.state.lock().expect("no panic").credentials = Some(credentials);
        match self.mood {
            Mood::RefusesPasswords => self.say("535 The password is wrong").await,
            _ => self.say("235 OK").await,
        }
    }

    async fn data(&mut self) -> Option<()> {
        self.say("354 Go on").await?;
        loop {
            let line = self.lines.next_line().await.ok()??;
            if self.mood == Mood::ClosesInside {
                return None;
            }
            if line == "." {
                break;
            }
            self.mail.text += line.strip_prefix('.').unwrap_or(&line);
            self.mail.text += "\n";
        }
        self.state.lock().expect("no panic").received.push(self.mail.clone());
        if self.mood == Mood::ClosesAfter {
            return None;
        }
        self.say("250 Accepted").await
    }
}

impl Received {
    /// Returns the value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split_once("\n\n").map_or(&*self.text, |(head, _)| head).replace("\n ", " ");
        let value = head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        value.unwrap_or_default()
    }

    /// Returns the names of all headers, in lower case.
    pub fn headers(&self) -> Vec<String> {
        let head = self.text.split_once("\n\n").map_or(&*self.text, |(head, _)| head);
        let names =
            head.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    /// Returns the decoded text.
    pub fn body(&self) -> String {
        let (_, body) = self.text.split_once("\n\n").expect("a body");
        match self.header("content-transfer-encoding").as_str() {
            "quoted-printable" => quoted_printable(body),
            "base64" => {
                let bytes = STANDARD.decode(body.replace('\n', "")).expect("base64");
                String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
            }
            _ => body.to_owned(),
        }
    }
}

/// Decodes a text (RFC 2045, 6.7).
fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut parts = joined.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("UTF-8")
}
