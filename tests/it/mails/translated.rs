//! Check 40 (`infra/docs/checks.md`) for mails: see [`crate::spanish`].

use super::*;
use crate::spanish::{assert_translated, settings};

#[tokio::test]
async fn a_spanish_mail_has_only_texts_of_the_catalogue() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let pages = "[pages]\noffice = \"1\"\noffice_phone = \"+1 555 0100\"\n";
    let mail = format!("sandbox = true\n{}", server.setting(""));
    let world = World::of(&(settings(&mail) + pages), records.path());
    let check = |mail: Received, key: &str| {
        let body = mail.body().replace("http://localhost:8888/my", "");
        assert!(body.contains(&format!("⟦{key}⟧")), "{body}");
        assert_translated(&body, key);
    };
    for decision in ["mail-ready", "mail-message"] {
        let job = asked(&world, "es").await;
        check(one(&world, &server).await, "mail-received");
        world.work().await;
        match decision {
            "mail-ready" => approve(&world, &job).await,
            _ => reject(&world, &job).await,
        }
        check(one(&world, &server).await, decision);
    }
}
