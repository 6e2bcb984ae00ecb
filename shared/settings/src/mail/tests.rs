use super::*;
use crate::Settings;

fn parse(mail: &str) -> Result<Option<Mail>, String> {
    let text = format!("base_url = \"http://localhost\"\n[mail]\n{mail}");
    Settings::parse(&text, |_| None, None).map(|settings| settings.mail).map_err(|wrong| wrong.to_string())
}

fn at(server: &str) -> Result<Mail, String> {
    let parsed = parse(&format!("server = \"{server}\"\nfrom = \"records@example.org\""));
    parsed.map(|mail| mail.expect("a section"))
}

#[test]
fn a_server_is_reached_without_encryption_only_on_loopback() {
    for (server, host, port, encryption) in [
        ("smtps://mail.example.org", "mail.example.org", 465, Encryption::Tls),
        ("smtps://mail.example.org:4650/", "mail.example.org", 4650, Encryption::Tls),
        ("smtp://mail.example.org", "mail.example.org", 587, Encryption::StartTls),
        ("smtp://10.0.0.1:25", "10.0.0.1", 25, Encryption::StartTls),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Encryption::Loopback),
        ("smtp://localhost", "localhost", 587, Encryption::Loopback),
        ("smtp://localhost.example.org", "localhost.example.org", 587, Encryption::StartTls),
    ] {
        let mail = at(server).expect("a server");
        assert_eq!((&*mail.host, mail.port, mail.encryption), (host, port, encryption), "{server}");
    }
}

#[test]
fn each_wrong_value_is_named_and_the_password_is_not_shown() {
    for server in [
        "mail.example.org",
        "https://mail.example.org",
        "smtp://user:secret-word@mail.example.org",
        "smtp://mail.example.org/path",
        "smtp://mail.example.org?tls=no",
        "smtp://",
    ] {
        let wrong = at(server).expect_err(server);
        assert!(wrong.contains("mail.server: must be smtps://host:465"), "{wrong}");
        assert!(!wrong.contains("secret-word"), "{wrong}");
    }
    let good = "server = \"smtps://mail.example.org\"\nfrom = \"records@example.org\"\n";
    for (lines, named) in [
        ("user = \"u\"", "mail.password: is missing"),
        ("password = \"secret-word\"", "mail.user: is missing"),
        ("reply_to = \"Office <office@example.org>\"", "mail.reply_to: must be an e-mail address"),
        ("colour = \"red\"", "mail: unknown field"),
        ("user = \"u\"\npassword = 5551234567", "mail.password: must be a text"),
        ("user = \"u\"\npassword = secret-word", "the settings file is not TOML: line 6: "),
    ] {
        let wrong = parse(&format!("{good}{lines}")).expect_err(lines);
        assert!(
            wrong.contains(named) && !wrong.contains("secret-word") && !wrong.contains("5551234567"),
            "{wrong}"
        );
    }
    let wrong = parse("server = \"smtps://mail.example.org\"\nfrom = \"records\"").expect_err("no address");
    assert!(wrong.contains("mail.from: must be an e-mail address"), "{wrong}");
    let whole = parse(&format!("{good}user = \"u\"\npassword = \"secret-word\"")).expect("settings");
    assert!(!format!("{whole:?}").contains("secret-word"));
}
