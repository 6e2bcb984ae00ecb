//! The ZIP of a copy.

use std::io::{Cursor, Read};

use domain::ports::files::read_all;
use platform::Platform;
use tests::{ANNA, World, both_hosts};

use super::{assert_translated, settings, visit, world};
use crate::documents::SOMEBODY;
use crate::my::zip::{unzipped, with_documents};
use crate::my::{approved, requested_copy, signed_in};

/// The texts of the ZIP around the record, which is in its own language.
#[tokio::test]
async fn the_zip_has_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &["alcoholAndDrug"]).await;
    world.work().await;
    approved(&world, &copy).await;
    let spanish = format!("{}; lang=es", session.cookie());
    let zip = world.get(&format!("{copy}/zip")).header("cookie", &spanish).send().await;
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip.body)).expect("a ZIP");
    let mut text = |name: &str| {
        let mut text = String::new();
        archive.by_name(name).expect("a file").read_to_string(&mut text).expect("UTF-8");
        text
    };
    let index = text("index.html");
    assert!(index.contains("<html lang=\"es\"") && index.contains("⟦zip-lead⟧"), "{index}");
    for text in super::texts(&index) {
        assert_translated(&text, "index.html");
    }
    let readme = text("README.txt").replace("http://localhost:8888/format", "");
    assert!(readme.contains("⟦zip-readme-index⟧") && readme.contains("⟦notice-part-2⟧"), "{readme}");
    assert_translated(&readme, "README.txt");
}

#[both_hosts]
async fn the_name_of_the_zip_is_in_the_language_of_the_reader(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    approved(&world, &copy).await;
    for (language, name) in [("en", "health-record-"), ("es", "historial-medico-")] {
        let zip = world.get(&format!("{copy}/zip")).cookie(&session).header("accept-language", language);
        let zip = zip.send().await;
        let expected = format!("attachment; filename=\"{name}20");
        assert!(zip.header("content-disposition").starts_with(&expected), "{:?}", zip.headers);
    }
}

/// On AWS workers make the ZIP of a large copy.
#[tokio::test]
async fn the_pages_of_a_large_copy_have_only_texts_of_the_catalogue() {
    let records = with_documents(1_100);
    let settings = settings("sandbox = true\nreview = false\nmax_direct_bytes = 1000");
    let world = World::with_links(&settings, records.path());
    let session = signed_in(&world, SOMEBODY).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    for (query, key) in [("?from=0", "my-files-next"), ("?from=1000", "my-files-first")] {
        let shown = visit(&world, &session.cookie(), &format!("{copy}{query}")).await;
        assert!(shown.contains("⟦my-zip-hint⟧") && shown.contains(&format!("⟦{key}⟧")), "{shown}");
    }
    let progress = format!("{copy}/zip/progress");
    let spanish = format!("{}; lang=es", session.cookie());
    let shown = visit(&world, &session.cookie(), &progress).await;
    assert!(shown.contains("⟦my-zip-state-none⟧") && shown.contains("⟦my-zip-ask⟧"), "{shown}");
    world.post(&format!("{copy}/zip")).header("cookie", &spanish).send().await;
    let shown = visit(&world, &session.cookie(), &progress).await;
    assert!(shown.contains("⟦my-zip-state-preparing⟧"), "{shown}");
    world.work().await;
    let shown = visit(&world, &session.cookie(), &progress).await;
    assert!(shown.contains("⟦my-zip-state-ready⟧") && shown.contains("⟦my-zip-download⟧"), "{shown}");
    // Workers have no settings file on AWS: the task has the messages that replace those of the catalogue.
    let id = copy.rsplit('/').next().expect("an id");
    let files = Platform::files(world.platform()).expect("the port");
    let zip = read_all(&*files, &format!("exports/{id}/zip/copy-es.zip"), 1 << 26).await.expect("a ZIP");
    let files = unzipped(&zip);
    assert!(String::from_utf8_lossy(&files["README.txt"]).contains("⟦zip-readme-index⟧"));
}
