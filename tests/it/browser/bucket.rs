//! A file that is too large for a request is sent from a page to a bucket: another origin, which redirects the browser back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::response::Redirect;
use axum::routing::post;
use domain::error::Store;
use domain::ports::files::{Announced, Files, UploadForm, write_all};
use platform::Platform;
use tests::browser::{Browser, Look, Script, Site};
use tests::hooked::{Hook, Hooked};
use tests::in_browser;
use tokio::net::TcpListener;

use super::{checked, follow, press};

/// Gives out the forms of a bucket.
struct Bucket {
    address: String,
}

impl Hook for Bucket {
    fn follows(&self, _: Store) -> bool {
        false
    }

    fn takes_uploads(&self) -> bool {
        true
    }

    fn upload_form(&self, key: &str, upload: &Announced<'_>) -> Option<UploadForm> {
        let redirect = upload.redirect.unwrap_or_default();
        let fields =
            [("key", key), ("Content-Type", upload.content_type), ("success_action_redirect", redirect)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Some(UploadForm { url: self.address.clone(), fields })
    }
}

/// Stores a file and redirects the browser, as S3 does (S3, POST Object).
async fn receive(State(files): State<Arc<dyn Files>>, mut form: Multipart) -> Redirect {
    let mut fields = BTreeMap::<String, String>::new();
    while let Some(field) = form.next_field().await.expect("a field") {
        let name = field.name().expect("a name").to_owned();
        if name == "file" {
            let bytes = field.bytes().await.expect("a file");
            write_all(&*files, &fields["key"], bytes.to_vec()).await.expect("stored");
            break;
        }
        fields.insert(name, field.text().await.expect("text"));
    }
    Redirect::to(&format!("{}?bucket=the-files&etag=%221%22", fields["success_action_redirect"]))
}

/// Returns a site with a bucket.
async fn with_bucket() -> Site {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = format!("http://{}/the-files", listener.local_addr().expect("an address"));
    Site::with_router("max_direct_bytes = 4194304", |world| {
        let bucket = Router::new().route("/the-files", post(receive)).layer(DefaultBodyLimit::disable());
        let bucket = bucket.with_state(Platform::files(world.platform()).expect("the port"));
        tokio::spawn(async move { axum::serve(listener, bucket).await });
        let hook = Arc::new(Bucket { address });
        let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook };
        web::host::host(ehi::server::routers(&hooked).expect("its ports"), hooked.context())
    })
    .await
}

async fn attach_a_large_file(script: Script) {
    let (site, browser) = (with_bucket().await, Browser::open().await);
    let page = browser.page(Look::DESK, script).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    follow(&page, "Attach a larger file").await;
    checked(&page, script, "staff-upload").await;
    press(&page, "Continue").await;
    assert_eq!(page.status().await, 422, "{}", page.text().await);
    page.fill("Name of the file", "scan.pdf").await;
    press(&page, "Continue").await;
    assert_eq!(page.heading().await, "Send scan.pdf");
    checked(&page, script, "staff-upload-send").await;
    let directory = tempfile::tempdir().expect("a directory");
    let scan = directory.path().join("photo of a page.pdf");
    std::fs::write(&scan, vec![b'x'; 5 * 1024 * 1024]).expect("written");
    page.choose_file(&scan).await;
    press(&page, "Send the file").await;
    assert_eq!(page.heading().await, "Attach scan.pdf?", "{}", page.url().await);
    assert!(page.text().await.contains("has arrived (5 MB)"), "{}", page.text().await);
    checked(&page, script, "staff-upload-attach").await;
    press(&page, "Attach").await;
    assert!(page.heading().await.contains("Anna Lindqvist"), "{}", page.heading().await);
    assert!(page.has("button", "Remove scan.pdf").await, "{}", page.text().await);
}

#[in_browser]
async fn a_large_file_is_attached_by_keyboard() {
    attach_a_large_file(Script::On).await;
}

#[in_browser]
async fn a_large_file_is_attached_without_scripts() {
    attach_a_large_file(Script::Off).await;
}
