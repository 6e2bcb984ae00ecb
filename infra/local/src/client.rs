//! `ehi client`: registers an app or a backend service in a settings file, makes the key pair of a service, and gets access
//! tokens for it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use settings::{Client, Settings};

use crate::defaults::BULK_CLIENT;
use crate::service_key::ServiceKey;
use crate::{Failure, private};

#[derive(Subcommand)]
pub enum Command {
    /// Add a client to a settings file
    Add(Add),
    /// Print an access token of a backend service, for use with other tools
    Token(Token),
}

#[derive(Args)]
pub struct Token {
    /// The server's FHIR base URL
    #[arg(long, value_name = "URL")]
    server: String,
    /// The backend service's id
    #[arg(long, value_name = "ID", default_value = BULK_CLIENT)]
    id: String,
    /// The file with its private key (a JWK for ES384)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The scopes to request
    #[arg(long, default_value = "system/*.read")]
    scope: String,
}

#[derive(Args)]
pub struct Add {
    /// The settings file; it is created if it does not exist
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The client's id
    #[arg(long, value_name = "ID")]
    id: String,
    /// The name that people see
    #[arg(long)]
    name: Option<String>,
    /// The scopes that the client may be granted, such as "system/*.rs"
    #[arg(long)]
    scopes: String,
    /// The redirect URI of an app; may be repeated
    #[arg(long, value_name = "URL")]
    redirect_uri: Vec<String>,
    /// Make a key pair for a backend service, and write the private key to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jwks", "jwks_url"])]
    make_key: Option<PathBuf>,
    /// A file with the public keys of a backend service, as a JWK set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_url")]
    jwks: Option<PathBuf>,
    /// The URL of the published JWK set of a backend service
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,
}

pub async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(options) => add(options),
        Command::Token(options) => token(options).await,
    }
}

#[expect(clippy::print_stdout, reason = "the command prints the token")]
async fn token(options: &Token) -> Result<(), Failure> {
    let key = ServiceKey::read(&options.key)?;
    let base = options.server.trim_end_matches('/');
    println!("{}", crate::export::service_token(base, &options.id, key, &options.scope).await?);
    Ok(())
}

fn add(options: &Add) -> Result<(), Failure> {
    let generated =
        options.make_key.as_ref().map(|file| ServiceKey::generate().map(|key| (file, key))).transpose()?;
    let jwks = match (&generated, &options.jwks) {
        (Some((_, key)), _) => Some(key.public_set().to_string()),
        (None, Some(file)) => Some(read(file)?.trim().to_owned()),
        (None, None) => None,
    };
    let quoted = |text: &str| Value::from(text).to_string();
    let mut entry =
        format!("\n[[clients]]\nid = {}\nscopes = {}\n", quoted(&options.id), quoted(&options.scopes));
    if let Some(name) = &options.name {
        let _ = writeln!(entry, "name = {}", quoted(name));
    }
    if !options.redirect_uri.is_empty() {
        let uris: Vec<_> = options.redirect_uri.iter().map(|uri| quoted(uri)).collect();
        let _ = writeln!(entry, "redirect_uris = [{}]", uris.join(", "));
    }
    if let Some(jwks) = jwks {
        let _ = writeln!(entry, "jwks = {}", quoted(&jwks));
    }
    if let Some(url) = &options.jwks_url {
        let _ = writeln!(entry, "jwks_url = {}", quoted(url));
    }
    let before = match std::fs::read_to_string(&options.config) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::of_path(&options.config, &error)),
    };
    let text = if before.is_empty() { entry.trim_start().to_owned() } else { before + &entry };
    // The check runs before the files are written, so that they never contain settings that the server would refuse.
    let settings = Settings::parse(&text, |_| None, Some("http://127.0.0.1:8888"))?;
    if let Some(reason) = settings.client(&options.id).and_then(Client::unusable) {
        return Err(Failure::new(format!(
            "nothing was added, because the client could not get a token: {reason}"
        )));
    }
    if let Some((file, key)) = generated {
        key.write(file)?;
        eprintln!("The private key is in {}. Only the service itself may read it.", file.display());
    }
    write_settings(&options.config, &text)?;
    eprintln!("Added '{}' to {}", options.id, options.config.display());
    Ok(())
}

/// Replaces a settings file, which keeps its permissions. Settings hold secrets, so only the owner may read a new file.
fn write_settings(path: &Path, text: &str) -> Result<(), Failure> {
    let temporary = path.with_extension("new");
    let mut file = private::create(&temporary)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| {
        if let Ok(before) = std::fs::metadata(path) {
            file.set_permissions(before.permissions())?;
        }
        std::fs::rename(&temporary, path)
    });
    written.map_err(|error| Failure::of_path(path, &error))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::of_path(file, &error))
}
